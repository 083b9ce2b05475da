//! A lab: its hosts and containers on a switch, alive.

mod build;
mod capture;
mod check;
mod chronicle;
mod crash;
mod describe;
mod fault;
mod graph;
mod hear;
mod inspect;
mod logs;
mod names;
mod nemesis;
mod path;
mod pause;
mod ping;
mod place;
mod processes;
mod recording;
mod restart;
mod store;
mod tell;
mod trace;
mod traffic;
mod verbs;
mod wires;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use overlay::kv::Kv;
use tempfile::TempDir;

use crate::capture::Cuts;
use crate::consul::{Ills, Trace, Traced};
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::hand::ByHand;
use crate::host::Host;
use crate::topology::{self, Topology};
use crate::underlay::{Fabric, Outside, Port};

pub use crate::underlay::{Backend, Direction};
pub(crate) use build::request;
pub use check::Checked;
pub use chronicle::{Chronicle, Sources};
pub use describe::{Attached, ContainerReport, HostReport, NetworkReport, ProcessReport, Report};
pub use fault::Taken;
pub use inspect::{Held, Inspection, MissReport};
pub use ping::Echoed;
pub use place::Place;
pub use traffic::Passed;
pub use verbs::{Connect, NetworkLine, Run};
pub use wires::WireReport;

/// A lab that is up. Clones are handles to one lab; dropping the last takes it down.
///
/// It lives in the namespaces of the process that built it, so it is built inside a lab's own
/// (see [`kernel::entry`]): `lab` and the tests take care of that.
#[derive(Clone, Debug)]
pub struct Lab(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    topology: Topology,
    hosts: BTreeMap<String, Arc<Host>>,
    /// In the order in which they were started.
    containers: Mutex<Vec<Slot>>,
    ports: BTreeMap<String, Port>,
    fabric: Fabric,
    outside: Option<Outside>,
    events: Events,
    /// What engines did of their own accord, kept for who asks why something failed.
    journal: Events,
    /// What the store was asked.
    trace: Trace,
    /// What the kernels tell, while somebody listens.
    hearing: Mutex<Weak<hear::Hearing>>,
    /// What is recorded all the time, since the topology asks for it.
    recording: Mutex<recording::Recording>,
    /// Where in the trace steps began, by their names.
    marks: Mutex<BTreeMap<String, u64>>,
    timings: Mutex<Timings>,
    /// The topology's processes, as far as they were started.
    processes: Mutex<Vec<processes::Started>>,
    /// Processes that nobody holds any more; they end with their host or with the lab.
    left: Mutex<Vec<Arc<crate::process::Process>>>,
    /// The embedded store, while its host is up.
    store: Mutex<Option<overlay::kv::memory::Shared>>,
    /// What is wrong with it.
    ills: Ills,
    /// Where that keeps what is to outlive its host.
    disk: OnceLock<TempDir>,
    /// How many containers have been started.
    started: AtomicU64,
    faults: Mutex<fault::Faults>,
    /// What the switch was told to lose, and when.
    cuts: Cuts,
    by_hand: ByHand,
    /// Held while a fault comes or goes.
    injecting: tokio::sync::Mutex<()>,
    /// Held while switch and wires are made what the faults ask for; the VNIs learnt so far.
    conforming: tokio::sync::Mutex<BTreeMap<topology::NetworkName, Vec<u32>>>,
}

/// A lab, as long as somebody else holds it.
#[derive(Clone, Debug)]
pub(crate) struct WeakLab(Weak<Inner>);

impl WeakLab {
    /// The lab, if it is there still.
    pub(crate) fn upgrade(&self) -> Option<Lab> {
        self.0.upgrade().map(Lab)
    }
}

/// A container, or what is left of it.
#[derive(Clone, Debug)]
enum Slot {
    /// It is there.
    Up(Arc<Container>),
    /// Its host went down with it.
    Lost(Box<topology::Container>),
}

/// What building took, part by part.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Timings(pub Vec<(String, Duration)>);

impl Lab {
    /// What it was built from.
    pub fn topology(&self) -> &Topology {
        &self.0.topology
    }

