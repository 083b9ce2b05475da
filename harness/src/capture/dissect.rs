//! What is in a frame, layer by layer, VXLAN seen through: the outer headers, then the inner ones. Pure, and of any bytes.
//!
//! - `layer`: one header as a value, and as text.

mod layer;
#[cfg(test)]
pub(super) mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kernel::Mac;
use kernel::header::{
    ARP, ARP_PACKET, DESTINATION, DONT_FRAGMENT, ESP, ESP_HEADER, ETHERNET_HEADER, FRAGMENT, FRAGMENT_OFFSET,
    HOP_BY_HOP, ICMP, ICMP_HEADER, ICMPV6, IPV4, IPV4_HEADER, IPV6, IPV6_HEADER, MORE_FRAGMENTS, ROUTING,
    TCP, TCP_HEADER, UDP, UDP_HEADER, VNI_VALID, VXLAN, VXLAN_HEADER,
};

pub use layer::{Arp, Ethernet, Icmp, Ip, Layer, Tcp, Udp};

/// Tunnels within tunnels that are seen through; more are none that anybody made on purpose.
const DEEPEST: usize = 4;
/// Extension headers of one packet that are passed over: each once, options for the destination twice (RFC 8200 §4.1), and as many again.
const EXTENSIONS: usize = 10;

/// The layers of a frame, from the outermost on; those that are cut off, or that nobody here knows, are not among them.
pub fn dissect(frame: &[u8]) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(8);
    let mut rest = Some(frame);
    for _ in 0..DEEPEST {
        let Some(bytes) = rest else { break };
        rest = ethernet(bytes, &mut layers);
    }
    layers
}

/// The layers of one level: of the frame itself, or of the one in a tunnel.
///
/// The first level is the outermost; each but that begins behind a [`Layer::Vxlan`], which is the last one of the level before.
pub fn levels(layers: &[Layer]) -> impl Iterator<Item = &[Layer]> {
    layers.split_inclusive(|layer| matches!(layer, Layer::Vxlan { .. }))
}

/// An Ethernet frame; what is in the tunnel, if it carries one.
fn ethernet<'a>(bytes: &'a [u8], layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    let head = bytes.first_chunk::<ETHERNET_HEADER>()?;
    let kind = half(head, 12)?;
    layers.push(Layer::Ethernet(Ethernet { to: mac(head, 0)?, from: mac(head, 6)?, kind }));
    let rest = &bytes[ETHERNET_HEADER..];
    match kind {
        ARP => {
            layers.extend(arp(rest).map(Layer::Arp));
            None
        }
        IPV4 => ipv4(rest, layers),
        IPV6 => ipv6(rest, layers),
        _ => None,
    }
}

/// Of IPv4 on Ethernet: 1, 0x0800, 6, 4 (RFC 826).
fn arp(bytes: &[u8]) -> Option<Arp> {
    let bytes = bytes.get(..ARP_PACKET)?;
    bytes.starts_with(&[0, 1, 8, 0, 6, 4]).then_some(())?;
    Some(Arp {
        operation: half(bytes, 6)?,
        sender: address(bytes, 14)?,
        sender_mac: mac(bytes, 8)?,
        target: address(bytes, 24)?,
        target_mac: mac(bytes, 18)?,
    })
}

fn ipv4<'a>(bytes: &'a [u8], layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    let head = bytes.first_chunk::<IPV4_HEADER>()?;
    let length = usize::from(head[0] & 0x0f) * 4;
    if head[0] >> 4 != 4 || length < IPV4_HEADER {
        return None;
    }
    let fragment = half(head, 6)?;
    layers.push(Layer::Ip(Ip {
        from: address(head, 12)?.into(),
        to: address(head, 16)?.into(),
        protocol: head[9],
        hops: head[8],
        id: Some(half(head, 4)?),
        length: half(head, 2)?,
        dont_fragment: fragment & DONT_FRAGMENT != 0,
        fragment: (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0)
            .then_some((fragment & FRAGMENT_OFFSET).saturating_mul(8)),
    }));
    // Other headers are in the first fragment only.
    (fragment & FRAGMENT_OFFSET == 0).then_some(())?;
    transport(head[9], bytes.get(length..)?, layers)
}

