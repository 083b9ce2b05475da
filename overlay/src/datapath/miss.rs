//! What vxlan devices miss, and what is done about it.
//!
//! With [`Resolution::OnMiss`] a peer is programmed when it is missed first, as in Docker's classic mode; with
//! [`Resolution::Store`] all are, and a miss only tells that somebody took an entry away.

use std::collections::BTreeSet;
use std::io;

use kernel::rtnl::{Miss, Missed, Misses};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::converge::{Datapath, Report};
use crate::id::NetworkId;
use crate::ledger::View;

/// How peers get into the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// All of them, as soon as the store says so.
    #[default]
    Store,
    /// Each when a packet to it is missed for the first time.
    OnMiss,
}

/// What was missed since the engine began, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissCounts {
    /// Addresses that were asked for and not known (`l3miss`), repetitions included.
    pub addresses: u64,
    /// Hardware addresses of which it was not known where they are (`l2miss`), repetitions included.
    pub macs: u64,
    /// Peers that were programmed because of it.
    pub answered: u64,
    /// Of those missed, how many are no peer's: nobody's, or of this very host, since the kernel asks for those, too.
    pub strangers: u64,
    /// How often the kernel had more to say than it had room for.
    pub overflows: u64,
}

/// Where misses are told, by the network in whose namespace they were.
pub(super) type Tell = UnboundedSender<(NetworkId, Missed)>;

/// Somebody who listens for the misses in a namespace, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener(AbortHandle);

impl Listener {
    /// Listens on the current runtime.
    pub(super) fn start(misses: Misses, network: NetworkId, tell: Tell) -> io::Result<Listener> {
        let misses = misses.stream()?;
        let listen = async move {
            while let Ok(missed) = misses.next().await {
                if tell.send((network, missed)).is_err() {
                    return;
                }
            }
        };
        Ok(Listener(tokio::spawn(listen).abort_handle()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Datapath {
    /// Makes known what was missed, if a peer has it.
    pub(crate) fn answer(&mut self, view: &View, network: NetworkId, missed: &Missed) -> Report {
        let mut report = Report::default();
        self.misses.overflows += u64::from(missed.overflowed);
        let Some(found) = view.networks.get(&network) else { return report };
        let peers = view.peers(network, self.vtep);
        let mut answered = BTreeSet::new();
        for miss in &missed.all {
            let peer = match miss {
                Miss::Address(_, ip) => {
                    self.misses.addresses += 1;
                    Some(*ip).filter(|ip| peers.contains_key(ip))
                }
                Miss::Mac(_, mac) => {
                    self.misses.macs += 1;
                    peers.iter().find(|(_, peer)| peer.mac == *mac).map(|(ip, _)| *ip)
                }
            };
            match peer {
                Some(ip) => drop(answered.insert(ip)),
                None => self.misses.strangers += 1,
            }
        }
        if answered.is_empty() {
            return report;
        }
        let resolved = self.resolved.entry(network).or_default();
        self.misses.answered += answered.difference(resolved).count() as u64;
        resolved.extend(&answered);
        // What is not known although it was programmed was taken away by somebody.
        if let Some(overlay) = self.overlays.get_mut(&network) {
            report.take("look at what was missed", overlay.look().map(drop));
        }
        self.program(view, &found.value.network, &mut report);
        // Who has asked holds packets back and would ask again only after a second (`net.ipv4.neigh.*.retrans_time_ms`).
        let macs = answered.into_iter().filter_map(|ip| Some((ip, peers.get(&ip)?.mac))).collect();
        self.announce(&found.value.network, &macs);
        report
    }
}
