//! What can go wrong between the engine and its store.

use super::store::Refusal;
use std::io;
use std::time::Duration;

/// A request to the store that failed: what we were doing, to what, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {object} in the store")]
pub struct Error {
    op: &'static str,
    object: String,
    #[source]
    why: Why,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    /// No connection could be made: the request was not done.
    #[error("no connection to {store}")]
    Connect {
        store: String,
        #[source]
        source: io::Error,
    },
    /// The connection broke before the answer came: the request may have been done.
    #[error("the connection broke before {store} answered")]
    Broken {
        store: String,
        #[source]
        source: io::Error,
    },
    /// No answer in time: the request may have been done.
    #[error("no answer from {store} in {after:?}")]
    Late { store: String, after: Duration },
    /// The store answered, with an error.
    #[error("{text} (status {status})")]
    Status { status: u16, text: String },
    /// The store answered something that we cannot read.
    #[error("cannot understand the answer: {0}")]
    Answer(String),
    /// The rules refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Error {
    pub(super) fn new(op: &'static str, object: impl Into<String>, why: impl Into<Why>) -> Error {
        Error { op, object: object.into(), why: why.into() }
    }

    /// The store could not be reached, or did not answer. Worth another try, later.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.why, Why::Connect { .. } | Why::Broken { .. } | Why::Late { .. })
    }

    /// The request may or may not have been done: read before trying again.
    pub fn is_uncertain(&self) -> bool {
        matches!(self.why, Why::Broken { .. } | Why::Late { .. })
    }

    /// The store was asked in the name of a session that it does not know (any more).
    pub fn is_session_lost(&self) -> bool {
        match &self.why {
            Why::Refused(refusal) => matches!(refusal, Refusal::InvalidSession(_)),
            Why::Status { text, .. } => text.contains("invalid session"),
            _ => false,
        }
    }
}
