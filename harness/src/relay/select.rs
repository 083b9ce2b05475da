//! Which frames are meant, by their bytes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kernel::header::{
    ARP, ARP_PACKET, ETHERNET_HEADER, FRAGMENT_OFFSET, ICMP, ICMPV6, IPV4, IPV4_HEADER, IPV6, IPV6_HEADER,
    NEIGHBOURS, NEIGHBOURS_TARGET, TCP, UDP, UDP_HEADER, VNI_VALID, VXLAN, VXLAN_HEADER,
};

use crate::error::{Error, Result};
use crate::fault::{Filter, Protocol, Tunnel};
use crate::topology::NetworkName;

/// A [`Filter`] that knows the VNIs of its network.
///
/// A frame matches only if it certainly is what is meant: not if it is too short to tell, carries a VLAN tag, is a later
/// fragment where a port or a tunnel is asked for, or has headers between IPv6's and the protocol that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Select {
    inside: Option<Inside>,
    protocol: Option<Protocol>,
    address: Option<IpAddr>,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Inside {
    Any,
    Vnis(Vec<u32>),
}

impl Select {
    /// The filter, its network's VNIs looked up. That nobody knows that network is an error.
    pub(super) fn new(filter: &Filter, vnis: &BTreeMap<NetworkName, Vec<u32>>) -> Result<Select> {
        let inside = match &filter.inside {
            None => None,
            Some(Tunnel::Any) => Some(Inside::Any),
            Some(Tunnel::Vni(vni)) => Some(Inside::Vnis(vec![*vni])),
            Some(Tunnel::Network(name)) => {
                let known = vnis.keys().map(NetworkName::as_str);
                let found = vnis.get(name).ok_or_else(|| Error::no_such("network", name.as_str(), known))?;
                Some(Inside::Vnis(found.clone()))
            }
        };
        Ok(Select { inside, protocol: filter.protocol, address: filter.address, port: filter.port })
    }

    /// Whether a frame is meant.
    pub(super) fn matches(&self, frame: &[u8]) -> bool {
        let Some(inside) = &self.inside else { return self.is_met(frame) };
        let Some((vni, inner)) = tunnelled(frame) else { return false };
        let ours = match inside {
            Inside::Any => true,
            Inside::Vnis(vnis) => vnis.contains(&vni),
        };
        ours && self.is_met(inner)
    }

    /// Whether a frame, tunnels not looked into, is what is meant.
    fn is_met(&self, frame: &[u8]) -> bool {
        if (self.protocol, self.address, self.port) == (None, None, None) {
            return true;
        }
        let Some(packet) = Packet::parse(frame) else { return false };
        self.protocol.is_none_or(|protocol| packet.protocol == Some(protocol))
            && self.address.is_none_or(|address| packet.is_of(address))
            && self.port.is_none_or(|port| packet.ports.is_some_and(|ports| ports.contains(&port)))
    }
}

/// What a frame carries.
struct Packet<'a> {
    /// Unless it is none that can be asked for.
    protocol: Option<Protocol>,
    /// From, and to.
    addresses: [IpAddr; 2],
    /// Whom a neighbour solicitation asks for, or an advertisement is of.
    about: Option<Ipv6Addr>,
    /// From, and to, if they are in it.
    ports: Option<[u16; 2]>,
    /// What is behind the header of IP.
    payload: &'a [u8],
}

