//! The addresses of a network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Vni;
use crate::docker;

/// A subnet of a network, checked: whatever lies in it does lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The network address and length.
    pub net: Ipv4Net,
    /// The address that every host's bridge has.
    pub gateway: Ipv4Addr,
    /// From which containers are served, if not from the whole subnet.
    pub range: Option<Ipv4Net>,
    /// Addresses kept from containers, by name.
    pub aux: BTreeMap<String, Ipv4Addr>,
    /// Its number on the wire; none until the first join of it anywhere.
    pub vni: Option<Vni>,
}

impl Subnet {
    /// The pool's key in the store: `GlobalDefault/192.168.0.0/24`, with `/<range>` behind it if there is one.
    pub fn pool_id(&self) -> String {
        match self.range {
            None => pool_id(self.net),
            Some(range) => format!("{}/{range}", pool_id(self.net)),
        }
    }

    /// An address with the subnet's length, as an interface carries it.
    pub fn with_len(&self, ip: Ipv4Addr) -> Ipv4Net {
        Ipv4Net::new_assert(ip, self.net.prefix_len())
    }
}

/// The key of a whole subnet's pool in the store.
pub(crate) fn pool_id(net: Ipv4Net) -> String {
    format!("{}/{net}", docker::ADDRESS_SPACE)
}
