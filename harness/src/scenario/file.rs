//! The tables of a scenario's steps as written: every key optional, every value with its place.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::topology::{At, ContainerTable, NetworkTable};

/// One `[[step]]`: exactly one verb, and how it is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["ping"] }, { "required": ["exec"] }, { "required": ["tcp"] }, { "required": ["udp"] }, { "required": ["kv"] }, { "required": ["network"] }, { "required": ["container"] }, { "required": ["check"] }, { "required": ["wait"] }]))]
pub(crate) struct StepTable {
    /// A sentence that says what holds.
    pub(super) name: Option<At<String>>,
    /// Tools of the machine; without one of them the step is skipped, with that reason.
    #[serde(default)]
    pub(super) requires: Vec<At<String>>,
    /// What is expected; without it, success.
    pub(super) expect: Option<At<ExpectTable>>,
    /// Tried again until it holds, at most this long.
    pub(super) within: Option<At<String>>,
    /// Has to hold this long.
    #[serde(rename = "for")]
    pub(super) holds_for: Option<At<String>>,
    /// Time limit of the step; 60s unless said.
    pub(super) timeout: Option<At<String>>,
    /// Echo requests.
    pub(super) ping: Option<At<PingTable>>,
    /// A command.
    pub(super) exec: Option<At<ExecTable>>,
    /// A TCP connection.
    pub(super) tcp: Option<At<TcpTable>>,
    /// A UDP datagram.
    pub(super) udp: Option<At<UdpTable>>,
    /// A request to the store.
    pub(super) kv: Option<At<KvTable>>,
    /// A request to an engine.
    pub(super) network: Option<At<NetworkVerbTable>>,
    /// A container run or removed.
    pub(super) container: Option<At<ContainerVerbTable>>,
    /// A fact looked at.
    pub(super) check: Option<At<CheckTable>>,
    /// A time, or a fact waited for.
    pub(super) wait: Option<At<WaitEntry>>,
}

/// Echo requests from one place to another.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PingTable {
    /// A host or a container.
    pub(super) from: At<String>,
    /// An address, a container (`C0`, `C0@demonet`) or a host.
    pub(super) to: At<String>,
    /// How many; 1 unless said.
    pub(super) count: Option<At<u32>>,
    /// Time between two; 100ms unless said.
    pub(super) interval: Option<At<String>>,
}

/// A command on a host or in a container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecTable {
    /// A host or a container.
    pub(super) on: At<String>,
    /// The program and its arguments.
    pub(super) command: At<Vec<String>>,
    /// What it reads.
    pub(super) stdin: Option<String>,
}

/// A TCP connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TcpTable {
    /// A host or a container.
    pub(super) from: At<String>,
    /// An address, a container or a host.
    pub(super) to: At<String>,
    /// 7, echo, unless said.
    pub(super) port: Option<At<u16>>,
    /// What is sent once connected; then one answer is read.
    pub(super) send: Option<String>,
    /// The lab opens an echo server at the far end for the step.
    pub(super) listen: Option<At<bool>>,
}

/// A UDP datagram and the answer to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UdpTable {
    /// A host or a container.
    pub(super) from: At<String>,
    /// An address, a container or a host.
    pub(super) to: At<String>,
    /// 7, echo, unless said.
    pub(super) port: Option<At<u16>>,
    /// What is sent; `ping` unless said.
    pub(super) send: Option<String>,
    /// The lab opens an echo server at the far end for the step.
    pub(super) listen: Option<At<bool>>,
}

/// A request to the store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KvTable {
    /// Reads one key.
    Get(KeyTable),
    /// Lists keys.
    Ls(PrefixTable),
    /// Writes one key.
    Put(PutTable),
    /// Removes one key, or all below it.
    Rm(RmKeyTable),
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyTable {
    /// The key, without a leading slash.
    pub(super) key: At<String>,
}

/// Keys that start alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrefixTable {
    /// What they start with; all keys unless said.
    pub(super) prefix: Option<String>,
}

/// A key and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutTable {
    /// The key, without a leading slash.
    pub(super) key: At<String>,
    /// Its value.
    pub(super) value: String,
}

/// A key to remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RmKeyTable {
    /// The key, without a leading slash.
    pub(super) key: At<String>,
    /// Everything that starts with it.
    #[serde(default)]
    pub(super) recurse: bool,
}

/// A request to an engine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkVerbTable {
    /// Creates a network; the keys of `[[network]]`.
    Create(Box<At<NetworkTable>>),
    /// Removes one.
    Rm(NamedNetworkTable),
    /// Shows one.
    Inspect(NamedNetworkTable),
    /// Lists them.
    Ls(OnTable),
}

/// A network, and whose engine is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedNetworkTable {
    /// The network.
    pub(super) name: At<String>,
    /// The host whose engine is asked; the first one with an engine unless said.
    pub(super) on: Option<At<String>>,
}

/// Whose engine is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnTable {
    /// The host whose engine is asked; the first one with an engine unless said.
    pub(super) on: Option<At<String>>,
}

/// A container run or removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContainerVerbTable {
    /// Runs one; the keys of `[[container]]`.
    Run(At<ContainerTable>),
    /// Stops and removes one.
    Rm(NamedContainerTable),
}

