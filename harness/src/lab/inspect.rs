//! What the kernels of a lab hold.

use kernel::nft::Nft;
use kernel::{Netns, Rtnl, Snapshot};
use serde::{Deserialize, Serialize};

use super::{Lab, WireReport};
use crate::error::Result;
use crate::host::blocking;

/// What a lab's kernels hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The version of this format.
    pub version: u32,
    /// Namespace by namespace.
    pub namespaces: Vec<Held>,
    /// The wires of these hosts that are not bare.
    #[serde(default)]
    pub wires: Vec<WireReport>,
}

/// What a namespace holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// `docker0`, `docker0/1-620dd59483`, `C0`, `switch`, `internet`.
    pub name: String,
    /// Links, addresses, routes, neighbours, forwarding entries.
    pub holds: Snapshot,
    /// nftables rules, one line each.
    pub rules: Vec<String>,
}

/// The version of [`Inspection`].
const VERSION: u32 = 1;

impl Lab {
    /// What the kernel holds for a host (with its sandboxes) or a container; for all of them, the switch and the outside
    /// world, if none is named.
    pub async fn inspect(&self, target: Option<&str>) -> Result<Inspection> {
        let wanted = self.rooms(target)?;
        let namespaces = blocking(move || {
            let look = |(name, netns): (String, Netns)| {
                let rules = Nft::new(&netns)?.rules()?;
                Ok(Held { name, holds: Rtnl::new(&netns)?.dump()?, rules })
            };
            wanted.into_iter().map(look).collect::<kernel::Result<Vec<_>>>()
        });
        let wires = self.wires().into_iter().filter(|wire| target.is_none_or(|target| target == wire.host));
        Ok(Inspection { version: VERSION, namespaces: namespaces.await?, wires: wires.collect() })
    }

    /// The namespaces of a host (its own and its overlays') or of a container; all of them, the switch's and the outside
    /// world's, if none is named.
    pub(crate) fn rooms(&self, target: Option<&str>) -> Result<Vec<(String, Netns)>> {
        let mut wanted: Vec<(String, Netns)> = Vec::new();
        if let Some(target) = target {
            let place = self.place(target)?;
            wanted.push((place.name().to_owned(), place.netns()?));
            if place.container().is_none() {
                wanted.extend(self.overlays(place.name())?);
            }
        } else {
            wanted.push(("switch".to_owned(), self.0.fabric.netns().clone()));
            wanted.extend(self.outside().map(|netns| ("internet".to_owned(), netns.clone())));
            for host in self.hosts() {
                let Ok(alive) = host.alive() else { continue };
                wanted.push((host.name().to_owned(), alive.netns.clone()));
                wanted.extend(self.overlays(host.name())?);
            }
            wanted.extend(self.containers().iter().map(|c| (c.name().to_owned(), c.this.netns.clone())));
        }
        Ok(wanted)
    }

    /// The overlays' namespaces of a host.
    pub(crate) fn overlays(&self, host: &str) -> Result<Vec<(String, Netns)>> {
        let alive = self.known_host(host)?.alive()?;
        let containers: Vec<String> =
            alive.sandboxes.containers().iter().map(|container| container.sandbox.namespace()).collect();
        let overlays = alive.sandboxes.list().into_iter().filter(|(name, _)| !containers.contains(name));
        Ok(overlays.map(|(name, netns)| (format!("{host}/{name}"), netns)).collect())
    }
}
