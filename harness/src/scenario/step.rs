//! A step as a value: one verb, whom it names, what is expected, how long it may take.
//!
//! Each verb's payload is a request of its own, the same whether a file, the command line or a test
//! makes it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use overlay::dns::Question;

use super::expect::Expect;
use super::fact::Check;
use crate::capture;
use crate::consul::Sought;
use crate::diff::Take;
use crate::fault::{Fault, Nemesis};
use crate::hand::{Make, Unmake};
use crate::lab::Connect;
use crate::topology::{Container, ContainerName, HostName, Network, NetworkName, show_duration};
use crate::traffic::{Datagrams, Streams};

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
    /// Sends traffic and measures what arrives.
    Throughput(Throughput),
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
    /// Captures packets while steps are played in order.
    Capture(Capture),
    /// Looks at what steps change that are played in order.
    Diff(Diff),
    /// Hears what is said while steps are played in order.
    Events(Events),
    /// Makes something by hand.
    Make(Make),
    /// Takes something away by hand.
    Unmake(Unmake),
}

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

/// Traffic from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throughput {
    /// Who sends.
    pub from: Target,
    /// To whom.
    pub to: Destination,
    /// What.
    pub load: Load,
    /// For how long it is measured.
    pub lasts: Duration,
    /// To which port; `None`: to a free one.
    pub port: Option<u16>,
    /// Where it is received.
    pub listen: Listen,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// TCP streams.
    Streams(Streams),
    /// UDP datagrams.
    Datagrams(Datagrams),
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
    /// Looks for what the store was asked.
    Trace {
        /// Which requests.
        sought: Sought,
        /// Only since the latest step of that name began. `None`: since the lab is there.
        since: Option<String>,
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
    /// Gives one a new key that is encrypted, and waits until the old one is gone.
    Rotate {
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
        /// With its peers.
        verbose: bool,
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

/// Packets that are captured while steps are played.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Which, and where.
    pub request: capture::Request,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What is otherwise once steps have been played.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// Only there, by what `lab inspect` calls it; everywhere, if nothing is named.
    pub on: Vec<String>,
    /// What counts.
    pub take: Take,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What is said while steps are played.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A place where something runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A host.
    Host(HostName),
    /// A container.
    Container(ContainerName),
    /// The outside world, which can only send.
    Internet,
}

/// Where the lab opens an echo server, for the time of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At the far end: where the step's packets are sent to.
    There,
    /// Somewhere else, since what is sent is redirected.
    At {
        /// A host or a container.
        on: Target,
        /// Its port.
        port: u16,
    },
}

/// Whom a packet is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, as it stands.
    Address(IpAddr),
    /// A host's address on the underlay.
    Host(HostName),
    /// A container's address: on the network named (`C0@demonet`), else on the first network that
    /// the sender shares with it, else on its first one.
    Container {
        /// The container.
        name: ContainerName,
        /// The network; `docker_gwbridge` is its host's gateway bridge.
        network: Option<Via>,
    },
    /// The address that the sender's name server has for this name.
    Name(String),
    /// The IPv6 address of a container or a name, which would else be addressed by IPv4.
    Ipv6(Box<Destination>),
}

/// The network on which a container is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// An overlay network.
    Network(NetworkName),
    /// The gateway bridge of its host.
    GatewayBridge,
}

/// What stands before a DNS name that could be taken for something else.
pub const DNS: &str = "dns:";

/// What stands before a container or a name whose IPv6 address is meant.
pub const IPV6: &str = "ipv6:";

/// How the gateway bridge is called where a network is named: Docker's name for it.
pub const GATEWAY_BRIDGE: &str = "docker_gwbridge";

/// How the outside world is called where a sender is named. No host has this name.
pub const INTERNET: &str = "internet";

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::Container(name) => name.fmt(f),
            Self::Internet => f.write_str(INTERNET),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => name.fmt(f),
            Self::GatewayBridge => f.write_str(GATEWAY_BRIDGE),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host(name) => name.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Ipv6(to) => write!(f, "{IPV6}{to}"),
            Self::Container { name, network: None } => name.fmt(f),
            Self::Container { name, network: Some(network) } => write!(f, "{name}@{network}"),
        }
    }
}

impl Destination {
    /// Whether it is a host or a container, in which the lab can listen.
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            Self::Host(_) | Self::Container { .. } => true,
            Self::Address(_) | Self::Name(_) => false,
            Self::Ipv6(to) => to.is_ours(),
        }
    }
}

impl Verb {
    /// The steps within it.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Repeat(repeat) => &repeat.steps,
            Self::Parallel(steps) => steps,
            Self::Capture(capture) => &capture.steps,
            Self::Diff(diff) => &diff.steps,
            Self::Events(events) => &events.steps,
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
            Self::Throughput(Throughput { from, to, load: Load::Streams(_), .. }) => {
                write!(f, "{from} streams to {to}")
            }
            Self::Throughput(Throughput { from, to, .. }) => write!(f, "{from} sends datagrams to {to}"),
            Self::Resolve(Resolve { from, question }) => {
                write!(f, "{from} looks up {}, {}", question.name, question.kind)
            }
            Self::Kv(KvVerb::Get { key }) => write!(f, "get {key} from the store"),
            Self::Kv(KvVerb::Ls { prefix }) if prefix.is_empty() => f.write_str("list all keys of the store"),
            Self::Kv(KvVerb::Ls { prefix }) => write!(f, "list {prefix} in the store"),
            Self::Kv(KvVerb::Put { key, .. }) => write!(f, "put {key} into the store"),
            Self::Kv(KvVerb::Rm { key, .. }) => write!(f, "remove {key} from the store"),
            Self::Kv(KvVerb::Trace { sought, since: None }) => write!(f, "{sought}"),
            Self::Kv(KvVerb::Trace { sought, since: Some(step) }) => write!(f, "{sought}, since `{step}`"),
            Self::Network(NetworkVerb::Create(network)) => {
                write!(f, "create network {} on {}", network.name, network.on)
            }
            Self::Network(NetworkVerb::Rm { on, name }) => write!(f, "remove network {name} on {on}"),
            Self::Network(NetworkVerb::Rotate { name, .. }) => write!(f, "rotate the keys of network {name}"),
            Self::Network(NetworkVerb::Connect(connect)) => {
                write!(f, "connect {} to {}", connect.container, connect.network)
            }
            Self::Network(NetworkVerb::Disconnect { container, name }) => {
                write!(f, "disconnect {container} from {name}")
            }
            Self::Network(NetworkVerb::Inspect { on, name, .. }) => {
                write!(f, "inspect network {name} on {on}")
            }
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
            Self::Capture(Capture { request, .. }) => write!(f, "packets {request}"),
            Self::Diff(Diff { steps, .. }) => match &steps[..] {
                [step] => write!(f, "what changes: {}", step.name),
                steps => write!(f, "what {} steps change", steps.len()),
            },
            Self::Events(Events { steps }) => match &steps[..] {
                [step] => write!(f, "what is said meanwhile: {}", step.name),
                steps => write!(f, "what is said during {} steps", steps.len()),
            },
            Self::Make(make) => make.fmt(f),
            Self::Unmake(unmake) => unmake.fmt(f),
            Self::Check(check) => check.fmt(f),
            Self::Wait(Wait::Time(time)) => write!(f, "wait {}", show_duration(*time)),
            Self::Wait(Wait::Until(check)) => write!(f, "wait until {check}"),
        }
    }
}
