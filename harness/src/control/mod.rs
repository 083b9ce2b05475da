//! How `lab` speaks to a lab that is up: one line of JSON each way over a Unix socket, descriptors beside it.

mod client;
mod server;

use std::path::PathBuf;

use overlay::CreateNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capture;
use crate::consul::Sought;
use crate::error::Error;
use crate::fault::{Fault, Nemesis, Schedule};
use crate::lab::{Connect, Run, Sources};
use crate::trace::Probe;

pub use client::{Answer, Client};
pub use server::serve;

/// What a supervisor is told when it starts. The listening socket and the locked state file come with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The lab's name.
    pub name: String,
    /// The file, for messages.
    pub path: PathBuf,
    /// What the file says.
    pub text: String,
    /// Whether the lab outlives the command that starts it.
    pub detach: bool,
}

/// What a supervisor says on its life line once the lab is up, or could not be built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ready {
    /// It is up.
    Up {
        /// What it consists of.
        report: Box<crate::lab::Report>,
        /// What building took.
        timings: crate::lab::Timings,
        /// Whether it has a user namespace of its own.
        rootless: bool,
    },
    /// It is not.
    Failed(Error),
}

/// A request to a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// What it consists of.
    Report,
    /// The init of a host's or container's machine, to be entered. Its descriptor comes with the answer.
    Enter {
        /// Where.
        target: String,
    },
    /// Echo requests; an item each.
    Ping {
        /// From where.
        from: String,
        /// To whom: an address, a host, a container.
        to: String,
        /// How many.
        count: u32,
        /// Milliseconds between two.
        interval: u64,
    },
    /// What a kernel holds: a host's or container's, all if none is named.
    Inspect {
        /// Where.
        target: Option<String>,
    },
    /// What has passed the interfaces of a host or container; of all, if none is named.
    Passed {
        /// Where.
        target: Option<String>,
    },
    /// Whether store and kernels agree.
    Check {
        /// Put right what does not.
        repair: bool,
    },
    /// Creates a network, as `docker network create` does.
    CreateNetwork {
        /// The host whose engine is asked.
        on: String,
        /// What is asked for.
        request: CreateNetwork,
    },
    /// The networks that an engine knows.
    Networks {
        /// The host whose engine is asked.
        on: String,
    },
    /// A network, as Docker's inspect shows it.
    InspectNetwork {
        /// The host whose engine is asked.
        on: String,
        /// Its name, its id, or the beginning of its id.
        name: String,
        /// With its endpoints on other hosts.
        verbose: bool,
    },
    /// Removes a network.
    RemoveNetwork {
        /// The host whose engine is asked.
        on: String,
        /// Its name, its id, or the beginning of its id.
        name: String,
    },
    /// Gives an encrypted network a new key.
    RotateKeys {
        /// The host whose engine is asked.
        on: String,
        /// Its name, its id, or the beginning of its id.
        name: String,
    },
    /// Puts a container on a network.
    Connect(Connect),
    /// Takes a container off a network.
    Disconnect {
        /// The container.
        container: String,
        /// The network.
        network: String,
    },
    /// Runs a container.
    RunContainer(Run),
    /// A container's settings, as Docker's inspect shows them.
    InspectContainer {
        /// Which.
        name: String,
    },
    /// Calls a container otherwise.
    RenameContainer {
        /// Which.
        name: String,
        /// What it is to be called.
        to: String,
    },
    /// Stops and removes a container.
    RemoveContainer {
        /// Which.
        name: String,
    },
    /// Makes something go wrong; its number.
    Inject {
        /// The name that it is healed by.
        name: Option<String>,
        /// What.
        fault: Fault,
    },
    /// Heals a fault.
    Heal {
        /// Its number or its name.
        fault: String,
    },
    /// Heals all faults; how many there were.
    HealAll,
    /// What a nemesis will do.
    Schedule {
        /// What it may do.
        nemesis: Nemesis,
        /// Where its draw starts from; from the lab's own seed, unless said.
        seed: Option<u64>,
    },
    /// Plays a schedule. That the client goes away ends it, and heals.
    Endure {
        /// Which.
        schedule: Schedule,
    },
    /// Brings a host back that is down.
    Restart {
        /// Which.
        host: String,
    },
    /// The faults that are there, and what they have taken.
    Faults,
    /// A key of the store.
    Get {
        /// Which.
        key: String,
    },
    /// The keys of the store that begin so.
    Keys {
        /// Their beginning.
        prefix: String,
    },
    /// Writes a key of the store.
    Put {
        /// Which.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes a key of the store.
    Remove {
        /// Which.
        key: String,
        /// And all that begin so.
        recurse: bool,
    },
    /// Follows the store from now on; an item a change.
    Watch {
        /// The keys that begin so.
        prefix: String,
    },
    /// A connection to the store's HTTP face. Its descriptor comes with the answer.
    DialStore,
    /// All of it, as it is to be drawn.
    Graph,
    /// One packet, followed.
    Probe {
        /// From where.
        from: String,
        /// To whom: an address, a host, a container.
        to: String,
        /// What is sent.
        probe: Probe,
    },
    /// Packets, from the answer on. With it comes a socket, from which a file is read; what is shut down there is the end.
    Capture {
        /// Which, and where.
        request: Box<capture::Request>,
    },
    /// What processes printed; an item a line.
    Logs {
        /// Of which container; of all, if none is named.
        target: Option<String>,
        /// And what they will print.
        follow: bool,
    },
    /// What the store was asked; an item each.
    Trace {
        /// Which requests.
        sought: Sought,
        /// And what it will be.
        follow: bool,
    },
    /// What happened; an item each.
    Events {
        /// And what will.
        follow: bool,
        /// Who is heard beside.
        sources: Sources,
    },
    /// Ends the lab. With `wait`, a canary comes with the answer.
    Down {
        /// Until the kernel has freed it.
        wait: bool,
    },
}

/// A line of an answer: items, if there are any, then the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Reply {
    /// One of several.
    Item(Value),
    /// The end, and what came out.
    Done(Value),
    /// The end: it failed.
    Failed(Error),
}

/// Longest request; a file of that size is no topology.
const LONGEST: usize = 16 << 20;
/// Longest answer, in bytes: what a lab's kernels hold grows with its hosts times its containers.
const LONGEST_ANSWER: usize = 1 << 30;
