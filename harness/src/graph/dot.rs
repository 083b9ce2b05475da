//! A graph for Graphviz. Pure.

use super::model::{Graph, Join, Room};
use crate::xml::put;

/// Containers hang from their overlays, hosts from the tunnels.
const HEAD: &str = "graph lab {\n  rankdir=TB; compound=true; splines=true; nodesep=0.3; ranksep=0.5;\n  \
                    fontname=\"sans-serif\"; fontsize=12;\n  \
                    node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"monospace\", fontsize=10];\n  \
                    edge [color=\"#555555\"];\n";

pub(super) fn show(graph: &Graph) -> String {
    let mut out = String::from(HEAD);
    let faults = graph.faults.iter().map(|fault| fault.what.clone());
    let label: Vec<String> = [format!("lab {}", graph.name)].into_iter().chain(faults).collect();
    put(&mut out, format_args!("  label={};\n", quoted(&label.join("\n"))));
    for segment in &graph.segments {
        let label = format!("{}\n{}", segment.title(), segment.subtitle());
        put(&mut out, format_args!("  {} [shape=ellipse, label={}];\n", quoted(&segment.id), quoted(&label)));
    }
    for (number, host) in graph.hosts.iter().enumerate() {
        let label = format!("{}\n{}", host.name, host.subtitle());
        let colour = if host.up && !graph.is_ill(&host.name) { "#888888" } else { "#c0392b" };
        put(
            &mut out,
            format_args!(
                "  subgraph \"cluster_h{number}\" {{\n    label={}; color=\"{colour}\";\n",
                quoted(&label)
            ),
        );
        for (place, room) in host.rooms.iter().enumerate() {
            show_room(&mut out, room, &format!("cluster_h{number}_{place}"), "    ");
        }
        for name in &host.lost {
            let id = format!("lost:{}/{name}", host.name);
            put(
                &mut out,
                format_args!("    {} [label={}];\n", quoted(&id), quoted(&format!("{name}, lost"))),
            );
        }
        out.push_str("  }\n");
    }
    for (place, room) in graph.outside.iter().chain(&graph.switch).enumerate() {
        show_room(&mut out, room, &format!("cluster_u{place}"), "  ");
    }
    for edge in &graph.edges {
        let style = match edge.join {
            Join::Veth | Join::Macvlan => "",
            Join::Port => " [color=\"#aaaaaa\"]",
            Join::Segment => " [penwidth=2.5, color=\"#0072b2\"]",
            // The ranks are those of the tunnels.
            Join::Carrier => " [style=dotted, constraint=false]",
            Join::Wire => " [style=dashed]",
        };
        put(&mut out, format_args!("  {} -- {}{style};\n", quoted(&edge.from), quoted(&edge.to)));
    }
    out.push_str("}\n");
    out
}

fn show_room(out: &mut String, room: &Room, cluster: &str, indent: &str) {
    let mut label = vec![room.title.clone()];
    label.extend(room.notes.iter().cloned());
    put(
        out,
        format_args!(
            "{indent}subgraph \"{cluster}\" {{\n{indent}  label={}; style=filled; color=\"#f0f0f0\";\n",
            quoted(&label.join("\n"))
        ),
    );
    for interface in &room.interfaces {
        let label = interface.lines().join("\n");
        put(out, format_args!("{indent}  {} [label={}];\n", quoted(&interface.id), quoted(&label)));
    }
    put(out, format_args!("{indent}}}\n"));
}

/// A string of Graphviz: only its quotes and backslashes mean something.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for one in text.chars() {
        match one {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            one if one.is_control() => out.push('\u{fffd}'),
            one => out.push(one),
        }
    }
    out.push('"');
    out
}
