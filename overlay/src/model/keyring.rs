//! The keys of an encrypted network, and how one takes another's place.
//!
//! All hosts receive by every key of the ring and send by one of them, the primary. A new key is a secondary one until each host has
//! said that it receives by it; then it is the primary. The old one is pruned once each host has said that it sends by the new one,
//! and what was under way has arrived. So no host ever sends what another cannot read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// A key of AES-128. Nobody prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetworkKey {
    /// Its number in its network: each new one has the next. Docker's word.
    pub tag: u32,
    /// The key.
    pub bytes: [u8; 16],
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey({})", self.tag)
    }
}

/// The keys of a network: one at least, and at most two, one of which is on its way in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<NetworkKey>,
    primary: u32,
}

/// What a host has in its kernel of a network's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The tags of those that it receives by.
    pub receives: BTreeSet<u32>,
    /// The tag of the one that it sends by.
    pub sends: u32,
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// There is none: one key.
    Steady,
    /// The key of that tag is there, and nobody sends by it yet.
    Secondary(u32),
    /// The key of that tag is still there, and nobody is to send by it any more.
    Pruning(u32),
}

impl Keyring {
    /// A ring with its first key.
    pub fn new(bytes: [u8; 16]) -> Keyring {
        Keyring { keys: vec![NetworkKey { tag: 1, bytes }], primary: 1 }
    }

    /// A ring of these keys. None: the primary is not among them, or a tag is there twice.
    pub fn of(mut keys: Vec<NetworkKey>, primary: u32) -> Option<Keyring> {
        keys.sort_by_key(|key| key.tag);
        let twice = keys.windows(2).any(|pair| pair[0].tag == pair[1].tag);
        (!twice && keys.iter().any(|key| key.tag == primary)).then_some(Keyring { keys, primary })
    }

    /// All keys, the oldest first: those that a host receives by.
    pub fn keys(&self) -> &[NetworkKey] {
        &self.keys
    }

    /// The tag of the key that hosts send by.
    pub fn primary(&self) -> u32 {
        self.primary
    }

    /// How far a rotation has come.
    pub fn stage(&self) -> Stage {
        let newest = self.keys.last().map_or(self.primary, |key| key.tag);
        let oldest = self.keys.first().map_or(self.primary, |key| key.tag);
        if newest > self.primary {
            Stage::Secondary(newest)
        } else if oldest < self.primary {
            Stage::Pruning(oldest)
        } else {
            Stage::Steady
        }
    }

    /// With a new key, and its tag. None while a rotation is under way, or if no tag is left.
    pub fn begun(&self, bytes: [u8; 16]) -> Option<(u32, Keyring)> {
        let tag = self.primary.checked_add(1)?;
        let mut ring = self.clone();
        ring.keys.push(NetworkKey { tag, bytes });
        (self.stage() == Stage::Steady).then_some((tag, ring))
    }

    /// Those of the hosts for which the rotation waits.
    pub fn lagging(&self, hosts: &BTreeSet<Ipv4Addr>, held: &BTreeMap<Ipv4Addr, Held>) -> BTreeSet<Ipv4Addr> {
        let is_ready = |host: &Ipv4Addr| match (self.stage(), held.get(host)) {
            (Stage::Steady, _) => true,
            (Stage::Secondary(tag), Some(held)) => held.receives.contains(&tag),
            (Stage::Pruning(_), Some(held)) => held.sends == self.primary,
            (_, None) => false,
        };
        hosts.iter().copied().filter(|host| !is_ready(host)).collect()
    }

