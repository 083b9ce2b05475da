//! What is answered: a status, headers, JSON.

use super::request::{Consistency, Query};
use super::trace::Operation;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// Media type of errors and raw text.
const PLAIN: &str = "text/plain; charset=utf-8";

/// An answer, complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// 0: none at all.
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// What a transaction consisted of, for the trace.
    operations: Vec<Operation>,
}

/// What a finished handler gives, or an answer that cut it short.
pub(super) type Answered = Result<Answer, Answer>;

impl Answer {
    /// A status and nothing else.
    pub(super) fn empty(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// No answer: the connection is closed.
    pub(super) fn none() -> Answer {
        Answer::default()
    }

    /// What a Consul says that has no leader (`structs.ErrNoLeader`).
    pub(super) fn leaderless() -> Answer {
        Answer::error(500, "No cluster leader")
    }

    /// A bare message, as all of Consul's errors are.
    pub(crate) fn error(status: u16, text: impl Into<String>) -> Answer {
        Answer { body: text.into().into(), ..Answer::empty(status) }.with("content-type", PLAIN)
    }

    /// JSON: one line, unless the query asks for it to be pretty.
    pub(super) fn json(query: &Query, value: &impl Serialize) -> Answer {
        let mut body = Vec::new();
        let written = if query.has("pretty") {
            let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut body, format));
            body.push(b'\n');
            written
        } else {
            serde_json::to_writer(&mut body, value)
        };
        match written {
            Ok(()) => Answer::of(200, "application/json", body),
            Err(error) => Answer::error(500, error.to_string()),
        }
    }

    /// Bytes of some media type.
    pub(super) fn of(status: u16, media: &str, body: impl Into<Bytes>) -> Answer {
        Answer { body: body.into(), ..Answer::empty(status) }.with("content-type", media)
    }

    /// The same with another status.
    pub(super) fn status_as(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    /// The same with a header more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The same as an answer to a read: `index` is what to block on next.
    pub(super) fn read_at(self, index: u64, consistency: Consistency) -> Answer {
        self.by_leader().of_read(index, consistency)
    }

    /// The same as an answer to a read of a server that lost its leader so long ago.
    pub(super) fn read_stale(self, index: u64, age: Duration) -> Answer {
        self.with("x-consul-knownleader", "false")
            .with("x-consul-lastcontact", age.as_millis().to_string())
            .of_read(index, Consistency::Stale)
    }

    fn of_read(self, index: u64, consistency: Consistency) -> Answer {
        self.with("x-consul-index", index.to_string())
            .with("x-consul-query-backend", "blocking-query")
            .with("x-consul-effective-consistency", consistency.as_str())
    }

    /// The same as an answer of a server that is its own leader.
    pub(super) fn by_leader(self) -> Answer {
        self.with("x-consul-knownleader", "true").with("x-consul-lastcontact", "0")
    }

    /// The same as an answer to a transaction of these.
    pub(super) fn to(mut self, operations: Vec<Operation>) -> Answer {
        self.operations = operations;
        self
    }

    /// What a transaction consisted of.
    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// None, if there is no answer.
    pub(super) fn status(&self) -> Option<u16> {
        (self.status != 0).then_some(self.status)
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// What is sent, if anything is.
    pub(crate) fn into_response(self) -> Option<Response<Full<Bytes>>> {
        self.status()?;
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Some(response)
    }
}

/// A key as JSON shows it: every byte that is no UTF-8 as U+FFFD.
pub(super) fn text(key: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(key) {
        return text.into();
    }
    let mut text = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text.into()
}
