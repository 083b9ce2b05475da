//! The way of a packet on a picture: along the edges it took, its hops by number, what is to be known of each below. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::pen::Pen;
use super::route::{bar_of, is_on_bar, route, through_switch};
use super::shape::{BOLD, LINE, Rect, SMALL, width};
use super::sheet::Sheet;
use crate::graph::model::{Edge, Graph, Join};
use crate::trace::{Hop, Journey};

/// Of a hop's number in its disc; from one disc to the next.
const RADIUS: i32 = 8;
const STEP: i32 = 17;
/// Between two columns of the table.
const COLUMN: i32 = 18;

/// The interface that a hop is at, by its id.
fn id(hop: &Hop) -> String {
    format!("{}/{}", hop.namespace, hop.interface)
}

fn class(hop: &Hop) -> &'static str {
    if hop.back { "back" } else { "there" }
}

/// Draws the way, from hop to hop.
pub(super) fn draw(pen: &mut Pen, graph: &Graph, sheet: &Sheet<'_>, journey: &Journey) {
    let beside = neighbours(graph);
    // There and back are beside one another.
    for (back, beside_edge) in [(false, "translate(-2 -2)"), (true, "translate(2 2)")] {
        pen.open("ways", &[("transform", beside_edge)]);
        let hops: Vec<&Hop> = journey.hops.iter().filter(|hop| hop.back == back).collect();
        for pair in hops.windows(2) {
            let [from, to] = [id(pair[0]), id(pair[1])];
            if from != to {
                step(pen, graph, sheet, &beside, [&from, &to], class(pair[0]));
            }
        }
        pen.close();
    }
}

/// The edges at each interface; a segment is nothing that packets pass.
fn neighbours(graph: &Graph) -> BTreeMap<&str, Vec<&Edge>> {
    let mut beside: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in graph.edges.iter().filter(|edge| edge.join != Join::Segment) {
        beside.entry(&edge.from).or_default().push(edge);
        beside.entry(&edge.to).or_default().push(edge);
    }
    beside
}

fn step(
    pen: &mut Pen,
    graph: &Graph,
    sheet: &Sheet<'_>,
    beside: &BTreeMap<&str, Vec<&Edge>>,
    [from, to]: [&str; 2],
    class: &str,
) {
    let (Some(one), Some(other)) = (sheet.places.get(from), sheet.places.get(to)) else { return };
    let edges = shortest(beside, from, to);
    let on_bar = |edge: &&Edge| is_on_bar(graph, sheet, edge);
    if edges.iter().filter(|edge| on_bar(edge)).count() == 2
        && bar_of(sheet, from).is_some()
        && let Some(way) = through_switch(sheet, from, to, sheet.switch_lane())
    {
        return pen.path(&format!("way {class}"), &way, &[]);
    }
    if edges.is_empty() {
        // From one to the other within a namespace: the kernel routes.
        let way =
            format!("M{} {}L{} {}", one.middle(), one.y + one.h / 2, other.middle(), other.y + other.h / 2);
        return pen.path(&format!("way inside {class}"), &way, &[]);
    }
    for way in edges.iter().filter_map(|edge| route(graph, sheet, edge)) {
        pen.path(&format!("way {class}"), &way, &[]);
    }
}

/// The fewest edges from one interface to another; none, if they are not joined.
fn shortest<'a>(beside: &BTreeMap<&'a str, Vec<&'a Edge>>, from: &str, to: &str) -> Vec<&'a Edge> {
    let mut came: BTreeMap<&str, &Edge> = BTreeMap::new();
    let mut seen = BTreeSet::from([from]);
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            break;
        }
        for edge in beside.get(at).into_iter().flatten().copied() {
            let next = if edge.from == at { edge.to.as_str() } else { edge.from.as_str() };
            if seen.insert(next) {
                came.insert(next, edge);
                queue.push_back(next);
            }
        }
    }
    let mut edges = Vec::new();
    let mut at = to;
    while let Some(edge) = came.get(at).copied() {
        edges.push(edge);
        at = if edge.to == at { &edge.from } else { &edge.to };
    }
    edges.reverse();
    edges
}

