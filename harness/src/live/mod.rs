//! A lab for a browser: its picture as it is now, its tables, what happens in it, and what one can do to it.
//!
//! All of it is asked of the lab over its control socket, as the commands do. [`Desk`] answers; the [`Door`] lets nobody else
//! in, speaks HTTP, and leads on to the store, whose key browser is a tab of the page. In paths below the door's secret:
//!
//! | path | is |
//! |---|---|
//! | `/` | the page; `/lab/NAME.js` and other files are what it consists of |
//! | `/lab/graph.svg` | the picture, as `lab graph --format svg` prints it; with `?bare`, without its style, for the page |
//! | `/lab/look` | `{graph, counters, faults}`: a digest of the picture, what passed each interface, what is wrong |
//! | `/lab/room?name=C0` | what a namespace holds, as `lab inspect` has it, with what passed its interfaces |
//! | `/lab/events?from=N` | what happened from the N-th on; waits until there is something |
//! | `/lab/trace.svg?from=C0&to=C1` | POST: one packet, followed; its way on the picture. With `tcp` or `udp`, a port |
//! | `/lab/capture.pcapng?on=C0&count=100&for=5` | what passes meanwhile, as a file |
//! | `/lab/fault`, `/lab/heal` | POST: the words after `lab fault`; a fault's number or name, nothing for all |
//!
//! No file names another host, no style or script stands in the page, and a browser is told to refuse whatever does not come from
//! here (Content Security Policy, level 3).

mod ask;
mod capture;
mod desk;
mod door;
mod feed;
mod files;

pub use ask::{Ask, Reply};
pub use desk::{Desk, Wrong};
pub use door::Door;
