//! The crash of a host, in the order in which nothing of it can be heard any more.

use std::sync::Arc;

use super::{Inner, Lab, Slot};
use crate::error::Result;

impl Lab {
    /// Takes a host away as a power failure does: no FIN leaves it, nothing is left in an orderly way. What was on it is
    /// lost. That it is down already is an error.
    pub fn crash(&self, host: &str) -> Result<()> {
        let name = self.host(host)?.name().to_owned();
        self.host(host)?.alive()?;
        self.0.crash(&name)
    }
}

impl Inner {
    /// Idempotent: the death of a host's init is seen after we have killed it ourselves, too.
    pub(super) fn crash(&self, host: &str) -> Result<()> {
        let (Some(host), Some(port)) = (self.hosts.get(host), self.ports.get(host)) else { return Ok(()) };
        if host.alive().is_err() {
            return Ok(());
        }
        // First of all: sockets that are closed below would say goodbye.
        self.fabric.unplug(*port)?;
        let held = host.crash()?;
        let mut lost = Vec::new();
        {
            let mut containers = self.containers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for slot in containers.iter_mut() {
                if let Slot::Up(container) = slot
                    && Arc::ptr_eq(&container.host, host)
                {
                    let spec = container.spec.clone();
                    lost.push(std::mem::replace(slot, Slot::Lost(spec)));
                }
            }
        }
        // With these go the last descriptors of the host's namespaces and of those on it.
        drop((lost, held));
        self.events.say("crash", format_args!("host {} is down", host.name()));
        Ok(())
    }
}
