//! All of a lab on one sheet: rows of hosts, the overlays' segments as lines above them, the switch below. Pure.

use std::collections::BTreeMap;

use super::block::{Across, Block, across};
use super::chamber::Chip;
use super::shape::{BOLD, LARGE, LINE, Rect, SMALL, count, short, width};
use crate::graph::model::{Graph, Interface, Join, Segment};

/// Around all of it.
const MARGIN: i32 = 16;
/// The lab's name.
const TITLE: i32 = 44;
/// Between two hosts; between two rows of them.
const GAP: i32 = 26;
const ROWS: i32 = 46;
/// From a segment's line to the next one's, and from the last to the hosts.
const SEGMENT: i32 = 36;
/// From the hosts to the switch.
const WIRES: i32 = 36;
/// At the left, where lines go down from row to row: a lane each.
const LANE: i32 = 8;
/// Rows get no wider than this, if a host is not.
const FEW: (usize, i32) = (6, 1180);
const MANY: i32 = 1720;

/// A segment's line in a row.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) segment: &'a Segment,
    /// Its place among all, from which it has its colour and its lane.
    pub(super) number: usize,
    pub(super) y: i32,
    pub(super) left: i32,
    pub(super) right: i32,
}

/// The switch below a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Bar<'a> {
    pub(super) rect: Rect,
    pub(super) chips: Vec<Chip<'a>>,
    /// The line that its ports meet at, and where that ends.
    pub(super) y: i32,
    pub(super) left: i32,
    pub(super) right: i32,
}

/// Everything, placed.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet<'a> {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) lines: Vec<Line<'a>>,
    pub(super) bars: Vec<Bar<'a>>,
    /// Where names of segments and of the switch begin.
    pub(super) labels: i32,
    /// Interfaces' rectangles, by their ids.
    pub(super) places: BTreeMap<&'a str, Rect>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(graph: &'a Graph) -> Sheet<'a> {
        let across = across(graph);
        let rows = rows(graph, &across);
        let segments = graph.segments.iter();
        let labels = segments
            .flat_map(|segment| [width(&segment.title(), BOLD), width(&short(&segment.subtitle()), SMALL)]);
        let lanes = if rows.len() > 1 { LANE * count(graph.segments.len() + 2) } else { 0 };
        let mut sheet = Sheet { labels: MARGIN + lanes, ..Sheet::default() };
        let left = sheet.labels + labels.max().unwrap_or_default().max(switch_width(graph)) + GAP;
        let mut y = MARGIN + TITLE;
        for (number, row) in rows.into_iter().enumerate() {
            y += if number > 0 { ROWS } else { 0 };
            y = sheet.add(graph, row, left, y, number == 0);
        }
        sheet.height = y + MARGIN;
        sheet.width = sheet.width.max(2 * MARGIN + width(&short(&graph.name), LARGE));
        for chip in sheet.blocks.iter().flat_map(|block| &block.chambers).flat_map(|room| &room.chips) {
            sheet.places.insert(&chip.interface.id, chip.rect);
        }
        for chip in sheet.bars.iter().flat_map(|bar| &bar.chips) {
            sheet.places.insert(&chip.interface.id, chip.rect);
        }
        sheet
    }

    /// Where the switch's is: the last one before the labels.
    pub(super) fn switch_lane(&self) -> i32 {
        self.labels - LANE - LANE / 2
    }

    /// A row, from `y` on; where it ends.
    fn add(&mut self, graph: &'a Graph, mut row: Vec<Block<'a>>, left: i32, mut y: i32, first: bool) -> i32 {
        let height = row.iter().map(|block| block.rect.h).max().unwrap_or_default();
        let members = members(graph);
        let up_from = |block: &Block<'a>, segment: &Segment| -> Option<i32> {
            let chips = block.chambers.iter().flat_map(|chamber| &chamber.chips);
            let its =
                chips.filter(|chip| members.get(chip.interface.id.as_str()) == Some(&segment.id.as_str()));
            its.map(|chip| chip.rect.middle()).max()
        };
        let used: Vec<(usize, &Segment)> = graph
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| row.iter().any(|block| up_from(block, segment).is_some()))
            .collect();
        let top = y + SEGMENT * count(used.len());
        let mut x = left;
        for block in &mut row {
            block.shift(x, top + height - block.rect.h);
            x = block.rect.right() + GAP;
        }
        let right = x - GAP;
        for (number, segment) in used {
            let last = row.iter().filter_map(|block| up_from(block, segment)).max().unwrap_or(left);
            self.lines.push(Line { segment, number, y: y + LINE, left: self.labels, right: last });
            y += SEGMENT;
        }
        y = top + height;
        if let Some(bar) = self.bar(graph, &row, y + WIRES, right, first) {
            y = bar.rect.bottom();
            self.bars.push(bar);
        }
        self.width = self.width.max(right + MARGIN);
        self.blocks.append(&mut row);
        y
    }

    /// The switch below a row: a port under each host, and what a wire is taken apart into under that; at the left, in the first
    /// row, all of it that is no host's.
    fn bar(&self, graph: &'a Graph, row: &[Block<'a>], top: i32, right: i32, first: bool) -> Option<Bar<'a>> {
        graph.switch.as_ref()?;
        let mut bar = Bar::default();
        let mut deepest = top;
        for (middle, stack) in stacks(graph, row) {
            let mut y = top;
            for interface in stack {
                let mut chip = Chip::new(interface);
                chip.rect.shift(middle - chip.rect.w / 2, y);
                y = chip.rect.bottom() + LINE;
                deepest = deepest.max(chip.rect.bottom());
                bar.right = bar.right.max(middle);
                bar.chips.push(chip);
            }
        }
        let mut own: Vec<Chip<'_>> =
            if first { shared(graph).into_iter().map(Chip::new).collect() } else { Vec::new() };
        let high = own.iter().map(|chip| chip.rect.h).max().unwrap_or_default();
        let name = 2 * LINE + 2;
        bar.y = (deepest + LINE).max(top + name + high / 2);
        let mut x = self.labels;
        for chip in &mut own {
            chip.rect.shift(x, bar.y - high / 2);
            x = chip.rect.right() + LINE;
        }
        bar.left =
            if first { own.first().map_or(self.labels, |chip| chip.rect.right()) } else { self.labels };
        let bottom = bar.y + (high / 2).max(LINE / 2) + LINE / 2;
        bar.rect =
            Rect { x: self.labels - LINE / 2, y: top, w: right - self.labels + LINE / 2, h: bottom - top };
        bar.chips.append(&mut own);
        Some(bar)
    }
}

