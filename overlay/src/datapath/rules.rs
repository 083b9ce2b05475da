//! What the gateway bridge lets through, as one table. Pure.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use kernel::nft::{Action, Chain, Family, Hook, Match, Rule, Table};

use crate::docker;
use crate::model::Binding;

/// The nftables table's name.
pub(super) const TABLE: &str = "docker";

/// Conventional priorities (`linux/netfilter_ipv4.h`: `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC`).
const DESTINATION_NAT: i32 = -100;
const FILTER: i32 = 0;
const SOURCE_NAT: i32 = 100;

/// The addresses of a host's loopback (RFC 1122 §3.2.1.3).
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Docker's behaviour, not its chains: containers do not talk to one another here (icc is off), reach the outside
/// under the host's address, and are reached from there by answers, and by what was sent to a port that they have
/// published: each with the address on the bridge of the container that has it.
///
/// Docker lets its userland proxy serve the host's loopback and containers that call the host. Here all of it is done by rules, as
/// by a daemon without that proxy (20.10: `--userland-proxy=false`).
pub(super) fn rules(subnet: Ipv4Net, published: &[(Binding, Ipv4Addr)]) -> Table {
    let chain = |name: &str, hook, priority, rules| Chain {
        name: name.to_owned(),
        hook,
        priority,
        accept: true,
        rules,
    };
    let mut chains = vec![
        chain("forward", Hook::Forward, FILTER, forward(published)),
        chain("postrouting", Hook::Postrouting, SOURCE_NAT, postrouting(subnet, !published.is_empty())),
    ];
    if !published.is_empty() {
        // What is published on the loopback is for the host alone.
        let outer = published.iter().filter(|(binding, _)| !binding.host_ip.is_loopback());
        chains.extend([
            chain("prerouting", Hook::Prerouting, DESTINATION_NAT, outer.map(redirect).collect()),
            chain("output", Hook::NatOutput, DESTINATION_NAT, published.iter().map(redirect).collect()),
            chain("input", Hook::Input, FILTER, input()),
        ]);
    }
    Table { family: Family::Ip, name: TABLE.to_owned(), chains }
}

fn into() -> Match {
    Match::Out(docker::GWBRIDGE.to_owned())
}

fn from() -> Match {
    Match::In(docker::GWBRIDGE.to_owned())
}

/// From a port of the host to a container's.
fn redirect((binding, container): &(Binding, Ipv4Addr)) -> Rule {
    let address = match binding.host_ip {
        Ipv4Addr::UNSPECIFIED => Match::DestinationIsLocal,
        ip => Match::Destination(Ipv4Net::from(ip)),
    };
    let to = SocketAddrV4::new(*container, binding.port);
    let port = [Match::Protocol(binding.protocol.number()), Match::DestinationPort(binding.host_port)];
    Rule::when([&[address], &port[..]].concat(), Action::Dnat(to))
}

/// Through the host: answers, what was redirected to a published port, and nothing else. Answers come first, since those to
/// another container come and go by the bridge.
fn forward(published: &[(Binding, Ipv4Addr)]) -> Vec<Rule> {
    let mut to: Vec<(Ipv4Addr, u8, u16)> = published
        .iter()
        .map(|(binding, container)| (*container, binding.protocol.number(), binding.port))
        .collect();
    to.sort_unstable();
    to.dedup();
    let open = to.into_iter().map(|(container, protocol, port)| {
        let place = Match::Destination(Ipv4Net::from(container));
        let port = [Match::Protocol(protocol), Match::DestinationPort(port)];
        Rule::when([&[into(), Match::Redirected, place], &port[..]].concat(), Action::Accept)
    });
    let mut rules = vec![Rule::when([into(), Match::Established], Action::Accept)];
    rules.extend(open);
    rules.push(Rule::when([from(), into()], Action::Drop));
    rules.push(Rule::when([into()], Action::Drop));
    rules
}

/// Out under the host's address. And under the bridge's: what containers and the host's loopback send to published ports,
/// or the answers would not pass here on their way back.
fn postrouting(subnet: Ipv4Net, publishes: bool) -> Vec<Rule> {
    let out_of = Match::NotOut(docker::GWBRIDGE.to_owned());
    let mut rules = vec![Rule::when([Match::Source(subnet), out_of], Action::Masquerade)];
    let back = |source| Rule::when([Match::Source(source), into(), Match::Redirected], Action::Masquerade);
    if publishes {
        rules.extend([back(subnet), back(LOOPBACK)]);
    }
    rules
}

/// The bridge routes the loopback's addresses, for the answers to it; what else comes from there to such an address is no
/// container's to send.
fn input() -> Vec<Rule> {
    vec![
        Rule::when([from(), Match::Established], Action::Accept),
        Rule::when([from(), Match::Destination(LOOPBACK)], Action::Drop),
    ]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use crate::model::Publish;

    fn table(published: &[(&str, [u8; 4])]) -> String {
        let published: Vec<(Binding, Ipv4Addr)> = published
            .iter()
            .map(|(text, ip)| {
                let publish = Publish::parse(text).unwrap().remove(0);
                (publish.at(*publish.host.as_ref().unwrap().start()), Ipv4Addr::from(*ip))
            })
            .collect();
        rules("172.18.0.0/16".parse().unwrap(), &published).lines().join("\n")
    }

    #[test]
    fn nothing_comes_in_but_answers_where_nothing_is_published() {
        insta::assert_snapshot!(table(&[]));
    }

    #[test]
    fn published_ports_are_redirected_and_open_and_no_other() {
        insta::assert_snapshot!(table(&[
            ("8080:80", [172, 18, 0, 2]),
            ("10.0.0.10:53:53/udp", [172, 18, 0, 3]),
            ("127.0.0.1:8081:80", [172, 18, 0, 2]),
        ]));
    }
}
