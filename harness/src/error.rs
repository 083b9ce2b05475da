//! What went wrong, in a sentence, and whose matter it is.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// An error of the harness: a sentence that says what, to what and why.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    kind: Kind,
    message: String,
}

/// A result of this crate.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What callers decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No lab, host, container or network of that name, or several.
    NoSuch,
    /// The host is down.
    Down,
    /// The lab went down before it had answered.
    Gone,
    /// The engine or the store refused, as Docker or Consul would.
    Refused,
    /// What was expected did not come.
    Unmet,
    /// The file, or what was asked, makes no sense.
    Input,
    /// The machine or its kernel does not let us.
    Machine,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: Kind, message: impl Display) -> Error {
        Error { kind, message: message.to_string() }
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// There is nothing of that name; `known` is what there is.
    pub fn no_such<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        let known: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there is {}", known.join(", "))
        };
        Error::new(Kind::NoSuch, format_args!("no {what} is named `{name}`; {known}"))
    }

    /// The host is down.
    pub fn down(host: &str) -> Error {
        Error::new(Kind::Down, format_args!("host {host} is down"))
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The same sentence: this is what a test that returns it prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// An error with its causes, each once: `cannot X: cannot Y: why`.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Some say their cause themselves.
        if !text.ends_with(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Error {
        Error::new(Kind::Machine, sentence(&error))
    }
}

impl From<crate::topology::NameError> for Error {
    fn from(error: crate::topology::NameError) -> Error {
        Error::new(Kind::Input, error)
    }
}

impl From<overlay::Error> for Error {
    fn from(error: overlay::Error) -> Error {
        let kind = if error.is_not_found() { Kind::NoSuch } else { Kind::Refused };
        Error::new(kind, sentence(&error))
    }
}

impl From<overlay::kv::Error> for Error {
    fn from(error: overlay::kv::Error) -> Error {
        Error::new(Kind::Refused, sentence(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layer {
        #[error("cannot list")]
        Silent(#[source] Box<Layer>),
        #[error("cannot connect: {0}")]
        Telling(#[source] Box<Layer>),
        #[error("no route")]
        Bottom,
    }

    #[test]
    fn every_cause_is_said_once() {
        let error = Layer::Silent(Box::new(Layer::Telling(Box::new(Layer::Bottom))));
        assert_eq!(sentence(&error), "cannot list: cannot connect: no route");
    }
}
