//! A graph in lines, for a terminal. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Graph, Interface, Join, Room, RoomKind, Segment};

/// What an interface is joined with.
type Joined<'a> = BTreeMap<&'a str, Vec<(Join, &'a str)>>;

pub(super) fn show(graph: &Graph) -> String {
    let mut joined = Joined::new();
    for edge in &graph.edges {
        joined.entry(&edge.from).or_default().push((edge.join, &edge.to));
        joined.entry(&edge.to).or_default().push((edge.join, &edge.from));
    }
    let mut lines = vec![format!("lab {}", printable(&graph.name))];
    for host in &graph.hosts {
        lines.push(String::new());
        lines.push(format!("{}  {}", printable(&host.name), host.subtitle()));
        let lost = host.lost.iter().map(|name| format!("container {}, lost", printable(name)));
        let lost: Vec<String> = lost.collect();
        let last = (host.rooms.len() + lost.len()).saturating_sub(1);
        for (number, room) in host.rooms.iter().enumerate() {
            show_room(&mut lines, room, number == last, &joined);
        }
        for (number, name) in lost.iter().enumerate() {
            lines.push(format!("{}{name}", branch(host.rooms.len() + number == last)));
        }
    }
    for room in graph.outside.iter().chain(&graph.switch) {
        lines.push(String::new());
        lines.push(printable(&room.title));
        show_interfaces(&mut lines, room, "", &joined);
    }
    for segment in &graph.segments {
        lines.push(String::new());
        show_segment(&mut lines, segment, &joined);
    }
    if !graph.faults.is_empty() {
        lines.push(String::new());
        lines.extend(graph.faults.iter().map(|mark| printable(&mark.what)));
    }
    lines.join("\n") + "\n"
}

fn branch(last: bool) -> &'static str {
    if last { "└─ " } else { "├─ " }
}

fn beside(last: bool) -> &'static str {
    if last { "   " } else { "│  " }
}

fn show_room(lines: &mut Vec<String>, room: &Room, last: bool, joined: &Joined<'_>) {
    let kind = match room.kind {
        RoomKind::Overlay => "overlay ",
        RoomKind::Container => "container ",
        RoomKind::Named => "namespace ",
        _ => "",
    };
    let words: Vec<String> =
        [&room.title].into_iter().chain(&room.notes).map(|word| printable(word)).collect();
    lines.push(format!("{}{kind}{}", branch(last), words.join(", ")));
    show_interfaces(lines, room, beside(last), joined);
}

/// Bridges with their ports below them; then all others.
fn show_interfaces(lines: &mut Vec<String>, room: &Room, before: &str, joined: &Joined<'_>) {
    let is_bridge = |interface: &&Interface| interface.kind.as_deref() == Some("bridge");
    let ids_of = |bridge: &Interface| {
        let its = joined.get(bridge.id.as_str()).into_iter().flatten();
        its.filter(|(join, _)| *join == Join::Port).map(|(_, id)| *id).collect::<BTreeSet<&str>>()
    };
    let ports_of = |bridge: &Interface| -> Vec<&Interface> {
        let its = ids_of(bridge);
        room.interfaces.iter().filter(|port| its.contains(port.id.as_str())).collect()
    };
    // Once for all: a switch has a thousand.
    let ports: BTreeSet<&str> = room.interfaces.iter().filter(is_bridge).flat_map(ids_of).collect();
    let outer: Vec<&Interface> =
        room.interfaces.iter().filter(|one| !ports.contains(one.id.as_str())).collect();
    for (number, interface) in outer.iter().enumerate() {
        let last = number + 1 == outer.len();
        lines.push(format!("{before}{}{}", branch(last), show_interface(interface, joined)));
        if is_bridge(interface) {
            let ports = ports_of(interface);
            for (number, port) in ports.iter().enumerate() {
                let twig = branch(number + 1 == ports.len());
                lines.push(format!("{before}{}{twig}{}", beside(last), show_interface(port, joined)));
            }
        }
    }
}

fn show_interface(interface: &Interface, joined: &Joined<'_>) -> String {
    let mut text = printable(&interface.line());
    let all = joined.get(interface.id.as_str()).into_iter().flatten();
    for (join, other) in all {
        let arrow = match join {
            Join::Veth | Join::Macvlan => " ── ",
            Join::Segment => " ══ ",
            Join::Carrier if interface.vni.is_some() => ", in UDP by ",
            Join::Port | Join::Carrier => continue,
            Join::Wire => " ~~ ",
        };
        text.push_str(arrow);
        text.push_str(&printable(other));
    }
    text
}

fn show_segment(lines: &mut Vec<String>, segment: &Segment, joined: &Joined<'_>) {
    lines.push(format!(
        "{}  {}, {}, UDP {}",
        segment.id,
        segment.title(),
        printable(&segment.subtitle()),
        segment.port
    ));
    let members: Vec<&(Join, &str)> = joined.get(segment.id.as_str()).into_iter().flatten().collect();
    for (number, (_, member)) in members.iter().enumerate() {
        lines.push(format!("{}{}", branch(number + 1 == members.len()), printable(member)));
    }
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}
