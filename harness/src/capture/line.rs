//! A packet in a line for people. Pure.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::dissect::{Layer, dissect, levels};
use super::packet::Packet;

/// SGR codes (ECMA-48, 8.3.117).
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const CYAN: &str = "36";
/// Columns of seconds and microseconds.
const TIME: usize = 11;

/// Lines for packets: time since the first one, interface, way, and what is in it.
#[derive(Clone, Debug)]
pub struct Lines {
    coloured: bool,
    width: usize,
    first: Option<Duration>,
}

impl Lines {
    /// Of packets of these interfaces; wider ones push the rest to the right from then on.
    pub fn new<'a>(interfaces: impl IntoIterator<Item = &'a str>, coloured: bool) -> Lines {
        let width = interfaces.into_iter().map(str::len).max().unwrap_or_default();
        Lines { coloured, width, first: None }
    }

    /// There is another interface.
    pub fn widen(&mut self, interface: &str) {
        self.width = self.width.max(interface.len());
    }

    /// The line of a packet of that interface.
    pub fn line(&mut self, interface: &str, packet: &Packet) -> String {
        self.widen(interface);
        let first = *self.first.get_or_insert(packet.at);
        let since = packet.at.saturating_sub(first).as_secs_f64();
        let way = if packet.outgoing { "out" } else { "in " };
        let layers = dissect(&packet.bytes);
        let mut text = format!("{since:>TIME$.6}  {interface:<width$}  {way}  ", width = self.width);
        for (number, part) in levels(&layers).enumerate() {
            if number > 0 {
                text.push_str("  ");
            }
            let (said, colour) = said(part);
            // What carries something else is not what one looks for.
            let colour = if matches!(part.last(), Some(Layer::Vxlan { .. })) { FAINT } else { colour };
            self.paint(&mut text, &said, colour);
        }
        if layers.is_empty() {
            text.push_str("no Ethernet frame");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "  ({})", packet.length);
        if let Some(comment) = &packet.comment {
            text.push_str("  ");
            self.paint(&mut text, comment, RED);
        }
        text
    }

    fn paint(&self, text: &mut String, said: &str, colour: &str) {
        if self.coloured && !colour.is_empty() {
            let _ = write!(text, "\x1b[{colour}m{said}\x1b[0m");
        } else {
            text.push_str(said);
        }
    }
}

/// A level in words, and its colour.
pub(crate) fn said(part: &[Layer]) -> (String, &'static str) {
    let mut text = String::new();
    let mut colour = "";
    let ip = part.iter().find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip) } else { None });
    let ends = |from: &dyn std::fmt::Display, to: &dyn std::fmt::Display| format!("{from} > {to}");
    let with_port = |ip: IpAddr, port: u16| std::net::SocketAddr::new(ip, port);
    for layer in part {
        match (layer, ip) {
            (Layer::Arp(arp), _) => {
                let _ = write!(text, "ARP {arp}");
                colour = YELLOW;
            }
            (Layer::Icmp(icmp), Some(ip)) => {
                let name = if icmp.v6 { "ICMPv6" } else { "ICMP" };
                let _ = write!(text, "{} {name} {icmp}", ends(&ip.from, &ip.to));
                colour = if icmp.is_request() || icmp.is_reply() { GREEN } else { RED };
            }
            (Layer::Tcp(tcp), Some(ip)) => {
                let ends = ends(&with_port(ip.from, tcp.from), &with_port(ip.to, tcp.to));
                let _ = write!(text, "{ends} TCP {tcp}");
                colour = if tcp.flags & 0x04 == 0 { CYAN } else { RED };
            }
            (Layer::Udp(udp), Some(ip)) if !matches!(part.last(), Some(Layer::Vxlan { .. })) => {
                let ends = ends(&with_port(ip.from, udp.from), &with_port(ip.to, udp.to));
                let _ = write!(text, "{ends} UDP {} bytes", udp.length.saturating_sub(8));
                colour = BLUE;
            }
            (Layer::Esp { spi, sequence }, Some(ip)) => {
                let _ = write!(text, "{} ESP spi {spi:#010x}, seq {sequence}", ends(&ip.from, &ip.to));
                colour = FAINT;
            }
            (Layer::Vxlan { vni }, Some(ip)) => {
                let _ = write!(text, "{} VXLAN {vni}", ends(&ip.from, &ip.to));
            }
            _ => {}
        }
    }
    match (text.is_empty(), ip, part.first()) {
        (false, ..) => {}
        (true, Some(ip), _) => {
            let _ = write!(text, "{} IP protocol {}", ends(&ip.from, &ip.to), ip.protocol);
            if let Some(from) = ip.fragment {
                let _ = write!(text, ", fragment from byte {from} on");
            }
        }
        (true, None, Some(Layer::Ethernet(ethernet))) => {
            let _ = write!(text, "{} type 0x{:04x}", ends(&ethernet.from, &ethernet.to), ethernet.kind);
        }
        _ => text.push('?'),
    }
    (text, colour)
}

#[cfg(test)]
mod tests {
    use super::super::dissect;
    use super::super::dissect::tests::{A, B, echo, tunnelled};
    use super::*;

    fn packet(bytes: Vec<u8>, micros: u64) -> Packet {
        let length = u32::try_from(bytes.len()).expect("short");
        let at = Duration::from_micros(micros);
        Packet { interface: 0, at, outgoing: micros == 5, length, bytes, comment: None }
    }

    #[test]
    fn columns_are_aligned_and_tunnels_seen_through() {
        let mut lines = Lines::new(["C1/eth0", "docker1/eth0"], false);
        assert_eq!(
            lines.line("C1/eth0", &packet(echo(A, B), 5)),
            "   0.000000  C1/eth0       out  192.168.0.2 > 192.168.0.100 ICMP echo request, id 9, seq 1  (42)"
        );
        assert_eq!(
            lines.line("docker1/eth0", &packet(tunnelled(256, &echo(A, B)), 12)),
            "   0.000007  docker1/eth0  in   10.0.0.11 > 10.0.0.10 VXLAN 256  192.168.0.2 > 192.168.0.100 ICMP echo request, id 9, seq 1  (92)"
        );
    }

    #[test]
    fn what_is_encrypted_is_told_by_its_numbers() {
        let head = [0x1a, 0x2b, 0x3c, 0x4d, 0, 0, 0, 7];
        let bytes =
            dissect::tests::packet(50, [10, 0, 0, 11], [10, 0, 0, 10], &[&head[..], &[0; 32]].concat());
        let line = Lines::new([], false).line("docker0/eth0", &packet(bytes, 5));
        assert_eq!(
            line,
            "   0.000000  docker0/eth0  out  10.0.0.11 > 10.0.0.10 ESP spi 0x1a2b3c4d, seq 7  (74)"
        );
    }

    #[test]
    fn only_a_terminal_gets_colours() {
        let one = packet(echo(A, B), 5);
        assert!(!Lines::new([], false).line("a", &one).contains('\x1b'));
        assert!(Lines::new([], true).line("a", &one).contains("\x1b[32m"));
    }

    #[test]
    fn what_is_no_packet_is_said_to_be_none() {
        let mut lines = Lines::new([], false);
        assert!(lines.line("a", &packet(vec![1, 2, 3], 5)).ends_with("no Ethernet frame  (3)"));
        let odd = [&[2; 12][..], &[0x88, 0xcc], &[0; 9]].concat();
        assert!(lines.line("a", &packet(odd, 5)).contains("type 0x88cc"));
    }
}
