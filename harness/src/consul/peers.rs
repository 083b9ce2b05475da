//! Who is connected: how many connections each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of all addresses. Clones count the same ones.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection, which counts until it is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    ip: IpAddr,
    peers: Peers,
}

impl Peers {
    /// Nobody yet; of each address at most so many.
    pub(super) fn new(most: usize) -> Peers {
        Peers { most, counts: Arc::default() }
    }

    /// Counts a connection from there, unless it is one too many.
    pub(super) fn admit(&self, ip: IpAddr) -> Option<Peer> {
        let mut counts = self.counts();
        let count = counts.entry(ip).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Peer { ip, peers: self.clone() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    pub(super) fn ip(&self) -> IpAddr {
        self.ip
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut counts = self.peers.counts();
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_share_which_comes_back_with_its_connections() {
        let peers = Peers::new(2);
        let [one, other] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
        let held = [peers.admit(one), peers.admit(one)];
        assert!(held.iter().all(Option::is_some) && peers.admit(one).is_none());
        assert!(peers.admit(other).is_some());
        drop(held);
        assert!(peers.admit(one).is_some());
        assert!(peers.counts().is_empty(), "nothing is kept of who has gone");
    }
}
