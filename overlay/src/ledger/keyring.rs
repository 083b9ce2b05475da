//! The keys of encrypted networks, and their rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::View;
use super::create::cas;
use crate::error::{Cause, Result};
use crate::id::NetworkId;
use crate::kv::record::KeyringRecord;
use crate::kv::{TxnOp, keys};
use crate::model::{Held, Keyring};

/// Writes the keys of a network down that is created in the same transaction.
pub(crate) fn first_keys(network: NetworkId, ring: &Keyring) -> TxnOp {
    cas(keys::keyring(network), &KeyringRecord::of(ring), 0)
}

/// Adds a key, and says by which tag: the first step of a rotation.
pub(crate) fn rotate(view: &View, network: NetworkId, bytes: [u8; 16]) -> Result<(u32, Vec<TxnOp>)> {
    let name = view.name_of(network);
    let Some(stored) = view.keyrings.get(&network) else {
        return Err(Cause::NotEncrypted(name).into());
    };
    let begun = stored.value.begun(bytes);
    let (tag, ring) = begun.ok_or(Cause::Rotating(name))?;
    Ok((tag, vec![cas(keys::keyring(network), &KeyringRecord::of(&ring), stored.index)]))
}

/// The next step of a network's rotation, if all of its hosts are ready for it.
pub(crate) fn turn_keys(view: &View, network: NetworkId) -> Vec<TxnOp> {
    let Some(stored) = view.keyrings.get(&network) else { return Vec::new() };
    let next = stored.value.advanced().filter(|_| view.lagging(network).is_empty());
    next.map(|ring| cas(keys::keyring(network), &KeyringRecord::of(&ring), stored.index))
        .into_iter()
        .collect()
}

impl View {
    /// A network's keys, if it is encrypted.
    pub fn keyring(&self, network: NetworkId) -> Option<&Keyring> {
        self.keyrings.get(&network).map(|stored| &stored.value)
    }

    /// What a host says that it has of a network's keys.
    pub(crate) fn held(&self, network: NetworkId, host: Ipv4Addr) -> Option<&Held> {
        self.held.get(&network)?.get(&host)
    }

    /// The networks of whose keys a host says that it has some.
    pub(crate) fn held_by(&self, host: Ipv4Addr) -> impl Iterator<Item = NetworkId> {
        self.held.iter().filter(move |(_, hosts)| hosts.contains_key(&host)).map(|(network, _)| *network)
    }

    /// The hosts that are alive and have endpoints on a network: those between which it is encrypted.
    pub(crate) fn hosts_on(&self, network: NetworkId) -> BTreeSet<Ipv4Addr> {
        let hosts = self.endpoints_of(network).map(|endpoint| endpoint.host);
        hosts.filter(|host| self.nodes.contains_key(host)).collect()
    }

    /// The hosts for which the rotation of a network's keys waits.
    pub(crate) fn lagging(&self, network: NetworkId) -> BTreeSet<Ipv4Addr> {
        let none = BTreeMap::new();
        let held = self.held.get(&network).unwrap_or(&none);
        self.keyring(network).map(|ring| ring.lagging(&self.hosts_on(network), held)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::kv::record::{HeldRecord, encode};
    use crate::ledger::tests::{Scene, asked};

    #[test]
    fn a_rotation_is_written_step_by_step_and_goes_with_its_network() {
        let mut scene = Scene::new();
        let id = scene.create(&asked("encnet", "10.74.0.0/24")).unwrap();
        let not = rotate(&scene.view(), id, [2; 16]).unwrap_err().to_string();
        assert_eq!(not, "network encnet is not encrypted: it has no keys");
        assert!(scene.commit(vec![first_keys(id, &Keyring::new([1; 16]))]));
        assert!(turn_keys(&scene.view(), id).is_empty());

        let (tag, ops) = rotate(&scene.view(), id, [2; 16]).unwrap();
        assert!(scene.commit(ops));
        assert_eq!(tag, 2);
        let twice = rotate(&scene.view(), id, [3; 16]).unwrap_err().to_string();
        assert_eq!(twice, "the keys of network encnet are being rotated: wait until that is done");

        // Nobody is on it: nobody is waited for.
        for stage in ["the new one", "the old one gone"] {
            let ops = turn_keys(&scene.view(), id);
            assert_eq!(ops.len(), 1, "{stage}");
            assert!(scene.commit(ops));
        }
        let view = scene.view();
        assert_eq!((view.keyring(id).unwrap().primary(), view.keyring(id).unwrap().keys().len()), (2, 1));

        let host = Ipv4Addr::new(10, 0, 0, 10);
        let held = Held { receives: BTreeSet::from([2]), sends: 2 };
        let value = encode(&HeldRecord::of(&held));
        assert!(scene.commit(vec![TxnOp::Cas { key: keys::held(id, host), value, index: 0 }]));
        assert_eq!(scene.view().held(id, host), Some(&held));
        assert_eq!(scene.view().held_by(host).collect::<Vec<_>>(), [id]);
        scene.remove("encnet").unwrap();
        let view = scene.view();
        assert_eq!((view.keyring(id), view.held(id, host)), (None, None));
    }
}
