//! What the kernels of a lab hold.

use std::collections::BTreeMap;
use std::fmt;

use kernel::nft::{Nft, Tally};
use kernel::xfrm::State;
use kernel::{Netns, Rtnl, Snapshot, Xfrm};
use overlay::MissCounts;
use overlay::datapath::encrypts;
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
    /// What the kernels of these hosts have missed, where they have.
    #[serde(default)]
    pub misses: Vec<MissReport>,
}

/// What vxlan devices of a host were asked for and did not know, since its engine began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissReport {
    /// The host.
    pub host: String,
    /// Addresses whose MAC was not known (`l3miss`).
    pub addresses: u64,
    /// MACs of which it was not known where they are (`l2miss`).
    pub macs: u64,
    /// Peers that were made known because of it.
    pub answered: u64,
    /// Of those missed, how many are no peer's.
    pub strangers: u64,
    /// How often the kernel had more to say than it had room for.
    pub overflows: u64,
}

/// `misses of docker0: 2 addresses, 0 MACs; 1 answered, 1 of no peer`.
impl fmt::Display for MissReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissReport { host, addresses, macs, answered, strangers, overflows } = self;
        write!(
            f,
            "misses of {host}: {addresses} addresses, {macs} MACs; {answered} answered, {strangers} of no peer"
        )?;
        if *overflows > 0 { write!(f, ", {overflows} overflows") } else { Ok(()) }
    }
}

/// What a namespace holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// `docker0`, `docker0/1-620dd59483`, `C0`, `switch`, `internet`.
    pub name: String,
    /// Links, addresses, routes, neighbours, forwarding entries.
    pub holds: Snapshot,
    /// The kernel's settings that Docker makes, as far as the kernel has them, by name: `net.ipv4.ip_forward`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// nftables rules, one line each.
    pub rules: Vec<String>,
    /// What each of them has counted; `None` of those without a counter.
    #[serde(default)]
    pub counts: Vec<Option<Tally>>,
    /// What encrypts networks: IPsec's states and policies, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encryption: Vec<String>,
}

/// The settings that Docker makes, in hosts, overlays and containers (20.10: `osl/namespace_linux.go`,
/// `drivers/bridge/setup_{ip_forwarding,bridgenetfiltering,device}.go`).
const SETTINGS: [&str; 5] = [
    "ipv4/ip_forward",
    "ipv4/conf/docker_gwbridge/route_localnet",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/default/disable_ipv6",
    "bridge/bridge-nf-call-iptables",
];

/// The version of [`Inspection`].
const VERSION: u32 = 1;

impl Lab {
    /// What the kernel holds for a host (with its sandboxes) or a container; for all of them, the switch and the outside
    /// world, if none is named.
    pub async fn inspect(&self, target: Option<&str>) -> Result<Inspection> {
        let wanted = self.rooms(target)?;
        let namespaces = blocking(move || {
            let look = |(name, netns): (String, Netns)| {
                let (rules, counts): (Vec<_>, Vec<_>) = Nft::new(&netns)?.tallies()?.into_iter().unzip();
                // Where there is none it is not even asked for: a kernel may have to look for a module first.
                let encryption = if encrypts(&rules) { encryption(&netns)? } else { Vec::new() };
                let (holds, settings) = (Rtnl::new(&netns)?.dump()?, settings(&netns)?);
                Ok(Held { name, holds, settings, rules, counts, encryption })
            };
            wanted.into_iter().map(look).collect::<kernel::Result<Vec<_>>>()
        });
        let wires = self.wires().into_iter().filter(|wire| target.is_none_or(|target| target == wire.host));
        let (wires, misses) = (wires.collect(), self.misses(target).await);
        Ok(Inspection { version: VERSION, namespaces: namespaces.await?, wires, misses })
    }

    /// What the kernels hold, to be [compared](crate::diff::diff) with what they will hold.
    pub async fn state(&self) -> Result<crate::diff::State> {
        Ok(crate::diff::State::from(&self.inspect(None).await?))
    }

    /// What was missed on a host; on all of them, if none is named. Those that have missed nothing are left out.
    async fn misses(&self, target: Option<&str>) -> Vec<MissReport> {
        let mut all = Vec::new();
        for host in self.hosts().filter(|host| target.is_none_or(|target| target == host.name())) {
            let Ok(engine) = host.engine() else { continue };
            let Ok(counts) = engine.misses().await else { continue };
            if counts != MissCounts::default() {
                let MissCounts { addresses, macs, answered, strangers, overflows } = counts;
                let host = host.name().to_owned();
                all.push(MissReport { host, addresses, macs, answered, strangers, overflows });
            }
        }
        all
    }

    /// The namespaces of a host (its own, its overlays', and those that its own programs have named) or of a container; all of them, the switch's and the outside
    /// world's, if none is named.
    pub(crate) fn rooms(&self, target: Option<&str>) -> Result<Vec<(String, Netns)>> {
        let mut wanted: Vec<(String, Netns)> = Vec::new();
        if let Some(target) = target {
            let place = self.place(target)?;
            wanted.push((place.name().to_owned(), place.netns()?));
            if place.container().is_none() {
                wanted.extend(self.overlays(place.name())?);
                wanted.extend(self.named(place.name())?);
            }
        } else {
            wanted.push(("switch".to_owned(), self.0.fabric.netns().clone()));
            wanted.extend(self.outside().map(|netns| ("internet".to_owned(), netns.clone())));
            for host in self.hosts() {
                let Ok(alive) = host.alive() else { continue };
                wanted.push((host.name().to_owned(), alive.netns.clone()));
                wanted.extend(self.overlays(host.name())?);
                wanted.extend(self.named(host.name())?);
            }
            wanted.extend(self.containers().iter().map(|c| (c.name().to_owned(), c.this.netns.clone())));
        }
        Ok(wanted)
    }

    /// The namespaces that a host's own programs have named.
    pub(super) fn named(&self, host: &str) -> Result<Vec<(String, Netns)>> {
        let named = self.known_host(host)?.named()?;
        Ok(named.into_iter().map(|(name, netns)| (format!("{host}/{name}"), netns)).collect())
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

/// States, with what they have done, and policies.
fn encryption(netns: &Netns) -> kernel::Result<Vec<String>> {
    let xfrm = Xfrm::new(netns)?;
    let state = |state: State| {
        let forged = if state.forged > 0 { format!(", {} forged", state.forged) } else { String::new() };
        format!("{}: {} packets{forged}", state.association, state.packets)
    };
    let mut states: Vec<State> = xfrm.states()?;
    states.sort_unstable();
    let mut policies = xfrm.policies()?;
    policies.sort_unstable();
    let policies = policies.iter().map(ToString::to_string);
    Ok(states.into_iter().map(state).chain(policies).collect())
}

/// Docker's settings in a namespace, those that there are.
fn settings(netns: &Netns) -> kernel::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for key in SETTINGS {
        match netns.sysctl(key) {
            Ok(value) => drop(found.insert(format!("net.{}", key.replace('/', ".")), value)),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
