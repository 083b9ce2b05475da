//! What a step makes by hand, and takes away, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::topology::At;

/// Something to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MakeTable {
    /// A network namespace on a host.
    Namespace(NamespaceTable),
    /// A bridge.
    Bridge(LegTable),
    /// A vxlan device.
    Vxlan(Box<VxlanTable>),
    /// A veth pair.
    Veth(Box<VethTable>),
    /// A permanent entry of an ARP table.
    Neighbour(NeighbourTable),
    /// A permanent entry of a vxlan device's forwarding database.
    Fdb(FdbTable),
    /// A route.
    Route(HandRouteTable),
    /// A setting of the kernel's.
    Setting(SettingTable),
    /// A rule that masquerades.
    Masquerade(MasqueradeTable),
    /// Somebody who answers misses from the store.
    Answerer(AnswererTable),
}

/// Something to be taken away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnmakeTable {
    /// A network namespace on a host.
    Namespace(NamespaceTable),
    /// A link.
    Link(LinkTable),
    /// An entry of an ARP table.
    Neighbour(NeighbourKeyTable),
    /// An entry of a vxlan device's forwarding database.
    Fdb(FdbKeyTable),
    /// Who answers misses.
    Answerer(PlaceTable),
}

/// A namespace on a host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamespaceTable {
    /// The host.
    pub(crate) on: At<String>,
    /// Its name, as `ip netns ls` shows it.
    pub(crate) name: At<String>,
}

/// A link, and where it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegTable {
    /// A host, a container, a namespace on a host: `docker0/overns`.
    pub(crate) at: At<String>,
    /// Its name; at most 15 bytes.
    pub(crate) name: At<String>,
    /// Its MAC; drawn unless said.
    pub(crate) mac: Option<At<String>>,
    /// In bytes; as the kernel has it unless said.
    pub(crate) mtu: Option<At<u32>>,
    /// The bridge that it is a port of.
    pub(crate) master: Option<At<String>>,
    /// Its address, with its prefix.
    pub(crate) address: Option<At<String>>,
}

/// A vxlan device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are the device's own flags")]
pub(crate) struct VxlanTable {
    /// The host that it sends from.
    pub(crate) on: At<String>,
    /// A namespace on that host: `docker0/overns`; the host itself unless said.
    pub(crate) at: Option<At<String>>,
    /// Its name; at most 15 bytes.
    pub(crate) name: At<String>,
    /// Its VNI.
    pub(crate) id: At<u32>,
    /// The UDP port of the tunnel; 4789 unless said.
    pub(crate) port: Option<At<u16>>,
    /// Answers ARP from the neighbour table.
    #[serde(default)]
    pub(crate) proxy: bool,
    /// Learns from what arrives.
    #[serde(default)]
    pub(crate) learning: bool,
    /// Tells of MACs that it does not know.
    #[serde(default)]
    pub(crate) l2miss: bool,
    /// Tells of addresses that it does not know.
    #[serde(default)]
    pub(crate) l3miss: bool,
    /// Its MAC; drawn unless said.
    pub(crate) mac: Option<At<String>>,
    /// In bytes; as the kernel has it unless said.
    pub(crate) mtu: Option<At<u32>>,
    /// The bridge that it is a port of.
    pub(crate) master: Option<At<String>>,
    /// Its address, with its prefix.
    pub(crate) address: Option<At<String>>,
}

/// A veth pair.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VethTable {
    /// A host, a container, a namespace on a host: `docker0/overns`.
    pub(crate) at: At<String>,
    /// Its name; at most 15 bytes.
    pub(crate) name: At<String>,
    /// Its MAC; drawn unless said.
    pub(crate) mac: Option<At<String>>,
    /// In bytes; as the kernel has it unless said.
    pub(crate) mtu: Option<At<u32>>,
    /// The bridge that it is a port of.
    pub(crate) master: Option<At<String>>,
    /// Its address, with its prefix.
    pub(crate) address: Option<At<String>>,
    /// The other end.
    pub(crate) peer: LegTable,
}

/// A permanent entry of an ARP table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeighbourTable {
    /// Where.
    pub(crate) at: At<String>,
    /// On which link.
    pub(crate) dev: At<String>,
    /// Whose.
    pub(crate) ip: At<String>,
    /// Its MAC.
    pub(crate) mac: At<String>,
}

/// An entry of an ARP table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeighbourKeyTable {
    /// Where.
    pub(crate) at: At<String>,
    /// On which link.
    pub(crate) dev: At<String>,
    /// Whose.
    pub(crate) ip: At<String>,
}

/// A permanent entry of a vxlan device's forwarding database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FdbTable {
    /// Where.
    pub(crate) at: At<String>,
    /// Of which device.
    pub(crate) dev: At<String>,
    /// Whose.
    pub(crate) mac: At<String>,
    /// The VTEP that it is behind.
    pub(crate) behind: At<String>,
}

/// An entry of a vxlan device's forwarding database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FdbKeyTable {
    /// Where.
    pub(crate) at: At<String>,
    /// Of which device.
    pub(crate) dev: At<String>,
    /// Whose.
    pub(crate) mac: At<String>,
}

/// A route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandRouteTable {
    /// Where.
    pub(crate) at: At<String>,
    /// Whereto; everywhere unless said.
    pub(crate) to: Option<At<String>>,
    /// By whom.
    pub(crate) via: At<String>,
}

/// A setting of the kernel's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingTable {
    /// Where.
    pub(crate) at: At<String>,
    /// Its name: `net.ipv4.ip_forward`.
    pub(crate) name: At<String>,
    /// What it is to be.
    pub(crate) value: String,
}

/// A rule that gives what leaves by a link the address of that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MasqueradeTable {
    /// Where.
    pub(crate) at: At<String>,
    /// By which link.
    pub(crate) out: At<String>,
    /// Only what comes from this subnet.
    pub(crate) source: At<String>,
}

/// Who answers misses from the store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswererTable {
    /// Where.
    pub(crate) at: At<String>,
    /// What its keys begin with; `demo/`, as in the article, unless said.
    pub(crate) prefix: Option<String>,
}

/// A link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkTable {
    /// Where.
    pub(crate) at: At<String>,
    /// Which.
    pub(crate) name: At<String>,
}

/// A place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceTable {
    /// A host, a container, a namespace on a host: `docker0/overns`.
    pub(crate) at: At<String>,
}
