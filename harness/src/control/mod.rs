//! How `lab` speaks to a lab that is up: one line of JSON each way over a Unix socket, descriptors beside it.

mod client;
mod server;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::scenario::{ContainerVerb, KvVerb, NetworkVerb};

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
}

/// What a supervisor says on its life line once the lab is up, or could not be built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ready {
    /// It is up.
    Up(Box<crate::lab::Report>, crate::lab::Timings),
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
    /// Networks of an engine.
    Network(NetworkVerb),
    /// Puts a container on a network, or takes it off.
    Connect {
        /// The container.
        container: String,
        /// The network.
        network: String,
        /// The address asked for.
        ip: Option<std::net::Ipv4Addr>,
        /// Takes it off.
        disconnect: bool,
    },
    /// Runs or removes a container.
    Container(ContainerVerb),
    /// A container's settings, as Docker's inspect.
    InspectContainer {
        /// Which.
        name: String,
    },
    /// The store.
    Kv(KvVerb),
    /// Follows the store from now on; an item a change.
    Watch {
        /// The keys that begin so.
        prefix: String,
    },
    /// What processes printed; an item a line.
    Logs {
        /// Of which container; of all, if none is named.
        target: Option<String>,
        /// And what they will print.
        follow: bool,
    },
    /// What happened; an item each.
    Events {
        /// And what will.
        follow: bool,
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

/// Longest line; a file of that size is no topology.
const LONGEST: usize = 16 << 20;
