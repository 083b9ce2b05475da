//! A lab as a picture: hosts as boxes, namespaces in them, interfaces on their edges, and what joins them.
//!
//! ```no_run
//! # async fn example(lab: harness::Lab) -> harness::Result {
//! use harness::graph::Format;
//! std::fs::write("lab.svg", lab.graph().await?.show(Format::Svg)).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! What kernels hold becomes a [`Graph`], a value; each format is a function of that. All of it is pure: the same lab, the same bytes.
//!
//! - `model`: the value: hosts, rooms (namespaces), interfaces, segments (what a VNI joins), edges.
//! - `read`: what kernels hold, as that value; `peers`: which two interfaces are a pair.
//! - `fold`: a lab of many hosts, each of them a single box.
//! - `text`, `mermaid`, `dot`: the value in words, and for tools that lay out by themselves.
//! - `svg`: laid out and drawn here; with a [`Journey`], the way of a packet on it.

mod dot;
mod fold;
mod mermaid;
mod model;
mod peers;
mod read;
mod svg;
mod text;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use model::{Edge, Graph, Host, Interface, Join, Mark, Room, RoomKind, Segment};
pub use svg::STYLE;

use crate::error::{Error, Kind};
use crate::trace::Journey;

/// How a graph is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines, for a terminal.
    #[default]
    Text,
    /// A picture.
    Svg,
    /// A Mermaid flowchart, as Markdown pages show it.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Text, Format::Svg, Format::Mermaid, Format::Dot];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text => "text",
            Format::Svg => "svg",
            Format::Mermaid => "mermaid",
            Format::Dot => "dot",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format, Error> {
        let found = Format::ALL.into_iter().find(|format| format.to_string() == text);
        let none = || {
            Error::new(Kind::Input, format_args!("`{text}` is no format: there is text, svg, mermaid, dot"))
        };
        found.ok_or_else(none)
    }
}

impl Graph {
    /// The graph, written; folded by host if there are many.
    pub fn show(&self, format: Format) -> String {
        let folded = self.is_large().then(|| self.fold());
        let graph = folded.as_ref().unwrap_or(self);
        match format {
            Format::Text => text::show(graph),
            Format::Svg => svg::draw(graph, None),
            Format::Mermaid => mermaid::show(graph),
            Format::Dot => dot::show(graph),
        }
    }

    /// The picture, with the way of a packet on it: hops by number, with their time and their headers; where it was last seen, and why.
    pub fn show_journey(&self, journey: &Journey) -> String {
        let folded = self.is_large().then(|| self.fold());
        svg::draw(folded.as_ref().unwrap_or(self), Some(journey))
    }
}
