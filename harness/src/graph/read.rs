//! What kernels hold, as a graph. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Snapshot;
use kernel::rtnl::Link;

use super::model::{Edge, Graph, Host, Interface, Join, Mark, Room, RoomKind, Segment, VERSION};
use super::peers::{Placed, lower, pairs};
use crate::fault::{Active, Fault, KvFault};
use crate::lab::{ContainerReport, Held, HostReport, Inspection, NetworkReport, Report};
use crate::topology::HostName;

/// So many digits of a network's id are in the name of its namespace (Docker: `1-<first 10 of the id>`).
const DIGITS: usize = 10;

/// A namespace, and what it is.
struct Seen<'a> {
    room: Room,
    host: Option<&'a str>,
    holds: &'a Snapshot,
}

impl Graph {
    /// The graph of a lab: what it consists of, what its kernels hold, what is wrong.
    pub fn of(report: &Report, inspection: &Inspection, faults: &[Active]) -> Graph {
        let seen = rooms(report, &inspection.namespaces);
        let mut edges = joints(&seen, report);
        edges.sort();
        let mut graph = Graph {
            version: VERSION,
            name: report.name.clone(),
            segments: segments(&seen),
            edges,
            faults: faults.iter().map(|active| mark(active, report)).collect(),
            ..Graph::default()
        };
        let mut of_host: BTreeMap<&str, Vec<Room>> = BTreeMap::new();
        for Seen { room, host, .. } in seen {
            match (room.kind, host) {
                (RoomKind::Switch, _) => graph.switch = Some(room),
                (RoomKind::Outside, _) => graph.outside = Some(room),
                (_, Some(host)) => of_host.entry(host).or_default().push(room),
                (_, None) => {}
            }
        }
        graph.hosts = report.hosts.iter().map(|host| machine(host, report, &mut of_host)).collect();
        graph
    }
}

fn machine(host: &HostReport, report: &Report, of_host: &mut BTreeMap<&str, Vec<Room>>) -> Host {
    let mut rooms = of_host.remove(host.name.as_str()).unwrap_or_default();
    // Stable: containers stay in the order in which they were started.
    rooms.sort_by_key(|room| room.kind);
    let is_lost = |container: &&ContainerReport| container.host == host.name && container.state == "lost";
    Host {
        name: host.name.clone(),
        ip: host.ip.clone(),
        role: host.role.clone(),
        up: host.state == "up",
        rooms,
        lost: report.containers.iter().filter(is_lost).map(|container| container.name.clone()).collect(),
    }
}

fn rooms<'a>(report: &'a Report, namespaces: &'a [Held]) -> Vec<Seen<'a>> {
    let mut taken = BTreeSet::new();
    let mut seen = Vec::new();
    for (place, Held { name, holds, .. }) in namespaces.iter().enumerate() {
        let first = name.split('/').next().unwrap_or_default();
        let host = report.hosts.iter().find(|host| host.name == first);
        let container = report.containers.iter().find(|container| container.name == *name);
        let is_new = !taken.contains(name);
        let (kind, host, title, notes) = match (host, container) {
            // The switch comes first, and then what is outside; hosts may be called so, too.
            _ if place == 0 && name == "switch" => (RoomKind::Switch, None, "switch".to_owned(), vec![]),
            _ if place == 1 && name == "internet" => (RoomKind::Outside, None, "internet".to_owned(), vec![]),
            (Some(host), _) if name.contains('/') => {
                let (kind, title, notes) = inner(name, holds, &report.networks);
                (kind, Some(host.name.as_str()), title, notes)
            }
            (Some(host), _) if is_new && host.state == "up" => {
                (RoomKind::Host, Some(host.name.as_str()), name.clone(), vec!["own namespace".to_owned()])
            }
            (_, Some(container)) => {
                let notes = vec![container.state.clone()];
                (RoomKind::Container, Some(container.host.as_str()), name.clone(), notes)
            }
            // A container that came between two looks.
            _ => continue,
        };
        let id = match kind {
            _ if is_new => name.clone(),
            RoomKind::Container => format!("container:{name}"),
            _ => format!("host:{name}"),
        };
        taken.insert(id.clone());
        let interfaces = holds.links.iter().filter(|link| !is_loopback(link));
        let interfaces = interfaces.map(|link| interface(&id, link, holds)).collect();
        seen.push(Seen { room: Room { id, kind, title, notes, interfaces }, host, holds });
    }
    seen
}

