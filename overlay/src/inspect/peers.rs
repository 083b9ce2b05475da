//! The other hosts of a network, as `docker network inspect --verbose` shows them, with what they have there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::{Member, member};
use crate::id::NetworkId;
use crate::ledger::View;

/// A host that has endpoints of a network. Name and address are Docker's `Peers`; the endpoints are not: where a Swarm has tasks
/// in its `Services`, here are the containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PeerDetails {
    /// What the host advertises: `10.0.0.11:2376`.
    pub name: String,
    /// Its address on the underlay: the end of the tunnel to it (VTEP).
    #[serde(rename = "IP")]
    pub ip: Ipv4Addr,
    /// Its endpoints of the network.
    pub endpoints: Vec<Member>,
}

/// The hosts that `host` sends frames of a network to: those that are alive, by their addresses.
pub(crate) fn peers(view: &View, network: NetworkId, host: Ipv4Addr) -> Vec<PeerDetails> {
    let mut all: BTreeMap<Ipv4Addr, PeerDetails> = BTreeMap::new();
    for endpoint in view.endpoints_of(network).filter(|endpoint| endpoint.host != host) {
        let Some(node) = view.nodes.get(&endpoint.host) else { continue };
        let ip = endpoint.host;
        let peer = all.entry(ip).or_insert_with(|| PeerDetails {
            name: node.to_string(),
            ip,
            endpoints: Vec::new(),
        });
        peer.endpoints.push(member(endpoint));
    }
    for peer in all.values_mut() {
        peer.endpoints.sort_by(|one, other| one.name.cmp(&other.name));
    }
    all.into_values().collect()
}
