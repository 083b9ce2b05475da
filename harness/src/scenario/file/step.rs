//! The tables of a scenario's steps as written: every key optional, every value with its place.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::ExpectTable;
use super::fact::CheckTable;
use super::fault::{FaultTable, NemesisTable};
use super::hand::{MakeTable, UnmakeTable};
use super::listen::ListenEntry;
use crate::topology::{At, ContainerTable, NetworkTable, WordOr};

/// One `[[step]]`: exactly one verb, and how it is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["ping"] }, { "required": ["exec"] }, { "required": ["tcp"] }, { "required": ["udp"] }, { "required": ["throughput"] }, { "required": ["resolve"] }, { "required": ["kv"] }, { "required": ["network"] }, { "required": ["container"] }, { "required": ["check"] }, { "required": ["wait"] }, { "required": ["fault"] }, { "required": ["heal"] }, { "required": ["nemesis"] }, { "required": ["repeat"] }, { "required": ["parallel"] }, { "required": ["capture"] }, { "required": ["diff"] }, { "required": ["events"] }, { "required": ["make"] }, { "required": ["unmake"] }]))]
pub(crate) struct StepTable {
    /// A sentence that says what holds.
    pub(crate) name: Option<At<String>>,
    /// Tools of the machine; without one of them the step is skipped, with that reason.
    #[serde(default)]
    pub(crate) requires: Vec<At<String>>,
    /// What is expected; without it, success.
    pub(crate) expect: Option<At<ExpectTable>>,
    /// Tried again until it holds, at most this long.
    pub(crate) within: Option<At<String>>,
    /// Has to hold this long.
    #[serde(rename = "for")]
    pub(crate) holds_for: Option<At<String>>,
    /// Time limit of the step; 60s unless said.
    pub(crate) timeout: Option<At<String>>,
    /// Echo requests.
    pub(crate) ping: Option<At<PingTable>>,
    /// A command.
    pub(crate) exec: Option<At<ExecTable>>,
    /// A TCP connection.
    pub(crate) tcp: Option<At<TcpTable>>,
    /// A UDP datagram.
    pub(crate) udp: Option<At<UdpTable>>,
    /// Traffic, and how much of it arrives.
    pub(crate) throughput: Option<At<ThroughputTable>>,
    /// A name looked up.
    pub(crate) resolve: Option<At<ResolveTable>>,
    /// A request to the store.
    pub(crate) kv: Option<At<KvTable>>,
    /// A request to an engine.
    pub(crate) network: Option<At<NetworkVerbTable>>,
    /// A container run or removed.
    pub(crate) container: Option<At<ContainerVerbTable>>,
    /// A fact looked at.
    pub(crate) check: Option<At<CheckTable>>,
    /// A time, or a fact waited for.
    pub(crate) wait: Option<At<WordOr<CheckTable>>>,
    /// Something goes wrong.
    pub(crate) fault: Option<At<FaultTable>>,
    /// The name that the fault is healed by.
    #[serde(rename = "as")]
    pub(crate) name_of_fault: Option<At<String>>,
    /// The name of a fault, or `all`.
    pub(crate) heal: Option<At<String>>,
    /// Faults that come and go by a seed.
    pub(crate) nemesis: Option<At<NemesisTable>>,
    /// Steps played again and again.
    pub(crate) repeat: Option<At<RepeatTable>>,
    /// Steps played at once.
    pub(crate) parallel: Option<At<Vec<At<StepTable>>>>,
    /// Packets, while steps are played.
    pub(crate) capture: Option<At<CaptureTable>>,
    /// What steps change.
    pub(crate) diff: Option<At<DiffTable>>,
    /// What is said while steps are played.
    pub(crate) events: Option<At<EventsTable>>,
    /// Something made by hand.
    pub(crate) make: Option<At<MakeTable>>,
    /// Something taken away by hand.
    pub(crate) unmake: Option<At<UnmakeTable>>,
}

/// What the lab, engines, the store and kernels say while steps are played in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsTable {
    /// The steps.
    pub(crate) step: Vec<At<StepTable>>,
}

