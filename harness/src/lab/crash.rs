//! The crash of a host, in the order in which nothing of it can be heard any more; and what all are spared at a lab's end.

use std::sync::{Arc, PoisonError};

use kernel::Netns;

use super::{Inner, Lab, Slot};
use crate::error::Result;
use crate::host::{Alive, Host};
use crate::topology;

impl Lab {
    /// Takes a host away as a power failure does: no FIN leaves it, nothing is left in an orderly way. What was on it is
    /// lost. That it is down already is an error.
    ///
    /// When somebody kills the init of a host's machine instead, the same is done as soon as that is seen, and neither its
    /// engine nor the store says a word. But the kernel closes the sockets of the host's own processes before anybody can
    /// know, so that those do send a FIN.
    pub fn crash(&self, host: &str) -> Result<()> {
        let host = self.known_host(host)?;
        self.0.crash(host, &host.alive()?)
    }
}

impl Inner {
    /// Ends that life of a host, if it is not over: the death of a host's init is seen after we have killed it ourselves, too.
    pub(super) fn crash(&self, host: &Arc<Host>, life: &Arc<Alive>) -> Result<()> {
        // First of all: sockets that are closed below would say goodbye.
        let unplugged = match self.ports.get(host.name()) {
            Some(port) if host.lives(life) => self.fabric.unplug(*port),
            _ => Ok(()),
        };
        // The rest is done in any case: half a crash is none.
        let crashed = host.crash(life);
        if !matches!(crashed, Ok(false)) {
            let gone = namespaces(life);
            give_up_connections(&gone);
            self.by_hand.dismiss(gone.iter());
            self.crash_store(host);
            // With these go the last descriptors of the host's containers.
            drop(self.lose(host));
            self.events.say("crash", format_args!("host {} is down", host.name()));
        }
        unplugged?;
        crashed.map(drop)
    }

    /// Writes off the containers of a host.
    fn lose(&self, host: &Arc<Host>) -> Vec<Slot> {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lost = Vec::new();
        for slot in containers.iter_mut() {
            if let Slot::Up(container) = slot
                && Arc::ptr_eq(&container.host, host)
            {
                let spec = container.as_it_stands();
                lost.push(std::mem::replace(slot, Slot::Lost(Box::new(spec))));
            }
        }
        lost
    }
}

impl Drop for Inner {
    /// Engines and the store take leave of each other while the switch is taken away: of many, some are not heard any more.
    fn drop(&mut self) {
        let Some(topology::Kv::Stub { host: store, .. }) = &self.topology.kv else { return };
        let talk = self.hosts.values().filter_map(|host| {
            let life = host.alive().ok()?;
            (life.engine().is_some() || host.name() == store.as_str()).then(|| life.netns.clone())
        });
        give_up_connections(&talk.collect::<Vec<_>>());
    }
}

/// All that a host has: its own, and those of its overlays and containers.
fn namespaces(life: &Alive) -> Vec<Netns> {
    let others = life.sandboxes.list().into_iter().map(|(_, netns)| netns);
    others.chain([life.netns.clone()]).collect()
}

/// What was connected is closed by now or will be in a moment, and no answer to its FIN can come. The kernel would ask for
/// it again for minutes, and hold the namespace as long.
fn give_up_connections(gone: &[Netns]) {
    for netns in gone {
        // How often it asks (`tcp_orphan_retries`, ip-sysctl.rst). One is the fewest; it takes about a second. A namespace
        // that cannot be entered any more has nothing to give up.
        let _ = netns.set_sysctl("ipv4/tcp_orphan_retries", "1");
    }
}
