//! The keys of encrypted networks: who draws them, who says that it has them, who goes on with a rotation.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{Core, Engine};
use crate::error::{Cause, Result};
use crate::id::NetworkId;
use crate::kv::keys;
use crate::kv::record::{HeldRecord, encode};
use crate::ledger::{self, View};
use crate::model::{Held, Stage};

/// How long a rotation is waited for: a host that has died and whose session has not yet ended holds it up.
const ROTATION: Duration = Duration::from_secs(45);

/// Since when rotations could go on, each from its stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rotations(BTreeMap<(NetworkId, Stage), Instant>);

impl Rotations {
    /// Notes which could go on now. Of the networks that are on this host alone: their hosts go on with them.
    fn observe(&mut self, view: &View, held: &BTreeMap<NetworkId, Held>, now: Instant) {
        let mut ready = BTreeMap::new();
        for network in held.keys() {
            let Some(ring) = view.keyring(*network) else { continue };
            let could = (*network, ring.stage());
            if could.1 != Stage::Steady && view.lagging(*network).is_empty() {
                let since = self.0.get(&could).copied().unwrap_or(now);
                ready.insert(could, since);
            }
        }
        self.0 = ready;
    }

    /// When each of them is to go on: at once, or when what was sent by the old key has arrived.
    fn due(&self, grace: Duration) -> impl Iterator<Item = (NetworkId, Instant)> {
        let wait = move |stage: &Stage| match stage {
            Stage::Pruning(_) => grace,
            Stage::Steady | Stage::Secondary(_) => Duration::ZERO,
        };
        self.0.iter().map(move |((network, stage), since)| (*network, *since + wait(stage)))
    }

    /// When the next one is to go on that is not to now.
    pub(super) fn next(&self, grace: Duration, now: Instant) -> Option<Instant> {
        self.due(grace).map(|(_, due)| due).filter(|due| *due > now).min()
    }
}

/// A new key.
pub(super) fn draw_key() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // Not the engine's own generator, which a seed tells all about.
    getrandom::fill(&mut bytes).map_err(|why| kernel::Error::other("draw", "a key", why))?;
    Ok(bytes)
}

impl Engine {
    /// Gives an encrypted network a new key, and returns once all of its hosts send by it and none knows the old one any more; the new
    /// one's tag. No packet is lost meanwhile: see [`Keyring`](crate::model::Keyring).
    pub async fn rotate_keys(&self, network: &str) -> Result<u32> {
        let core = &self.core;
        let id = core.look().await?.find(network)?.network.id;
        let bytes = draw_key()?;
        let mut drawn = None;
        core.transact(|view| {
            // Its answer may have been lost.
            if let Some(tag) = drawn.filter(|_| {
                view.keyring(id).is_some_and(|ring| ring.keys().iter().any(|key| key.bytes == bytes))
            }) {
                return Ok((tag, vec![]));
            }
            let (tag, ops) = ledger::rotate(view, id, bytes)?;
            drawn = Some(tag);
            Ok((tag, ops))
        })
        .await?;
        let tag = drawn.ok_or(Cause::Ended)?;
        if let Ok(done) = timeout(ROTATION, core.rotated(id, tag)).await {
            return done.map(|()| tag);
        }
        let view = core.look().await?;
        let hosts: Vec<String> = view.lagging(id).iter().map(Ipv4Addr::to_string).collect();
        let hosts = if hosts.is_empty() { "a host".to_owned() } else { hosts.join(", ") };
        Err(Cause::NotRotated { network: view.name_of(id), waited: ROTATION, hosts }.into())
    }
}

impl Core {
    /// Waits until a network has no key that is older than that one.
    async fn rotated(&self, network: NetworkId, tag: u32) -> Result<()> {
        let mut applied = self.applied.subscribe();
        loop {
            let view = Arc::clone(&applied.borrow_and_update().view);
            if view.keyring(network).is_some_and(|ring| ring.keys().iter().all(|key| key.tag >= tag)) {
                return Ok(());
            }
            let nobody = view.hosts_on(network).is_empty();
            if nobody && view.keyring(network).is_some_and(|ring| ring.stage() != Stage::Steady) {
                // Nobody else does it.
                self.transact(|view| Ok(((), ledger::turn_keys(view, network)))).await?;
            }
            if !view.networks.contains_key(&network) && !self.look().await?.networks.contains_key(&network) {
                return Err(Cause::NoSuchNetwork(network.to_string()).into());
            }
            applied.changed().await.map_err(|_| Cause::Ended)?;
        }
    }

    /// Says which keys this host has, where that is not what it has said, and takes back what it has not any more. Whether all is
    /// said.
    pub(super) async fn say_keys(&self) -> Result<bool> {
        let (view, held) = {
            let applied = self.applied.borrow();
            (Arc::clone(&applied.view), Arc::clone(&applied.held))
        };
        let mut done = true;
        for (network, has) in held.iter() {
            if !view.networks.contains_key(network) || view.held(*network, self.vtep) == Some(has) {
                continue;
            }
            // Who is not registered is waited for by nobody.
            let Some(session) = view.sessions.get(&self.vtep) else { return Ok(false) };
            let value = encode(&HeldRecord::of(has));
            done &= self.kv.acquire(&keys::held(*network, self.vtep), &value, session).await?;
        }
        for network in view.held_by(self.vtep).filter(|network| !held.contains_key(network)) {
            self.kv.delete(&keys::held(network, self.vtep)).await?;
        }
        Ok(done)
    }

    /// Goes on with the rotations for which all hosts are ready.
    pub(super) async fn turn_keys(&self, rotations: &mut Rotations) -> Result<()> {
        let (view, held) = {
            let applied = self.applied.borrow();
            (Arc::clone(&applied.view), Arc::clone(&applied.held))
        };
        let now = Instant::now();
        rotations.observe(&view, &held, now);
        let due: Vec<NetworkId> = rotations
            .due(self.config.key_grace)
            .filter(|(_, due)| *due <= now)
            .map(|(network, _)| network)
            .collect();
        for network in due {
            let seen = view.keyring(network).cloned();
            let turned = self.transact(|view| {
                // Whoever was faster has done it.
                let same = view.keyring(network) == seen.as_ref();
                let ops = if same { ledger::turn_keys(view, network) } else { vec![] };
                Ok((!ops.is_empty(), ops))
            });
            if turned.await?
                && let Some(next) = seen.and_then(|ring| ring.advanced())
            {
                let (name, primary) = (view.name_of(network), next.primary());
                self.config.witness.say(match next.stage() {
                    Stage::Pruning(old) => format!("{name} is encrypted by key {primary} from now on; key {old} is kept for what is under way"),
                    _ => format!("the old keys of {name} are gone, key {primary} is the only one"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_are_alike() {
        let keys: Vec<[u8; 16]> = (0..64).filter_map(|_| draw_key().ok()).collect();
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!((keys.len(), different.len()), (64, 64));
    }

    #[test]
    fn an_old_key_is_kept_for_what_is_under_way() {
        let network = NetworkId::random(&mut fastrand::Rng::with_seed(1));
        let (now, grace) = (Instant::now(), Duration::from_secs(2));
        let mut rotations = Rotations::default();
        rotations.0.insert((network, Stage::Secondary(2)), now);
        assert_eq!(rotations.next(grace, now), None);
        assert_eq!(rotations.due(grace).collect::<Vec<_>>(), [(network, now)]);
        rotations.0 = BTreeMap::from([((network, Stage::Pruning(1)), now)]);
        assert_eq!(rotations.next(grace, now), Some(now + grace));
    }
}
