//! Whom a step names: who sends, who is sent to, and where the lab listens.

use std::fmt;
use std::net::IpAddr;

use crate::topology::{ContainerName, HostName, NetworkName};

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
            Self::Container { name, network: None } => name.fmt(f),
            Self::Container { name, network: Some(network) } => write!(f, "{name}@{network}"),
        }
    }
}
