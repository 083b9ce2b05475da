//! A graph as a picture: laid out in whole pixels, drawn by a writer of our own. Pure.
//!
//! - `shape`: rectangles and widths of texts; `chamber`: a room; `block`: a host; `sheet`: all of it.
//! - `route`: the way of an edge; `way`: that of a packet; `pen`: the writer.
//!
//! Light and dark are the viewer's: `prefers-color-scheme`. Fonts are the system's.

mod block;
mod chamber;
mod pen;
mod route;
mod shape;
mod sheet;
#[cfg(test)]
mod tests;
mod way;

use block::Block;
use chamber::{Chamber, Chip};
use pen::Pen;
use route::route;
use shape::{LINE, Rect, SMALL, count, short, width};
use sheet::{Bar, Sheet, lane};

use super::model::{Edge, Graph, Host, Join, RoomKind};
use crate::trace::Journey;
use crate::xml::escaped;

/// What a picture looks like; all of it is below the class `lab`.
pub const STYLE: &str = include_str!("style.css");
/// So many colours there are for segments; then they begin anew.
const COLOURS: usize = 7;
/// What the kinds of lines are, below the picture.
const LEGEND: [(&str, &str); 4] = [
    ("edge", "veth pair"),
    ("edge port", "bridge port"),
    ("edge segment s0", "VXLAN segment"),
    ("edge carrier", "its packets, in UDP"),
];

/// The picture; with a journey, that on it, and what is to be known of its hops below it.
pub(super) fn draw(graph: &Graph, journey: Option<&Journey>) -> String {
    let sheet = Sheet::new(graph);
    let mut pen = Pen::default();
    let shown = short(&graph.name);
    pen.text("large", sheet.labels, 32, &shown);
    lines(&mut pen, &sheet);
    for bar in &sheet.bars {
        switch(&mut pen, graph, &sheet, bar);
    }
    for block in &sheet.blocks {
        walls(&mut pen, graph, block);
    }
    edges(&mut pen, graph, &sheet);
    if let Some(journey) = journey {
        way::draw(&mut pen, graph, &sheet, journey);
    }
    let rooms = sheet.blocks.iter().flat_map(|block| &block.chambers);
    for chip in rooms.flat_map(|chamber| &chamber.chips).chain(sheet.bars.iter().flat_map(|bar| &bar.chips)) {
        interface(&mut pen, chip);
    }
    let mut size = (sheet.width, sheet.height);
    legend(&mut pen, graph, &sheet, &mut size);
    if let Some(journey) = journey {
        way::badges(&mut pen, &sheet, journey);
        way::table(&mut pen, &sheet, journey, &mut size);
    }
    page(&shown, size, &pen.done())
}

