//! What the page consists of.

use super::ask::Reply;
use crate::graph::STYLE;

/// Stands in the page for the path of the door, which begins and ends in a slash.
const ROOT: &str = "{root}";
const PAGE: &str = include_str!("index.html");
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Name, media type, text. What the key browser has, too, is one file.
const FILES: &[(&str, &str, &str)] = &[
    ("ui.css", CSS, include_str!("../consul/ui/ui.css")),
    ("live.css", CSS, include_str!("live.css")),
    ("graph.css", CSS, STYLE),
    ("icon.svg", "image/svg+xml", include_str!("../consul/ui/icon.svg")),
    ("dom.js", JS, include_str!("../consul/ui/dom.js")),
    ("bytes.js", JS, include_str!("../consul/ui/bytes.js")),
    ("main.js", JS, include_str!("main.js")),
    ("lab.js", JS, include_str!("lab.js")),
    ("picture.js", JS, include_str!("picture.js")),
    ("room.js", JS, include_str!("room.js")),
    ("tools.js", JS, include_str!("tools.js")),
];

/// The page, for a browser to which the door is at that path.
pub(super) fn page(root: &str) -> Reply {
    Reply::of("text/html; charset=utf-8", PAGE.replace(ROOT, root))
}

/// A file of the page.
pub(super) fn file(name: &str) -> Option<Reply> {
    FILES.iter().find(|(its, ..)| *its == name).map(|(_, media, text)| Reply::of(media, *text))
}
