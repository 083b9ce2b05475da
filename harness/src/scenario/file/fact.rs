//! The tables of `check` and `[[always]]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::topology::{At, Example};

/// A fact: exactly one of these keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckTable {
    /// A peer's MAC is known at a VTEP.
    Peer(PeerTable),
    /// The MTU of a container's path on a network.
    Mtu(MtuTable),
    /// An interface.
    Interface(InterfaceTable),
    /// No such interface.
    Absent(AbsentTable),
    /// The main routing table.
    Route(RouteTable),
    /// One id on all hosts.
    SameNetwork(SameNetworkTable),
    /// The overlay's namespace on a host.
    Sandbox(SandboxTable),
    /// Where a container's address lies.
    Address(AddressTable),
    /// What the kernel holds and the store does not ask for, or the other way round.
    Drift(DriftWord),
}

/// How much drift is allowed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DriftWord {
    /// None at all.
    None,
}

/// A peer's ARP and FDB entries at a host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerTable {
    /// The host that knows.
    pub(crate) at: At<String>,
    /// The network.
    pub(crate) network: At<String>,
    /// The container, on another host.
    pub(crate) container: At<String>,
    /// `false`: must not be known.
    pub(crate) known: Option<bool>,
}

/// The MTU of a container's path on a network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MtuTable {
    /// The container.
    pub(crate) container: At<String>,
    /// The network.
    pub(crate) network: At<String>,
    /// The MTU.
    pub(crate) is: u32,
}

/// An interface and what is known of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterfaceTable {
    /// A host or a container.
    pub(crate) on: At<String>,
    /// The interface.
    pub(crate) name: At<String>,
    /// `veth`, `bridge` or `vxlan`.
    pub(crate) kind: Option<At<String>>,
    /// Its MTU.
    pub(crate) mtu: Option<u32>,
    /// Its MAC.
    pub(crate) mac: Option<At<String>>,
    /// One of its addresses, with the prefix length.
    pub(crate) address: Option<At<String>>,
}

/// An interface that is not there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsentTable {
    /// A host or a container.
    pub(crate) on: At<String>,
    /// The interface.
    pub(crate) interface: At<String>,
}

/// The main routing table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    /// A host or a container.
    pub(crate) on: At<String>,
    /// All of its routes, in any order: `default via 172.18.0.1 dev eth1`.
    pub(crate) equals: Option<Vec<At<String>>>,
    /// Where none of them leads: `default`, `192.168.0.0/24`.
    #[serde(default)]
    pub(crate) lacks: Vec<At<String>>,
}

/// One id on all hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SameNetworkTable {
    /// The network.
    pub(crate) network: At<String>,
    /// The hosts; all that run an engine unless said.
    pub(crate) hosts: Option<Vec<At<String>>>,
}

/// The overlay's namespace on a host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxTable {
    /// The host.
    pub(crate) on: At<String>,
    /// The network.
    pub(crate) network: At<String>,
    /// Its interfaces beside `lo`, in any order.
    pub(crate) links: Vec<At<String>>,
    /// The VNI of its vxlan device.
    pub(crate) vni: Option<At<u32>>,
    /// The UDP port of its vxlan device.
    pub(crate) port: Option<u16>,
}

/// Where a container's address lies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressTable {
    /// The container.
    pub(crate) container: At<String>,
    /// The network, or `docker_gwbridge`.
    pub(crate) network: At<String>,
    /// The subnet that the address is in.
    pub(crate) within: At<String>,
}

impl Example for CheckTable {
    const EXAMPLE: &'static str = "a time such as \"500ms\", or a check such as { drift = \"none\" }";
}
