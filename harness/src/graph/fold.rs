//! A lab of many hosts, each of them a single box. Pure.

use std::collections::BTreeSet;

use super::model::{Edge, Graph, Host, Interface, Join, Room, RoomKind};

/// More hosts, or more namespaces, than anybody can tell apart in a picture of all that is in them.
const MOST_HOSTS: usize = 24;
const MOST_ROOMS: usize = 160;
/// So many names stand in a line, and so many lines of names in a box; of more it is said how many there are.
const NAMES: usize = 4;
const LINES: usize = 2;

impl Graph {
    /// Whether it is folded before it is shown.
    pub fn is_large(&self) -> bool {
        self.hosts.len() > MOST_HOSTS || self.rooms().count() > MOST_ROOMS
    }

    /// The same with a single box for each host, in which the names of containers stand; of its interfaces those that are joined
    /// with something outside are left, and of edges those between interfaces that are left.
    #[must_use]
    pub fn fold(&self) -> Graph {
        let outward: BTreeSet<&str> =
            self.edges.iter().filter(|edge| self.is_outward(edge)).flat_map(ends).collect();
        let mut folded = self.clone();
        for (host, whole) in folded.hosts.iter_mut().zip(&self.hosts) {
            host.rooms = whole.fold(&outward).into_iter().collect();
        }
        let left: BTreeSet<String> = folded.interfaces().map(|(_, interface)| interface.id.clone()).collect();
        let is_left =
            |id: &String| left.contains(id) || self.segments.iter().any(|segment| segment.id == *id);
        // What carries a tunnel is the host's own matter.
        let stays = |edge: &Edge| edge.join != Join::Carrier && is_left(&edge.from) && is_left(&edge.to);
        folded.edges.retain(stays);
        folded
    }

    /// Whether an edge leads out of a host: to the switch, or to a segment.
    fn is_outward(&self, edge: &Edge) -> bool {
        let in_switch = |id: &String| {
            let shared = self.switch.iter().chain(&self.outside);
            shared.flat_map(|room| &room.interfaces).any(|interface| interface.id == *id)
        };
        edge.join == Join::Segment || in_switch(&edge.from) != in_switch(&edge.to)
    }
}

fn ends(edge: &Edge) -> [&str; 2] {
    [&edge.from, &edge.to]
}

impl Host {
    fn fold(&self, outward: &BTreeSet<&str>) -> Option<Room> {
        let own = self.rooms.iter().find(|room| room.kind == RoomKind::Host)?;
        let is_outward = |interface: &&Interface| outward.contains(interface.id.as_str());
        let interfaces = self.rooms.iter().flat_map(|room| &room.interfaces).filter(is_outward).cloned();
        let its = |kind: RoomKind| self.rooms.iter().filter(move |room| room.kind == kind);
        let mut notes = vec![self.subtitle()];
        notes.extend(its(RoomKind::Overlay).map(|room| format!("on {}", room.title)));
        let containers: Vec<&str> = its(RoomKind::Container).map(|room| room.title.as_str()).collect();
        notes.extend(names(&containers));
        notes.extend(self.lost.iter().map(|name| format!("{name} lost")));
        let (id, title) = (own.id.clone(), self.name.clone());
        Some(Room { id, kind: RoomKind::Folded, title, notes, interfaces: interfaces.collect() })
    }
}

/// Names in lines.
fn names(all: &[&str]) -> Vec<String> {
    let shown = all.len().min(NAMES * LINES);
    let mut lines: Vec<String> = all[..shown].chunks(NAMES).map(|names| names.join(" ")).collect();
    if all.len() > shown {
        lines.push(format!("and {} more", all.len() - shown));
    }
    lines
}
