//! A host as a box: overlays above, containers below them, its own namespace at the bottom. Pure.

use std::collections::BTreeMap;

use super::chamber::{Chamber, Deck};
use super::shape::{LARGE, LINE, Rect, SMALL, count, short, width};
use crate::graph::model::{Graph, Host, Interface, Join, Room, RoomKind};

/// At the left, where tunnels go down to the host's interface; at the other edges.
const GUTTER: i32 = 26;
const PAD: i32 = 12;
/// Its name and its address.
const HEADER: i32 = 42;
/// Between the header and the overlays: there tunnels go to the left.
const LANE: i32 = 14;
/// Between two rooms; between two layers of rooms.
const GAP: i32 = 14;
const LAYERS: i32 = 44;

/// Which room the other end of a veth is in, by interface.
pub(super) type Across<'a> = BTreeMap<&'a str, &'a Room>;

/// A host or the outside world, placed.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    /// None is the outside world.
    pub(super) host: Option<&'a Host>,
    pub(super) rect: Rect,
    pub(super) chambers: Vec<Chamber<'a>>,
    /// Where lines of its header are, if it has one.
    pub(super) header: Option<Rect>,
    /// Where its tunnels go to the left, and down.
    pub(super) lane: i32,
    pub(super) gutter: i32,
}

/// The other ends' rooms.
pub(super) fn across(graph: &Graph) -> Across<'_> {
    let rooms = graph.rooms_of_interfaces();
    let mut across = Across::new();
    for edge in graph.edges.iter().filter(|edge| matches!(edge.join, Join::Veth | Join::Macvlan)) {
        across.extend(rooms.get(edge.to.as_str()).map(|room| (edge.from.as_str(), *room)));
        across.extend(rooms.get(edge.from.as_str()).map(|room| (edge.to.as_str(), *room)));
    }
    across
}

fn deck(room: &Room, interface: &Interface, across: &Across<'_>) -> Deck {
    let peer = across.get(interface.id.as_str()).map(|room| room.kind);
    if interface.vni.is_some() {
        return Deck::Top;
    }
    if interface.kind.as_deref() == Some("bridge") {
        return Deck::Middle;
    }
    let up = match room.kind {
        RoomKind::Container | RoomKind::Named => peer == Some(RoomKind::Overlay),
        RoomKind::Host => {
            matches!(peer, Some(RoomKind::Container | RoomKind::Named | RoomKind::Overlay))
        }
        _ => false,
    };
    if up { Deck::Top } else { Deck::Bottom }
}

/// The middle of the interfaces on a room's lower edge.
fn hanging(room: &Chamber<'_>) -> Option<i32> {
    let low = room.chips.iter().filter(|chip| chip.rect.bottom() == room.rect.bottom());
    let (left, right) = low.fold((i32::MAX, i32::MIN), |(left, right), chip| {
        (left.min(chip.rect.x), right.max(chip.rect.right()))
    });
    (left < right).then_some(i32::midpoint(left, right))
}

impl<'a> Block<'a> {
    pub(super) fn of_host(host: &'a Host, across: &Across<'_>) -> Block<'a> {
        if let [room] = host.rooms.as_slice()
            && room.kind == RoomKind::Folded
        {
            return Block::single(room, Some(host), across);
        }
        let name = width(&short(&host.name), LARGE);
        let header = name.max(width(&host.subtitle(), SMALL));
        let lost: Vec<String> = host.lost.iter().map(|name| format!("{} lost", short(name))).collect();
        let mut layers: Vec<Vec<Chamber<'a>>> = Vec::new();
        for kinds in [&[RoomKind::Overlay][..], &[RoomKind::Container, RoomKind::Named]] {
            let its = host.rooms.iter().filter(|room| kinds.contains(&room.kind));
            let layer: Vec<_> =
                its.map(|room| Chamber::new(room, 0, |one| deck(room, one, across))).collect();
            layers.extend((!layer.is_empty()).then_some(layer));
        }
        let own: Vec<_> = host.rooms.iter().filter(|room| room.kind == RoomKind::Host).collect();
        let own = |least: i32| {
            own.iter()
                .map(|room| Chamber::new(room, least, |one| deck(room, one, across)))
                .collect::<Vec<_>>()
        };
        let across_layer = |layer: &[Chamber<'_>]| {
            layer.iter().map(|room| room.rect.w).sum::<i32>() + GAP * (count(layer.len()) - 1).max(0)
        };
        // What leads up from the first overlay is not to cross the header.
        let first_up = layers.first().and_then(|layer| layer.first()).and_then(|room| {
            let up = room.chips.iter().filter(|chip| chip.interface.vni.is_some());
            up.map(|chip| chip.rect.middle()).min()
        });
        let push = first_up.map_or(0, |up| (PAD + header + 8 - GUTTER - up).max(0));
        let widths = layers
            .iter()
            .enumerate()
            .map(|(number, layer)| across_layer(layer) + if number == 0 { push } else { 0 });
        let lost_width = lost.iter().map(|line| width(line, SMALL)).max().unwrap_or_default();
        let inner = widths
            .chain([across_layer(&own(0)), lost_width, header - GUTTER + PAD])
            .max()
            .unwrap_or_default();
        layers.push(own(inner));
        let mut chambers: Vec<Chamber<'a>> = Vec::new();
        let mut y = HEADER + if first_up.is_some() { LANE } else { 0 };
        for (number, mut layer) in layers.into_iter().filter(|layer| !layer.is_empty()).enumerate() {
            y += if number > 0 { LAYERS } else { 0 };
            let spare = (inner - across_layer(&layer)) / 2;
            let mut x = GUTTER + if number == 0 { spare.max(push) } else { spare };
            let height = layer.iter().map(|room| room.rect.h).max().unwrap_or_default();
            // A single container stands below what it is joined with.
            if let ([only], Some(above)) = (layer.as_slice(), chambers.last())
                && only.room.kind != RoomKind::Host
            {
                x = hanging(above).map_or(x, |middle| {
                    (middle - only.rect.w / 2).min(GUTTER + inner - only.rect.w).max(GUTTER)
                });
            }
            for chamber in &mut layer {
                chamber.shift(x, y);
                x += chamber.rect.w + GAP;
            }
            chambers.append(&mut layer);
            y += height;
        }
        y += count(lost.len()) * LINE;
        Block {
            host: Some(host),
            rect: Rect { x: 0, y: 0, w: GUTTER + inner + PAD, h: y + PAD },
            chambers,
            header: Some(Rect { x: PAD, y: 8, w: header, h: HEADER - 12 }),
            lane: HEADER + LANE / 2,
            gutter: GUTTER / 2,
        }
    }

    pub(super) fn single(room: &'a Room, host: Option<&'a Host>, across: &Across<'_>) -> Block<'a> {
        let chamber = Chamber::new(room, 0, |one| deck(room, one, across));
        Block { host, rect: chamber.rect, chambers: vec![chamber], header: None, lane: 0, gutter: 0 }
    }

    pub(super) fn shift(&mut self, dx: i32, dy: i32) {
        self.rect.shift(dx, dy);
        if let Some(header) = &mut self.header {
            header.shift(dx, dy);
        }
        self.lane += dy;
        self.gutter += dx;
        for chamber in &mut self.chambers {
            chamber.shift(dx, dy);
        }
    }
}
