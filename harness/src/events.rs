//! What happened in a lab, in order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::consul::Traced;
use crate::diff::{Change, Field};
use crate::fault::FaultId;
use crate::ring::{Item, Ring};

/// For how many attributes an event takes memory: as many as a node of the map has room for.
const ATTRIBUTES: usize = 11;

/// The word of what kernels tell.
const NETLINK: &str = "netlink";

/// What happened, in order.
pub type Events = Ring<Event>;

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// What, as a word: `up`, `step`, `fault`, `crash`, `network`, `container`; `engine`, `store`, `netlink`.
    pub what: String,
    /// In a sentence.
    pub text: String,
    /// What the store was asked, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<Traced>>,
    /// What a kernel has told, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<Change>>,
    /// What begins with it or ends, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Box<Edge>>,
    /// What `docker events` would say, of what it says anything of.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<Box<DockerEvent>>,
}

/// The beginning or the end of something that takes its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Of what.
    pub of: Span,
    /// It begins; else it ends.
    pub begins: bool,
    /// What comes of it, at the end of a step: `held`, `failed`, `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The hosts that it is about; none: all of the lab, or its switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// What takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// A step of a scenario, by its place from 1.
    Step(u64),
    /// A fault, by its number.
    Fault(FaultId),
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
        Event { at, what: "store".to_owned(), text, request: Some(Box::new(traced)), ..Event::default() }
    }
}

/// What a kernel has told, as an event of this moment.
impl From<Change> for Event {
    fn from(change: Change) -> Event {
        let text = change.to_string();
        Event {
            at: now(),
            what: NETLINK.to_owned(),
            text,
            change: Some(Box::new(change)),
            ..Event::default()
        }
    }
}

/// What a change takes, about, but for its text.
fn size_of_change(change: &Change) -> usize {
    let field = |field: &Field| field.field.len() + size_of::<Field>();
    size_of::<Change>() + change.fields.iter().map(field).sum::<usize>()
}

impl Item for Event {
    fn size(&self) -> usize {
        let docker = self.docker.as_ref().map_or(0, |docker| {
            let texts = [&docker.kind, &docker.action, &docker.actor.id].map(String::len);
            let attributes = docker.actor.attributes.iter().map(|(name, value)| name.len() + value.len());
            let lengths = texts.into_iter().chain(attributes).sum::<usize>();
            lengths + size_of::<DockerEvent>() + ATTRIBUTES * size_of::<(String, String)>()
        });
        let change = self.change.as_ref().map_or(0, |change| size_of_change(change) + self.text.len());
        let edge = self.edge.as_ref().map_or(0, |edge| {
            size_of::<Edge>() + edge.hosts.iter().map(|host| host.len() + size_of::<String>()).sum::<usize>()
        });
        let texts = self.at.len() + self.what.len() + self.text.len();
        texts + docker + change + edge + size_of::<Event>()
    }
}

/// This moment, RFC 3339 in UTC with milliseconds: as text it sorts as time does.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

impl Events {
    pub(crate) fn say(&self, what: &str, text: impl fmt::Display) {
        self.push(Event { at: now(), what: what.to_owned(), text: text.to_string(), ..Event::default() });
    }

    /// Says that something begins or ends.
    pub(crate) fn mark(&self, what: &str, edge: Edge, text: impl fmt::Display) {
        let (text, edge) = (text.to_string(), Some(Box::new(edge)));
        self.push(Event { at: now(), what: what.to_owned(), text, edge, ..Event::default() });
    }

    /// Says what Docker would say, and where: `more` follows the action.
    pub(crate) fn tell(&self, docker: DockerEvent, more: impl fmt::Display) {
        let text = format!("{} {more}", docker.action);
        let (what, docker) = (docker.kind.clone(), Some(Box::new(docker)));
        self.push(Event { at: now(), what, text, docker, ..Event::default() });
    }
}
