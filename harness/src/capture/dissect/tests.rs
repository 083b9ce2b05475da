//! Frames as they are on the wire, and bytes that are none.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::capture::{Lines, Packet, said};

pub(crate) fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0x02; 12], &kind.to_be_bytes()[..], payload].concat()
}

pub(crate) fn packet(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(IPV4_HEADER + payload.len()).expect("short").to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 7, 0x40, 0, 64, protocol, 0, 0];
    header.extend(from.into_iter().chain(to));
    frame(IPV4, &[&header, payload].concat())
}

pub(crate) fn echo(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    packet(ICMP, from, to, &[8, 0, 0, 0, 0, 9, 0, 1])
}

pub(crate) fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(UDP_HEADER + payload.len()).expect("short");
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &length.to_be_bytes(), &[0; 2], payload].concat()
}

pub(crate) fn tunnelled(vni: u32, inner: &[u8]) -> Vec<u8> {
    let header = [&[8, 0, 0, 0], &vni.to_be_bytes()[1..], &[0]].concat();
    packet(UDP, [10, 0, 0, 11], [10, 0, 0, 10], &datagram(54321, VXLAN, &[&header, inner].concat()))
}

pub(crate) const A: [u8; 4] = [192, 168, 0, 2];
pub(crate) const B: [u8; 4] = [192, 168, 0, 100];

#[test]
fn a_tunnel_is_seen_through() {
    let layers = dissect(&tunnelled(256, &echo(A, B)));
    let parts: Vec<&[Layer]> = levels(&layers).collect();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].last(), Some(&Layer::Vxlan { vni: 256 }));
    let Layer::Ip(ip) = &parts[1][1] else { panic!("{:?}", parts[1]) };
    assert_eq!((ip.from, ip.to, ip.dont_fragment), (IpAddr::from(A), IpAddr::from(B), true));
    let Layer::Icmp(icmp) = &parts[1][2] else { panic!("{:?}", parts[1]) };
    assert_eq!(icmp.to_string(), "echo request, id 9, seq 1");
}

#[test]
fn arp_says_who_asks_for_whom() {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2];
    bytes.extend(A);
    bytes.extend([0; 6]);
    bytes.extend(B);
    let layers = dissect(&frame(ARP, &bytes));
    let Some(Layer::Arp(arp)) = layers.last() else { panic!("{layers:?}") };
    assert_eq!(arp.to_string(), "who has 192.168.0.100? tell 192.168.0.2");
}

#[test]
fn flags_of_tcp_are_as_tcpdump_has_them() {
    let mut bytes = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0xfa, 0xf0, 0, 0, 0, 0];
    let layers = dissect(&packet(TCP, A, B, &bytes));
    let Some(Layer::Tcp(tcp)) = layers.last() else { panic!("{layers:?}") };
    assert_eq!(tcp.to_string(), "[S.] seq 1, ack 2, win 64240");
    bytes[13] = 0x04;
    let layers = dissect(&packet(TCP, A, B, &bytes));
    let Some(Layer::Tcp(tcp)) = layers.last() else { panic!("{layers:?}") };
    assert_eq!(tcp.to_string(), "[R] seq 1, win 64240");
}

#[test]
fn nothing_is_seen_behind_esp() {
    let inner = tunnelled(256, &echo(A, B));
    let layers = dissect(&packet(ESP, A, B, &[&[0, 0, 1, 0, 0, 0, 0, 9], &inner[..]].concat()));
    assert_eq!(layers.last(), Some(&Layer::Esp { spi: 256, sequence: 9 }));
    assert_eq!(levels(&layers).count(), 1);
    assert_eq!(dissect(&packet(ESP, A, B, &[0; 7])).len(), 2);
}

#[test]
fn a_later_fragment_has_no_header_behind_that_of_ip() {
    let mut bytes = packet(UDP, A, B, &datagram(1, VXLAN, &[8; 40]));
    bytes[20..22].copy_from_slice(&[0x00, 0x10]);
    let layers = dissect(&bytes);
    let Some(Layer::Ip(ip)) = layers.last() else { panic!("{layers:?}") };
    assert_eq!(ip.fragment, Some(128));
}

/// An IPv6 packet of that first header.
fn packet6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [&[0x60, 0, 0, 0, length[0], length[1], next, 1][..], &[0xfe; 16], &[0xff; 16]].concat();
    frame(IPV6, &[&head, payload].concat())
}

/// What a packet carries, of which fragment, and its last layer.
fn carried(bytes: &[u8]) -> (u8, Option<u16>, Layer) {
    let layers = dissect(bytes);
    let Layer::Ip(ip) = &layers[1] else { panic!("{layers:?}") };
    (ip.protocol, ip.fragment, layers[layers.len() - 1].clone())
}

