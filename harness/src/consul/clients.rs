//! Who asks: a host, by its address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::topology::HostName;

/// The hosts that a store's clients are on.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// By address.
    pub hosts: BTreeMap<IpAddr, HostName>,
    /// The store's own, which asks over its loopback.
    pub own: Option<HostName>,
}

impl Clients {
    /// Whose address that is. A container's requests come from its host's: the way out of an overlay is masqueraded.
    pub fn host(&self, address: IpAddr) -> Option<&HostName> {
        let address = address.to_canonical();
        let own = || self.own.as_ref().filter(|_| address.is_loopback());
        self.hosts.get(&address).or_else(own)
    }
}
