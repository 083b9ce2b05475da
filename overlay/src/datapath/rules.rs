//! What the gateway bridge lets through, as one table. Pure.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use kernel::nft::{Action, Chain, Family, Hook, Match, Rule, Table};

use crate::docker;
use crate::model::{Binding, Protocol};

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
pub fn rules(subnet: Ipv4Net, published: &[(Binding, Ipv4Addr)]) -> Table {
    let chain = |Purposes { name, hook, priority, rules }| Chain {
        name,
        hook,
        priority,
        accept: true,
        rules: rules.into_iter().map(|(rule, _)| rule).collect(),
    };
    let chains = purposes(subnet, published).into_iter().map(chain).collect();
    Table { family: Family::Ip, name: TABLE.to_owned(), chains }
}

/// What somebody has changed of these rules, and what that does harm to, each in a sentence. `have` is what
/// [`Nft::rules`](kernel::nft::Nft::rules) reads in the host's namespace.
pub fn rule_faults(have: &[String], subnet: Ipv4Net, published: &[(Binding, Ipv4Addr)]) -> Vec<String> {
    let have: Vec<&str> =
        have.iter().filter_map(|line| line.strip_prefix(TABLE)?.strip_prefix(' ')).collect();
    let bridge = docker::GWBRIDGE;
    if have.is_empty() {
        return vec![format!(
            "the nftables table {TABLE} has no rules: containers do not reach the outside, reach one another over {bridge}, and \
             no published port leads to one"
        )];
    }
    let chains = purposes(subnet, published).into_iter();
    let lines = chains.flat_map(|Purposes { name, rules, .. }| {
        rules.into_iter().map(move |(rule, without)| (rule.line(&name), without))
    });
    let want: Vec<(String, String)> = lines.collect();
    let (mut found, mut others) = (Vec::new(), have.clone());
    for (line, without) in &want {
        match others.iter().position(|its| its == line) {
            Some(at) => drop(others.remove(at)),
            None => found.push(format!("{TABLE} lacks the rule `{line}`: {without}")),
        }
    }
    let astray = format!("what {bridge} lets through is not what it should");
    found.extend(
        others.iter().map(|line| format!("{TABLE} has the rule `{line}`, which nothing asks for: {astray}")),
    );
    if found.is_empty() && !have.iter().eq(want.iter().map(|(line, _)| line)) {
        found.push(format!("the rules of {TABLE} are in another order: {astray}"));
    }
    found
}

/// A chain, each of its rules with what goes wrong without it.
struct Purposes {
    name: String,
    hook: Hook,
    priority: i32,
    rules: Vec<(Rule, String)>,
}

/// In an order of their own, whatever order the ports are given in.
fn purposes(subnet: Ipv4Net, published: &[(Binding, Ipv4Addr)]) -> Vec<Purposes> {
    let mut published = published.to_vec();
    published.sort_unstable();
    let published = &published[..];
    let chain = |name: &str, hook, priority, rules| Purposes { name: name.to_owned(), hook, priority, rules };
    let mut chains = vec![
        chain("forward", Hook::Forward, FILTER, forward(published)),
        chain("postrouting", Hook::Postrouting, SOURCE_NAT, postrouting(subnet, !published.is_empty())),
    ];
    if !published.is_empty() {
        // What is published on the loopback is for the host alone.
        let outer = published.iter().filter(|(binding, _)| !binding.host_ip.is_loopback());
        let outer = outer.map(|its| redirect(its, "from elsewhere")).collect();
        let own = published.iter().map(|its| redirect(its, "from the host itself")).collect();
        chains.extend([
            chain("prerouting", Hook::Prerouting, DESTINATION_NAT, outer),
            chain("output", Hook::NatOutput, DESTINATION_NAT, own),
            chain("input", Hook::Input, FILTER, input()),
        ]);
    }
    chains
}

fn into() -> Match {
    Match::Out(docker::GWBRIDGE.to_owned())
}

fn from() -> Match {
    Match::In(docker::GWBRIDGE.to_owned())
}

/// From a port of the host to a container's.
fn redirect((binding, container): &(Binding, Ipv4Addr), whence: &str) -> (Rule, String) {
    let address = match binding.host_ip {
        Ipv4Addr::UNSPECIFIED => Match::DestinationIsLocal,
        ip => Match::Destination(Ipv4Net::from(ip)),
    };
    let to = SocketAddrV4::new(*container, binding.port);
    let port = [Match::Protocol(binding.protocol.number()), Match::DestinationPort(binding.host_port)];
    let rule = Rule::when([&[address], &port[..]].concat(), Action::Dnat(to));
    (rule, format!("the published port {binding} is not reached {whence}"))
}

