//! Facts of an overlay that a scenario can look at without any tool of the machine.
//!
//! Each is answered from what the kernel and the store hold, never from what was asked for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use overlay::model::Mac;

use super::step::{Target, Via};
use crate::topology::{ContainerName, HostName, NetworkName};

/// A fact that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A host's sandbox of the network has the ARP entry of the container's address and the FDB entry
    /// of its MAC, and the latter leads to the container's host. With `known: false`: neither entry is there.
    Peer {
        /// The host that knows; not the one that the container runs on.
        at: HostName,
        /// The network.
        network: NetworkName,
        /// The container known.
        container: ContainerName,
        /// Known, or not.
        known: bool,
    },
    /// The container's interface on the network has this MTU, and so have its other end, the bridge
    /// and the vxlan device of the sandbox.
    Mtu {
        /// The container.
        container: ContainerName,
        /// The network.
        network: NetworkName,
        /// The MTU.
        is: u32,
    },
    /// An interface exists and is up; what is given beside is so too.
    Interface {
        /// Where.
        on: Target,
        /// The interface's name.
        name: String,
        /// Its kind, as in `ip -d link`: `veth`, `bridge`, `vxlan`.
        kind: Option<String>,
        /// Its MTU.
        mtu: Option<u32>,
        /// Its MAC.
        mac: Option<Mac>,
        /// One of its addresses, with the length of its prefix.
        address: Option<IpNet>,
    },
    /// There is no such interface.
    Absent {
        /// Where.
        on: Target,
        /// The interface's name.
        interface: String,
    },
    /// The routes of the main table.
    Routes {
        /// Where.
        on: Target,
        /// They are these, in any order, and no others.
        equals: Option<Vec<Route>>,
        /// None of them leads exactly to one of these.
        lacks: Vec<IpNet>,
    },
    /// The hosts know the network under one id.
    SameNetwork {
        /// The network.
        network: NetworkName,
        /// The hosts.
        hosts: Vec<HostName>,
    },
    /// A host has a sandbox for the network, `1-<first 10 of the id>`, with exactly these interfaces beside `lo`.
    Sandbox {
        /// The host.
        on: HostName,
        /// The network.
        network: NetworkName,
        /// The interfaces, in any order.
        links: Vec<String>,
        /// The VNI of its vxlan device.
        vni: Option<u32>,
        /// The UDP port of its vxlan device.
        port: Option<u16>,
    },
    /// A container's address on a network, or on the gateway bridge of its host, is in this subnet.
    Addressed {
        /// The container.
        container: ContainerName,
        /// The network.
        network: Via,
        /// The subnet.
        within: IpNet,
    },
    /// What the kernel holds on every host is what the store asks for: nothing missing, nothing left over.
    NoDrift,
}

/// A route: where it leads, through whom, over which interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where it leads; `0.0.0.0/0` is the default route of IPv4.
    pub to: IpNet,
    /// The next hop. `None`: the subnet is on the link.
    pub via: Option<IpAddr>,
    /// The interface.
    pub dev: String,
}

/// Reads what `ip route` prints, as far as `default | SUBNET [via ADDRESS] dev NAME`.
impl FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a route is `default via 172.18.0.1 dev eth1` or `192.168.0.0/24 dev eth0`".to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let (to, via, dev) = match words[..] {
            [to, "dev", dev] => (to, None, dev),
            [to, "via", via, "dev", dev] => (to, Some(via.parse().map_err(|_| wrong())?), dev),
            _ => return Err(wrong()),
        };
        Ok(Self { to: parse_to(to).ok_or_else(wrong)?, via, dev: dev.to_owned() })
    }
}

/// Where the default route of IPv4 leads.
pub(super) const DEFAULT: IpNet = IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0));

/// `default` or a subnet without host bits.
pub(super) fn parse_to(text: &str) -> Option<IpNet> {
    if text == "default" {
        return Some(DEFAULT);
    }
    let net: IpNet = text.parse().ok()?;
    (net == net.trunc()).then_some(net)
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            DEFAULT => f.write_str("default")?,
            to => to.fmt(f)?,
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {}", self.dev)
    }
}

/// The fact as a statement.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer { at, network, container, known } => {
                let does = if *known { "knows" } else { "does not know" };
                write!(f, "{at} {does} {container} on {network}")
            }
            Self::Mtu { container, network, is } => {
                write!(f, "the MTU of {container} on {network} is {is}")
            }
            Self::Interface { on, name, .. } => write!(f, "{on} has an interface {name} as described"),
            Self::Absent { on, interface } => write!(f, "{on} has no interface {interface}"),
            Self::Routes { on, .. } => write!(f, "the routes of {on} are as described"),
            Self::SameNetwork { network, .. } => write!(f, "{network} has one id on all hosts"),
            Self::Sandbox { on, network, .. } => write!(f, "{on} has a sandbox for {network}"),
            Self::Addressed { container, network, within } => {
                write!(f, "the address of {container} on {network} is in {within}")
            }
            Self::NoDrift => f.write_str("store and kernel agree"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_route_is_written_as_it_was_read() {
        for text in [
            "default via 172.18.0.1 dev eth1",
            "192.168.0.0/24 dev eth0",
            "fd00:1::/64 dev eth0",
            "fd00:71::/64 via fd00:70::1 dev eth0",
        ] {
            assert_eq!(text.parse::<Route>().map(|route| route.to_string()), Ok(text.to_owned()));
        }
        assert!("192.168.0.1/24 dev eth0".parse::<Route>().is_err());
        assert!("default".parse::<Route>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in ".*") {
            let _ = text.parse::<Route>();
        }
    }
}