/// A namespace within a host, that is no container's: an overlay's, or one that somebody has named.
fn inner(name: &str, holds: &Snapshot, networks: &[NetworkReport]) -> (RoomKind, String, Vec<String>) {
    let its = name.split_once('/').map_or(name, |(_, its)| its);
    let digits = its.split_once('-').map_or("", |(_, digits)| digits);
    let network = networks.iter().find(|network| digits.len() == DIGITS && network.id.starts_with(digits));
    let tunnels = holds.links.iter().any(|link| link.vxlan.is_some());
    match network {
        Some(network) => (RoomKind::Overlay, network.name.clone(), vec![its.to_owned()]),
        None if tunnels => (RoomKind::Overlay, its.to_owned(), vec!["overlay".to_owned()]),
        None => (RoomKind::Named, its.to_owned(), vec!["named".to_owned()]),
    }
}

fn is_loopback(link: &Link) -> bool {
    link.kind.is_none() && link.name == "lo"
}

fn interface(room: &str, link: &Link, holds: &Snapshot) -> Interface {
    let its = holds.addresses.iter().filter(|address| address.dev == link.index);
    let state = match (link.up, link.carrier) {
        (true, true) => "up",
        (true, false) => "no carrier",
        (false, _) => "down",
    };
    Interface {
        id: format!("{room}/{}", link.name),
        name: link.name.clone(),
        kind: link.kind.clone(),
        addresses: its.map(|address| address.net.to_string()).collect(),
        mtu: link.mtu,
        mac: link.mac.map(|mac| mac.to_string()),
        vni: link.vxlan.as_ref().map(|vxlan| vxlan.vni),
        state: state.to_owned(),
    }
}

