//! What is sent, and which of the packets that pass are of it. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::scene::Ends;
use crate::capture::{Layer, Packet, levels};

/// One packet that is sent to see where it goes. The default: an echo request as `ping` sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Of which protocol.
    pub protocol: Protocol,
    /// ICMP, UDP: how many bytes it carries, 16 to 65000; 56 unless said. TCP's carries none.
    pub size: Option<u16>,
}

/// A protocol, and its port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// An echo request.
    #[default]
    Icmp,
    /// A connection's first packet, to that port.
    Tcp(u16),
    /// A datagram, to that port.
    Udp(u16),
}

/// `icmp`, `tcp port 80`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("icmp"),
            Self::Tcp(port) => write!(f, "tcp port {port}"),
            Self::Udp(port) => write!(f, "udp port {port}"),
        }
    }
}

/// Bytes that a probe carries: as `ping` sends, and at least its mark.
const SIZE: usize = 56;
const LEAST: usize = 16;
const MOST: usize = 65_000;

/// A probe that is told from all other packets by what it carries; one of TCP, which carries nothing, by its first sequence number:
/// that of the first packet to its address and port that begins a connection in the sender's namespace.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    protocol: Protocol,
    ends: Ends,
    mark: String,
    /// TCP: the sequence number of its first packet, once that was seen.
    begun: Option<u32>,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    There,
    Back,
}

impl Marked {
    /// A probe between these that no other one has the mark of; `seed` is drawn.
    pub(crate) fn new(probe: Probe, ends: Ends, seed: u64) -> Marked {
        Marked { protocol: probe.protocol, ends, mark: format!("{seed:016x}"), begun: None }
    }

    /// What it carries.
    pub(crate) fn payload(&self, probe: Probe) -> String {
        let size = probe.size.map_or(SIZE, usize::from).clamp(LEAST, MOST);
        format!("{:.<size$}", self.mark)
    }

    /// Whether a packet that was seen in that namespace is of it, and which way it goes.
    pub(crate) fn way(&mut self, namespace: &str, packet: &Packet) -> Option<Way> {
        let layers = packet.layers();
        let inmost = levels(&layers).last()?;
        let last = inmost.last()?;
        match self.protocol {
            Protocol::Tcp(port) => {
                let Layer::Tcp(tcp) = last else { return None };
                let ours = |layer: &Layer| matches!(layer, Layer::Ip(ip) if ip.to == self.ends.to);
                // SYN alone (RFC 9293 §3.1). Others may begin a connection to that port at the same time, elsewhere or to others.
                let first = tcp.to == port
                    && tcp.flags & 0x12 == 0x02
                    && namespace == self.ends.from
                    && inmost.iter().any(ours);
                let begun = match self.begun {
                    Some(begun) => begun,
                    None => *self.begun.insert(first.then_some(tcp.sequence)?),
                };
                if tcp.sequence == begun && tcp.flags & 0x02 != 0 {
                    return Some(Way::There);
                }
                let answers = tcp.acknowledged == begun.wrapping_add(1) && tcp.flags & 0x06 != 0;
                answers.then_some(Way::Back)
            }
            Protocol::Icmp | Protocol::Udp(_) => {
                let found = packet.bytes.windows(self.mark.len()).any(|part| part == self.mark.as_bytes());
                found.then_some(())?;
                match (self.protocol, last) {
                    (Protocol::Icmp, Layer::Icmp(icmp)) if icmp.is_request() => Some(Way::There),
                    (Protocol::Udp(_), Layer::Udp(udp)) => {
                        // Ports may be translated on the way; that of the sender is kept, as long as nobody else has it.
                        let begun = *self.begun.get_or_insert(u32::from(udp.from));
                        Some(if u32::from(udp.from) == begun { Way::There } else { Way::Back })
                    }
                    // An answer, or an error that quotes it.
                    (_, Layer::Icmp(_)) => Some(Way::Back),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ends() -> Ends {
        Ends { from: "a".into(), to: [10, 0, 0, 2].into() }
    }

    fn packet(protocol: u8, payload: &[u8]) -> Packet {
        let mut bytes = vec![2; 12];
        bytes.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(payload);
        Packet { interface: 0, at: Duration::ZERO, outgoing: true, length: 0, bytes, comment: None }
    }

    #[test]
    fn an_echo_is_told_by_what_it_carries() {
        let probe = Probe::default();
        let mut marked = Marked::new(probe, ends(), 7);
        let echo =
            |kind: u8, text: &str| packet(1, &[&[kind, 0, 0, 0, 0, 1, 0, 1], text.as_bytes()].concat());
        let payload = marked.payload(probe);
        assert_eq!(payload.len(), 56);
        assert_eq!(marked.way("a", &echo(8, &payload)), Some(Way::There));
        assert_eq!(marked.way("a", &echo(0, &payload)), Some(Way::Back));
        assert_eq!(marked.way("a", &echo(3, &format!("{}{payload}", "x".repeat(28)))), Some(Way::Back));
        assert_eq!(marked.way("a", &echo(8, &Marked::new(probe, ends(), 8).payload(probe))), None);
    }

    #[test]
    fn a_connection_is_told_by_its_first_number() {
        let mut marked = Marked::new(Probe { protocol: Protocol::Tcp(80), size: None }, ends(), 7);
        let tcp = |from: u16, to: u16, sequence: u32, ack: u32, flags: u8| {
            let numbers =
                [&from.to_be_bytes()[..], &to.to_be_bytes(), &sequence.to_be_bytes(), &ack.to_be_bytes()];
            packet(6, &[&numbers.concat()[..], &[0x50, flags, 0, 0, 0, 0, 0, 0]].concat())
        };
        assert_eq!(marked.way("a", &tcp(9, 81, 5, 0, 0x02)), None, "to another port");
        let mut elsewhere = tcp(9, 80, 4, 0, 0x02);
        assert_eq!(marked.way("b", &elsewhere), None, "somebody else's");
        elsewhere.bytes[33] = 3;
        assert_eq!(marked.way("a", &elsewhere), None, "to somebody else");
        assert_eq!(marked.way("a", &tcp(9, 80, 5, 0, 0x02)), Some(Way::There));
        assert_eq!(marked.way("b", &tcp(9, 80, 5, 0, 0x02)), Some(Way::There), "on its way");
        assert_eq!(marked.way("a", &tcp(9, 80, 6, 0, 0x02)), None, "another connection");
        assert_eq!(marked.way("a", &tcp(80, 9, 77, 6, 0x12)), Some(Way::Back));
        assert_eq!(marked.way("a", &tcp(80, 9, 0, 6, 0x14)), Some(Way::Back), "refused");
        assert_eq!(marked.way("a", &tcp(9, 80, 6, 78, 0x10)), None, "what follows");
    }

    #[test]
    fn a_datagram_goes_there_from_the_port_that_sent_it() {
        let probe = Probe { protocol: Protocol::Udp(53), size: Some(1) };
        let mut marked = Marked::new(probe, ends(), 7);
        let payload = marked.payload(probe);
        assert_eq!(payload.len(), LEAST);
        let udp = |from: u16, to: u16| {
            packet(17, &[&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 4], payload.as_bytes()].concat())
        };
        let (there, back) = (udp(40000, 53), udp(53, 40000));
        assert_eq!(marked.way("a", &there), Some(Way::There));
        assert_eq!(marked.way("a", &back), Some(Way::Back));
    }
}
