//! The wires of a lab: made what they are to be, and what was seen on them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Lab;
use crate::error::{Error, Kind, Result};
use crate::fault::{self, Active, Impairment, Way};
use crate::host::Host;
use crate::relay::Resolved;
use crate::topology::NetworkName;
use crate::underlay::{Backend, Direction, Shape};

/// A wire that is not bare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireReport {
    /// Whose.
    pub host: String,
    /// How it is carried.
    pub backend: Backend,
    /// From the host to the switch.
    pub up: Direction,
    /// From the switch to the host.
    pub down: Direction,
}

/// A line for how it is carried, and one for each direction: what was asked for, and what was seen.
impl fmt::Display for WireReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wire of {}, by {}", self.host, self.backend)?;
        write!(f, "\n  from it: {}", self.up)?;
        write!(f, "\n  to it: {}", self.down)
    }
}

impl Lab {
    /// Makes the wires what they are when nothing is wrong, and then what the faults ask for.
    pub(super) async fn conform_wires(
        &self,
        faults: &[Active],
        vnis: &BTreeMap<NetworkName, Vec<u32>>,
    ) -> Result<()> {
        let mut wanted = fault::wires(&self.topology().hosts, faults.iter().map(|active| &active.fault));
        if let Some(stranger) = wanted.keys().find(|name| !self.0.hosts.contains_key(name.as_str())) {
            let known = self.hosts().map(|host| host.name());
            return Err(Error::no_such("host", stranger.as_str(), known));
        }
        let shape = |impairment: Option<Impairment>, host: &Host, way: Way| {
            let (word, of) = if way == Way::Up { ("up", "from") } else { ("down", "to") };
            let seed = self.seed_of(&format!("wire {} {word}", host.name()));
            let by = fault::blamed(faults, &host.spec.name, way)
                .map_or_else(|| format!("the wire {of} {}", host.name()), |id| format!("fault {id}"));
            let shape = |i| Ok::<_, Error>(Shape { resolved: Resolved::new(i, vnis)?.by(by), seed });
            impairment.map(shape).transpose()
        };
        for host in self.hosts() {
            // A host that is down has no wire; it gets its own when it comes back.
            let (Ok(alive), Some(port)) = (host.alive(), self.0.ports.get(host.name()).copied()) else {
                continue;
            };
            let wire = wanted.remove(host.name()).unwrap_or_default();
            let (up, down) = (shape(wire.up, host, Way::Up)?, shape(wire.down, host, Way::Down)?);
            let (lab, netns) = (self.clone(), alive.netns.clone());
            let done = tokio::task::spawn_blocking(move || lab.0.fabric.impair(port, &netns, up, down)).await;
            done.map_err(|e| Error::new(Kind::Machine, e))??;
        }
        Ok(())
    }

    /// The wires that are not bare: what was asked of them, and what was seen to happen.
    pub fn wires(&self) -> Vec<WireReport> {
        let report = |host: &Arc<Host>| {
            let (alive, port) = (host.alive().ok()?, *self.0.ports.get(host.name())?);
            let (backend, up, down) = self.0.fabric.wire(port, &alive.netns)?;
            Some(WireReport { host: host.name().to_owned(), backend, up, down })
        };
        self.hosts().filter_map(report).collect()
    }
}
