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
}

/// The first of these rules that certainly drops it. A rule with a condition that is not understood here drops nothing.
pub(super) fn dropping<'a>(rules: &'a [String], at: At<'_>) -> Option<&'a str> {
    rules.iter().map(String::as_str).find(|line| drops(line, at).unwrap_or(false))
}

/// `docker forward: iifname "docker_gwbridge" oifname "docker_gwbridge" drop`. `None`: that cannot be told.
fn drops(line: &str, at: At<'_>) -> Option<bool> {
    let (_, rest) = line.split_once(": ")?;
    let rest = rest.split(" comment ").next()?;
    let outer = levels(at.layers).next()?;
    let ip = outer.iter().find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip) } else { None })?;
    let port = outer.iter().find_map(|layer| match layer {
        Layer::Udp(udp) => Some(udp.to),
        Layer::Tcp(tcp) => Some(tcp.to),
        _ => None,
    });
    let mut words = rest.split(' ').peekable();
    let mut holds = true;
    while let Some(word) = words.next() {
        let mut compared = |words: &mut std::iter::Peekable<std::str::Split<'_, char>>,
                            is: &dyn Fn(&str) -> Option<bool>| {
            let different = words.next_if_eq(&"!=").is_some();
            let value = words.next()?.trim_matches('"');
            holds &= is(value)? != different;
            Some(())
        };
        match word {
            "drop" => return Some(holds),
            "counter" => {}
            "iifname" => compared(&mut words, &|name| at.comes.map(|comes| comes == name))?,
            "oifname" => compared(&mut words, &|name| at.goes.map(|goes| goes == name))?,
            "meta" => match words.next()? {
                "l4proto" => compared(&mut words, &|number| Some(number == ip.protocol.to_string()))?,
                "protocol" => compared(&mut words, &|number| Some(ip.from.is_ipv4() == (number == "0x800")))?,
                _ => return None,
            },
            "ip" => match words.next()? {
                "saddr" => compared(&mut words, &|net| within(net, ip.from))?,
                "daddr" => compared(&mut words, &|net| within(net, ip.to))?,
                _ => return None,
            },
            "th" => match words.next()? {
                "dport" => compared(&mut words, &|number| {
                    Some(port.map(|port| port.to_string()) == Some(number.to_owned()))
                })?,
                _ => return None,
            },
            // An answer, or something else that is to pass: it is none of what is traced here if it says so.
            _ => return None,
        }
    }
    Some(false)
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

    #[test]
    fn a_rule_takes_what_all_its_conditions_hold_of() {
        let layers = layers();
        let at = At { layers: &layers, comes: Some("eth0"), goes: None };
        for line in [
            "filter input: meta l4proto 17 th dport 4789 drop",
            "t c: iifname \"eth0\" counter drop",
            "t c: ip saddr 10.0.0.0/24 ip daddr != 10.0.0.9/32 drop comment \"fault 1\"",
            "t c: drop",
        ] {
            assert_eq!(drops(line, at), Some(true), "{line}");
        }
        for line in [
            "t c: meta l4proto 6 drop",
            "t c: iifname != \"eth0\" drop",
            "t c: th dport 80 drop",
            "t c: counter",
        ] {
            assert_eq!(drops(line, at), Some(false), "{line}");
        }
        for line in [
            "t c: oifname \"eth0\" drop",
            "t c: ct state established,related drop",
            "t c: accept",
            "nonsense",
            "t c: meta",
        ] {
            assert_eq!(drops(line, at), None, "{line}");
        }
    }
}
