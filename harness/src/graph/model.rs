//! A lab as hosts, rooms, interfaces, and what joins them. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of [`Graph`].
pub(super) const VERSION: u32 = 1;

/// A lab, to be drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The version of this format.
    pub version: u32,
    /// The lab's name.
    pub name: String,
    /// Its hosts, in the file's order.
    pub hosts: Vec<Host>,
    /// The outside world, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Room>,
    /// The underlay's switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<Room>,
    /// What VXLAN devices of one VNI share, by VNI.
    pub segments: Vec<Segment>,
    /// What is joined.
    pub edges: Vec<Edge>,
    /// What is wrong, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Mark>,
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its address on the underlay.
    pub ip: String,
    /// `engine`, `store` or nothing.
    pub role: String,
    /// It is not down.
    pub up: bool,
    /// Overlays' namespaces, containers, those that its programs have named, and last its own.
    pub rooms: Vec<Room>,
    /// The containers that went down with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// As `lab inspect` and `lab capture` call it: `docker0`, `docker0/1-620dd59483`, `C0`. With `host:` or `container:` before it
    /// where that would be two rooms.
    pub id: String,
    /// What it is.
    pub kind: RoomKind,
    /// What people call it: the container, the network, the host.
    pub title: String,
    /// What else is to be known of it, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its interfaces by index, without the loopback.
    pub interfaces: Vec<Interface>,
}

/// What a room is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// An overlay network's namespace on a host.
    Overlay,
    /// A container's.
    Container,
    /// One that a host's own programs have named.
    Named,
    /// A host's own.
    #[default]
    Host,
    /// All of a host in one.
    Folded,
    /// The switch.
    Switch,
    /// The outside world.
    Outside,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its room's id, a slash, its name: `docker0/1-620dd59483/vxlan1`.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// `veth`, `bridge`, `vxlan`, …; nothing where the kernel says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Addresses with prefix lengths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// In bytes.
    pub mtu: u32,
    /// Its hardware address, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Of a VXLAN device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// `up`, `no carrier` or `down`.
    pub state: String,
}

/// What VXLAN devices of one VNI share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// `vxlan:256`
    pub id: String,
    /// The VXLAN network identifier.
    pub vni: u32,
    /// The UDP port of its tunnels.
    pub port: u16,
    /// The network that it belongs to, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The subnets that its bridges have addresses of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
}

/// Two that are joined, by their ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// How.
    pub join: Join,
    /// One end: an interface.
    pub from: String,
    /// The other: an interface, or a segment.
    pub to: String,
}

/// How two are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// The halves of a veth pair.
    Veth,
    /// A link and a MACVLAN of it.
    Macvlan,
    /// A bridge and a port of it.
    Port,
    /// A VXLAN device and its segment.
    Segment,
    /// A VXLAN device and the interface that its packets leave the host by.
    Carrier,
    /// Both sides of a wire whose frames are carried in user space.
    Wire,
}

/// Something that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The fault's number.
    pub id: u64,
    /// What it is, in words.
    pub what: String,
    /// The hosts that it names.
    pub hosts: Vec<String>,
}

impl Graph {
    /// All rooms: those of hosts, the outside world, the switch.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        let inner = self.hosts.iter().flat_map(|host| &host.rooms);
        inner.chain(&self.outside).chain(&self.switch)
    }

    /// All interfaces, with their rooms.
    pub fn interfaces(&self) -> impl Iterator<Item = (&Room, &Interface)> {
        self.rooms().flat_map(|room| room.interfaces.iter().map(move |interface| (room, interface)))
    }

    /// The rooms that interfaces are in, by the interfaces' ids.
    pub(super) fn rooms_of_interfaces(&self) -> BTreeMap<&str, &Room> {
        self.interfaces().map(|(room, interface)| (interface.id.as_str(), room)).collect()
    }

    /// Whether something is said to be wrong with a host.
    pub(super) fn is_ill(&self, host: &str) -> bool {
        self.faults.iter().any(|mark| mark.hosts.iter().any(|name| name == host))
    }
}

impl Interface {
    /// What is to be known of it, a line each, its name first.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.name.clone()];
        lines.extend(self.addresses.iter().cloned());
        lines.extend(self.vni.map(|vni| format!("VNI {vni}")));
        lines.push(format!("mtu {}", self.mtu));
        if self.state != "up" {
            lines.push(self.state.clone());
        }
        lines
    }

    /// The same in one line.
    pub(super) fn line(&self) -> String {
        self.lines().join("  ")
    }
}

impl Segment {
    /// `VXLAN 256`
    pub(super) fn title(&self) -> String {
        format!("VXLAN {}", self.vni)
    }

    /// `demonet 192.168.0.0/24`
    pub(super) fn subtitle(&self) -> String {
        self.network.iter().chain(&self.subnets).cloned().collect::<Vec<_>>().join(" ")
    }
}

impl Host {
    /// `10.0.0.10, engine`; or that it is down.
    pub(super) fn subtitle(&self) -> String {
        let role = (!self.role.is_empty()).then_some(self.role.as_str());
        let down = (!self.up).then_some("down");
        [Some(self.ip.as_str()), role, down].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
