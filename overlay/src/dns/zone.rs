//! The names that a container can look up: of the networks that it is on, and of no others. Pure.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::answer::Names;
use super::message::Type;
use crate::id::NetworkId;
use crate::ledger::View;
use crate::model::{Endpoint, Network};

/// What a container on some networks knows of the store's documents.
///
/// Endpoints whose host is away have no names, just as they are no peers; those of this host have theirs even if the
/// store has lost the host.
#[derive(Debug, Clone)]
pub struct Zone {
    view: Arc<View>,
    host: Ipv4Addr,
    /// In the order in which they are searched.
    networks: Vec<NetworkId>,
    /// Nobody else is asked for a name without a dot.
    withholds_words: bool,
}

impl Zone {
    /// What a container of the host with that underlay address can look up while it is on these networks.
    ///
    /// They are searched in Docker's order of endpoints: internal ones after the others, then by name (20.10:
    /// `sandbox.go`, `endpoint.Less`).
    pub fn of(view: Arc<View>, host: Ipv4Addr, networks: impl IntoIterator<Item = NetworkId>) -> Zone {
        let mut on: Vec<(bool, String, NetworkId)> = networks
            .into_iter()
            .filter_map(|id| {
                let network = &view.networks.get(&id)?.value.network;
                Some((network.internal, network.name.clone(), id))
            })
            .collect();
        on.sort();
        let networks = on.into_iter().map(|(_, _, id)| id).collect();
        Zone { view, host, networks, withholds_words: false }
    }

    /// For a container whose `ndots` somebody has set: a name without a dot is not for the outside, where it would be asked for
    /// again with each search domain behind it (20.10: `resolver.go`, `NdotsSet`). Zero dots are what Docker sets itself.
    #[must_use]
    pub fn with_ndots(self, ndots: Option<usize>) -> Zone {
        Zone { withholds_words: ndots.is_some_and(|ndots| ndots > 0), ..self }
    }

    fn network(&self, id: NetworkId) -> Option<&Network> {
        self.view.networks.get(&id).map(|stored| &stored.value.network)
    }

    fn endpoints(&self, network: NetworkId) -> impl Iterator<Item = &Endpoint> {
        let alive =
            |endpoint: &&Endpoint| endpoint.host == self.host || self.view.nodes.contains_key(&endpoint.host);
        self.view.endpoints_of(network).filter(alive)
    }

    /// The addresses of all who have this name on a network.
    fn holders(&self, network: NetworkId, name: &str) -> Option<Vec<IpAddr>> {
        let holds = |endpoint: &&Endpoint| {
            let own = (!endpoint.anonymous).then_some(&endpoint.name);
            own.into_iter().chain(&endpoint.aliases).any(|its| its.eq_ignore_ascii_case(name))
        };
        let holders = self.endpoints(network).filter(holds);
        let mut all: Vec<IpAddr> =
            holders.flat_map(Endpoint::addresses).map(|address| address.addr()).collect();
        all.sort_unstable();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }
}

impl Names for Zone {
    const IS_AUTHORITY: bool = false;

    /// A container's name, its aliases, its short id, each also with a network's name behind it. Both may have dots, so that
    /// every dot may be the one between them: the last is tried first (20.10: `sandbox.go`, `ResolveName`). The first
    /// network on which somebody has the name answers.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let found = self.networks.iter().find_map(|id| self.holders(*id, name));
        found.or_else(|| {
            name.rmatch_indices('.').find_map(|(dot, _)| {
                let (holder, network) = (&name[..dot], &name[dot + 1..]);
                let named = |id: &&NetworkId| {
                    self.network(**id).is_some_and(|its| its.name.eq_ignore_ascii_case(network))
                };
                self.networks.iter().filter(named).find_map(|id| self.holders(*id, holder))
            })
        })
    }

    /// `<name>.<network>`; of a container whose name was drawn, the first of its aliases instead (20.10: `network.go`,
    /// `updateSvcRecord`).
    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.networks.iter().find_map(|id| {
            let endpoint = self.endpoints(*id).find(|endpoint| endpoint.has(address))?;
            let name = if endpoint.anonymous { endpoint.aliases.first()? } else { &endpoint.name };
            Some(format!("{name}.{}", self.network(*id)?.name))
        })
    }

    fn withholds(&self, name: &str, kind: Type) -> bool {
        self.withholds_words && matches!(kind, Type::A | Type::AAAA) && !name.contains('.')
    }
}

#[cfg(test)]
mod tests;
