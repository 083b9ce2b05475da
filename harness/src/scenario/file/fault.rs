//! The tables of faults as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::topology::{At, Example, ImpairmentTable, WordOr};

/// Something that goes wrong.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultTable {
    /// Hosts do not hear each other.
    Partition(At<WordOr<PartitionTable>>),
    /// The switch loses what matches.
    Drop(Box<DropTable>),
    /// A host's wire is worse than before.
    Wire(Box<At<ImpairmentTable>>),
    /// A host goes as in a power failure.
    Crash(At<String>),
    /// Nothing runs on a host for a while.
    Pause(At<String>),
    /// A host's engine dies.
    Engine(At<String>),
    /// A container's command is killed.
    Kill(KillTable),
    /// A host's clocks are off, for new processes.
    Clock(ClockTable),
    /// Something is wrong with the store.
    Kv(Box<At<KvFaultTable>>),
}

/// A partition that names hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartitionTable {
    /// One host, away from all others.
    Isolate(At<String>),
    /// Two halves that both hear that host.
    Bridge(At<String>),
    /// Two hosts, of each other.
    Cut(At<Vec<At<String>>>),
    /// The second does not hear the first.
    OneWay(At<Vec<At<String>>>),
    /// These on one side each, the others on one more.
    Groups(Vec<Vec<At<String>>>),
}

/// What the switch loses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DropTable {
    /// Only what is encapsulated for this overlay network.
    pub(crate) network: Option<At<String>>,
    /// Only what is encapsulated with this VNI.
    pub(crate) vni: Option<At<u32>>,
    /// Only what is encapsulated, of any network.
    pub(crate) encapsulated: Option<At<bool>>,
    /// `arp`, `icmp`, `icmpv6`, `tcp` or `udp`.
    pub(crate) protocol: Option<At<String>>,
    /// Only from or to this address; inside the tunnel, if one is said.
    pub(crate) address: Option<At<String>>,
    /// Only from or to this port of TCP or UDP.
    pub(crate) port: Option<At<u16>>,
    /// Only between these two hosts, both ways.
    pub(crate) between: Option<At<Vec<At<String>>>>,
    /// Only from this host.
    pub(crate) from: Option<At<String>>,
    /// Only to this host.
    pub(crate) to: Option<At<String>>,
}

/// A container whose command is killed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KillTable {
    /// The container.
    pub(crate) container: At<String>,
    /// The signal's name, such as `TERM`, or its number; `KILL` unless said.
    pub(crate) signal: Option<At<String>>,
}

/// Clocks that are off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockTable {
    /// Whose.
    pub(crate) host: At<String>,
    /// By how much; behind with a `-` in front.
    pub(crate) offset: At<String>,
}

/// One thing that is wrong with the store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KvFaultTable {
    /// Every answer comes so much later.
    pub(crate) delay: Option<At<String>>,
    /// Every answer is an error.
    pub(crate) error: Option<At<bool>>,
    /// Connections on which a query blocks are closed.
    pub(crate) drop_watches: Option<At<bool>>,
    /// Queries that block do not wake.
    pub(crate) stall_watches: Option<At<bool>>,
    /// Reads are answered as of the moment of the fault.
    pub(crate) stale: Option<At<bool>>,
    /// Connections are reset.
    pub(crate) refuse: Option<At<bool>>,
    /// It begins anew: `empty`, or from its `disk`.
    pub(crate) restart: Option<At<String>>,
    /// Only for whoever asks from this host; for everybody unless said.
    pub(crate) host: Option<At<String>>,
}

/// Faults that come and go by a seed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NemesisTable {
    /// For how long, in all.
    #[serde(rename = "for")]
    pub(crate) lasts: At<String>,
    /// `partition`, `wire`, `crash`, `pause`, `engine`, `kill`, `kv`; all of them unless said.
    #[serde(default)]
    pub(crate) faults: Vec<At<String>>,
    /// Whom; all hosts but the store's unless said.
    #[serde(default)]
    pub(crate) hosts: Vec<At<String>>,
    /// How long a fault is there, on average; `1s` unless said.
    pub(crate) strike: Option<At<String>>,
    /// How long nothing is wrong between two, on average; `500ms` unless said.
    pub(crate) pause: Option<At<String>>,
    /// Where its draw starts from; the lab's own seed unless said.
    pub(crate) seed: Option<u64>,
}

impl Example for PartitionTable {
    const EXAMPLE: &'static str =
        "\"halves\", \"ring\", \"random\", or a table such as { isolate = \"docker0\" }";
}
