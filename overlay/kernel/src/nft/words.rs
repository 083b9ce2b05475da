//! A table in the words of `nft`, as the kernel's rules are when they are read back.

use std::net::Ipv4Addr;

use super::{Action, Base, Match, Rule, Table};

impl Table {
    /// What [`Nft::rules`](super::Nft::rules) reads where this table is and nobody has changed it.
    pub fn lines(&self) -> Vec<String> {
        let table = &self.name;
        let lines = |chain: &super::Chain| {
            let line = |rule: &Rule| format!("{table} {}", rule.line(&chain.name));
            chain.rules.iter().map(line).collect::<Vec<_>>()
        };
        self.chains.iter().flat_map(lines).collect()
    }
}

impl Rule {
    /// Its line in a chain, behind the table's name.
    pub fn line(&self, chain: &str) -> String {
        format!("{chain}: {}", words(self))
    }
}

fn words(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.matches.iter().map(condition).collect();
    words.push("counter".to_owned());
    words.push(match rule.action {
        Action::Accept => "accept".to_owned(),
        Action::Drop => "drop".to_owned(),
        Action::Masquerade => "masquerade".to_owned(),
        Action::Dnat(to) => format!("dnat to {to}"),
        Action::Mark(mark) => format!("meta mark set {mark:#010x}"),
    });
    words.extend(rule.comment.as_ref().map(|comment| format!("comment \"{comment}\"")));
    words.join(" ")
}

fn condition(condition: &Match) -> String {
    match condition {
        Match::In(name) => format!("iifname \"{name}\""),
        Match::NotIn(name) => format!("iifname != \"{name}\""),
        Match::Out(name) => format!("oifname \"{name}\""),
        Match::NotOut(name) => format!("oifname != \"{name}\""),
        Match::Source(net) => format!("ip saddr {}", net.trunc()),
        Match::Destination(net) => format!("ip daddr {}", net.trunc()),
        Match::DestinationIsLocal => "fib daddr type local".to_owned(),
        Match::Protocol(number) => format!("meta l4proto {number}"),
        Match::DestinationPort(port) => format!("th dport {port}"),
        Match::EtherType(number) => format!("meta protocol {number:#x}"),
        Match::Payload { base, offset, value } => payload(*base, *offset, value),
        Match::Established => "ct state established,related".to_owned(),
        Match::Redirected => "ct status dnat".to_owned(),
        Match::CameInClear => "meta ipsec missing".to_owned(),
        Match::GoesInClear => "rt ipsec missing".to_owned(),
    }
}

/// Bytes of the packet; those that have a name are called by it.
fn payload(base: Base, offset: u32, value: &[u8]) -> String {
    match (base, offset, value) {
        (Base::Network, 12, &[a, b, c, d]) => format!("ip saddr {}/32", Ipv4Addr::new(a, b, c, d)),
        (Base::Network, 16, &[a, b, c, d]) => format!("ip daddr {}/32", Ipv4Addr::new(a, b, c, d)),
        (Base::Transport, 2, &[high, low]) => format!("th dport {}", u16::from_be_bytes([high, low])),
        _ => {
            let base = match base {
                Base::Link => "ll",
                Base::Network => "nh",
                Base::Transport => "th",
            };
            let number = value.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            format!("@{base},{},{} {number:#x}", offset * 8, value.len() * 8)
        }
    }
}
