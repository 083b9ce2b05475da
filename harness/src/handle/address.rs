//! Whom something can be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Container, Host};

/// Whom something can be sent to: an address, a host (its address on the underlay), a container (on the first network that it
/// shares with the sender, else on its first one), or a text that names one of these: `C0`, `C0@demonet`, `docker0`, `8.8.8.8`.
/// Or a name that the sender's name server knows: one with a dot that is nobody's here, or any behind `dns:`. With `ipv6:` before
/// it, a container or a name means its IPv6 address: `ipv6:C0`, `ipv6:dns:C0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(pub(super) String);

impl From<Ipv4Addr> for Destination {
    fn from(ip: Ipv4Addr) -> Destination {
        Destination(ip.to_string())
    }
}

impl From<Ipv6Addr> for Destination {
    fn from(ip: Ipv6Addr) -> Destination {
        Destination(ip.to_string())
    }
}

impl From<IpAddr> for Destination {
    fn from(ip: IpAddr) -> Destination {
        Destination(ip.to_string())
    }
}

impl From<&str> for Destination {
    fn from(text: &str) -> Destination {
        Destination(text.to_owned())
    }
}

impl From<&Host> for Destination {
    fn from(host: &Host) -> Destination {
        Destination(format!("host:{}", host.name()))
    }
}

impl From<&Container> for Destination {
    fn from(container: &Container) -> Destination {
        Destination(format!("container:{}", container.name()))
    }
}
