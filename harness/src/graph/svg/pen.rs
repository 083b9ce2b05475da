//! Writes SVG: elements, and texts with all that means something in XML escaped. Pure.

use std::fmt;

use super::shape::Rect;
use crate::xml::{escaped, put};

/// A picture, as far as it is drawn.
#[derive(Debug, Default)]
pub(super) struct Pen {
    out: String,
}

impl Pen {
    pub(super) fn put(&mut self, piece: fmt::Arguments<'_>) {
        put(&mut self.out, piece);
    }

    /// A group, with attributes by name.
    pub(super) fn open(&mut self, class: &str, attributes: &[(&str, &str)]) {
        self.put(format_args!("<g class=\"{class}\""));
        for (name, value) in attributes {
            self.put(format_args!(" {name}=\"{}\"", escaped(value)));
        }
        self.out.push_str(">\n");
    }

    pub(super) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    pub(super) fn rect(&mut self, class: &str, at: Rect, round: i32) {
        let Rect { x, y, w, h } = at;
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{round}\"/>\n"
        ));
    }

    /// What is shown where somebody points at a group.
    pub(super) fn title(&mut self, text: &str) {
        self.put(format_args!("<title>{}</title>\n", escaped(text)));
    }

    pub(super) fn text(&mut self, class: &str, x: i32, y: i32, text: &str) {
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(text)));
    }

    pub(super) fn dot(&mut self, class: &str, x: i32, y: i32, radius: i32) {
        self.put(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>\n"));
    }

    pub(super) fn path(&mut self, class: &str, way: &str, attributes: &[(&str, &str)]) {
        self.put(format_args!("<path class=\"{class}\" d=\"{way}\""));
        for (name, value) in attributes {
            self.put(format_args!(" {name}=\"{}\"", escaped(value)));
        }
        self.out.push_str("/>\n");
    }

    pub(super) fn done(self) -> String {
        self.out
    }
}
