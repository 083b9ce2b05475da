//! An endpoint on another host, as the datapath sees it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Mac;

/// Where the holder of an overlay address is: its MAC and the underlay address of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The endpoint's hardware address, which answers ARP.
    pub mac: Mac,
    /// The underlay address of the host that has it (its VTEP), to which frames for that MAC go.
    pub vtep: Ipv4Addr,
}

/// The peers of a network by overlay address.
pub type Peers = BTreeMap<Ipv4Addr, Peer>;
