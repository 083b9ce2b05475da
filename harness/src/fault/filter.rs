//! Frames by what they carry, seen through VXLAN.

use std::fmt;
use std::net::Ipv4Addr;

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
    /// Only packets from or to that address (an ARP packet: asking for it or by it).
    pub address: Option<Ipv4Addr>,
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
    /// TCP (6).
    Tcp,
    /// UDP (17).
    Udp,
}

/// As files write it.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arp => "arp",
            Self::Icmp => "icmp",
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
