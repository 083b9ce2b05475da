//! Rectangles, and how wide a text is. Pure. All lengths are whole CSS pixels, so that the same graph has the same bytes everywhere.

use crate::xml::shortened;

/// Advance of a character of 11 pixels, and of 12 bold ones: what monospaced fonts have at most (DejaVu Sans Mono, 0.602 em), and some more.
pub(super) const SMALL: i32 = 7;
pub(super) const BOLD: i32 = 8;
/// That of a host's name, of 14 bold pixels.
pub(super) const LARGE: i32 = 9;
/// From line to line.
pub(super) const LINE: i32 = 14;
/// Longer texts are cut; all of them is in the element's title.
const LONGEST: usize = 32;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl Rect {
    pub(super) fn right(self) -> i32 {
        self.x + self.w
    }

    pub(super) fn bottom(self) -> i32 {
        self.y + self.h
    }

    pub(super) fn middle(self) -> i32 {
        self.x + self.w / 2
    }

    pub(super) fn shift(&mut self, dx: i32, dy: i32) {
        self.x += dx;
        self.y += dy;
    }

    #[cfg(test)]
    pub(super) fn overlaps(self, other: Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    #[cfg(test)]
    pub(super) fn holds(self, other: Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && self.right() >= other.right()
            && self.bottom() >= other.bottom()
    }
}

/// A number of things, as a length.
pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How wide a text is, in a font whose characters are that wide. Outside of ASCII a character may be as wide as two.
pub(super) fn width(text: &str, advance: i32) -> i32 {
    text.chars().map(|one| if one.is_ascii() { advance } else { 2 * advance }).sum()
}

/// A text, cut if it is too long for a picture.
pub(super) fn short(text: &str) -> String {
    shortened(text, LONGEST)
}

/// The longest of some texts.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a String>, advance: i32) -> i32 {
    texts.into_iter().map(|text| width(text, advance)).max().unwrap_or_default()
}
