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

    /// The store could not be reached, did not answer, or is not well (no leader). Worth another try, later.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.why, Why::Connect { .. } | Why::Broken { .. } | Why::Late { .. }) || self.is_unwell()
    }

    /// The request may or may not have been done: read before trying again. A leader that is lost in the midst of a write says 500,
    /// too.
    pub fn is_uncertain(&self) -> bool {
        matches!(self.why, Why::Broken { .. } | Why::Late { .. }) || self.is_unwell()
    }

    /// The store says that it failed, and not that the request is wrong. Consul has one status for both.
    fn is_unwell(&self) -> bool {
        matches!(self.why, Why::Status { status: 500.., .. }) && !self.is_session_lost()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_a_leader_is_out_of_reach_and_a_lost_session_is_not() {
        let said = |status, text: &str| Error::new("do", "it", Why::Status { status, text: text.to_owned() });
        let leaderless = said(500, "No cluster leader");
        assert!(leaderless.is_unreachable() && leaderless.is_uncertain());
        for error in [said(500, "raft apply failed: invalid session \"x\""), said(404, "")] {
            assert!(!error.is_unreachable() && !error.is_uncertain(), "{error:?}");
        }
    }
}
