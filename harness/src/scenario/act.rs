//! What a step does at each try: its verb, or a look at what has changed.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use super::expect::Outcome;
use super::perform::{Tried, perform};
use super::step::{Diff, Verb};
use crate::diff::{self, Change};
use crate::error::Result;
use crate::events::Event;
use crate::lab::{Chronicle, Lab, Sources};

/// What is done at each try.
pub(super) enum Act<'a> {
    /// What a verb says.
    Verb(&'a Verb),
    /// The lab is held against how it was.
    Compare(&'a Diff, Compared),
    /// What was said since is listened to.
    Hear(Heard),
}

impl Act<'_> {
    pub(super) async fn try_once(&self, lab: &Lab) -> Tried {
        match self {
            Act::Verb(verb) => perform(lab, verb).await,
            Act::Hear(heard) => heard.so_far(lab).await.into(),
            Act::Compare(verb, before) => before.compare(lab, verb).await.map(Outcome::Changes).into(),
        }
    }
}

/// What was said from one moment on.
#[derive(Debug)]
pub(super) struct Heard(Mutex<Listener>);

#[derive(Debug)]
struct Listener {
    chronicle: Chronicle,
    events: Vec<Event>,
    /// What overlays are called by, those too that are gone: the names of their networks.
    names: BTreeMap<String, String>,
}

impl Heard {
    pub(super) async fn from_now(lab: &Lab) -> Result<Heard> {
        let chronicle = lab.chronicle_from_now(Sources::ALL).await?;
        Ok(Heard(Mutex::new(Listener { chronicle, events: Vec::new(), names: lab.overlay_names()? })))
    }

    /// Reads on, while something is done: what is said is kept for a while only.
    pub(super) async fn meanwhile<T>(&self, lab: &Lab, done: impl Future<Output = T>) -> T {
        let mut done = std::pin::pin!(done);
        loop {
            let mut heard = self.0.lock().await;
            tokio::select! {
                biased;
                done = &mut done => return done,
                more = heard.chronicle.next() => {
                    let is_end = more.is_empty();
                    heard.events.extend(more);
                    // What cannot be named is called as its kernel does.
                    heard.names.extend(lab.overlay_names().unwrap_or_default());
                    if is_end {
                        drop(heard);
                        return done.await;
                    }
                }
            }
        }
    }

    /// All of it, an event in a line: who says it, and what; overlays by the names of their networks.
    async fn so_far(&self, lab: &Lab) -> Result<Outcome> {
        let mut heard = self.0.lock().await;
        let Listener { chronicle, events, names } = &mut *heard;
        events.extend(chronicle.so_far());
        names.extend(lab.overlay_names()?);
        let line = |event: &Event| {
            let text = match &event.change {
                Some(change) => Change::clone(change).calling(names).to_string(),
                None => event.text.clone(),
            };
            format!("{} {text}", event.what)
        };
        Ok(Outcome::Events { said: events.iter().map(line).collect(), forgotten: chronicle.forgotten() })
    }
}

/// How a lab was.
pub(super) struct Compared {
    state: diff::State,
    /// What its overlays are called by: the names of their networks.
    names: BTreeMap<String, String>,
}

impl Compared {
    pub(super) async fn now(lab: &Lab) -> Result<Compared> {
        Ok(Compared { state: lab.state().await?, names: lab.overlay_names()? })
    }

    /// What is otherwise now, each in a line.
    async fn compare(&self, lab: &Lab, verb: &Diff) -> Result<Vec<String>> {
        let mut now = Compared::now(lab).await?;
        now.names.extend(self.names.clone());
        let [before, after] = [&self.state, &now.state].map(|state| state.clone().only(&verb.on));
        Ok(diff::diff(&before, &after, verb.take).calling(&now.names).lines())
    }
}
