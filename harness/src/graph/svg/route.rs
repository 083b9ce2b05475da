//! The way of an edge on the sheet, as SVG path data: each ends at an interface's edge, or at a line. Pure.

use super::block::Block;
use super::shape::Rect;
use super::sheet::{Bar, Line, Sheet, members};
use crate::graph::model::{Edge, Graph, Join};

/// How far below two interfaces of one row their edge hangs.
const SAG: i32 = 26;

/// The way of an edge; none: one of its ends is not drawn.
pub(super) fn route(graph: &Graph, sheet: &Sheet<'_>, edge: &Edge) -> Option<String> {
    match edge.join {
        Join::Segment => up(graph, sheet, &edge.from),
        Join::Carrier => carried(sheet, &edge.from, &edge.to),
        Join::Port if is_on_bar(graph, sheet, edge) => stub(sheet, &edge.to),
        Join::Veth | Join::Macvlan | Join::Port | Join::Wire => {
            let [from, to] = [&edge.from, &edge.to].map(|id| sheet.places.get(id.as_str()).copied());
            Some(between(from?, to?))
        }
    }
}

/// Whether an edge is that of a port and a bridge of the switch: it ends at the switch's line.
pub(super) fn is_on_bar(graph: &Graph, sheet: &Sheet<'_>, edge: &Edge) -> bool {
    let Some(switch) = &graph.switch else { return false };
    let of = |id: &str| switch.interfaces.iter().find(|interface| interface.id == id);
    let shared = |name: &str| !name.starts_with("splice");
    of(&edge.from).is_some_and(|bridge| shared(&bridge.name)) && bar_of(sheet, &edge.to).is_some()
}

/// From one interface's edge to another's, downwards.
pub(super) fn between(one: Rect, other: Rect) -> String {
    let (above, below) = if one.y <= other.y { (one, other) } else { (other, one) };
    let (x1, y1, x2, y2) = (above.middle(), above.bottom(), below.middle(), below.y);
    if y1 <= y2 {
        let half = (y2 - y1) / 2;
        return format!("M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}", y1 + half, y2 - half);
    }
    // Side by side.
    let (y1, y2) = (above.bottom(), below.bottom());
    let low = y1.max(y2) + SAG;
    format!("M{x1} {y1}C{x1} {low} {x2} {low} {x2} {y2}")
}

/// From a VXLAN device up to its segment's line.
fn up(graph: &Graph, sheet: &Sheet<'_>, id: &str) -> Option<String> {
    let place = sheet.places.get(id)?;
    let line = line_of(graph, sheet, id)?;
    Some(format!("M{} {}V{}", place.middle(), place.y, line.y))
}

/// The line that a VXLAN device's segment has in its row: the nearest one above it.
pub(super) fn line_of<'s, 'a>(graph: &Graph, sheet: &'s Sheet<'a>, id: &str) -> Option<&'s Line<'a>> {
    let place = sheet.places.get(id)?;
    let segment = *members(graph).get(id)?;
    let above = sheet.lines.iter().filter(|line| line.segment.id == segment && line.y < place.y);
    above.max_by_key(|line| line.y)
}

/// From a VXLAN device to the left, and down to the interface that its packets leave by.
fn carried(sheet: &Sheet<'_>, vxlan: &str, carrier: &str) -> Option<String> {
    let [from, to] = [vxlan, carrier].map(|id| sheet.places.get(id).copied());
    let (from, to) = (from?, to?);
    let block = block_of(sheet, vxlan)?;
    if block.header.is_none() {
        return Some(between(from, to));
    }
    let x = from.middle() - from.w / 4;
    let (gutter, y) = (block.gutter, to.y + to.h / 2);
    Some(format!("M{x} {}V{}H{gutter}V{y}H{}", from.y, block.lane, to.x))
}

fn block_of<'s, 'a>(sheet: &'s Sheet<'a>, id: &str) -> Option<&'s Block<'a>> {
    let holds = |block: &&Block<'_>| {
        let mut chips = block.chambers.iter().flat_map(|chamber| &chamber.chips);
        chips.any(|chip| chip.interface.id == id)
    };
    sheet.blocks.iter().find(holds)
}

pub(super) fn bar_of<'s, 'a>(sheet: &'s Sheet<'a>, id: &str) -> Option<&'s Bar<'a>> {
    sheet.bars.iter().find(|bar| bar.chips.iter().any(|chip| chip.interface.id == id))
}

/// From a port of the switch down to its line.
fn stub(sheet: &Sheet<'_>, port: &str) -> Option<String> {
    let (place, bar) = (sheet.places.get(port)?, bar_of(sheet, port)?);
    Some(format!("M{} {}V{}", place.middle(), place.bottom(), bar.y))
}

/// From a port of the switch to another, by its line; and by the lane at the left, if they are in two rows.
pub(super) fn through_switch(sheet: &Sheet<'_>, one: &str, other: &str, lane: i32) -> Option<String> {
    let [from, to] = [one, other].map(|id| sheet.places.get(id).copied());
    let (from, to, near, far) = (from?, to?, bar_of(sheet, one)?, bar_of(sheet, other)?);
    let across = if near.y == far.y { String::new() } else { format!("H{lane}V{}", far.y) };
    Some(format!("M{} {}V{}{across}H{}V{}", from.middle(), from.bottom(), near.y, to.middle(), to.bottom()))
}
