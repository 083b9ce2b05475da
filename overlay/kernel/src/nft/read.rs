//! Rules read back from the kernel, in the words of `nft`. For people who look; what is not understood is named.

use std::io;
use std::net::Ipv4Addr;

use netlink_sys::Socket;

use super::wire::{GET_RULE, RULE_USERDATA, attribute, comment, dump, each, text};
use super::{Counted, Tally};

/// Every rule, a line each, `docker forward: iifname "docker_gwbridge" counter drop`, and what it has counted.
pub(super) fn rules(socket: &Socket) -> io::Result<Vec<(String, Option<Tally>)>> {
    let line = |body: &Vec<u8>| {
        let attributes = body.get(4..)?;
        let (table, chain) = (text(attribute(attributes, 1)?), text(attribute(attributes, 2)?));
        let mut reader = Reader::default();
        for (_, element) in each(attribute(attributes, 4).unwrap_or_default()) {
            let name = text(attribute(element, 1)?);
            reader.read(&name, attribute(element, 2).unwrap_or_default());
        }
        if let Some(comment) = attribute(attributes, RULE_USERDATA).and_then(comment) {
            reader.words.push(format!("comment \"{comment}\""));
        }
        Some((format!("{table} {chain}: {}", reader.words.join(" ")), reader.tally))
    };
    Ok(dump(socket, GET_RULE)?.iter().filter_map(line).collect())
}

/// What the rules with a comment have counted.
pub(super) fn counted(socket: &Socket) -> io::Result<Vec<Counted>> {
    let counted = |body: &Vec<u8>| {
        let attributes = body.get(4..)?;
        let comment = comment(attribute(attributes, RULE_USERDATA)?)?;
        let mut elements = each(attribute(attributes, 4)?);
        let counter =
            elements.find(|(_, element)| attribute(element, 1).map(text).as_deref() == Some("counter"));
        let Tally { packets, bytes } = tally(attribute(counter?.1, 2)?)?;
        Some(Counted { table: text(attribute(attributes, 1)?), comment, packets, bytes })
    };
    Ok(dump(socket, GET_RULE)?.iter().filter_map(counted).collect())
}

/// `NFTA_COUNTER_BYTES` and `NFTA_COUNTER_PACKETS` of a counter's data.
fn tally(data: &[u8]) -> Option<Tally> {
    let number = |kind| attribute(data, kind)?.try_into().ok().map(u64::from_be_bytes);
    Some(Tally { packets: number(2)?, bytes: number(1)? })
}

/// Goes through the expressions of a rule: what one loads into a register, the next looks at.
#[derive(Default)]
struct Reader {
    words: Vec<String>,
    /// What register 1 holds, in words.
    loaded: String,
    /// The mask put on it.
    mask: Option<Vec<u8>>,
    /// Values loaded as they stand, in order.
    values: Vec<Vec<u8>>,
    /// What its counter says.
    tally: Option<Tally>,
}

