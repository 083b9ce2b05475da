//! A step as a value: one verb, whom it names, what is expected, how long it may take.
//!
//! Each verb's payload is a request of its own, the same whether a file, the command line or a test
//! makes it.

use std::fmt;
use std::time::Duration;

use super::expect::Expect;
use super::fact::Check;
use super::request::{
    ContainerVerb, Exec, FaultVerb, HealVerb, KvVerb, NemesisVerb, NetworkVerb, Ping, Repeat, Resolve, Tcp,
    Udp, Wait,
};
use crate::topology::show_duration;

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A sentence; the verb in words if the file does not say.
    pub name: String,
    /// Tools of the machine without which the step is skipped; those of the steps within it included.
    pub requires: Vec<String>,
    /// What is done.
    pub verb: Verb,
    /// What is expected of it.
    pub expect: Expect,
    /// Tried again until it holds, at most this long. `None`: one try.
    pub within: Option<Duration>,
    /// Has to hold all this time. `None`: once is enough.
    pub holds_for: Option<Duration>,
    /// How long the step may take in all.
    pub timeout: Duration,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Sends ICMP echo requests.
    Ping(Ping),
    /// Runs a command.
    Exec(Exec),
    /// Opens a TCP connection.
    Tcp(Tcp),
    /// Sends a UDP datagram and waits for an answer.
    Udp(Udp),
    /// Looks a name up.
    Resolve(Resolve),
    /// Asks the store.
    Kv(KvVerb),
    /// Asks an engine about its networks.
    Network(NetworkVerb),
    /// Runs or removes a container.
    Container(ContainerVerb),
    /// Looks at a fact.
    Check(Check),
    /// Waits.
    Wait(Wait),
    /// Makes something go wrong.
    Fault(FaultVerb),
    /// Heals what went wrong.
    Heal(HealVerb),
    /// Lets a nemesis loose until it is over.
    Nemesis(NemesisVerb),
    /// Plays steps in order, again and again.
    Repeat(Repeat),
    /// Plays steps at once; it holds when all of them have.
    Parallel(Vec<Step>),
}

impl Verb {
    /// The steps within it.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Repeat(repeat) => &repeat.steps,
            Self::Parallel(steps) => steps,
            _ => &[],
        }
    }
}

/// The verb in a few words, for a step that has no name.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping(ping) => write!(f, "{} pings {}", ping.from, ping.to),
            Self::Exec(exec) => write!(f, "{} on {}", exec.command.join(" "), exec.on),
            Self::Tcp(tcp) => write!(f, "{} connects to {} port {}", tcp.from, tcp.to, tcp.port),
            Self::Udp(udp) => write!(f, "{} sends a datagram to {} port {}", udp.from, udp.to, udp.port),
            Self::Resolve(Resolve { from, question }) => {
                write!(f, "{from} looks up {}, {}", question.name, question.kind)
            }
            Self::Kv(KvVerb::Get { key }) => write!(f, "get {key} from the store"),
            Self::Kv(KvVerb::Ls { prefix }) => write!(f, "list {prefix} in the store"),
            Self::Kv(KvVerb::Put { key, .. }) => write!(f, "put {key} into the store"),
            Self::Kv(KvVerb::Rm { key, .. }) => write!(f, "remove {key} from the store"),
            Self::Network(NetworkVerb::Create(network)) => {
                write!(f, "create network {} on {}", network.name, network.on)
            }
            Self::Network(NetworkVerb::Rm { on, name }) => write!(f, "remove network {name} on {on}"),
            Self::Network(NetworkVerb::Connect(connect)) => {
                write!(f, "connect {} to {}", connect.container, connect.network)
            }
            Self::Network(NetworkVerb::Disconnect { container, name }) => {
                write!(f, "disconnect {container} from {name}")
            }
            Self::Network(NetworkVerb::Inspect { on, name }) => write!(f, "inspect network {name} on {on}"),
            Self::Network(NetworkVerb::Ls { on }) => write!(f, "list the networks of {on}"),
            Self::Container(ContainerVerb::Run(container)) => {
                write!(f, "run container {} on {}", container.name, container.on)
            }
            Self::Container(ContainerVerb::Rm { name }) => write!(f, "remove container {name}"),
            Self::Fault(verb) => verb.fault.fmt(f),
            Self::Heal(HealVerb::All) => f.write_str("heal all faults"),
            Self::Heal(HealVerb::Named(name)) => write!(f, "heal {name}"),
            Self::Nemesis(verb) => write!(f, "a nemesis for {}", show_duration(verb.nemesis.lasts)),
            Self::Repeat(Repeat { count, steps }) => match &steps[..] {
                [step] => write!(f, "{}, {count} times", step.name),
                steps => write!(f, "{} steps, {count} times", steps.len()),
            },
            Self::Parallel(steps) => write!(f, "{} steps at once", steps.len()),
            Self::Check(check) => check.fmt(f),
            Self::Wait(Wait::Time(time)) => write!(f, "wait {}", show_duration(*time)),
            Self::Wait(Wait::Until(check)) => write!(f, "wait until {check}"),
        }
    }
}
