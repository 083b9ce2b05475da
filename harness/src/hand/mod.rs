//! What people make by hand with `ip`, `bridge` and `sysctl`: namespaces, links, addresses, entries, as values; no tool of the machine
//! is asked for it.
//!
//! - `request`: [`Make`] and [`Unmake`], everything that can be made and taken away.
//! - `work`: done on a lab.
//! - `numbers`: what links are numbered.
//! - `answerer`: who answers what a vxlan device misses, from the store.

mod answerer;
mod numbers;
mod request;
mod work;

use std::sync::Mutex;

use answerer::Answerers;
use numbers::Numbers;

pub use request::{Leg, Make, Tunnel, Unmake};

/// What a lab has that was made by hand, and that no kernel keeps.
#[derive(Debug, Default)]
pub(crate) struct ByHand {
    /// What links are numbered.
    numbers: Numbers,
    /// Who answers what is missed.
    answerers: Mutex<Answerers>,
}
