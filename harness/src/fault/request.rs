//! Everything that can go wrong, each as one request.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Ailment, Filter, Impairment, KvFault, Partition, Tunnel};
use crate::topology::{HostName, Kv, NetworkName, Topology};

/// Something that goes wrong until it is healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A host's wire is worse than a bare one. The latest impairment of a wire and direction is the one that counts; when it
    /// is healed, the one before it.
    Wire {
        /// Whose wire.
        host: HostName,
        /// In which direction.
        way: Way,
        /// What it does.
        impairment: Box<Impairment>,
    },
    /// What matches is lost in the switch, all of it.
    Drop {
        /// What.
        only: Filter,
        /// Only from this host; from any, unless said.
        from: Option<HostName>,
        /// Only to this host; to any, unless said.
        to: Option<HostName>,
        /// The other way round, too.
        both: bool,
    },
    /// Hosts do not hear each other.
    Partition(Partition),
    /// A host goes as in a power failure; healed, it comes back with its name, address and MAC, and its containers by the
    /// topology.
    Crash(HostName),
    /// Nothing runs on a host, and all of it is there; healed, it runs on.
    Pause(HostName),
    /// A host's engine dies without a word; its kernel goes on. Healed, another one adopts what it finds.
    Engine(HostName),
    /// A process is killed; healed, a container's command is started again.
    Kill(Process),
    /// A host's monotonic and boot clocks are off, for processes started from now on. Wall clocks cannot be (time_namespaces(7)).
    Clock {
        /// Whose clocks.
        host: HostName,
        /// By how many milliseconds; negative is behind.
        offset: i64,
    },
    /// Something is wrong with the store, while its host and the way there are well.
    Kv(KvFault),
}

impl Fault {
    /// A draw whose seed is 0 gets one.
    #[must_use]
    pub fn seeded(self, seed: impl FnOnce() -> u64) -> Fault {
        match self {
            Self::Partition(Partition::Random { seed: 0 }) => {
                Self::Partition(Partition::Random { seed: seed() })
            }
            other => other,
        }
    }

    /// Which frames it is about, if it chooses some.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        match self {
            Self::Drop { only, .. } => Some(only),
            Self::Wire { impairment, .. } => impairment.only.as_ref(),
            _ => None,
        }
    }

    /// The store ails so, for everybody.
    pub fn kv(how: Ailment) -> Fault {
        Self::Kv(KvFault::Ails { how, host: None })
    }

    /// The store ails so, for a host alone.
    pub fn kv_for(host: HostName, how: Ailment) -> Fault {
        Self::Kv(KvFault::Ails { how, host: Some(host) })
    }

    /// The hosts that notice it, in the topology's order; none, if it is the switch's, whoever sends.
    pub(crate) fn befalls(&self, topology: &Topology) -> Vec<String> {
        let hosts: Vec<HostName> = topology.hosts.iter().map(|host| host.name.clone()).collect();
        let store = || topology.kv.as_ref().map(|Kv::Stub { host, .. }| host.clone());
        let its: Vec<HostName> = match self {
            Self::Wire { host, .. }
            | Self::Crash(host)
            | Self::Pause(host)
            | Self::Engine(host)
            | Self::Clock { host, .. }
            | Self::Kv(KvFault::Ails { host: Some(host), .. }) => vec![host.clone()],
            Self::Drop { from, to, .. } => from.iter().chain(to).cloned().collect(),
            Self::Partition(partition) => {
                let cuts = partition.cuts(&hosts).unwrap_or_default();
                cuts.into_iter().flat_map(|(from, to)| [from, to]).collect()
            }
            Self::Kill(process) => {
                let its = topology.containers.iter().find(|container| container.name == process.container);
                its.map(|container| container.on.clone()).into_iter().collect()
            }
            Self::Kv(_) => store().into_iter().collect(),
        };
        hosts.into_iter().filter(|host| its.contains(host)).map(|host| host.to_string()).collect()
    }

    /// Whether it is over as soon as it was: nothing of it can be healed.
    pub fn is_event(&self) -> bool {
        matches!(self, Self::Kv(KvFault::Restart(_)))
    }

    /// The overlay network that it is about, if it names one.
    pub(crate) fn network(&self) -> Option<&NetworkName> {
        match &self.filter()?.inside {
            Some(Tunnel::Network(name)) => Some(name),
            _ => None,
        }
    }
}

/// A direction of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the host to the switch.
    Up,
    /// From the switch to the host.
    Down,
    /// Both.
    Both,
}

/// The process that a container runs, and a signal for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The container.
    pub container: crate::topology::ContainerName,
    /// The signal's number; 9, SIGKILL, as `docker kill`.
    pub signal: i32,
}

/// In a few words, for events and lists.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire { host, way, impairment } => {
                let from = match way {
                    Way::Up => "from",
                    Way::Down => "to",
                    Way::Both => "of",
                };
                write!(f, "the wire {from} {host}: {impairment}")
            }
            Self::Drop { only, from, to, both } => {
                write!(f, "the switch loses {only}")?;
                match (from, to, both) {
                    (None, None, _) => Ok(()),
                    (Some(from), Some(to), true) => write!(f, ", between {from} and {to}"),
                    (Some(one), None, true) | (None, Some(one), true) => write!(f, ", from and to {one}"),
                    (Some(from), Some(to), false) => write!(f, ", from {from} to {to}"),
                    (Some(from), None, false) => write!(f, ", from {from}"),
                    (None, Some(to), false) => write!(f, ", to {to}"),
                }
            }
            Self::Partition(partition) => partition.fmt(f),
            Self::Crash(host) => write!(f, "host {host} is down"),
            Self::Pause(host) => write!(f, "host {host} is paused"),
            Self::Engine(host) => write!(f, "the engine of {host} is dead"),
            Self::Kill(process) => write!(f, "container {} got signal {}", process.container, process.signal),
            Self::Clock { host, offset } => write!(f, "the clocks of {host} are off by {offset} ms"),
            Self::Kv(fault) => fault.fmt(f),
        }
    }
}
