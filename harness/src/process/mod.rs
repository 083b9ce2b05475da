//! Processes on hosts and in containers, and what they print.

mod spawn;

use serde::{Deserialize, Serialize};

use crate::ring::{Item, Ring};

pub(crate) use spawn::{PATH, Process, Program};

/// What a process printed.
pub type Log = Ring<Line>;

/// A line that a process printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// Where it was printed.
    pub stream: Stream,
    /// Without its end; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// One of a process's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whether a process is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Running,
    /// It ended, with that exit status; 128 and the signal's number if a signal ended it.
    Exited(i32),
}

impl Item for Line {
    fn size(&self) -> usize {
        self.at.len() + self.text.len() + size_of::<Line>()
    }
}