impl Packet<'_> {
    /// Whether that address has a part in it.
    fn is_of(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.about.map(IpAddr::V6) == Some(address)
    }

    /// That of an Ethernet frame; `None` if it is neither ARP nor IP, or cut off.
    fn parse(frame: &[u8]) -> Option<Packet<'_>> {
        let bytes = frame.get(ETHERNET_HEADER..)?;
        match number(frame, 12)? {
            ARP => Packet::arp(bytes),
            IPV4 => Packet::ipv4(bytes),
            IPV6 => Packet::ipv6(bytes),
            _ => None,
        }
    }

    /// Of IPv4 on Ethernet: 1, 0x0800, 6, 4 (RFC 826). The addresses are the sender's and the one that is asked for.
    fn arp(bytes: &[u8]) -> Option<Packet<'_>> {
        let bytes = bytes.get(..ARP_PACKET)?;
        let addresses = [address(bytes, 14)?, address(bytes, 24)?];
        let known = bytes.starts_with(&[0, 1, 8, 0, 6, 4]);
        let protocol = Some(Protocol::Arp);
        known.then_some(Packet { protocol, addresses, about: None, ports: None, payload: &[] })
    }

    fn ipv4(bytes: &[u8]) -> Option<Packet<'_>> {
        let first = *bytes.first()?;
        let header = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header < IPV4_HEADER {
            return None;
        }
        let payload = bytes.get(header..)?;
        let protocol = match bytes[9] {
            ICMP => Some(Protocol::Icmp),
            TCP => Some(Protocol::Tcp),
            UDP => Some(Protocol::Udp),
            _ => None,
        };
        // Ports are in the first fragment only.
        let begins = number(bytes, 6)? & FRAGMENT_OFFSET == 0;
        let ports = if begins { ports(protocol, payload) } else { None };
        let addresses = [address(bytes, 12)?, address(bytes, 16)?];
        Some(Packet { protocol, addresses, about: None, ports, payload })
    }

    fn ipv6(bytes: &[u8]) -> Option<Packet<'_>> {
        if *bytes.first()? >> 4 != 6 {
            return None;
        }
        let payload = bytes.get(IPV6_HEADER..)?;
        let protocol = match bytes[6] {
            ICMPV6 => Some(Protocol::Icmpv6),
            TCP => Some(Protocol::Tcp),
            UDP => Some(Protocol::Udp),
            _ => None,
        };
        let finds = protocol == Some(Protocol::Icmpv6)
            && payload.first().is_some_and(|kind| NEIGHBOURS.contains(kind));
        let about = if finds { address6(payload, NEIGHBOURS_TARGET) } else { None };
        let addresses = [address6(bytes, 8)?, address6(bytes, 24)?].map(IpAddr::V6);
        Some(Packet { protocol, addresses, about, ports: ports(protocol, payload), payload })
    }
}

/// From which port, and to which, behind the header of IP.
fn ports(protocol: Option<Protocol>, payload: &[u8]) -> Option<[u16; 2]> {
    match protocol {
        Some(Protocol::Tcp | Protocol::Udp) => Some([number(payload, 0)?, number(payload, 2)?]),
        _ => None,
    }
}

/// The VNI of an encapsulated frame, and the frame in it (RFC 7348 §5).
fn tunnelled(frame: &[u8]) -> Option<(u32, &[u8])> {
    let packet = Packet::parse(frame)?;
    let [_, to] = packet.ports?;
    if packet.protocol != Some(Protocol::Udp) || to != VXLAN {
        return None;
    }
    let vxlan = packet.payload.get(UDP_HEADER..)?;
    let &[flags, _, _, _, a, b, c, _] = vxlan.first_chunk::<VXLAN_HEADER>()?;
    (flags & VNI_VALID != 0).then(|| (u32::from_be_bytes([0, a, b, c]), &vxlan[VXLAN_HEADER..]))
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&number| u16::from_be_bytes(number))
}

fn address(bytes: &[u8], at: usize) -> Option<IpAddr> {
    bytes.get(at..)?.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets).into())
}