fn segments(seen: &[Seen<'_>]) -> Vec<Segment> {
    let mut all: BTreeMap<u32, Segment> = BTreeMap::new();
    for Seen { room, holds, .. } in seen {
        for link in &holds.links {
            let Some(vxlan) = &link.vxlan else { continue };
            let segment = all.entry(vxlan.vni).or_insert_with(|| Segment {
                id: segment_id(vxlan.vni),
                vni: vxlan.vni,
                port: vxlan.port,
                network: None,
                subnets: Vec::new(),
            });
            // Of a network that the store has told of, the title is its name; not each namespace with its VNI is one's.
            let is_known = room.notes.first().is_some_and(|note| note.contains('-'));
            if segment.network.is_none() && is_known {
                segment.network = Some(room.title.clone());
            }
            // Those of the bridge, or of what is in its place.
            let is_macvlan =
                |dev: u32| holds.by_index(dev).is_some_and(|other| other.is_macvlan_of(link.index));
            let gateways = holds.addresses.iter();
            for address in gateways.filter(|at| Some(at.dev) == link.master || is_macvlan(at.dev)) {
                let subnet = address.net.trunc().to_string();
                if !segment.subnets.contains(&subnet) {
                    segment.subnets.push(subnet);
                }
            }
        }
    }
    all.into_values().collect()
}

fn segment_id(vni: u32) -> String {
    format!("vxlan:{vni}")
}

fn joints(seen: &[Seen<'_>], report: &Report) -> Vec<Edge> {
    let mut placed = Vec::new();
    for (number, Seen { room, host, holds }) in seen.iter().enumerate() {
        let switch = room.kind == RoomKind::Switch;
        let plugged = matches!(room.kind, RoomKind::Host | RoomKind::Outside);
        let links = holds.links.iter().filter(|link| !is_loopback(link));
        placed.extend(links.map(|link| Placed { room: number, host: *host, switch, plugged, link }));
    }
    let id = |at: &Placed<'_>| format!("{}/{}", seen[at.room].room.id, at.link.name);
    let edge = |join, from: String, to: String| Edge { join, from, to };
    let mut edges = Vec::new();
    for (one, other) in pairs(&placed) {
        edges.push(edge(Join::Veth, id(&placed[one]), id(&placed[other])));
    }
    for at in &placed {
        edges.extend(lower(&placed, at).map(|lower| edge(Join::Macvlan, id(lower), id(at))));
    }
    for at in &placed {
        let holds = seen[at.room].holds;
        if let Some(master) = at.link.master.and_then(|master| holds.by_index(master)) {
            edges.push(edge(Join::Port, format!("{}/{}", seen[at.room].room.id, master.name), id(at)));
        }
        if let Some(vxlan) = &at.link.vxlan {
            edges.push(edge(Join::Segment, id(at), segment_id(vxlan.vni)));
            let carrier = at.host.and_then(|host| carrier(seen, report, host));
            edges.extend(carrier.map(|carrier| edge(Join::Carrier, id(at), carrier)));
        }
    }
    let switch = seen.iter().find(|seen| seen.room.kind == RoomKind::Switch);
    edges.extend(switch.into_iter().flat_map(wires));
    edges
}

/// The interface that a host's tunnels leave by: the one that has its address.
fn carrier(seen: &[Seen<'_>], report: &Report, host: &str) -> Option<String> {
    let ip = report.hosts.iter().find(|its| its.name == host)?.ip.as_str();
    let own = seen.iter().find(|seen| seen.host == Some(host) && seen.room.kind == RoomKind::Host)?;
    let has = |interface: &&Interface| {
        interface.addresses.iter().any(|address| address.split('/').next() == Some(ip))
    };
    own.room.interfaces.iter().find(has).map(|interface| interface.id.clone())
}

/// Wires that somebody in between carries: `wire3` and `plug3` are TAP devices, or `plug3` has `wire3` for its other half, and a
/// packet socket is at `port3`, too (`underlay/gap.rs`).
fn wires(switch: &Seen<'_>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for link in &switch.holds.links {
        let Some(number) = link.name.strip_prefix("wire") else { continue };
        let is_tap = link.kind.as_deref() != Some("veth");
        let far = format!("{}{number}", if is_tap { "plug" } else { "port" });
        if switch.holds.link(&far).is_none() {
            continue;
        }
        let ends = [format!("{}/{far}", switch.room.id), format!("{}/{}", switch.room.id, link.name)];
        let [from, to] = ends;
        edges.push(Edge { join: Join::Wire, from, to });
    }
    edges
}

fn mark(active: &Active, report: &Report) -> Mark {
    let name = active.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let what = format!("fault {}{name}: {}", active.id, active.fault);
    Mark { id: active.id, what, hosts: ill(&active.fault, report) }
}

/// The hosts that a fault is about.
fn ill(fault: &Fault, report: &Report) -> Vec<String> {
    let store = || report.hosts.iter().filter(|host| host.role == "store").map(|host| host.name.clone());
    match fault {
        Fault::Wire { host, .. }
        | Fault::Clock { host, .. }
        | Fault::Crash(host)
        | Fault::Pause(host)
        | Fault::Engine(host)
        | Fault::Kv(KvFault::Ails { host: Some(host), .. }) => vec![host.to_string()],
        Fault::Drop { from, to, .. } => from.iter().chain(to).map(ToString::to_string).collect(),
        Fault::Kill(process) => {
            let its = report.containers.iter().filter(|container| process.container == *container.name);
            its.map(|container| container.host.clone()).collect()
        }
        Fault::Kv(_) => store().collect(),
        Fault::Partition(partition) => {
            let named = partition.hosts();
            if !named.is_empty() {
                return named.into_iter().map(ToString::to_string).collect();
            }
            let all: Vec<HostName> = report.hosts.iter().filter_map(|host| host.name.parse().ok()).collect();
            let cuts = partition.cuts(&all).unwrap_or_default();
            let ends: BTreeSet<String> =
                cuts.iter().flat_map(|(from, to)| [from.to_string(), to.to_string()]).collect();
            ends.into_iter().collect()
        }
    }
}
