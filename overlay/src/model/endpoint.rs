//! A container's place on a network.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Mac, Publish};
use crate::id::{EndpointId, NetworkId, SandboxId};

/// An endpoint as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is.
    pub id: EndpointId,
    /// On which network.
    pub network: NetworkId,
    /// The container's name.
    pub name: String,
    /// The name was drawn, and not given: others cannot look it up.
    pub anonymous: bool,
    /// Its address, with the subnet's length.
    pub address: Ipv4Net,
    /// Its IPv6 address, likewise, if its subnet has some.
    pub address6: Option<Ipv6Net>,
    /// Its hardware address.
    pub mac: Mac,
    /// The container's sandbox; none while it is joining or leaving.
    pub sandbox: Option<SandboxId>,
    /// The underlay address of the host that has it: the only place in the store that says where it runs.
    pub host: Ipv4Addr,
    /// Further names, the container's short id among them.
    pub aliases: Vec<String>,
    /// The ports that its container asked to be published. Only the first endpoint that leads outside has them.
    pub publish: Vec<Publish>,
}

impl Endpoint {
    /// Its addresses with their subnets' lengths, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpNet> + use<> {
        [IpNet::V4(self.address)].into_iter().chain(self.address6.map(IpNet::V6))
    }

    /// Whether an address is its own.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses().any(|its| its.addr() == ip)
    }
}
