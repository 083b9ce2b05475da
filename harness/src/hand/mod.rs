//! What people make by hand with `ip`, `bridge` and `sysctl`: namespaces, links, addresses, entries, as values; no tool of the machine
//! is asked for it.
//!
//! - `request`: [`Make`] and [`Unmake`], everything that can be made and taken away.
//! - `work`: done on a lab.
//! - `answerer`: who answers what a vxlan device misses, from the store.

mod answerer;
mod request;
mod work;

pub(crate) use answerer::Answerers;
pub use request::{Leg, Make, Tunnel, Unmake};