fn ipv6<'a>(bytes: &'a [u8], layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    let head = bytes.first_chunk::<IPV6_HEADER>()?;
    (head[0] >> 4 == 6).then_some(())?;
    let Extended { protocol, bytes, fragment } = extended(head[6], &bytes[IPV6_HEADER..]);
    layers.push(Layer::Ip(Ip {
        from: address6(head, 8)?.into(),
        to: address6(head, 24)?.into(),
        protocol,
        hops: head[7],
        id: None,
        length: half(head, 4)?,
        dont_fragment: false,
        fragment,
    }));
    // Other headers are in the first fragment only.
    fragment.is_none_or(|from| from == 0).then_some(())?;
    transport(protocol, bytes, layers)
}

/// What is behind the extension headers of IPv6.
pub(super) struct Extended<'a> {
    pub(super) protocol: u8,
    pub(super) bytes: &'a [u8],
    /// It is a fragment, from that byte on.
    pub(super) fragment: Option<u16>,
}

/// Passes over extension headers (RFC 8200 §4); one that is cut off is the last.
pub(super) fn extended(protocol: u8, bytes: &[u8]) -> Extended<'_> {
    let mut all = Extended { protocol, bytes, fragment: None };
    for _ in 0..EXTENSIONS {
        let Some(&[next, length, high, low]) = all.bytes.first_chunk::<4>() else { break };
        let length = match all.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(length) + 1) * 8,
            FRAGMENT => {
                // The offset in units of eight bytes, two bits of nothing, and whether there are others behind it. One that is all
                // there is of its packet is none (RFC 6946).
                let half = u16::from_be_bytes([high, low]);
                all.fragment = (half & !6 != 0).then_some(half & !7);
                8
            }
            _ => break,
        };
        let Some(rest) = all.bytes.get(length..) else { break };
        (all.protocol, all.bytes) = (next, rest);
        if all.fragment.is_some_and(|from| from > 0) {
            break;
        }
    }
    all
}

fn transport<'a>(protocol: u8, bytes: &'a [u8], layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    match protocol {
        ICMP | ICMPV6 => {
            let head = bytes.first_chunk::<ICMP_HEADER>()?;
            let (kind, code, rest) = (head[0], head[1], [half(head, 4)?, half(head, 6)?]);
            layers.push(Layer::Icmp(Icmp { v6: protocol == ICMPV6, kind, code, rest }));
            None
        }
        TCP => {
            let head = bytes.first_chunk::<TCP_HEADER>()?;
            layers.push(Layer::Tcp(Tcp {
                from: half(head, 0)?,
                to: half(head, 2)?,
                sequence: word(head, 4)?,
                acknowledged: word(head, 8)?,
                flags: head[13],
                window: half(head, 14)?,
            }));
            None
        }
        // What it carries nobody but its receiver can read.
        ESP => {
            let head = bytes.first_chunk::<ESP_HEADER>()?;
            layers.push(Layer::Esp { spi: word(head, 0)?, sequence: word(head, 4)? });
            None
        }
        UDP => {
            let head = bytes.first_chunk::<UDP_HEADER>()?;
            let udp = Udp { from: half(head, 0)?, to: half(head, 2)?, length: half(head, 4)? };
            layers.push(Layer::Udp(udp));
            (udp.to == VXLAN).then_some(())?;
            vxlan(&bytes[UDP_HEADER..], layers)
        }
        _ => None,
    }
}

fn vxlan<'a>(bytes: &'a [u8], layers: &mut Vec<Layer>) -> Option<&'a [u8]> {
    let &[flags, _, _, _, a, b, c, _] = bytes.first_chunk::<VXLAN_HEADER>()?;
    (flags & VNI_VALID != 0).then_some(())?;
    layers.push(Layer::Vxlan { vni: u32::from_be_bytes([0, a, b, c]) });
    Some(&bytes[VXLAN_HEADER..])
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&half| u16::from_be_bytes(half))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&word| u32::from_be_bytes(word))
}

pub(super) fn mac(bytes: &[u8], at: usize) -> Option<Mac> {
    bytes.get(at..)?.first_chunk().copied().map(Mac)
}

pub(super) fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes.get(at..)?.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets))
}

fn address6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    bytes.get(at..)?.first_chunk::<16>().map(|&octets| Ipv6Addr::from(octets))
}

/// Whether an address has a part in a level: from or to it; of ARP, asked for or asking.
pub(super) fn is_of(layer: &Layer, address: IpAddr) -> [bool; 2] {
    match layer {
        Layer::Ip(ip) => [ip.from == address, ip.to == address],
        Layer::Arp(arp) => [IpAddr::V4(arp.sender) == address, IpAddr::V4(arp.target) == address],
        _ => [false; 2],
    }
}
