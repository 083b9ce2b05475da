//! A room as a box: interfaces on its upper and its lower edge, bridges between, its name at the left. Pure.

use super::shape::{BOLD, LINE, Rect, SMALL, count, short, widest, width};
use crate::graph::model::{Interface, Room};

/// Between an edge and what is in it; between two interfaces; between rows.
const PAD: i32 = 10;
const GAP: i32 = 10;
const ROWS: i32 = 18;
/// Beside and above the lines of an interface.
const CHIP: (i32, i32) = (8, 6);

/// Where in its room an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deck {
    /// On the upper edge.
    Top,
    /// Within.
    Middle,
    /// On the lower edge.
    Bottom,
}

/// An interface, placed.
#[derive(Clone, Debug)]
pub(super) struct Chip<'a> {
    pub(super) interface: &'a Interface,
    pub(super) lines: Vec<String>,
    pub(super) rect: Rect,
}

/// A room, placed.
#[derive(Clone, Debug)]
pub(super) struct Chamber<'a> {
    pub(super) room: &'a Room,
    pub(super) rect: Rect,
    /// Where the lines of its name are.
    pub(super) title: Rect,
    pub(super) chips: Vec<Chip<'a>>,
}

impl<'a> Chip<'a> {
    pub(super) fn new(interface: &'a Interface) -> Chip<'a> {
        let lines: Vec<String> = interface.lines().iter().map(|line| short(line)).collect();
        let rest = widest(&lines[1..], SMALL).max(width(&lines[0], BOLD));
        let rect =
            Rect { w: rest + 2 * CHIP.0, h: count(lines.len()) * LINE + 2 * CHIP.1 - 2, ..Rect::default() };
        Chip { interface, lines, rect }
    }
}

/// Interfaces side by side.
struct Row<'a>(Vec<Chip<'a>>);

impl<'a> Row<'a> {
    fn width(&self) -> i32 {
        let gaps = GAP * (count(self.0.len()) - 1).max(0);
        self.0.iter().map(|chip| chip.rect.w).sum::<i32>() + gaps
    }

    /// The highest one's; all of them are as high, so that edges end in a line.
    fn height(&self) -> i32 {
        self.0.iter().map(|chip| chip.rect.h).max().unwrap_or_default()
    }

    fn place(mut self, left: i32, top: i32) -> Vec<Chip<'a>> {
        let height = self.height();
        let mut x = left;
        for chip in &mut self.0 {
            (chip.rect.x, chip.rect.y, chip.rect.h) = (x, top, height);
            x += chip.rect.w + GAP;
        }
        self.0
    }
}

impl<'a> Chamber<'a> {
    /// The room at the origin, at least as wide as that.
    pub(super) fn new(room: &'a Room, least: i32, deck: impl Fn(&Interface) -> Deck) -> Chamber<'a> {
        let row = |wanted: Deck| {
            let its = room.interfaces.iter().filter(|interface| deck(interface) == wanted);
            Row(its.map(Chip::new).collect())
        };
        let (top, middle, bottom) = (row(Deck::Top), row(Deck::Middle), row(Deck::Bottom));
        let notes: Vec<String> = room.notes.iter().map(|note| short(note)).collect();
        let title = Rect {
            w: width(&short(&room.title), BOLD).max(widest(&notes, SMALL)),
            h: LINE * (1 + count(notes.len())) + 4,
            ..Rect::default()
        };
        // Bridges stand right of the name, and what is joined with them above and below them, if there is room.
        let beside = if middle.0.is_empty() { 0 } else { title.w + 2 * GAP };
        let rows = [&top, &middle, &bottom].map(Row::width);
        let right = rows[1].max(rows[0]);
        let inner = (beside + right).max(rows[2]).max(title.w).max(least - 2 * PAD);
        let centre = |row: i32| {
            let column = PAD + beside + (inner - beside - row) / 2;
            if column >= PAD + beside { column } else { PAD + (inner - row) / 2 }
        };
        let lefts = rows.map(centre);
        let mut y = if top.0.is_empty() { PAD } else { top.height() + ROWS };
        let mut chips = top.place(lefts[0], 0);
        let band = title.h.max(middle.height());
        let title_x = if beside > 0 { PAD } else { PAD + (inner - title.w) / 2 };
        let title = Rect { x: title_x, y: y + (band - title.h) / 2, ..title };
        let middle_top = y + (band - middle.height()) / 2;
        chips.extend(middle.place(lefts[1], middle_top));
        y += band + if bottom.0.is_empty() { PAD } else { ROWS };
        let height = y + bottom.height();
        chips.extend(bottom.place(lefts[2], y));
        Chamber { room, rect: Rect { x: 0, y: 0, w: inner + 2 * PAD, h: height }, title, chips }
    }

    pub(super) fn shift(&mut self, dx: i32, dy: i32) {
        self.rect.shift(dx, dy);
        self.title.shift(dx, dy);
        for chip in &mut self.chips {
            chip.rect.shift(dx, dy);
        }
    }
}