impl Reader {
    fn read(&mut self, name: &str, data: &[u8]) {
        let number =
            |kind| attribute(data, kind).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        match name {
            // One that sets: `NFTA_META_SREG`.
            "meta" if number(3).is_some() => {
                let mark = self.values.pop().and_then(|mark| mark.try_into().ok()).map(u32::from_ne_bytes);
                self.words.push(format!("meta mark set {:#010x}", mark.unwrap_or_default()));
            }
            "meta" => {
                self.loaded = match number(2) {
                    Some(1) => "meta protocol".into(),
                    Some(6) => "iifname".into(),
                    Some(7) => "oifname".into(),
                    Some(16) => "meta l4proto".into(),
                    Some(25) => "meta ipsec".into(),
                    other => format!("meta {other:?}"),
                };
            }
            "payload" => {
                self.loaded = match (number(2), number(3), number(4)) {
                    (Some(1), Some(12), Some(4)) => "ip saddr".into(),
                    (Some(1), Some(16), Some(4)) => "ip daddr".into(),
                    (Some(2), Some(2), Some(2)) => "th dport".into(),
                    (Some(base @ 0..=2), Some(offset), Some(length)) => {
                        let base = ["ll", "nh", "th"][base as usize];
                        format!("@{base},{},{}", offset * 8, length * 8)
                    }
                    (base, offset, length) => format!("payload {base:?} {offset:?} {length:?}"),
                };
            }
            "ct" if number(2) == Some(2) => self.loaded = "ct status".into(),
            "ct" => self.loaded = "ct state".into(),
            "fib" => self.loaded = "fib daddr type".into(),
            "rt" if number(2) == Some(4) => self.loaded = "rt ipsec".into(),
            "bitwise" => {
                self.mask = attribute(data, 4).and_then(|mask| attribute(mask, 1)).map(<[u8]>::to_vec);
            }
            "cmp" => self.compare(number(2), attribute(data, 3).and_then(|value| attribute(value, 1))),
            "immediate" => self.immediate(data),
            "nat" => {
                let (address, port) = (self.values.first().map(|ip| address(ip)), self.values.get(1));
                let port = port.and_then(|port| port.as_slice().try_into().ok()).map(u16::from_be_bytes);
                self.words.push(format!(
                    "dnat to {}:{}",
                    address.unwrap_or_default(),
                    port.unwrap_or_default()
                ));
            }
            "masq" => self.words.push("masquerade".into()),
            "counter" => {
                self.tally = tally(data);
                self.words.push("counter".into());
            }
            other => self.words.push(other.to_owned()),
        }
    }

    fn compare(&mut self, operation: Option<u32>, value: Option<&[u8]>) {
        let value = value.unwrap_or_default();
        let mask = self.mask.take();
        // `NFT_CMP_*`, `linux/netfilter/nf_tables.h`.
        let operator = match operation {
            Some(1) => "!= ",
            Some(2) => "< ",
            Some(3) => "<= ",
            Some(4) => "> ",
            Some(5) => ">= ",
            _ => "",
        };
        let said = match (self.loaded.as_str(), mask) {
            // Tested bit by bit: "not zero under the mask" means "one of these states".
            ("ct state", Some(_)) => "ct state established,related".to_owned(),
            ("ct status", Some(_)) => "ct status dnat".to_owned(),
            (what @ ("ip saddr" | "ip daddr"), mask) => {
                let length: u32 = mask.map_or(32, |mask| mask.iter().map(|byte| byte.count_ones()).sum());
                format!("{what} {operator}{}/{length}", address(value))
            }
            (what @ ("iifname" | "oifname"), _) => {
                let name = String::from_utf8_lossy(value);
                format!("{what} {operator}\"{}\"", name.trim_end_matches('\0'))
            }
            (what @ ("meta ipsec" | "rt ipsec"), _) => {
                let is = (value == [0]) == operator.is_empty();
                format!("{what} {}", if is { "missing" } else { "exists" })
            }
            ("fib daddr type", _) => format!("fib daddr type {operator}local"),
            (what, _) if what == "meta protocol" || what.starts_with('@') => {
                let number = value.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
                format!("{what} {operator}{number:#x}")
            }
            (what, _) => {
                let number = value.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                format!("{what} {operator}{number}")
            }
        };
        self.words.push(said);
    }

    fn immediate(&mut self, data: &[u8]) {
        let content = attribute(data, 2).unwrap_or_default();
        if let Some(value) = attribute(content, 1) {
            self.values.push(value.to_vec());
            return;
        }
        let code = attribute(content, 2).and_then(|verdict| attribute(verdict, 1));
        self.words.push(match code.and_then(|code| code.try_into().ok()).map(i32::from_be_bytes) {
            Some(0) => "drop".to_owned(),
            Some(1) => "accept".to_owned(),
            other => format!("verdict {other:?}"),
        });
    }
}

fn address(bytes: &[u8]) -> String {
    <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_is_read_as_what_it_is() {
        for (operation, said) in
            [(0, "th dport 80"), (1, "th dport != 80"), (2, "th dport < 80"), (5, "th dport >= 80")]
        {
            let mut reader = Reader { loaded: "th dport".into(), ..Reader::default() };
            reader.compare(Some(operation), Some(&[0, 80]));
            assert_eq!(reader.words, [said]);
        }
    }
}
