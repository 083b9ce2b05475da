//! The tables of a topology file as written: nearly every key optional, every value with its place.

use std::collections::BTreeMap;
use std::fmt;

use overlay::Resolution;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::at::At;
use super::impairment::ImpairmentTable;
use super::word_or::{Example, WordOr};
use crate::scenario::{CheckTable, StepTable};

/// A lab and the scenario played on it.
#[derive(Debug, Default, JsonSchema)]
#[schemars(title = "A lab and its scenario", deny_unknown_fields)]
pub(crate) struct File {
    /// Version of this format: 1.
    #[schemars(extend("const" = 1))]
    pub(crate) schema: Option<At<i64>>,
    /// What the lab is called; the file's stem unless said.
    pub(crate) name: Option<At<String>>,
    /// What it shows, for people.
    pub(crate) description: Option<At<String>>,
    /// Where everything random starts from; 0 unless said.
    pub(crate) seed: Option<At<u64>>,
    /// Time limit of the whole scenario; 60s unless said.
    pub(crate) timeout: Option<At<String>>,
    /// How engines' kernels get to know peers; `store` unless said.
    pub(crate) resolution: Option<ResolutionWord>,
    /// What the machine has to have; without it the file is not played.
    pub(crate) requires: Option<At<RequiresTable>>,
    /// What is recorded all the time, to be looked at should a step fail.
    pub(crate) record: Option<At<RecordTable>>,
    /// The physical network.
    pub(crate) underlay: Option<At<UnderlayTable>>,
    /// The store.
    pub(crate) kv: Option<At<StoreTable>>,
    /// The machines.
    #[schemars(default)]
    pub(crate) host: Vec<At<HostTable>>,
    /// The overlay networks.
    #[schemars(default)]
    pub(crate) network: Vec<At<NetworkTable>>,
    /// The containers.
    #[schemars(default)]
    pub(crate) container: Vec<At<ContainerTable>>,
    /// What runs on hosts for as long as they are up.
    #[schemars(default)]
    pub(crate) process: Vec<At<ProcessTable>>,
    /// What happens.
    #[schemars(default)]
    pub(crate) step: Vec<At<StepTable>>,
    /// What holds after every step.
    #[schemars(default)]
    pub(crate) always: Vec<At<CheckTable>>,
}

/// What the machine has to have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequiresTable {
    /// Root, and not only in a user namespace.
    #[serde(default)]
    pub(crate) root: bool,
    /// Programs, by name or absolute path; or tables that say which version.
    #[serde(default)]
    pub(crate) programs: Vec<At<WordOr<ProgramTable>>>,
    /// Features of the kernel, by the names that `lab doctor` has for them.
    #[serde(default)]
    pub(crate) kernel: Vec<At<String>>,
}

/// What is recorded from the beginning, for the evidence of a failure.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordTable {
    /// What kernels tell of links, addresses, routes, neighbours and forwarding entries.
    #[serde(default)]
    pub(crate) netlink: bool,
    /// The latest packets: `all`, or a filter as `lab capture` takes it: `not port 8500`.
    pub(crate) packets: Option<At<String>>,
    /// Where packets are captured: `C0`, `docker0:eth0`; everywhere unless said.
    pub(crate) on: Option<At<Vec<At<String>>>>,
    /// Bytes that are kept of each packet; 256 unless said.
    pub(crate) snapshot: Option<At<u32>>,
}

/// A program of a certain version.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramTable {
    /// Its name, or an absolute path.
    pub(crate) name: At<String>,
    /// What `--version` makes it print, or a part of it.
    pub(crate) version: At<String>,
}

impl Example for ProgramTable {
    const EXAMPLE: &'static str =
        "a program such as \"dockerd\", or a table such as { name = \"dockerd\", version = \" 20.10.\" }";
}

/// The physical network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnderlayTable {
    /// The subnet of all hosts; 10.0.0.0/24 unless said.
    pub(crate) subnet: Option<At<String>>,
    /// The MTU of every wire; 1500 unless said.
    pub(crate) mtu: Option<At<u32>>,
    /// The way out; the first free address unless said.
    pub(crate) gateway: Option<At<String>>,
    /// Addresses of the outside world, behind the gateway.
    #[serde(default)]
    pub(crate) internet: Vec<At<String>>,
    /// Names that the outside world knows, with their addresses.
    #[serde(default)]
    pub(crate) dns: BTreeMap<String, At<String>>,
}

/// The store.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreTable {
    /// The host that the embedded stub runs on; the first one without an engine unless said.
    pub(crate) host: Option<At<String>>,
    /// The shortest TTL of a session; 10s, Consul's, unless said.
    pub(crate) session_ttl_min: Option<At<String>>,
    /// Whether what it holds outlives a crash of its host.
    #[serde(default)]
    pub(crate) persist: bool,
}

/// A machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostTable {
    /// Its host name.
    pub(crate) name: At<String>,
    /// Its address on the underlay; the first free one unless said.
    pub(crate) ip: Option<At<String>>,
    /// Whether an overlay engine runs on it; true unless said.
    pub(crate) engine: Option<bool>,
    /// What its wire does to frames; nothing unless said.
    pub(crate) wire: Option<At<ImpairmentTable>>,
    /// How its engine's kernel gets to know peers; as the file says for all, unless said.
    pub(crate) resolution: Option<ResolutionWord>,
    /// Directories of the machine's that it sees empty, and has to itself while it is up.
    #[serde(default)]
    pub(crate) volatile: Vec<At<String>>,
    /// Control groups of its own; false unless said.
    pub(crate) cgroups: Option<At<bool>>,
}