fn page(name: &str, (width, height): (i32, i32), body: &str) -> String {
    let name = escaped(name);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>lab {name}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

/// The segments' lines, with their names at the left; and what joins those of several rows.
fn lines(pen: &mut Pen, sheet: &Sheet<'_>) {
    for line in &sheet.lines {
        let colour = line.number % COLOURS;
        pen.open("segment", &[("data-segment", &line.segment.id)]);
        pen.text("bold", line.left, line.y - 5, &line.segment.title());
        pen.text("soft", line.left, line.y + 14, &short(&line.segment.subtitle()));
        let (from, to, y) = (line.left, line.right, line.y);
        pen.path(&format!("edge segment s{colour}"), &format!("M{from} {y}H{to}"), &[]);
        pen.close();
    }
    let most = sheet.lines.iter().map(|line| line.number).max().unwrap_or_default();
    for number in 0..=most {
        let its: Vec<_> = sheet.lines.iter().filter(|line| line.number == number).collect();
        if let [first, .., last] = its.as_slice() {
            let (x, left, colour) = (lane(number), first.left, number % COLOURS);
            let ends: Vec<String> = its.iter().map(|line| format!("M{x} {}H{left}", line.y)).collect();
            let way = format!("M{x} {}V{}{}", first.y, last.y, ends.concat());
            pen.path(&format!("edge segment s{colour}"), &way, &[]);
        }
    }
}

/// The switch below a row, and the line to the rows above.
fn switch(pen: &mut Pen, graph: &Graph, sheet: &Sheet<'_>, bar: &Bar<'_>) {
    let Some(room) = &graph.switch else { return };
    pen.open("room-of", &[("data-room", &room.id)]);
    pen.rect("switch", bar.rect, 5);
    pen.text("bold", sheet.labels, bar.rect.y + 17, &short(&room.title));
    pen.path("edge port", &format!("M{} {}H{}", bar.left, bar.y, bar.right.max(bar.left)), &[]);
    pen.close();
    if let [first, .., last] = sheet.bars.as_slice()
        && std::ptr::eq(first, bar)
    {
        let x = sheet.switch_lane();
        let ends: Vec<String> =
            sheet.bars.iter().map(|bar| format!("M{x} {}H{}", bar.y, bar.rect.x)).collect();
        pen.path("edge port", &format!("M{x} {}V{}{}", first.y, last.y, ends.concat()), &[]);
    }
}

/// A host's box with the boxes in it.
fn walls(pen: &mut Pen, graph: &Graph, block: &Block<'_>) {
    if let Some(host) = block.host {
        let class = match (host.up, graph.is_ill(&host.name)) {
            (false, _) => "host down",
            (true, true) => "host ill",
            (true, false) => "host",
        };
        pen.open("host-of", &[("data-host", &host.name)]);
        pen.title(&format!("{}, {}", host.name, host.subtitle()));
        pen.rect(class, block.rect, 8);
        if let Some(header) = block.header {
            pen.text("large", header.x, header.y + 14, &short(&host.name));
            let class = if host.up { "soft" } else { "bad" };
            pen.text(class, header.x, header.y + 14 + LINE, &host.subtitle());
            let mut y = block.rect.bottom() - 12 - LINE * (count(host.lost.len()) - 1);
            for name in &host.lost {
                pen.text("bad", header.x, y, &format!("{} lost", short(name)));
                y += LINE;
            }
        }
        pen.close();
    }
    for chamber in &block.chambers {
        room(pen, graph, block, chamber);
    }
}

fn room(pen: &mut Pen, graph: &Graph, block: &Block<'_>, chamber: &Chamber<'_>) {
    let class = match chamber.room.kind {
        RoomKind::Outside => "outside",
        RoomKind::Folded if block.host.is_some_and(|host| graph.is_ill(&host.name)) => "room ill",
        _ => "room",
    };
    pen.open("room-of", &[("data-room", &chamber.room.id)]);
    pen.title(&chamber.room.id);
    pen.rect(class, chamber.rect, 5);
    let Rect { x, y, .. } = chamber.title;
    pen.text("bold", x, y + 12, &short(&chamber.room.title));
    let mut y = y + 12;
    for note in &chamber.room.notes {
        y += LINE;
        pen.text("soft", x, y, &short(note));
    }
    pen.close();
}

fn interface(pen: &mut Pen, chip: &Chip<'_>) {
    let Rect { x, y, .. } = chip.rect;
    let kind = match chip.interface.kind.as_deref() {
        Some("bridge") => " bridge",
        Some("vxlan") => " vxlan",
        _ => "",
    };
    let off = if chip.interface.state == "up" { "" } else { " off" };
    pen.open("interface", &[("data-interface", &chip.interface.id)]);
    let mac = chip.interface.mac.as_ref().map(|mac| format!("\n{mac}")).unwrap_or_default();
    pen.title(&format!("{}\n{}{mac}", chip.interface.id, chip.interface.line()));
    pen.rect(&format!("chip{kind}{off}"), chip.rect, 4);
    let mut baseline = y + 15;
    for (number, line) in chip.lines.iter().enumerate() {
        let class = match (number, line.as_str()) {
            (0, _) => "bold",
            (_, "down" | "no carrier") => "bad",
            (_, line) if line.starts_with("mtu") => "soft",
            _ => "plain",
        };
        pen.text(class, x + 8, baseline, line);
        baseline += LINE;
    }
    pen.close();
}

fn edges(pen: &mut Pen, graph: &Graph, sheet: &Sheet<'_>) {
    for edge in &graph.edges {
        let Some(way) = route(graph, sheet, edge) else { continue };
        let class = match edge.join {
            Join::Veth if is_ill(graph, edge) => "edge ill".to_owned(),
            Join::Veth | Join::Macvlan => "edge".to_owned(),
            Join::Port => "edge port".to_owned(),
            Join::Carrier => "edge carrier".to_owned(),
            Join::Wire => "edge wire".to_owned(),
            Join::Segment => {
                let number =
                    graph.segments.iter().position(|segment| segment.id == edge.to).unwrap_or_default();
                format!("edge segment s{}", number % COLOURS)
            }
        };
        pen.path(&class, &way, &[("data-from", &edge.from), ("data-to", &edge.to)]);
        joint(pen, graph, sheet, edge);
    }
}

/// A dot where an edge meets a line.
fn joint(pen: &mut Pen, graph: &Graph, sheet: &Sheet<'_>, edge: &Edge) {
    match edge.join {
        Join::Segment => {
            if let (Some(line), Some(place)) =
                (route::line_of(graph, sheet, &edge.from), sheet.places.get(edge.from.as_str()))
            {
                pen.dot(&format!("d{}", line.number % COLOURS), place.middle(), line.y, 4);
            }
        }
        Join::Port => {
            if let (Some(bar), Some(place)) =
                (route::bar_of(sheet, &edge.to), sheet.places.get(edge.to.as_str()))
                && route::is_on_bar(graph, sheet, edge)
            {
                pen.dot("dot", place.middle(), bar.y, 3);
            }
        }
        _ => {}
    }
}

/// Whether an edge is the wire of a host that something is said to be wrong with.
fn is_ill(graph: &Graph, edge: &Edge) -> bool {
    let Some(switch) = &graph.switch else { return false };
    let in_switch = |id: &str| switch.interfaces.iter().any(|interface| interface.id == *id);
    if in_switch(&edge.from) == in_switch(&edge.to) {
        return false;
    }
    let rooms = |host: &Host| {
        host.rooms
            .iter()
            .flat_map(|room| &room.interfaces)
            .any(|one| one.id == edge.from || one.id == edge.to)
    };
    graph.hosts.iter().any(|host| graph.is_ill(&host.name) && rooms(host))
}

/// What lines are, and what is wrong.
fn legend(pen: &mut Pen, graph: &Graph, sheet: &Sheet<'_>, size: &mut (i32, i32)) {
    let mut y = size.1 + 8;
    let mut x = sheet.labels;
    for (class, words) in LEGEND {
        let tunnels = class.contains("segment") || class.contains("carrier");
        if tunnels && graph.segments.is_empty() {
            continue;
        }
        pen.path(class, &format!("M{x} {}H{}", y - 4, x + 28), &[]);
        pen.text("soft", x + 34, y, words);
        x += 34 + width(words, SMALL) + 20;
    }
    size.0 = size.0.max(x);
    for mark in &graph.faults {
        y += LINE + 4;
        pen.text("bad", sheet.labels, y, &mark.what);
        size.0 = size.0.max(sheet.labels + width(&mark.what, SMALL) + 16);
    }
    size.1 = y + 16;
}
