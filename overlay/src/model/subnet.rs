//! The subnets of a network.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Pool, Vni};

/// A subnet of a network: a broadcast domain of its own, with addresses of IPv4 and, maybe, of IPv6 as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its addresses.
    pub v4: Pool<Ipv4Net>,
    /// Its IPv6 addresses; a container in it has one of each.
    pub v6: Option<Pool<Ipv6Net>>,
    /// Its number on the wire; none until the first join of it anywhere.
    pub vni: Option<Vni>,
}

impl Subnet {
    /// Whether an address is one of its own.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.net.contains(&ip),
            IpAddr::V6(ip) => self.v6.as_ref().is_some_and(|v6| v6.net.contains(&ip)),
        }
    }

    /// Its pools' subnets, IPv4 first.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> {
        [IpNet::V4(self.v4.net)].into_iter().chain(self.v6.iter().map(|v6| IpNet::V6(v6.net)))
    }

    /// The addresses that its bridge has on every host, IPv4 first.
    pub fn gateways(&self) -> impl Iterator<Item = IpNet> {
        [self.v4.gateway_net()].into_iter().chain(self.v6.iter().map(Pool::gateway_net))
    }
}