/// A container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedContainerTable {
    /// The container.
    pub(super) name: At<String>,
}

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
    pub(super) at: At<String>,
    /// The network.
    pub(super) network: At<String>,
    /// The container, on another host.
    pub(super) container: At<String>,
    /// `false`: must not be known.
    pub(super) known: Option<bool>,
}

/// The MTU of a container's path on a network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MtuTable {
    /// The container.
    pub(super) container: At<String>,
    /// The network.
    pub(super) network: At<String>,
    /// The MTU.
    pub(super) is: u32,
}

/// An interface and what is known of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterfaceTable {
    /// A host or a container.
    pub(super) on: At<String>,
    /// The interface.
    pub(super) name: At<String>,
    /// `veth`, `bridge` or `vxlan`.
    pub(super) kind: Option<At<String>>,
    /// Its MTU.
    pub(super) mtu: Option<u32>,
    /// Its MAC.
    pub(super) mac: Option<At<String>>,
    /// One of its addresses, with the prefix length.
    pub(super) address: Option<At<String>>,
}

/// An interface that is not there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsentTable {
    /// A host or a container.
    pub(super) on: At<String>,
    /// The interface.
    pub(super) interface: At<String>,
}

/// The main routing table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    /// A host or a container.
    pub(super) on: At<String>,
    /// All of its routes, in any order: `default via 172.18.0.1 dev eth1`.
    pub(super) equals: Option<Vec<At<String>>>,
    /// Where none of them leads: `default`, `192.168.0.0/24`.
    #[serde(default)]
    pub(super) lacks: Vec<At<String>>,
}

/// One id on all hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SameNetworkTable {
    /// The network.
    pub(super) network: At<String>,
    /// The hosts; all that run an engine unless said.
    pub(super) hosts: Option<Vec<At<String>>>,
}

/// The overlay's namespace on a host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxTable {
    /// The host.
    pub(super) on: At<String>,
    /// The network.
    pub(super) network: At<String>,
    /// Its interfaces beside `lo`, in any order.
    pub(super) links: Vec<At<String>>,
    /// The VNI of its vxlan device.
    pub(super) vni: Option<At<u32>>,
    /// The UDP port of its vxlan device.
    pub(super) port: Option<u16>,
}

/// Where a container's address lies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressTable {
    /// The container.
    pub(super) container: At<String>,
    /// The network, or `docker_gwbridge`.
    pub(super) network: At<String>,
    /// The subnet that the address is in.
    pub(super) within: At<String>,
}

/// A time, or a fact.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum WaitEntry {
    /// A time: `500ms`.
    Time(String),
    /// A fact, as in `check`.
    Until(CheckTable),
}

impl<'de> Deserialize<'de> for WaitEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WaitEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"500ms\", or a check such as { drift = \"none\" }")
            }
            fn visit_str<E>(self, text: &str) -> Result<WaitEntry, E> {
                Ok(WaitEntry::Time(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WaitEntry, A::Error> {
                let check = CheckTable::deserialize(MapAccessDeserializer::new(&mut map))?;
                match map.next_key::<String>()? {
                    None => Ok(WaitEntry::Until(check)),
                    Some(_) => Err(A::Error::custom("wanted exactly 1 element")),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What is expected of a step. Which keys may stand here depends on the verb.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectTable {
    /// ping: the share of requests without an answer: `0%`, `<=10%`, `>50%`.
    pub(super) loss: Option<At<String>>,
    /// ping: the median round trip: `<5ms`, `>=10ms`.
    pub(super) rtt: Option<At<String>>,
    /// exec: the exit status.
    pub(super) status: Option<At<i32>>,
    /// exec: what it printed.
    pub(super) stdout: Option<At<TextTable>>,
    /// exec: what it printed to its standard error.
    pub(super) stderr: Option<At<TextTable>>,
    /// tcp: whether the connection came about.
    pub(super) connected: Option<At<bool>>,
    /// udp: whether an answer came.
    pub(super) answered: Option<At<bool>>,
    /// tcp, udp: the answer.
    pub(super) reply: Option<At<TextTable>>,
    /// kv.get: whether the key is there.
    pub(super) exists: Option<At<bool>>,
    /// kv.get: its value.
    pub(super) value: Option<At<TextTable>>,
    /// kv.ls: each of these globs fits some key.
    pub(super) keys: Option<At<Vec<String>>>,
    /// kv.ls: none of these globs fits any key.
    pub(super) no_keys: Option<At<Vec<String>>>,
    /// network.ls, network.inspect: what is shown.
    pub(super) output: Option<At<TextTable>>,
    /// network, container, kv.put, kv.rm: fails, with this error.
    pub(super) error: Option<At<TextTable>>,
}

/// Conditions on a text; all that are given must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextTable {
    /// Is found in the text.
    pub(super) contains: Option<String>,
    /// A glob (`*`, `?`) that fits a whole line of the text.
    pub(super) matches: Option<String>,
    /// Is the text, but for white space at its end.
    pub(super) equals: Option<String>,
    /// Is part of the text read as JSON: objects may have more keys, arrays have as many elements.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) json: Option<At<toml::Value>>,
}
