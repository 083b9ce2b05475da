//! What happened in a lab, in order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ring::{Item, Ring};

/// What happened, in order.
pub type Events = Ring<Event>;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// What, as a word: `up`, `crash`, `exit`, `network`, `container`.
    pub what: String,
    /// In a sentence.
    pub text: String,
}

impl Item for Event {
    fn size(&self) -> usize {
        self.at.len() + self.what.len() + self.text.len() + size_of::<Event>()
    }
}

/// This moment, RFC 3339 in UTC with milliseconds: as text it sorts as time does.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

impl Events {
    pub(crate) fn say(&self, what: &str, text: impl fmt::Display) {
        self.push(Event { at: now(), what: what.to_owned(), text: text.to_string() });
    }
}
