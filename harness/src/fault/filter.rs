//! Frames by what they carry, seen through VXLAN.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::topology::NetworkName;

/// Which frames are meant. What is `None` is not looked at; the default means all frames.
///
/// `protocol`, `address` and `port` are those of the packet itself; with `inside`, those of the packet in the tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only what is encapsulated, and so.
    pub inside: Option<Tunnel>,
    /// Only that protocol.
    pub protocol: Option<Protocol>,
    /// Only packets from or to that address (ARP, neighbour solicitations and advertisements: asking for it or by it).
    pub address: Option<IpAddr>,
    /// Only TCP or UDP from or to that port.
    pub port: Option<u16>,
}

/// Encapsulated frames: UDP to port 4789 (RFC 7348 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tunnel {
    /// All of them.
    Any,
    /// Of that overlay network; of all its VNIs.
    Network(NetworkName),
    /// With that VNI.
    Vni(u32),
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// ARP (EtherType 0x0806).
    Arp,
    /// ICMP (1).
    Icmp,
    /// ICMP of IPv6 (58); neighbours are found by it, too.
    Icmpv6,
    /// TCP (6), of both families.
    Tcp,
    /// UDP (17), of both families.
    Udp,
}

/// Why a filter means no frame at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// The port belongs to no such protocol.
    Port(&'static str),
    /// The address belongs to no such packet.
    Address(&'static str),
}

impl Filter {
    /// Why it means no frame at all, if it does not.
    pub(crate) fn contradiction(&self) -> Option<Contradiction> {
        use Contradiction::{Address, Port};
        match (self.protocol, self.address) {
            (Some(Protocol::Arp | Protocol::Icmp | Protocol::Icmpv6), _) if self.port.is_some() => {
                Some(Port("neither ARP nor ICMP has ports"))
            }
            (Some(Protocol::Arp | Protocol::Icmp), Some(IpAddr::V6(_))) => {
                Some(Address("ARP and ICMP are of IPv4; what IPv6 has is `icmpv6`"))
            }
            (Some(Protocol::Icmpv6), Some(IpAddr::V4(_))) => Some(Address("ICMPv6 is of IPv6")),
            (_, Some(IpAddr::V6(_))) if self.inside.is_none() => Some(Address(
                "hosts have no IPv6: say in which tunnel, by `network`, `vni` or `encapsulated`",
            )),
            _ => None,
        }
    }
}

/// As files write it.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arp => "arp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// `ICMP inside demonet, from or to 192.168.0.2`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            None => f.write_str("everything")?,
            Some(Protocol::Icmpv6) => f.write_str("ICMPv6")?,
            Some(protocol) => f.write_str(&protocol.to_string().to_ascii_uppercase())?,
        }
        match &self.inside {
            None => {}
            Some(Tunnel::Any) => f.write_str(" inside VXLAN")?,
            Some(Tunnel::Network(network)) => write!(f, " inside {network}")?,
            Some(Tunnel::Vni(vni)) => write!(f, " inside VNI {vni}")?,
        }
        if let Some(address) = self.address {
            write!(f, " from or to {address}")?;
        }
        if let Some(port) = self.port {
            write!(f, " from or to port {port}")?;
        }
        Ok(())
    }
}