fn address6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    bytes.get(at..)?.first_chunk::<16>().map(|&octets| Ipv6Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
    const B: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 100);
    const C: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
    const A6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);
    const B6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 3);
    /// Whom solicitations for `B6` are sent to (RFC 4291 §2.7.1).
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 3);

    fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
        [&[0x02; 12], &kind.to_be_bytes()[..], payload].concat()
    }

    fn ipv4(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
        let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        header.extend(from.octets().into_iter().chain(to.octets()));
        ethernet(IPV4, &[&header, payload].concat())
    }

    fn ipv6(protocol: u8, from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0, 0, 0, protocol, 64];
        header.extend(from.octets().into_iter().chain(to.octets()));
        ethernet(IPV6, &[&header, payload].concat())
    }

    /// A neighbour solicitation or advertisement.
    fn neighbour(kind: u8, from: Ipv6Addr, to: Ipv6Addr, about: Ipv6Addr) -> Vec<u8> {
        ipv6(ICMPV6, from, to, &[&[kind, 0, 0, 0, 0, 0, 0, 0], &about.octets()[..]].concat())
    }

    fn ports(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
        [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 4], payload].concat()
    }

    fn vxlan(vni: u32, inner: &[u8]) -> Vec<u8> {
        let header = [&[8, 0, 0, 0], &vni.to_be_bytes()[1..], &[0]].concat();
        ipv4(UDP, C, C, &ports(54321, VXLAN, &[&header, inner].concat()))
    }

    fn arp(from: Ipv4Addr, asked: Ipv4Addr) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2];
        bytes.extend(from.octets());
        bytes.extend([0; 6]);
        bytes.extend(asked.octets());
        ethernet(ARP, &bytes)
    }

    fn select(filter: &Filter) -> Select {
        let name = "demonet".parse().expect("a name");
        Select::new(filter, &BTreeMap::from([(name, vec![256, 257])])).expect("it is known")
    }

    fn matches(filter: &Filter, frame: &[u8]) -> bool {
        select(filter).matches(frame)
    }

    fn protocol(protocol: Protocol) -> Filter {
        Filter { protocol: Some(protocol), ..Filter::default() }
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        for frame in [&[][..], &[0; 5], &arp(A, B), &ethernet(0x86dd, &[0x60])] {
            assert!(matches(&Filter::default(), frame));
        }
    }

    #[test]
    fn protocols_are_told_apart() {
        let kinds = [
            (Protocol::Arp, arp(A, B)),
            (Protocol::Icmp, ipv4(ICMP, A, B, &[8, 0])),
            (Protocol::Icmpv6, ipv6(ICMPV6, A6, B6, &[128, 0])),
            (Protocol::Tcp, ipv6(TCP, A6, B6, &ports(1, 2, &[]))),
            (Protocol::Udp, ipv6(UDP, A6, B6, &ports(1, 2, &[]))),
            (Protocol::Tcp, ipv4(TCP, A, B, &ports(1, 2, &[]))),
            (Protocol::Udp, ipv4(UDP, A, B, &ports(1, 2, &[]))),
        ];
        for (asked, _) in &kinds {
            for (sent, frame) in &kinds {
                assert_eq!(matches(&protocol(*asked), frame), asked == sent, "{asked:?}, {sent:?}");
            }
            assert!(!matches(&protocol(*asked), &vxlan(1, &kinds[0].1)) || *asked == Protocol::Udp);
        }
    }

    #[test]
    fn addresses_and_ports_are_those_of_either_end() {
        let frame = ipv4(TCP, A, B, &ports(40000, 80, &[]));
        let address = |address: Ipv4Addr| Filter { address: Some(address.into()), ..Filter::default() };
        let port = |port| Filter { port: Some(port), ..Filter::default() };
        assert!(
            matches(&address(A), &frame) && matches(&address(B), &frame) && !matches(&address(C), &frame)
        );
        assert!(matches(&port(40000), &frame) && matches(&port(80), &frame) && !matches(&port(81), &frame));
        let asks = arp(A, B);
        assert!(matches(&address(A), &asks) && matches(&address(B), &asks) && !matches(&address(C), &asks));
        assert!(!matches(&port(80), &asks) && !matches(&port(0), &ipv4(ICMP, A, B, &[0; 8])));
    }

    #[test]
    fn a_tunnel_is_seen_through() {
        let inside = |tunnel| Filter { inside: Some(tunnel), ..protocol(Protocol::Icmp) };
        let ping = vxlan(256, &ipv4(ICMP, A, B, &[8, 0]));
        assert!(matches(&inside(Tunnel::Any), &ping));
        assert!(matches(&inside(Tunnel::Vni(256)), &ping) && !matches(&inside(Tunnel::Vni(258)), &ping));
        assert!(matches(&inside(Tunnel::Network("demonet".parse().expect("a name"))), &ping));
        assert!(!matches(&inside(Tunnel::Any), &vxlan(256, &arp(A, B))));
        // The same packet, not in a tunnel.
        assert!(!matches(&inside(Tunnel::Any), &ipv4(ICMP, A, B, &[8, 0])));
        let of_b = Filter { inside: Some(Tunnel::Any), address: Some(B.into()), ..Filter::default() };
        assert!(matches(&of_b, &vxlan(9, &arp(A, B))) && !matches(&of_b, &vxlan(9, &arp(A, C))));
        let all = Filter { inside: Some(Tunnel::Any), ..Filter::default() };
        assert!(matches(&all, &vxlan(0x00ff_ffff, &[])));
    }

    #[test]
    fn ipv6_is_seen_in_a_tunnel_and_neighbours_that_are_asked_for_are_too() {
        let of = |ip: Ipv6Addr| Filter {
            inside: Some(Tunnel::Vni(256)),
            address: Some(ip.into()),
            ..Filter::default()
        };
        let frame = vxlan(256, &ipv6(TCP, A6, B6, &ports(40000, 80, &[])));
        assert!(matches(&of(A6), &frame) && matches(&of(B6), &frame) && !matches(&of(GROUP), &frame));
        let port = |port| Filter { inside: Some(Tunnel::Any), port: Some(port), ..Filter::default() };
        assert!(matches(&port(80), &frame) && matches(&port(40000), &frame) && !matches(&port(81), &frame));
        let asks = vxlan(256, &neighbour(135, A6, GROUP, B6));
        let says = vxlan(256, &neighbour(136, GROUP, A6, B6));
        assert!(matches(&of(B6), &asks) && matches(&of(B6), &says));
        // An echo request that has such bytes there is about nobody.
        assert!(!matches(&of(B6), &vxlan(256, &neighbour(128, A6, GROUP, B6))));
        // With a header between (0: hop-by-hop options) an address is known, and a protocol is not.
        let behind = vxlan(256, &ipv6(0, A6, B6, &[TCP, 0, 1, 4, 0, 0, 0, 0]));
        assert!(
            matches(&of(A6), &behind)
                && !matches(&Filter { protocol: Some(Protocol::Tcp), ..of(A6) }, &behind)
        );
    }

    #[test]
    fn a_tunnel_without_a_valid_vni_is_none() {
        let mut frame = vxlan(256, &arp(A, B));
        let flags = ETHERNET_HEADER + IPV4_HEADER + UDP_HEADER;
        frame[flags] = 0;
        assert!(!matches(&Filter { inside: Some(Tunnel::Any), ..Filter::default() }, &frame));
    }

    #[test]
    fn a_later_fragment_has_a_protocol_and_no_ports() {
        let mut frame = ipv4(UDP, A, B, &ports(1, VXLAN, &[8; 40]));
        frame[ETHERNET_HEADER + 6..ETHERNET_HEADER + 8].copy_from_slice(&[0x00, 0x10]);
        assert!(matches(&protocol(Protocol::Udp), &frame));
        assert!(!matches(&Filter { port: Some(1), ..Filter::default() }, &frame));
        assert!(!matches(&Filter { inside: Some(Tunnel::Any), ..Filter::default() }, &frame));
    }

    #[test]
    fn options_do_not_hide_the_ports() {
        let mut header = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 64, TCP, 0, 0];
        header.extend(A.octets().into_iter().chain(B.octets()));
        header.extend([1, 1, 1, 0]);
        let frame = ethernet(IPV4, &[header, ports(1, 80, &[])].concat());
        assert!(matches(&Filter { port: Some(80), ..Filter::default() }, &frame));
    }

    #[test]
    fn a_tagged_frame_is_not_looked_into() {
        let untagged = ipv4(TCP, A, B, &ports(1, 80, &[]));
        let tagged = [&untagged[..12], &[0x81, 0, 0, 1], &untagged[12..]].concat();
        assert!(!matches(&protocol(Protocol::Tcp), &tagged));
    }

    #[test]
    fn an_unknown_network_is_an_error() {
        let inside = Some(Tunnel::Network("other".parse().expect("a name")));
        let filter = Filter { inside, ..Filter::default() };
        let refused = Select::new(&filter, &BTreeMap::new()).expect_err("nobody knows it");
        assert_eq!(refused.to_string(), "no network is named `other`; there is none");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            kind in prop::sample::select(vec![ARP, IPV4, IPV6, 0x8100]),
            inside: bool,
            port: Option<u16>,
        ) {
            let inside = inside.then_some(Tunnel::Any);
            let filter = Filter { inside, port, protocol: Some(Protocol::Udp), ..Filter::default() };
            matches(&filter, &bytes);
            matches(&filter, &ethernet(kind, &bytes));
            matches(&filter, &ipv4(UDP, A, B, &bytes));
            matches(&filter, &ipv6(ICMPV6, A6, B6, &bytes));
            matches(&filter, &vxlan(1, &bytes));
        }

        #[test]
        fn a_frame_cut_off_matches_only_if_it_did(cut in 0_usize..100) {
            let whole = vxlan(256, &ipv4(TCP, A, B, &ports(1, 80, &[])));
            let filter = Filter { inside: Some(Tunnel::Vni(256)), port: Some(80), ..Filter::default() };
            prop_assert!(matches(&filter, &whole));
            let ports_end = whole.len() - 4;
            prop_assert_eq!(matches(&filter, &whole[..cut.min(whole.len())]), cut >= ports_end);
        }
    }
}