/// Numbers at the interfaces: there at the left, back at the right; and where it was last seen.
pub(super) fn badges(pen: &mut Pen, sheet: &Sheet<'_>, journey: &Journey) {
    let last =
        journey.end.as_ref().and_then(|end| end.last.as_ref()).and_then(|last| last.split(", ").next());
    if let Some(Rect { x, y, w, h }) = last.and_then(|last| sheet.places.get(last)).copied() {
        pen.rect("lost", Rect { x: x - 4, y: y - 4, w: w + 8, h: h + 8 }, 7);
    }
    let mut used: BTreeMap<(String, bool), i32> = BTreeMap::new();
    for (number, hop) in journey.hops.iter().enumerate() {
        let at = id(hop);
        let Some(place) = sheet.places.get(at.as_str()) else { continue };
        let before = used.entry((at, hop.back)).or_default();
        let x = if hop.back { place.right() + 1 + *before } else { place.x - 1 - *before };
        let y = if hop.back { place.bottom() - 3 } else { place.y + 3 };
        *before += STEP;
        badge(pen, class(hop), x, y, number + 1);
    }
}

fn badge(pen: &mut Pen, class: &str, x: i32, y: i32, number: usize) {
    pen.dot(&format!("badge {class}"), x, y, RADIUS);
    pen.text("badge", x, y + 4, &number.to_string());
}

/// What is to be known of each hop, below all else.
pub(super) fn table(pen: &mut Pen, sheet: &Sheet<'_>, journey: &Journey, size: &mut (i32, i32)) {
    let left = sheet.labels;
    let mut y = size.1 + 14;
    let mut right = 0;
    let mut write = |pen: &mut Pen, class: &str, x: i32, y: i32, text: &str| {
        pen.text(class, x, y, text);
        right = right.max(x + width(text, if class == "bold" { BOLD } else { SMALL }));
    };
    let Journey { from, to, address, protocol, outcome, .. } = journey;
    let heading = format!("{from} → {to} ({address}), {protocol}: {outcome}");
    write(pen, "bold", left, y, &heading);
    y += LINE + 6;
    let names: Vec<String> = journey.hops.iter().map(id).collect();
    let widest = names.iter().map(|name| width(name, SMALL)).max().unwrap_or_default();
    let time = left + RADIUS + COLUMN;
    let name = time + width("1234.567 ms", SMALL) + COLUMN;
    let way = name + widest + COLUMN;
    let words = way + width("out", SMALL) + COLUMN;
    for (number, (hop, its)) in journey.hops.iter().zip(&names).enumerate() {
        badge(pen, class(hop), left + RADIUS, y - 4, number + 1);
        let milliseconds = Duration::from_nanos(hop.since).as_secs_f64() * 1000.0;
        write(pen, "soft", time, y, &format!("{milliseconds:>8.3} ms"));
        write(pen, "plain", name, y, its);
        write(pen, "soft", way, y, if hop.outgoing { "out" } else { "in" });
        write(pen, "plain", words, y, &hop.headers.join("  "));
        for decided in &hop.decided {
            y += LINE;
            write(pen, "soft", words, y, decided);
        }
        y += LINE + 5;
    }
    if let Some(end) = &journey.end {
        y += 4;
        let last = end.last.as_deref().unwrap_or("nowhere, it was never sent");
        for line in [format!("last seen: {last}"), format!("why: {}", end.why)] {
            write(pen, "bad", left, y, &line);
            y += LINE;
        }
    }
    if journey.lost > 0 {
        write(
            pen,
            "bad",
            left,
            y,
            &format!("{} packets could not be looked at: there may be gaps", journey.lost),
        );
        y += LINE;
    }
    size.0 = size.0.max(right + 16);
    size.1 = y + 8;
}
