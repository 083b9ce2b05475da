//! One header, as a value.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use kernel::Mac;
use serde::{Deserialize, Serialize};

/// One header of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// Ethernet.
    Ethernet(Ethernet),
    /// ARP for IPv4.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// ICMP, or that of IPv6.
    Icmp(Icmp),
    /// UDP.
    Udp(Udp),
    /// TCP.
    Tcp(Tcp),
    /// ESP; what follows is encrypted.
    Esp {
        /// The security parameters index.
        spi: u32,
        /// The sequence number.
        sequence: u32,
    },
    /// VXLAN; what follows is the frame in the tunnel.
    Vxlan {
        /// The network identifier, of 24 bits.
        vni: u32,
    },
}

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ethernet {
    /// From whom.
    pub from: Mac,
    /// To whom.
    pub to: Mac,
    /// The EtherType.
    pub kind: u16,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arp {
    /// 1: a request; 2: a reply.
    pub operation: u16,
    /// Who says it.
    pub sender: Ipv4Addr,
    /// Its hardware address.
    pub sender_mac: Mac,
    /// Who is asked for, or told.
    pub target: Ipv4Addr,
    /// Its hardware address; zero in a request.
    pub target_mac: Mac,
}

/// A header of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// From whom.
    pub from: IpAddr,
    /// To whom.
    pub to: IpAddr,
    /// What it carries (IANA protocol numbers); of IPv6, behind its extension headers.
    pub protocol: u8,
    /// Hops that are left.
    pub hops: u8,
    /// The identification; IPv6 has none.
    pub id: Option<u16>,
    /// The total length of IPv4, the payload's of IPv6, in bytes.
    pub length: u16,
    /// It must not be taken apart.
    pub dont_fragment: bool,
    /// It is a fragment, from that byte on.
    pub fragment: Option<u16>,
}

/// A header of ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icmp {
    /// It is that of IPv6.
    pub v6: bool,
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The two numbers behind the checksum: of echoes identifier and sequence number.
    pub rest: [u16; 2],
}

/// A header of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Udp {
    /// From which port.
    pub from: u16,
    /// To which port.
    pub to: u16,
    /// The length, with this header, in bytes.
    pub length: u16,
}

/// A header of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// From which port.
    pub from: u16,
    /// To which port.
    pub to: u16,
    /// The sequence number of the first byte.
    pub sequence: u32,
    /// The number of the byte that is awaited.
    pub acknowledged: u32,
    /// The flags, FIN being 1.
    pub flags: u8,
    /// The window, unscaled.
    pub window: u16,
}

impl Icmp {
    /// Whether it asks for an echo (RFC 792, RFC 4443 §4.1).
    pub fn is_request(self) -> bool {
        self.kind == if self.v6 { 128 } else { 8 }
    }

    /// Whether it is one (RFC 792, RFC 4443 §4.2).
    pub fn is_reply(self) -> bool {
        self.kind == if self.v6 { 129 } else { 0 }
    }

    /// The MTU of the next hop, if it says that the packet was too large for it (RFC 1191 §4, RFC 4443 §3.2).
    pub fn too_big(self) -> Option<u32> {
        match (self.v6, self.kind, self.code) {
            (false, 3, 4) => Some(u32::from(self.rest[1])),
            (true, 2, _) => Some(u32::from(self.rest[0]) << 16 | u32::from(self.rest[1])),
            _ => None,
        }
    }
}

/// `who has 192.168.0.100? tell 192.168.0.2`, `192.168.0.100 is at 02:42:c0:a8:00:64`.
impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arp { operation, sender, sender_mac, target, .. } = self;
        match operation {
            1 => write!(f, "who has {target}? tell {sender}"),
            2 => write!(f, "{sender} is at {sender_mac}"),
            other => write!(f, "operation {other} from {sender} to {target}"),
        }
    }
}

/// `echo request, id 7, seq 1`, `unreachable: port`.
impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.rest;
        if self.is_request() {
            return write!(f, "echo request, id {first}, seq {second}");
        }
        if self.is_reply() {
            return write!(f, "echo reply, id {first}, seq {second}");
        }
        if let Some(mtu) = self.too_big() {
            return write!(f, "too big, next hop's mtu {mtu}");
        }
        // RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1, RFC 4861 §4.
        f.write_str(match (self.v6, self.kind, self.code) {
            (false, 3, 0) => "unreachable: network",
            (false, 3, 1) => "unreachable: host",
            (false, 3, 2) => "unreachable: protocol",
            (false, 3, 3) | (true, 1, 4) => "unreachable: port",
            (false, 3, 9 | 10 | 13) | (true, 1, 1) => "unreachable: forbidden",
            (false, 5, _) | (true, 137, _) => "redirect",
            (false, 11, _) | (true, 3, _) => "out of hops",
            (true, 1, 0) => "unreachable: no route",
            (true, 1, 3) => "unreachable: address",
            (true, 133, _) => "router solicitation",
            (true, 134, _) => "router advertisement",
            (true, 135, _) => "neighbour solicitation",
            (true, 136, _) => "neighbour advertisement",
            (true, 130 | 131 | 132 | 143, _) => "multicast listeners",
            (_, kind, code) => return write!(f, "type {kind}, code {code}"),
        })
    }
}

/// `[S.] seq 1, ack 2, win 64240`: the flags as tcpdump has them.
impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FLAGS: [(u8, char); 6] =
            [(0x02, 'S'), (0x01, 'F'), (0x04, 'R'), (0x08, 'P'), (0x20, 'U'), (0x10, '.')];
        let set: String =
            FLAGS.iter().filter(|(flag, _)| self.flags & flag != 0).map(|(_, letter)| letter).collect();
        write!(f, "[{set}] seq {}", self.sequence)?;
        if self.flags & 0x10 != 0 {
            write!(f, ", ack {}", self.acknowledged)?;
        }
        write!(f, ", win {}", self.window)
    }
}