/// What is otherwise in the kernels once steps have been played in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffTable {
    /// Only on these hosts, with their overlays, and in these containers; `switch`, `internet`; everywhere unless said.
    pub(crate) on: Option<At<Vec<At<String>>>>,
    /// And what was counted.
    #[serde(default)]
    pub(crate) counters: bool,
    /// And what kernels have learned from traffic.
    #[serde(default)]
    pub(crate) learned: bool,
    /// The steps.
    pub(crate) step: Vec<At<StepTable>>,
}

/// Packets that are captured while steps are played in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaptureTable {
    /// Where: `C0`, `docker0:eth0`, `docker0/demonet`; everywhere unless said.
    pub(crate) on: Option<At<Vec<At<String>>>>,
    /// From whom and to whom: at the interfaces that a packet between the two crosses.
    pub(crate) path: Option<At<Vec<At<String>>>>,
    /// Only packets that are so, as `lab capture` takes it: `icmp and not vni 256`.
    pub(crate) filter: Option<At<String>>,
    /// The steps.
    pub(crate) step: Vec<At<StepTable>>,
}

/// Steps played in order, so many times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepeatTable {
    /// How many times.
    pub(crate) count: At<u32>,
    /// The steps.
    pub(crate) step: Vec<At<StepTable>>,
}

/// A question to the name server of a host or a container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveTable {
    /// A host or a container.
    pub(crate) from: At<String>,
    /// The name; of type PTR, an address.
    pub(crate) name: At<String>,
    /// `A`, `AAAA`, `PTR`, `MX` or `TXT`; A unless said.
    #[serde(rename = "type")]
    pub(crate) kind: Option<At<String>>,
}

/// Echo requests from one place to another.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PingTable {
    /// A host, a container, or `internet`.
    pub(crate) from: At<String>,
    /// An address, a container (`C0`, `C0@demonet`, `ipv6:C0`) or a host.
    pub(crate) to: At<String>,
    /// How many; 1 unless said.
    pub(crate) count: Option<At<u32>>,
    /// Time between two; 100ms unless said.
    pub(crate) interval: Option<At<String>>,
}

/// A command on a host or in a container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecTable {
    /// A host or a container.
    pub(crate) on: At<String>,
    /// The program and its arguments.
    pub(crate) command: At<Vec<String>>,
    /// What it reads.
    pub(crate) stdin: Option<String>,
}

/// A TCP connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TcpTable {
    /// A host, a container, or `internet`.
    pub(crate) from: At<String>,
    /// An address, a container or a host.
    pub(crate) to: At<String>,
    /// 7, echo, unless said.
    pub(crate) port: Option<At<u16>>,
    /// What is sent once connected; then one answer is read.
    pub(crate) send: Option<String>,
    /// The lab opens an echo server for the step.
    pub(crate) listen: Option<At<ListenEntry>>,
}

/// A UDP datagram and the answer to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UdpTable {
    /// A host, a container, or `internet`.
    pub(crate) from: At<String>,
    /// An address, a container or a host.
    pub(crate) to: At<String>,
    /// 7, echo, unless said.
    pub(crate) port: Option<At<u16>>,
    /// What is sent; `ping` unless said.
    pub(crate) send: Option<String>,
    /// The lab opens an echo server for the step.
    pub(crate) listen: Option<At<ListenEntry>>,
}

/// Traffic from one place to another, as fast as it goes or at a rate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThroughputTable {
    /// A host, a container, or `internet`.
    pub(crate) from: At<String>,
    /// A host or a container.
    pub(crate) to: At<String>,
    /// `tcp` or `udp`; tcp unless said.
    pub(crate) protocol: Option<At<String>>,
    /// How long it is measured, after a warm-up of a fifth of that; 1s unless said.
    #[serde(rename = "for")]
    pub(crate) lasts: Option<At<String>>,
    /// tcp: how many streams a way, 1 to 128; 1 unless said.
    pub(crate) streams: Option<At<u32>>,
    /// tcp: `forth`, `back` or `both`; forth unless said.
    pub(crate) way: Option<At<String>>,
    /// udp: bytes of a datagram, headers apart, 16 to 65507; 1400 unless said.
    pub(crate) size: Option<At<u32>>,
    /// udp: bits a second, headers apart; as fast as it goes unless said.
    pub(crate) rate: Option<At<String>>,
    /// The port that is dialled; a free one is drawn unless said.
    pub(crate) port: Option<At<u16>>,
    /// Where it is received, if what is sent is redirected.
    pub(crate) listen: Option<At<ListenEntry>>,
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
    /// Looks for what the store was asked.
    Trace(Box<TraceTable>),
}

