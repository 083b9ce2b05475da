//! What the store was asked, by whom, and what it answered.

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use hyper::Request;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::request::{Query, decode};
use crate::events::now;
use crate::ring::{Item, Ring};
use crate::topology::HostName;

/// The latest requests, the earliest first: a mebibyte of them, which are three thousand or so.
pub type Trace = Ring<Traced>;

/// By this header a request says which container it is from; by its address nobody could tell.
pub const CONTAINER: &str = "x-lab-container";

/// Where keys are.
const KV: &[u8] = b"/v1/kv/";

/// A request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// When it was answered, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The host that it came from, if it is one of the lab's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The container, as far as it says so itself: by the header `X-Lab-Container`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The address that it came from.
    pub address: IpAddr,
    /// `GET`, `PUT`, `DELETE`.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// The key or prefix that it names, below `/v1/kv/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a transaction consists of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// The index that it blocks on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The answer's status. None: there was none; the connection ended, whoever ended it.
    pub status: Option<u16>,
    /// How long that took, in microseconds.
    pub took_us: u64,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// As in the API: `set`, `cas`, `check-index`.
    pub verb: String,
    /// The key or prefix.
    pub key: String,
    /// Whether it writes, if all goes well.
    pub writes: bool,
}

impl Traced {
    /// The keys and prefixes that it names, and whether it would write them.
    pub fn keys(&self) -> impl Iterator<Item = (&str, bool)> {
        let own = self.key.as_deref().map(|key| (key, self.method != "GET"));
        own.into_iter()
            .chain(self.operations.iter().map(|operation| (operation.key.as_str(), operation.writes)))
    }
}

impl Item for Traced {
    fn size(&self) -> usize {
        let host = self.host.as_ref().map_or(0, |host| host.as_str().len());
        let texts = [
            Some(&self.at),
            self.container.as_ref(),
            Some(&self.method),
            Some(&self.target),
            self.key.as_ref(),
        ];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let operations =
            self.operations.iter().map(|op| op.verb.len() + op.key.len() + size_of::<Operation>());
        size_of::<Traced>() + host + texts + operations.sum::<usize>()
    }
}

/// `docker1 PUT /v1/kv/a 200, 0.412 ms`; `docker1/C0` for a container, `-` for a request without an answer.
impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => host.fmt(f)?,
            None => self.address.fmt(f)?,
        }
        if let Some(container) = &self.container {
            write!(f, "/{container}")?;
        }
        write!(f, " {} {}", self.method, self.target)?;
        match self.status {
            Some(status) => write!(f, " {status}")?,
            None => f.write_str(" -")?,
        }
        write!(f, ", {}.{:03} ms", self.took_us / 1000, self.took_us % 1000)?;
        for (number, operation) in self.operations.iter().enumerate() {
            write!(f, "{}{} {}", if number == 0 { ": " } else { ", " }, operation.verb, operation.key)?;
        }
        Ok(())
    }
}

/// A request that is under way. When it ends, with an answer or without, it is in the trace.
pub(super) struct UnderWay<'a> {
    trace: &'a Trace,
    begun: Instant,
    traced: Option<Traced>,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new<B>(
        trace: &'a Trace,
        request: &Request<B>,
        address: IpAddr,
        host: Option<&HostName>,
    ) -> UnderWay<'a> {
        let uri = request.uri();
        let path = decode(uri.path().as_bytes()).unwrap_or_default();
        let key = path.strip_prefix(KV).map(|key| String::from_utf8_lossy(key).into_owned());
        let query = uri.query().and_then(|query| Query::parse(query).ok()).unwrap_or_default();
        let container = request.headers().get(CONTAINER).and_then(|name| name.to_str().ok());
        let traced = Traced {
            at: String::new(),
            host: host.cloned(),
            container: container.map(str::to_owned),
            address,
            method: request.method().to_string(),
            target: uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string),
            key,
            operations: Vec::new(),
            index: query.get("index").and_then(|index| index.parse().ok()).filter(|index| *index > 0),
            status: None,
            took_us: 0,
        };
        UnderWay { trace, begun: Instant::now(), traced: Some(traced) }
    }

    /// Ends with that answer.
    pub(super) fn answered(mut self, answer: &Answer) {
        if let Some(traced) = &mut self.traced {
            traced.status = answer.status();
            traced.operations = answer.operations().to_vec();
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(mut traced) = self.traced.take() else { return };
        traced.at = now();
        traced.took_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.trace.push(traced);
    }
}