/// What runs on a host for as long as that is up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessTable {
    /// What it is called.
    pub(crate) name: At<String>,
    /// The host that it runs on.
    pub(crate) on: At<String>,
    /// The program and its arguments.
    pub(crate) command: At<Vec<String>>,
    /// The program's environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, At<String>>,
    /// The fact that it is ready by; as soon as it is started, unless said.
    pub(crate) ready: Option<At<ReadyTable>>,
    /// How long it may take to be ready; 10s unless said.
    pub(crate) within: Option<At<String>>,
}

/// The fact that a process is ready by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReadyTable {
    /// Somebody listens on this TCP port of the host.
    Port(u16),
    /// This file is there, as the process sees the file system.
    File(String),
    /// It has printed a line with this in it.
    Line(String),
    /// It says so itself, as services of systemd do.
    Notify(bool),
}

/// How a kernel gets to know peers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResolutionWord {
    /// All of them, from the store.
    Store,
    /// Each when it is missed.
    OnMiss,
}

impl From<ResolutionWord> for Resolution {
    fn from(word: ResolutionWord) -> Resolution {
        match word {
            ResolutionWord::Store => Resolution::Store,
            ResolutionWord::OnMiss => Resolution::OnMiss,
        }
    }
}

/// An overlay network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkTable {
    /// Its name.
    pub(crate) name: At<String>,
    /// The host whose engine is asked to create it; the first one with an engine unless said.
    pub(crate) on: Option<At<String>>,
    /// Its addresses; the engine chooses unless said.
    pub(crate) subnet: Option<At<String>>,
    /// Its subnets, if there are several: in CIDR notation, or tables that say more. The first IPv6 one goes with the first of IPv4.
    #[serde(default)]
    pub(crate) subnets: Vec<At<WordOr<SubnetTable>>>,
    /// The gateway's address; the first free one unless said.
    pub(crate) gateway: Option<At<String>>,
    /// The part of the subnet that addresses are given out from.
    pub(crate) ip_range: Option<At<String>>,
    /// Addresses never given out, by name.
    #[serde(default)]
    pub(crate) aux: BTreeMap<String, At<String>>,
    /// Its containers have IPv6 addresses, too; it needs an IPv6 subnet then.
    #[serde(default)]
    pub(crate) ipv6: bool,
    /// No way out of the overlay.
    #[serde(default)]
    pub(crate) internal: bool,
    /// Docker's flag of that name.
    #[serde(default)]
    pub(crate) attachable: bool,
    /// Driver options.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, At<String>>,
    /// Labels.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// One of several subnets of a network.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubnetTable {
    /// Its addresses.
    pub(crate) subnet: At<String>,
    /// The gateway's address; the first free one unless said.
    pub(crate) gateway: Option<At<String>>,
    /// The part of the subnet that addresses are given out from.
    pub(crate) ip_range: Option<At<String>>,
    /// Addresses never given out, by name.
    #[serde(default)]
    pub(crate) aux: BTreeMap<String, At<String>>,
}

impl Example for SubnetTable {
    const EXAMPLE: &'static str = "a subnet such as \"10.70.0.0/24\", or a table such as { subnet = \"10.70.0.0/24\", gateway = \"10.70.0.254\" }";
}

/// A container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainerTable {
    /// Its name.
    pub(crate) name: At<String>,
    /// The host that it runs on; the first one with an engine unless said.
    pub(crate) on: Option<At<String>>,
    /// The networks it is attached to, names and tables alike.
    #[serde(default)]
    pub(crate) networks: Vec<At<AttachmentEntry>>,
    /// Its ports that its host gives away: `8080:80`, `127.0.0.1:8080:80/udp`, `80`.
    #[serde(default)]
    pub(crate) publish: Vec<At<String>>,
    /// The program that runs in it and its arguments; nothing runs unless said.
    pub(crate) command: Option<At<Vec<String>>>,
    /// The program's environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, At<String>>,
    /// Name servers that are asked instead of the host's.
    #[serde(default)]
    pub(crate) dns: Vec<At<String>>,
    /// Domains in which names are looked for that are not found as they stand.
    #[serde(default)]
    pub(crate) dns_search: Vec<At<String>>,
    /// Options of the C library's resolver: `ndots:1`.
    #[serde(default)]
    pub(crate) dns_options: Vec<At<String>>,
}

/// A network that a container is attached to: its name, or a table that says more.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum AttachmentEntry {
    /// The network's name.
    Name(String),
    /// The name and more.
    Table(AttachmentTable),
}

/// A container's place on a network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachmentTable {
    /// The network.
    pub(crate) name: At<String>,
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

impl<'de> Deserialize<'de> for AttachmentEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AttachmentEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a network's name, or a table such as { name = \"demonet\", ip = \"192.168.0.100\" }",
                )
            }
            fn visit_str<E>(self, text: &str) -> Result<AttachmentEntry, E> {
                Ok(AttachmentEntry::Name(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AttachmentEntry, A::Error> {
                AttachmentTable::deserialize(MapAccessDeserializer::new(map)).map(AttachmentEntry::Table)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
