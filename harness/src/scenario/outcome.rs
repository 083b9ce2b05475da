//! What came out of a step.

use std::time::Duration;

/// What came out of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Echo requests were sent.
    Echoes {
        /// How many.
        sent: u32,
        /// The round trips of those that were answered.
        round_trips: Vec<Duration>,
    },
    /// A command ended.
    Exit {
        /// Its exit status; 128 and the signal's number if a signal ended it.
        status: i32,
        /// What it printed.
        stdout: String,
        /// What it printed to its standard error.
        stderr: String,
    },
    /// A TCP connection or a UDP exchange: the answer, or why there was none.
    Answer(Result<String, String>),
    /// A key of the store. `None`: it is not there.
    Value(Option<String>),
    /// Keys of the store.
    Keys(Vec<String>),
    /// A name was looked up: what it has, or why that is not known.
    Found(Result<Vec<String>, String>),
    /// A request: what it shows, or why it was refused.
    Request(Result<String, String>),
    /// A fact, or why it does not hold.
    Fact(Result<(), String>),
}
