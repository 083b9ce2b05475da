//! An endpoint on another host, as the datapath sees it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Mac;

/// Where the holder of an overlay address is: its MAC and the underlay address of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The endpoint's hardware address, which answers ARP and neighbour discovery.
    pub mac: Mac,
    /// The underlay address of the host that has it (its VTEP), to which frames for that MAC go.
    pub vtep: Ipv4Addr,
}

/// The peers of a network by overlay address: one that has an IPv6 address as well is in it twice.
pub type Peers = BTreeMap<IpAddr, Peer>;