/// Requests to the store by who made them, how, and of what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceTable {
    /// From this host.
    pub(crate) host: Option<At<String>>,
    /// From this container, as it says itself by the header `X-Lab-Container`.
    pub(crate) container: Option<At<String>>,
    /// By this method: `GET`, `PUT` or `DELETE`.
    pub(crate) method: Option<At<String>>,
    /// Of a key that this glob fits.
    pub(crate) key: Option<String>,
    /// Of a key that this glob does not fit.
    pub(crate) not_key: Option<String>,
    /// Only those that write keys.
    #[serde(default)]
    pub(crate) writes: bool,
    /// With this status.
    pub(crate) status: Option<u16>,
    /// Only since the step of that name began; since the lab is there unless said.
    pub(crate) since: Option<At<String>>,
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyTable {
    /// The key, without a leading slash.
    pub(crate) key: At<String>,
}

/// Keys that start alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrefixTable {
    /// What they start with; all keys unless said.
    pub(crate) prefix: Option<String>,
}

/// A key and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutTable {
    /// The key, without a leading slash.
    pub(crate) key: At<String>,
    /// Its value.
    pub(crate) value: String,
}

/// A key to remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RmKeyTable {
    /// The key, without a leading slash.
    pub(crate) key: At<String>,
    /// Everything that starts with it.
    #[serde(default)]
    pub(crate) recurse: bool,
}

/// A request to an engine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkVerbTable {
    /// Creates a network; the keys of `[[network]]`.
    Create(Box<At<NetworkTable>>),
    /// Removes one.
    Rm(NamedNetworkTable),
    /// Gives one a new key that is encrypted.
    Rotate(NamedNetworkTable),
    /// Puts a container on one.
    Connect(ConnectTable),
    /// Takes a container off one.
    Disconnect(DisconnectTable),
    /// Shows one.
    Inspect(InspectNetworkTable),
    /// Lists them.
    Ls(OnTable),
}

/// A network, and whose engine is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedNetworkTable {
    /// The network.
    pub(crate) name: At<String>,
    /// The host whose engine is asked; the first one with an engine unless said.
    pub(crate) on: Option<At<String>>,
}

/// A network that is shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InspectNetworkTable {
    /// The network.
    pub(crate) name: At<String>,
    /// The host whose engine is asked; the first one with an engine unless said.
    pub(crate) on: Option<At<String>>,
    /// With its peers: the other hosts, and what they have there.
    #[serde(default)]
    pub(crate) verbose: bool,
}

/// A container that is put on a network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectTable {
    /// The network.
    pub(crate) name: At<String>,
    /// The container.
    pub(crate) container: At<String>,
    /// The address asked for; the engine chooses unless said.
    pub(crate) ip: Option<At<String>>,
    /// The MAC asked for; the one that is made of the address unless said.
    pub(crate) mac: Option<At<String>>,
    /// The IPv6 address asked for; the engine chooses unless said.
    pub(crate) ip6: Option<At<String>>,
    /// Further names of the container on that network.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
}

/// A container that is taken off a network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisconnectTable {
    /// The network.
    pub(crate) name: At<String>,
    /// The container.
    pub(crate) container: At<String>,
}

/// Whose engine is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnTable {
    /// The host whose engine is asked; the first one with an engine unless said.
    pub(crate) on: Option<At<String>>,
}

/// A container run or removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContainerVerbTable {
    /// Runs one; the keys of `[[container]]`.
    Run(Box<At<ContainerTable>>),
    /// Stops and removes one.
    Rm(NamedContainerTable),
}

/// A container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedContainerTable {
    /// The container.
    pub(crate) name: At<String>,
}
