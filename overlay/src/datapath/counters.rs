//! The numbers that go up: interface indexes, `eth0` and its successors, the epochs of overlays.

use std::collections::BTreeMap;

use kernel::Snapshot;

use crate::docker;
use crate::id::{NetworkId, SandboxId};

/// A host's counters. None ever goes back, but for a step that is undone.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    index: u32,
    interfaces: BTreeMap<SandboxId, u32>,
    epochs: BTreeMap<NetworkId, u32>,
}

impl Counters {
    /// Those of a host on which no engine has worked yet: the first index is the article's.
    pub(super) fn new() -> Counters {
        Counters { index: docker::FIRST_INDEX, interfaces: BTreeMap::new(), epochs: BTreeMap::new() }
    }

    /// An interface index. One counter serves all namespaces of a host, as if all links were made in the host's
    /// and moved: that is what Docker does, and why the article's indexes are what they are.
    pub(super) fn index(&mut self) -> u32 {
        let index = self.index;
        self.index += 1;
        index
    }

    /// The name of a container's next interface.
    pub(super) fn interface(&mut self, sandbox: SandboxId) -> String {
        let next = self.interfaces.entry(sandbox).or_default();
        let name = format!("{}{next}", docker::CONTAINER_PREFIX);
        *next += 1;
        name
    }

    /// How often, this time included, the overlay has been built on this host.
    pub(super) fn epoch(&mut self, network: NetworkId) -> u32 {
        let epoch = self.epochs.entry(network).or_default();
        *epoch += 1;
        *epoch
    }

    /// Lets the next epoch be the one that was: the overlay is mended, not built again.
    pub(super) fn same_epoch(&mut self, network: NetworkId) {
        if let Some(epoch) = self.epochs.get_mut(&network) {
            *epoch = epoch.saturating_sub(1);
        }
    }

    /// Lets a container's interfaces be numbered anew: they are mended, not more.
    pub(super) fn forget(&mut self, sandbox: SandboxId) {
        self.interfaces.remove(&sandbox);
    }

    /// Forgets the containers and the networks that are gone. One that has left its last network goes on counting where it was.
    pub(super) fn keep(&mut self, sandbox: impl Fn(SandboxId) -> bool, network: impl Fn(NetworkId) -> bool) {
        self.interfaces.retain(|id, _| sandbox(*id));
        self.epochs.retain(|id, _| network(*id));
    }

    /// Goes beyond the indexes that are in use somewhere on the host.
    pub(super) fn beyond(&mut self, have: &Snapshot) {
        let highest = have.links.iter().map(|link| link.index).max().unwrap_or(0);
        self.index = self.index.max(highest + 1);
    }

    /// Goes beyond the interfaces that a container has.
    pub(super) fn beyond_interfaces(&mut self, sandbox: SandboxId, have: &Snapshot) {
        let numbers = have.links.iter().filter_map(|link| link.name.strip_prefix(docker::CONTAINER_PREFIX));
        let highest = numbers.filter_map(|number| number.parse::<u32>().ok()).max();
        let next = self.interfaces.entry(sandbox).or_default();
        *next = (*next).max(highest.map_or(0, |highest| highest + 1));
    }

    /// Goes beyond an epoch that an earlier engine came to.
    pub(super) fn beyond_epoch(&mut self, network: NetworkId, epoch: u32) {
        let known = self.epochs.entry(network).or_default();
        *known = (*known).max(epoch);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use kernel::rtnl::Link;

    use super::*;

    #[test]
    fn who_is_gone_is_forgotten_and_who_has_left_is_not() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut counters, gone, there) =
            (Counters::new(), SandboxId::random(&mut rng), SandboxId::random(&mut rng));
        let (removed, known) = (NetworkId::random(&mut rng), NetworkId::random(&mut rng));
        for _ in 0..2 {
            let _ = (counters.interface(gone), counters.interface(there));
            let _ = (counters.epoch(removed), counters.epoch(known));
        }
        counters.keep(|id| id == there, |id| id == known);
        assert_eq!((counters.interfaces.len(), counters.epochs.len()), (1, 1));
        assert_eq!((counters.interface(there), counters.epoch(known)), ("eth2".to_owned(), 3));
    }

    #[test]
    fn an_engine_goes_on_where_the_one_before_it_ended() {
        let link = |index, name: &str| Link { index, name: name.to_owned(), ..Link::default() };
        let have =
            Snapshot { links: vec![link(1, "lo"), link(12, "eth2"), link(9, "eth1")], ..Snapshot::default() };
        let mut counters = Counters::new();
        let sandbox = SandboxId::random(&mut fastrand::Rng::with_seed(1));
        assert_eq!((counters.index(), counters.interface(sandbox)), (5, "eth0".to_owned()));
        counters.beyond(&have);
        counters.beyond_interfaces(sandbox, &have);
        assert_eq!((counters.index(), counters.interface(sandbox)), (13, "eth3".to_owned()));
        let network = "620dd594834293e912bc17931d589c41bac318734d1084632f02da3177708bdc".parse().unwrap();
        counters.beyond_epoch(network, 3);
        assert_eq!(counters.epoch(network), 4);
    }
}
