//! What a verb asks for, one request each.

use std::time::Duration;

use overlay::dns::Question;

use super::fact::Check;
use super::step::Step;
use super::target::{Destination, Listen, Target};
use crate::fault::{Fault, Nemesis};
use crate::lab::Connect;
use crate::topology::{Container, ContainerName, HostName, Network, NetworkName};

/// Echo requests from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who sends.
    pub from: Target,
    /// Who should answer.
    pub to: Destination,
    /// How many requests.
    pub count: u32,
    /// Time between two requests.
    pub interval: Duration,
}

/// A command on a host or in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Where it runs.
    pub on: Target,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// What it reads from its standard input; `None`: nothing.
    pub stdin: Option<String>,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Who connects.
    pub from: Target,
    /// To whom.
    pub to: Destination,
    /// To which port.
    pub port: u16,
    /// What is sent, once connected; then one answer is read. `None`: nothing is sent nor read.
    pub send: Option<String>,
    /// The lab opens an echo server, for the time of the step.
    pub listen: Option<Listen>,
}

/// A UDP datagram and the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Who sends.
    pub from: Target,
    /// To whom.
    pub to: Destination,
    /// To which port.
    pub port: u16,
    /// What is sent.
    pub send: String,
    /// The lab opens an echo server, for the time of the step.
    pub listen: Option<Listen>,
}

/// A question to the name server of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// Who asks.
    pub from: Target,
    /// What is asked.
    pub question: Question,
}

/// A request to the store, as made from its own host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvVerb {
    /// Reads one key.
    Get {
        /// The key.
        key: String,
    },
    /// Lists the keys that start with a prefix.
    Ls {
        /// The prefix; empty: all keys.
        prefix: String,
    },
    /// Writes one key.
    Put {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes one key, or all below it.
    Rm {
        /// The key, or the prefix.
        key: String,
        /// Everything that starts with `key`.
        recurse: bool,
    },
}

/// A request to an engine about networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkVerb {
    /// Creates one, on the engine of its `on`.
    Create(Network),
    /// Removes one.
    Rm {
        /// The host whose engine is asked.
        on: HostName,
        /// Which network.
        name: NetworkName,
    },
    /// Puts a container on one, on the engine of the container's host.
    Connect(Connect),
    /// Takes a container off one.
    Disconnect {
        /// Which container.
        container: ContainerName,
        /// Which network.
        name: NetworkName,
    },
    /// Shows one, as Docker's JSON.
    Inspect {
        /// The host whose engine is asked.
        on: HostName,
        /// Which network.
        name: NetworkName,
    },
    /// Lists them, as a JSON array of objects with Docker's keys.
    Ls {
        /// The host whose engine is asked.
        on: HostName,
    },
}

/// A request to a host about containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerVerb {
    /// Runs one.
    Run(Container),
    /// Stops and removes one.
    Rm {
        /// Which container.
        name: ContainerName,
    },
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// Time. For what cannot be observed.
    Time(Duration),
    /// A fact; tried until it holds or the step's time is over.
    Until(Check),
}

/// Something that goes wrong from then on.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultVerb {
    /// What.
    pub fault: Fault,
    /// The name that it is healed by.
    pub name: Option<String>,
}

/// What is healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealVerb {
    /// All faults.
    All,
    /// The one of that name.
    Named(String),
}

/// Faults that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisVerb {
    /// What may come.
    pub nemesis: Nemesis,
    /// Where its draw starts from; `None`: from the lab's own seed.
    pub seed: Option<u64>,
}

/// Steps played again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// How many times; at least once.
    pub count: u32,
    /// The steps, in order.
    pub steps: Vec<Step>,
}