#[test]
fn extension_headers_of_ipv6_are_passed_over() {
    // As Linux says which groups it listens to: a router alert for each hop in front.
    let listeners = [&[ICMPV6, 0, 5, 2, 0, 0, 1, 0][..], &[143, 0, 0, 0, 0, 0, 0, 1]].concat();
    let (protocol, fragment, last) = carried(&packet6(0, &listeners));
    assert_eq!((protocol, fragment), (ICMPV6, None));
    let Layer::Icmp(icmp) = last else { panic!("{last:?}") };
    assert_eq!(icmp.to_string(), "multicast listeners");
    // For the destination, sixteen bytes of it; a route; a datagram.
    let destination = [&[43, 1][..], &[0; 14]].concat();
    let all = [&destination[..], &[UDP, 0, 0, 0, 0, 0, 0, 0], &datagram(1, 53, b"?")].concat();
    let (protocol, _, last) = carried(&packet6(60, &all));
    assert_eq!((protocol, last), (UDP, Layer::Udp(Udp { from: 1, to: 53, length: 9 })));
    assert_eq!(carried(&packet6(60, &all[..8])).0, 60, "it is cut off");
    assert_eq!(carried(&packet6(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(1000))).0, 60, "it has no end");
}

#[test]
fn a_fragment_of_ipv6_is_one() {
    let of = |half: u16| {
        let half = half.to_be_bytes();
        let header = [UDP, 0, half[0], half[1], 0, 0, 0, 7];
        carried(&packet6(44, &[&header[..], &datagram(1, 53, b"?")].concat()))
    };
    let udp = Layer::Udp(Udp { from: 1, to: 53, length: 9 });
    assert_eq!(of(1), (UDP, Some(0), udp.clone()), "the first");
    assert_eq!(of(0), (UDP, None, udp), "all of it");
    let (protocol, fragment, last) = of(1449);
    assert!((protocol, fragment) == (UDP, Some(1448)) && matches!(last, Layer::Ip(_)), "{last:?}");
}

#[test]
fn a_tunnel_in_a_tunnel_has_an_end() {
    let mut bytes = echo(A, B);
    for vni in 0..10 {
        bytes = tunnelled(vni, &bytes);
    }
    assert_eq!(levels(&dissect(&bytes)).count(), DEEPEST);
}

#[test]
fn that_a_packet_was_too_large_says_for_what() {
    let icmp = |v6, kind, code, rest| Icmp { v6, kind, code, rest };
    assert_eq!(icmp(false, 3, 4, [0, 1450]).too_big(), Some(1450));
    assert_eq!(icmp(true, 2, 0, [1, 2]).too_big(), Some(65538));
    assert_eq!(icmp(false, 3, 3, [0, 1450]).to_string(), "unreachable: port");
}

/// How many bytes a layer takes at least.
fn least(layer: &Layer) -> usize {
    match layer {
        Layer::Ethernet(_) => ETHERNET_HEADER,
        Layer::Arp(_) => ARP_PACKET,
        Layer::Ip(ip) if ip.from.is_ipv4() => IPV4_HEADER,
        Layer::Ip(_) => IPV6_HEADER,
        Layer::Icmp(_) => ICMP_HEADER,
        Layer::Udp(_) => UDP_HEADER,
        Layer::Tcp(_) => TCP_HEADER,
        Layer::Esp { .. } => ESP_HEADER,
        Layer::Vxlan { .. } => VXLAN_HEADER,
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![ARP, IPV4, IPV6, 0x8100]),
        protocol in prop::sample::select(vec![ICMP, TCP, UDP, ESP, ICMPV6, 0]),
    ) {
        let all = [
            bytes.clone(), frame(kind, &bytes), packet(protocol, A, B, &bytes), tunnelled(1, &bytes), tunnelled(1, &frame(kind, &bytes)),
        ];
        for frame in all {
            let layers = dissect(&frame);
            // No layer is made of what is not there.
            prop_assert!(layers.iter().map(least).sum::<usize>() <= frame.len(), "{layers:?}");
            let length = u32::try_from(frame.len()).expect("short");
            let packet =
                Packet { interface: 0, at: Duration::ZERO, outgoing: true, length, bytes: frame, comment: None };
            let line = Lines::new([], false).line("a", &packet);
            prop_assert!(line.ends_with(&format!("  ({length})")) && !line.contains(char::is_control), "{line:?}");
            for part in levels(&layers) {
                let said = said(part).0;
                prop_assert!(!said.is_empty() && line.contains(&said), "{said:?}: {line:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_a_beginning_of_the_whole(cut in 0_usize..100) {
        let whole = tunnelled(256, &echo(A, B));
        let (all, some) = (dissect(&whole), dissect(&whole[..cut.min(whole.len())]));
        prop_assert!(all.starts_with(&some));
    }
}