/// Through the host: answers, what was redirected to a published port, and nothing else. Answers come first, since those to
/// another container come and go by the bridge.
fn forward(published: &[(Binding, Ipv4Addr)]) -> Vec<(Rule, String)> {
    let mut to: Vec<(Ipv4Addr, Protocol, u16)> =
        published.iter().map(|(binding, container)| (*container, binding.protocol, binding.port)).collect();
    to.sort_unstable();
    to.dedup();
    let open = to.into_iter().map(|(container, protocol, port)| {
        let place = Match::Destination(Ipv4Net::from(container));
        let matches = [Match::Protocol(protocol.number()), Match::DestinationPort(port)];
        let rule = Rule::when([&[into(), Match::Redirected, place], &matches[..]].concat(), Action::Accept);
        (rule, format!("what was sent to a published port does not get to {container}:{port}/{protocol}"))
    });
    let told = |matches: &[Match], action, without: &str| (Rule::when(matches, action), without.to_owned());
    let established = [into(), Match::Established];
    let mut rules = vec![told(&established, Action::Accept, "containers get no answers from outside")];
    rules.extend(open);
    let icc = "nothing but the rule behind it keeps containers from one another";
    rules.push(told(&[from(), into()], Action::Drop, icc));
    rules.push(told(
        &[into()],
        Action::Drop,
        "containers are reached from outside at ports they have not published",
    ));
    rules
}

/// Out under the host's address. And under the bridge's: what containers and the host's loopback send to published ports,
/// or the answers would not pass here on their way back.
fn postrouting(subnet: Ipv4Net, publishes: bool) -> Vec<(Rule, String)> {
    let out_of = Match::NotOut(docker::GWBRIDGE.to_owned());
    let out = Rule::when([Match::Source(subnet), out_of], Action::Masquerade);
    let mut rules =
        vec![(out, "containers get no answers from outside, where nobody knows their addresses".to_owned())];
    let back = |source, whose: &str| {
        let rule = Rule::when([Match::Source(source), into(), Match::Redirected], Action::Masquerade);
        (rule, format!("published ports do not answer {whose}"))
    };
    if publishes {
        rules.extend([back(subnet, "containers of this host"), back(LOOPBACK, "the host at its loopback")]);
    }
    rules
}

/// The bridge routes the loopback's addresses, for the answers to it; what else comes from there to such an address is no
/// container's to send.
fn input() -> Vec<(Rule, String)> {
    vec![
        (
            Rule::when([from(), Match::Established], Action::Accept),
            "published ports do not answer the host at its loopback".to_owned(),
        ),
        (
            Rule::when([from(), Match::Destination(LOOPBACK)], Action::Drop),
            "containers reach what listens on the host's loopback".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use crate::model::Publish;

    const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 18, 0, 0), 16);

    fn published(texts: &[(&str, [u8; 4])]) -> Vec<(Binding, Ipv4Addr)> {
        let read = |(text, ip): &(&str, [u8; 4])| {
            let publish = Publish::parse(text).unwrap().remove(0);
            (publish.at(*publish.host.as_ref().unwrap().start()), Ipv4Addr::from(*ip))
        };
        texts.iter().map(read).collect()
    }

    fn table(texts: &[(&str, [u8; 4])]) -> String {
        rules(SUBNET, &published(texts)).lines().join("\n")
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

    #[test]
    fn whoever_changes_a_rule_is_told_what_it_breaks() {
        let published = published(&[("8080:80", [172, 18, 0, 2]), ("127.0.0.1:53:53/udp", [172, 18, 0, 3])]);
        let whole = rules(SUBNET, &published).lines();
        let others = ["lab forward: counter drop".to_owned()];
        let reversed: Vec<_> = published.iter().rev().copied().collect();
        assert_eq!(rule_faults(&[&whole[..], &others].concat(), SUBNET, &reversed), [""; 0]);

        let mut told = Vec::new();
        for missing in 0..whole.len() {
            let mut have = whole.clone();
            have.remove(missing);
            let faults = rule_faults(&have, SUBNET, &published);
            assert_eq!(faults.len(), 1, "{faults:?}");
            told.extend(faults);
        }
        let mut changed = whole.clone();
        changed[1] = changed[1].replace("dport 80", "dport 81");
        told.push("changed by hand:".to_owned());
        told.extend(rule_faults(&changed, SUBNET, &published));
        told.push("all of it gone:".to_owned());
        told.extend(rule_faults(&others, SUBNET, &published));
        let mut swapped = whole.clone();
        swapped.swap(0, 3);
        told.push("in another order:".to_owned());
        told.extend(rule_faults(&swapped, SUBNET, &published));
        insta::assert_snapshot!(told.join("\n"));
    }
}
