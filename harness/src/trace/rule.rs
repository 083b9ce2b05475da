//! Whether a rule, as it is read back from the kernel, takes a packet. Pure.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::capture::{Layer, levels};

/// A packet at a rule: what it is, where it comes in, where it goes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) comes: Option<&'a str>,
    pub(super) goes: Option<&'a str>,
    /// Whether it is an answer, so that it belongs to a connection that was seen before; if that is known.
    pub(super) answers: Option<bool>,
}

/// The first of these rules that certainly drops it. A rule with a condition that is not understood here drops nothing, and behind one
/// that lets it leave its chain, or may, nothing is certain there.
pub(super) fn dropping<'a>(rules: &'a [String], at: At<'_>) -> Option<&'a str> {
    let mut left: Vec<&str> = Vec::new();
    for line in rules {
        let Some((chain, rule)) = line.split_once(": ") else { continue };
        if left.contains(&chain) {
            continue;
        }
        let rule = rule.split(" comment ").next().unwrap_or(rule);
        match (Verdict::of(rule), holds(rule, at)) {
            (Some(Verdict::Drops), Some(true)) => return Some(line),
            (None | Some(Verdict::Drops), _) | (Some(Verdict::Leaves), Some(false)) => {}
            (Some(Verdict::Leaves), _) => left.push(chain),
        }
    }
    None
}

/// What a rule does in the end with a packet that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Drops,
    /// It goes no further in this chain.
    Leaves,
}

impl Verdict {
    /// `None`: the packet goes on to the next rule.
    fn of(rule: &str) -> Option<Verdict> {
        rule.split(' ').rev().find_map(Verdict::in_word)
    }

    fn in_word(word: &str) -> Option<Verdict> {
        match word {
            "drop" => Some(Verdict::Drops),
            "accept" | "masquerade" | "dnat" | "verdict" | "reject" | "queue" => Some(Verdict::Leaves),
            _ => None,
        }
    }
}

type Words<'a> = std::iter::Peekable<std::str::Split<'a, char>>;

/// Whether all conditions of a rule hold: `iifname "docker_gwbridge" oifname "docker_gwbridge" drop`. `None`: that cannot be told.
fn holds(rule: &str, at: At<'_>) -> Option<bool> {
    let outer = levels(at.layers).next()?;
    let ip = outer.iter().find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip) } else { None })?;
    let port = outer.iter().find_map(|layer| match layer {
        Layer::Udp(udp) => Some(udp.to),
        Layer::Tcp(tcp) => Some(tcp.to),
        _ => None,
    });
    let mut words: Words<'_> = rule.split(' ').peekable();
    let mut all = Some(true);
    while let Some(word) = words.next() {
        let one = match word {
            "counter" => continue,
            "iifname" => compared(&mut words, &|name| at.comes.map(|comes| comes == name)),
            "oifname" => compared(&mut words, &|name| at.goes.map(|goes| goes == name)),
            "meta" => match words.next()? {
                "l4proto" => compared(&mut words, &|number| Some(number == ip.protocol.to_string())),
                "protocol" => compared(&mut words, &|number| match number {
                    "0x800" => Some(ip.from.is_ipv4()),
                    "0x86dd" => Some(ip.from.is_ipv6()),
                    _ => None,
                }),
                _ => return None,
            },
            "ip" => match words.next()? {
                "saddr" => compared(&mut words, &|net| within(net, ip.from)),
                "daddr" => compared(&mut words, &|net| within(net, ip.to)),
                _ => return None,
            },
            "th" => match words.next()? {
                "dport" => compared(&mut words, &|number| {
                    Some(port.map(|port| port.to_string()) == Some(number.to_owned()))
                }),
                _ => return None,
            },
            "ct" => match words.next()? {
                "state" => {
                    compared(&mut words, &|state| at.answers.filter(|_| state == "established,related"))
                }
                _ => compared(&mut words, &|_| None),
            },
            word if Verdict::in_word(word).is_some() => break,
            _ => return None,
        };
        match one {
            // Whatever else it asks for.
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

/// Whether the value that comes next is the packet's, as the operator before it wants it.
fn compared(words: &mut Words<'_>, is: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let operator = words.next_if(|word| ["!=", "<", "<=", ">", ">="].contains(word));
    let value = words.next()?.trim_matches('"');
    match operator {
        None => is(value),
        Some("!=") => is(value).map(|is| !is),
        Some(_) => None,
    }
}

fn within(net: &str, ip: IpAddr) -> Option<bool> {
    net.parse::<IpNet>().ok().map(|net| net.contains(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Ip, Udp};

    fn layers() -> Vec<Layer> {
        let ip = Ip {
            from: [10, 0, 0, 11].into(),
            to: [10, 0, 0, 10].into(),
            protocol: 17,
            hops: 64,
            id: None,
            length: 0,
            dont_fragment: false,
            fragment: None,
        };
        vec![Layer::Ip(ip), Layer::Udp(Udp { from: 5, to: 4789, length: 8 })]
    }

    fn at(layers: &[Layer]) -> At<'_> {
        At { layers, comes: Some("eth0"), goes: None, answers: Some(false) }
    }

    #[test]
    fn a_rule_takes_what_all_its_conditions_hold_of() {
        let layers = layers();
        let at = at(&layers);
        for rule in [
            "meta l4proto 17 th dport 4789 drop",
            "iifname \"eth0\" counter drop",
            "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.9/32 drop",
            "meta protocol 0x800 drop",
            "ct state != established,related drop",
            "drop",
        ] {
            assert_eq!(holds(rule, at), Some(true), "{rule}");
        }
        for rule in [
            "meta l4proto 6 drop",
            "iifname != \"eth0\" drop",
            "th dport 80 drop",
            "meta protocol 0x86dd drop",
            "ct state established,related drop",
            "oifname \"eth0\" ct status dnat th dport 80 drop",
        ] {
            assert_eq!(holds(rule, at), Some(false), "{rule}");
        }
        for rule in [
            "oifname \"eth0\" drop",
            "ct status dnat drop",
            "fib daddr type local drop",
            "meta protocol 0x806 drop",
            "th dport < 1024 drop",
            "meta",
        ] {
            assert_eq!(holds(rule, at), None, "{rule}");
        }
        assert_eq!(holds("ct state established,related drop", At { answers: None, ..at }), None);
    }

    #[test]
    fn behind_what_may_let_it_pass_nothing_certainly_drops_it() {
        let layers = layers();
        let first = |rules: &[&str]| {
            let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
            dropping(&rules, at(&layers)).map(str::to_owned)
        };
        let drop = "t c: drop comment \"fault 1: accept\"";
        for before in [
            "t c: iifname \"eth1\" accept",
            "t c: iifname \"eth0\" counter",
            "t c: ct status dnat drop",
            "t c: ct state established,related accept",
            "t other: accept",
            "t c: meta mark set 0x00000001",
        ] {
            assert_eq!(first(&[before, drop]).as_deref(), Some(drop), "{before}");
        }
        for before in [
            "t c: iifname \"eth0\" accept",
            "t c: ct status dnat accept",
            "t c: verdict Some(-3)",
            "t c: masquerade",
        ] {
            assert_eq!(first(&[before, drop]), None, "{before}");
        }
        assert_eq!(first(&["nonsense", "t c: counter"]), None);
    }
}
