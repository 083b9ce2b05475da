//! A scenario played in a lab of its own, in namespaces of its own: the outer's half and the inner's.
//!
//! The outer starts the current executable again (see [`kernel::entry`]), tells it on the life line what to play, and
//! hears there what happens, a line of JSON each. It believes nothing else: a scenario has held only if the inner said so.

mod inside;
mod outside;

use std::env;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::report::Bundle;
use crate::scenario::{Counts, Options, RunEvent, Verdict};
use crate::topology::Topology;

pub use inside::inside;
pub use outside::{Keep, Stage, Stopper};

/// Overrides the seed of every file that is played.
const SEED: &str = "LAB_SEED";

/// Makes a step fail whose tools are missing.
const REQUIRE: &str = "LAB_REQUIRE";

/// Longest line on the life line: a file, or what there was to see at a failure.
const LONGEST: usize = 64 << 20;

/// What is to be played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The file, for messages.
    path: String,
    /// What it says. Sent along: inside, `/run` and what is mounted there cannot be seen.
    text: String,
    seed: Option<u64>,
    require: bool,
}

impl Order {
    /// Plays what a file says, as `LAB_SEED` and `LAB_REQUIRE` have it.
    pub fn new(path: &Path, text: String) -> Result<Order> {
        let seed = match env::var(SEED) {
            Err(_) => None,
            Ok(seed) => Some(seed.parse().map_err(|_| {
                Error::new(Kind::Input, format_args!("{SEED} is a number from 0 to 2^64-1, not `{seed}`"))
            })?),
        };
        let require = env::var(REQUIRE).is_ok_and(|value| !value.is_empty() && value != "0");
        Ok(Order { path: path.display().to_string(), text, seed, require })
    }

    /// With this seed, whatever file and environment say.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Order {
        Order { seed: Some(seed), ..self }
    }

    /// What the text means; mistakes as a text with carets.
    pub fn topology(&self) -> Result<Topology> {
        let read = crate::topology::parse(&self.path, &self.text);
        let mut topology = read.map_err(|report| Error::new(Kind::Input, report))?;
        topology.seed = self.seed.unwrap_or(topology.seed);
        Ok(topology)
    }

    fn options(&self) -> Options {
        Options { require: self.require }
    }
}

/// What comes of a file for which the machine lacks something, with all its steps left.
fn unplayed(order: &Order, topology: &Topology, reason: String) -> (Verdict, Counts) {
    let verdict = if order.require {
        Verdict::Broken { why: format!("{reason} (LAB_REQUIRE is set; without it this file is skipped)") }
    } else {
        Verdict::Skipped { reason }
    };
    (verdict, Counts { left: topology.steps.len(), ..Counts::default() })
}

/// A line on the life line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    /// What there was to see at a failure.
    Bundle { bundle: Bundle },
    /// Something happened.
    Event(RunEvent),
}