/// Where a segment's lane is, at the left.
pub(super) fn lane(number: usize) -> i32 {
    MARGIN + LANE * count(number)
}

/// Which segment a VXLAN device is on, by their ids.
pub(super) fn members(graph: &Graph) -> BTreeMap<&str, &str> {
    let its = graph.edges.iter().filter(|edge| edge.join == Join::Segment);
    its.map(|edge| (edge.from.as_str(), edge.to.as_str())).collect()
}

/// Hosts and the outside world, in rows.
fn rows<'a>(graph: &'a Graph, across: &Across<'_>) -> Vec<Vec<Block<'a>>> {
    let mut blocks: Vec<Block<'a>> = graph.hosts.iter().map(|host| Block::of_host(host, across)).collect();
    blocks.extend(graph.outside.iter().map(|room| Block::single(room, None, across)));
    let wide = if blocks.len() <= FEW.0 { FEW.1 } else { MANY };
    let most = blocks.iter().map(|block| block.rect.w).max().unwrap_or_default().max(wide);
    let mut rows: Vec<Vec<Block<'a>>> = Vec::new();
    let mut used = 0;
    for block in blocks {
        let w = block.rect.w;
        match rows.last_mut() {
            Some(row) if used + GAP + w <= most => {
                used += GAP + w;
                row.push(block);
            }
            _ => {
                used = w;
                rows.push(vec![block]);
            }
        }
    }
    rows
}

/// For each host of a row that is plugged in: where, and the interfaces of the switch that are its, from the wire on.
fn stacks<'a>(graph: &'a Graph, row: &[Block<'a>]) -> Vec<(i32, Vec<&'a Interface>)> {
    let Some(switch) = &graph.switch else { return Vec::new() };
    let inside: BTreeMap<&str, &Interface> =
        switch.interfaces.iter().map(|interface| (interface.id.as_str(), interface)).collect();
    let mut near = BTreeMap::new();
    for edge in graph.edges.iter().filter(|edge| edge.join == Join::Veth) {
        for (one, other) in [(&edge.from, &edge.to), (&edge.to, &edge.from)] {
            near.extend(inside.get(other.as_str()).map(|port| (one.as_str(), *port)));
        }
    }
    let chips = row.iter().flat_map(|block| &block.chambers).flat_map(|chamber| &chamber.chips);
    let plugged = chips.filter_map(|chip| Some((chip.rect.middle(), *near.get(chip.interface.id.as_str())?)));
    let stack = |port: &'a Interface| {
        let number = port.name.strip_prefix("port");
        let more = number
            .into_iter()
            .flat_map(|number| ["splice", "wire", "plug"].map(|end| format!("{end}{number}")));
        let more = more.filter_map(|name| switch.interfaces.iter().find(|interface| interface.name == name));
        std::iter::once(port).chain(more).collect()
    };
    plugged.map(|(middle, port)| (middle, stack(port))).collect()
}

/// The interfaces of the switch that are no host's: its bridges.
fn shared(graph: &Graph) -> Vec<&Interface> {
    let Some(switch) = &graph.switch else { return Vec::new() };
    let is_hosts = |interface: &&Interface| {
        let numbered = |end: &str| {
            let rest = interface.name.strip_prefix(end).unwrap_or_default();
            !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit())
        };
        ["port", "splice", "wire", "plug"].into_iter().any(numbered)
    };
    switch.interfaces.iter().filter(|interface| !is_hosts(interface)).collect()
}

/// How wide what is shared of the switch is, beside the labels.
fn switch_width(graph: &Graph) -> i32 {
    let chips: Vec<i32> = shared(graph).into_iter().map(|interface| Chip::new(interface).rect.w).collect();
    chips.iter().sum::<i32>() + LINE * count(chips.len())
}
