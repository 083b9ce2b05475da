//! All that was said in a lab, by whomever, in the order in which it was: one clock stamps all of it.

use std::future::pending;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Lab;
use super::hear::Hearing;
use crate::consul::Trace;
use crate::error::{Error, Kind, Result};
use crate::events::{Event, Events};
use crate::ring::{Item, Ring};

/// Who is heard beside what happens in the lab: its steps, faults, networks, containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Engines: what they do of their own accord.
    #[serde(default)]
    pub engine: bool,
    /// The store: what it is asked.
    #[serde(default)]
    pub store: bool,
    /// Kernels: what is changed in any namespace.
    #[serde(default)]
    pub netlink: bool,
}

impl Sources {
    /// Everybody.
    pub const ALL: Sources = Sources { engine: true, store: true, netlink: true };
}

/// What was said, and what is. Holding it is listening.
#[derive(Debug)]
pub struct Chronicle {
    events: Reader<Event>,
    engine: Option<Reader<Event>>,
    store: Option<Reader<crate::consul::Traced>>,
    netlink: Option<Reader<Event>>,
    _hearing: Option<Arc<Hearing>>,
    /// How many were forgotten before they were read.
    forgotten: u64,
}

/// A ring, and how far it was read.
#[derive(Debug)]
struct Reader<T> {
    ring: Ring<T>,
    from: u64,
}

impl<T: Item + Into<Event>> Reader<T> {
    /// From the first that is still known, or from now on.
    fn new(ring: &Ring<T>, from_now: bool) -> Reader<T> {
        Reader { ring: ring.clone(), from: if from_now { ring.next() } else { 0 } }
    }

    /// What has come, and how much that has come is forgotten already.
    fn take(&mut self) -> (Vec<Event>, u64) {
        let (more, next) = self.ring.since(self.from);
        let come = next - self.from;
        self.from = next;
        let forgotten = come.saturating_sub(more.len() as u64);
        (more.into_iter().map(Into::into).collect(), forgotten)
    }

    /// Waits until there is more; whether there will ever be.
    async fn more(&self) -> bool {
        !self.ring.follow(self.from).await.0.is_empty()
    }
}

/// Of who is not heard nothing comes.
async fn more<T: Item + Into<Event>>(reader: Option<&Reader<T>>) -> bool {
    match reader {
        Some(reader) => reader.more().await,
        None => pending().await,
    }
}

impl Lab {
    /// What was said so far by these, and what will be. Kernels are listened to from now on; what they told before is known only if
    /// somebody has listened.
    pub async fn chronicle(&self, sources: Sources) -> Result<Chronicle> {
        self.listen(sources, false).await
    }

    /// The same, only from now on.
    pub(crate) async fn chronicle_from_now(&self, sources: Sources) -> Result<Chronicle> {
        self.listen(sources, true).await
    }

    async fn listen(&self, sources: Sources, from_now: bool) -> Result<Chronicle> {
        let hearing = if sources.netlink { Some(self.hear().await?) } else { None };
        Ok(self.read(sources, hearing, from_now))
    }

    /// What was said so far, without listening to anybody who is not listened to. That kernels are not is an error, unless simply all
    /// that is known is asked for.
    pub fn said(&self, sources: Sources) -> Result<Vec<Event>> {
        let heard = self.heard();
        if sources.netlink && sources != Sources::ALL && heard.is_none() {
            let nobody = "nobody listens to the kernels of this lab; follow its events (`lab events -f --net`), or let it record: \
                          `record = { netlink = true }` in its file";
            return Err(Error::new(Kind::Input, nobody));
        }
        Ok(self.read(sources, heard, false).so_far())
    }

    /// All that is known of what was said, and how many are forgotten.
    pub(crate) fn all_said(&self) -> (Vec<Event>, u64) {
        let mut chronicle = self.read(Sources::ALL, self.heard(), false);
        (chronicle.so_far(), chronicle.forgotten())
    }

    fn read(&self, sources: Sources, hearing: Option<Arc<Hearing>>, from_now: bool) -> Chronicle {
        let (events, journal, trace): (&Events, &Events, &Trace) =
            (self.events(), self.journal(), self.trace());
        let notices = hearing.as_ref().filter(|_| sources.netlink).map(|hearing| hearing.notices());
        Chronicle {
            events: Reader::new(events, from_now),
            engine: sources.engine.then(|| Reader::new(journal, from_now)),
            store: sources.store.then(|| Reader::new(trace, from_now)),
            netlink: notices.map(|notices| Reader::new(notices, from_now)),
            _hearing: hearing,
            forgotten: 0,
        }
    }
}

impl Chronicle {
    /// What was said since it was last asked; perhaps nothing.
    pub fn so_far(&mut self) -> Vec<Event> {
        let read = [
            Some(self.events.take()),
            self.engine.as_mut().map(Reader::take),
            self.store.as_mut().map(Reader::take),
            self.netlink.as_mut().map(Reader::take),
        ];
        let mut all = Vec::new();
        for (events, forgotten) in read.into_iter().flatten() {
            all.extend(events);
            self.forgotten += forgotten;
        }
        // Stable: what came in one millisecond from one source stays in order.
        all.sort_by(|one, other| one.at.cmp(&other.at));
        all
    }

    /// How many were said that it could not tell of: of each source the last mebibyte is kept.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The same, but waits until that is something; nothing if nothing will ever come.
    pub async fn next(&mut self) -> Vec<Event> {
        loop {
            let all = self.so_far();
            if !all.is_empty() {
                return all;
            }
            let is_more = tokio::select! {
                is_more = self.events.more() => is_more,
                is_more = more(self.engine.as_ref()) => is_more,
                is_more = more(self.store.as_ref()) => is_more,
                is_more = more(self.netlink.as_ref()) => is_more,
            };
            if !is_more {
                return Vec::new();
            }
        }
    }
}