    /// A handle that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakLab {
        WeakLab(Arc::downgrade(&self.0))
    }

    /// What it has that was made by hand, and that no kernel keeps.
    pub(crate) fn by_hand(&self) -> &ByHand {
        &self.0.by_hand
    }

    /// What engines did of their own accord so far: changes that they applied.
    pub(crate) fn journal(&self) -> &Events {
        &self.0.journal
    }

    /// What the store was asked so far, and what it will be.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// What of the trace is still known and was asked since a step of that name began, or since ever; and whether that is not all.
    pub(crate) fn asked_since(&self, step: Option<&str>) -> Result<(Vec<Traced>, bool)> {
        let from = match step {
            None => 0,
            Some(name) => {
                let marks = self.marks();
                let none = || Error::no_such("step", name, marks.keys().map(String::as_str));
                *marks.get(name).ok_or_else(none)?
            }
        };
        let (known, next) = self.0.trace.since(from);
        let all = next - from;
        let is_part = u64::try_from(known.len()).is_ok_and(|known| known < all);
        Ok((known, is_part))
    }

    /// A step of that name begins.
    pub(crate) fn mark(&self, step: &str) {
        let next = self.0.trace.next();
        self.marks().insert(step.to_owned(), next);
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened so far, and what will.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// What building took.
    pub fn timings(&self) -> Timings {
        self.0.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        // In the file's order.
        self.0.topology.hosts.iter().filter_map(|host| self.0.hosts.get(host.name.as_str()))
    }

    pub(crate) fn known_host(&self, name: &str) -> Result<&Arc<Host>> {
        let known = self.0.hosts.keys().map(String::as_str);
        self.0.hosts.get(name).ok_or_else(|| Error::no_such("host", name, known))
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.0.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn containers(&self) -> Vec<Arc<Container>> {
        let up =
            |slot: &Slot| if let Slot::Up(container) = slot { Some(Arc::clone(container)) } else { None };
        self.slots().iter().filter_map(up).collect()
    }

    pub(crate) fn known_container(&self, name: &str) -> Result<Arc<Container>> {
        let slots = self.slots();
        match slots.iter().find(|slot| slot.name() == name) {
            Some(Slot::Up(container)) => Ok(Arc::clone(container)),
            Some(Slot::Lost(spec)) => Err(Error::down(spec.on.as_str())),
            None => Err(Error::no_such("container", name, slots.iter().map(Slot::name))),
        }
    }

    /// The host that a container was on when that went down.
    pub(crate) fn lost(&self, container: &str) -> Option<String> {
        self.slots().iter().find_map(|slot| match slot {
            Slot::Lost(spec) if spec.name == *container => Some(spec.on.to_string()),
            _ => None,
        })
    }

    /// The store, as seen from its own host.
    pub(crate) fn kv(&self) -> Result<Kv> {
        let none = || Error::new(Kind::NoSuch, "this lab has no store");
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else { return Err(none()) };
        self.known_host(host.as_str())?.alive()?.store.get().cloned().ok_or_else(none)
    }

    /// Keeps a process that nobody holds any more.
    pub(crate) fn keep(&self, process: Arc<crate::process::Process>) {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner).push(process);
    }

    /// The outside world's namespace, if the topology has one.
    pub fn outside(&self) -> Option<&kernel::Netns> {
        self.0.outside.as_ref().map(Outside::netns)
    }

    /// Every namespace that the lab holds.
    pub fn namespaces(&self) -> Vec<kernel::Netns> {
        let mut all = vec![self.0.fabric.netns().clone()];
        all.extend(self.outside().cloned());
        for alive in self.hosts().filter_map(|host| host.alive().ok()) {
            all.push(alive.netns.clone());
            all.extend(alive.sandboxes.list().into_iter().map(|(_, netns)| netns));
        }
        all
    }
}

impl Slot {
    fn name(&self) -> &str {
        match self {
            Slot::Up(container) => container.name(),
            Slot::Lost(spec) => spec.name.as_str(),
        }
    }
}
