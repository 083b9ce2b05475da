//! A graph as a Mermaid flowchart. Pure.

use std::collections::BTreeMap;

use super::model::{Graph, Join, Room};
use crate::xml::put;

pub(super) fn show(graph: &Graph) -> String {
    let faults = graph.faults.iter().map(|fault| fault.what.as_str());
    let title: Vec<&str> = [graph.name.as_str()].into_iter().chain(faults).collect();
    // A comment, which ends with its line; a directive could be in it, too.
    let mut out = format!("flowchart TB\n%% lab {}\n", escaped(&title.join("; ")));
    // Mermaid's own ids: names may be its words, or hold what its grammar does not.
    let interfaces = graph.interfaces().map(|(_, interface)| interface.id.as_str());
    let all = interfaces.chain(graph.segments.iter().map(|segment| segment.id.as_str()));
    let numbers: BTreeMap<&str, usize> = all.enumerate().map(|(number, id)| (id, number)).collect();
    for segment in &graph.segments {
        let label = [segment.title(), segment.subtitle()];
        put(&mut out, format_args!("  n{}([\"{}\"])\n", numbers[segment.id.as_str()], labelled(&label)));
    }
    let mut rooms = 0;
    for (number, host) in graph.hosts.iter().enumerate() {
        let label = [host.name.clone(), host.subtitle()];
        put(&mut out, format_args!("  subgraph h{number}[\"{}\"]\n", labelled(&label)));
        for room in &host.rooms {
            show_room(&mut out, room, "    ", &mut rooms, &numbers);
        }
        for (place, name) in host.lost.iter().enumerate() {
            put(&mut out, format_args!("    h{number}l{place}[\"{}\"]\n", escaped(&format!("{name}, lost"))));
        }
        if host.rooms.is_empty() && host.lost.is_empty() {
            put(&mut out, format_args!("    h{number}e[\" \"]\n"));
        }
        out.push_str("  end\n");
        if !host.up || graph.is_ill(&host.name) {
            put(&mut out, format_args!("  style h{number} stroke:#c0392b,stroke-width:2px\n"));
        }
    }
    for room in graph.outside.iter().chain(&graph.switch) {
        show_room(&mut out, room, "  ", &mut rooms, &numbers);
    }
    for edge in &graph.edges {
        let line = match edge.join {
            Join::Veth | Join::Macvlan | Join::Port => "---",
            Join::Segment => "===",
            Join::Carrier | Join::Wire => "-.-",
        };
        let ends = [&edge.from, &edge.to].map(|id| numbers.get(id.as_str()));
        if let [Some(from), Some(to)] = ends {
            put(&mut out, format_args!("  n{from} {line} n{to}\n"));
        }
    }
    out
}

fn show_room(
    out: &mut String,
    room: &Room,
    indent: &str,
    count: &mut usize,
    numbers: &BTreeMap<&str, usize>,
) {
    let mut label = vec![room.title.clone()];
    label.extend(room.notes.iter().cloned());
    put(out, format_args!("{indent}subgraph r{count}[\"{}\"]\n", labelled(&label)));
    *count += 1;
    for interface in &room.interfaces {
        let number = numbers[interface.id.as_str()];
        put(out, format_args!("{indent}  n{number}[\"{}\"]\n", labelled(&interface.lines())));
    }
    if room.interfaces.is_empty() {
        put(out, format_args!("{indent}  r{count}e[\" \"]\n"));
    }
    put(out, format_args!("{indent}end\n"));
}

fn labelled(lines: &[String]) -> String {
    lines.iter().filter(|line| !line.is_empty()).map(|line| escaped(line)).collect::<Vec<_>>().join("<br>")
}

/// What could end a label, or mean something in it, by number: `#quot;` and `#35;` are Mermaid's entities.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for one in text.chars() {
        match one {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' | '*' | '_' | '$' | '%' | '|' | '[' | ']'
            | '{' | '}' => {
                put(&mut out, format_args!("#{};", u32::from(one)));
            }
            one if one.is_control() => out.push('\u{fffd}'),
            one => out.push(one),
        }
    }
    out
}
