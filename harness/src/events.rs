//! What happened in a lab, in order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::consul::Traced;
use crate::ring::{Item, Ring};

/// For how many attributes an event takes memory: as many as a node of the map has room for.
const ATTRIBUTES: usize = 11;

/// What happened, in order.
pub type Events = Ring<Event>;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// What, as a word: `up`, `crash`, `fault`, `network`, `container`, `store`.
    pub what: String,
    /// In a sentence.
    pub text: String,
    /// What the store was asked, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<Traced>>,
    /// What `docker events` would say, of what it says anything of.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<Box<DockerEvent>>,
}

/// An event in the words and the shape of `docker events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerEvent {
    /// `network` or `container`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Of a network `create`, `connect`, `disconnect`, `destroy`; of a container `create`, `start`, `die`, `destroy`.
    pub action: String,
    /// What it happened to.
    pub actor: Actor,
}

/// What an event happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Actor {
    /// Its id: 64 hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `name`, `type`, `container`, `exitCode`; and `host`, since Docker's events are each daemon's own.
    pub attributes: BTreeMap<String, String>,
}

impl DockerEvent {
    /// A network's, on a host.
    pub(crate) fn network(action: &str, id: impl fmt::Display, name: &str, host: &str) -> DockerEvent {
        DockerEvent::new("network", action, id, name, host).with("type", "overlay")
    }

    /// A container's, on its host.
    pub(crate) fn container(action: &str, id: impl fmt::Display, name: &str, host: &str) -> DockerEvent {
        DockerEvent::new("container", action, id, name, host)
    }

    fn new(kind: &str, action: &str, id: impl fmt::Display, name: &str, host: &str) -> DockerEvent {
        let actor = Actor { id: format!("{id:#}"), attributes: BTreeMap::new() };
        DockerEvent { kind: kind.to_owned(), action: action.to_owned(), actor }
            .with("name", name)
            .with("host", host)
    }

    /// The same, with an attribute more.
    pub(crate) fn with(mut self, attribute: &str, value: impl fmt::Display) -> DockerEvent {
        self.actor.attributes.insert(attribute.to_owned(), value.to_string());
        self
    }
}

/// What the store was asked, as an event: made for who reads it, and kept in the trace alone.
impl From<Traced> for Event {
    fn from(traced: Traced) -> Event {
        let (at, text) = (traced.at.clone(), traced.to_string());
        Event { at, what: "store".to_owned(), text, request: Some(Box::new(traced)), docker: None }
    }
}

impl Item for Event {
    fn size(&self) -> usize {
        let docker = self.docker.as_ref().map_or(0, |docker| {
            let texts = [&docker.kind, &docker.action, &docker.actor.id].map(String::len);
            let attributes = docker.actor.attributes.iter().map(|(name, value)| name.len() + value.len());
            let lengths = texts.into_iter().chain(attributes).sum::<usize>();
            lengths + size_of::<DockerEvent>() + ATTRIBUTES * size_of::<(String, String)>()
        });
        self.at.len() + self.what.len() + self.text.len() + docker + size_of::<Event>()
    }
}

/// This moment, RFC 3339 in UTC with milliseconds: as text it sorts as time does.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

impl Events {
    pub(crate) fn say(&self, what: &str, text: impl fmt::Display) {
        self.push(Event {
            at: now(),
            what: what.to_owned(),
            text: text.to_string(),
            request: None,
            docker: None,
        });
    }

    /// Says what Docker would say, and where: `more` follows the action.
    pub(crate) fn tell(&self, docker: DockerEvent, more: impl fmt::Display) {
        let text = format!("{} {more}", docker.action);
        let (what, docker) = (docker.kind.clone(), Some(Box::new(docker)));
        self.push(Event { at: now(), what, text, request: None, docker });
    }
}