    /// What it is after the next step, for which all hosts are ready. None: there is none to take.
    pub fn advanced(&self) -> Option<Keyring> {
        let mut ring = self.clone();
        match self.stage() {
            Stage::Steady => return None,
            Stage::Secondary(tag) => ring.primary = tag,
            Stage::Pruning(_) => ring.keys.retain(|key| key.tag >= self.primary),
        }
        Some(ring)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn tags(ring: &Keyring) -> Vec<u32> {
        ring.keys().iter().map(|key| key.tag).collect()
    }

    #[test]
    fn a_rotation_has_three_steps_and_waits_for_every_host() {
        let hosts = BTreeSet::from([Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 11)]);
        let mut held: BTreeMap<Ipv4Addr, Held> = BTreeMap::new();
        let first = Keyring::new([1; 16]);
        assert_eq!(
            (first.stage(), first.advanced(), first.lagging(&hosts, &held).len()),
            (Stage::Steady, None, 0)
        );
        let (tag, ring) = first.begun([2; 16]).unwrap();
        assert_eq!((tag, tags(&ring), ring.primary()), (2, vec![1, 2], 1));
        assert_eq!(ring.begun([3; 16]), None);
        assert_eq!(ring.stage(), Stage::Secondary(2));
        assert_eq!(ring.lagging(&hosts, &held), hosts);
        for host in &hosts {
            held.insert(*host, Held { receives: BTreeSet::from([1, 2]), sends: 1 });
        }
        assert_eq!(ring.lagging(&hosts, &held).len(), 0);
        let ring = ring.advanced().unwrap();
        assert_eq!((ring.stage(), ring.primary()), (Stage::Pruning(1), 2));
        assert_eq!(ring.lagging(&hosts, &held), hosts);
        for held in held.values_mut() {
            held.sends = 2;
        }
        assert_eq!(ring.lagging(&hosts, &held).len(), 0);
        let ring = ring.advanced().unwrap();
        assert_eq!((tags(&ring), ring.stage()), (vec![2], Stage::Steady));
    }

    #[test]
    fn keys_are_not_printed() {
        let shown = format!("{:?}", Keyring::new([0x5a; 16]));
        assert_eq!(shown, "Keyring { keys: [NetworkKey(1)], primary: 1 }");
    }

    /// What hosts and the store do, in any order.
    #[derive(Clone, Debug)]
    enum Turn {
        /// A host has read the ring: what it holds is as the ring says.
        Follow(usize),
        /// It says so.
        Say(usize),
        /// Somebody takes the next step, if all have said that they are ready.
        Step,
        /// Somebody asks for a new key.
        Begin,
    }

    fn turn() -> impl Strategy<Value = Turn> {
        prop_oneof![
            4 => (0_usize..3).prop_map(Turn::Follow),
            4 => (0_usize..3).prop_map(Turn::Say),
            2 => Just(Turn::Step),
            1 => Just(Turn::Begin),
        ]
    }

    proptest! {
        /// Whenever hosts follow, and however late: what one sends, every other can read.
        #[test]
        fn nobody_ever_sends_what_another_cannot_read(turns in prop::collection::vec(turn(), 0..200)) {
            let hosts: Vec<Ipv4Addr> = (10..13).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect();
            let all: BTreeSet<Ipv4Addr> = hosts.iter().copied().collect();
            let mut ring = Keyring::new([0; 16]);
            let now = |ring: &Keyring| Held { receives: tags(ring).into_iter().collect(), sends: ring.primary() };
            let mut has: Vec<Held> = hosts.iter().map(|_| now(&ring)).collect();
            let mut said: BTreeMap<Ipv4Addr, Held> = BTreeMap::new();
            for turn in turns {
                match turn {
                    Turn::Follow(host) => has[host] = now(&ring),
                    Turn::Say(host) => drop(said.insert(hosts[host], has[host].clone())),
                    Turn::Step if ring.lagging(&all, &said).is_empty() => {
                        ring = ring.advanced().unwrap_or(ring);
                    }
                    Turn::Begin => ring = ring.begun([0; 16]).map_or(ring, |(_, begun)| begun),
                    Turn::Step => {}
                }
                prop_assert!(ring.keys().len() <= 2);
                for sender in &has {
                    prop_assert!(has.iter().all(|other| other.receives.contains(&sender.sends)), "{:?}", has);
                }
            }
        }
    }
}
