//! What is otherwise, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::object::{Object, Value};

/// The version of the format in which changes are written as JSON.
const VERSION: u32 = 1;

/// All that is otherwise, by namespace, kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The version of this format.
    pub version: u32,
    /// Each.
    pub changes: Vec<Change>,
}

/// An object that is otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    #[serde(flatten)]
    pub object: Object,
    /// In which way.
    #[serde(rename = "change")]
    pub what: What,
    /// What is said of it; if it has changed, only what is otherwise.
    pub fields: Vec<Field>,
}

/// In which way an object is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It was there and is not.
    Removed,
    /// It is the same one, and otherwise.
    Changed,
    /// It is there and was not.
    Added,
}

/// What is said of an object before and after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    /// What that is called.
    pub field: String,
    /// Before; `None`: nothing.
    pub from: Option<Value>,
    /// After.
    pub to: Option<Value>,
}

impl Changes {
    pub(super) fn new(changes: Vec<Change>) -> Changes {
        Changes { version: VERSION, changes }
    }

    /// Whether nothing is otherwise.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What is otherwise the other way round.
    #[must_use]
    pub fn reversed(self) -> Changes {
        let mut changes: Vec<Change> = self.changes.into_iter().map(Change::reversed).collect();
        changes.sort();
        Changes { changes, ..self }
    }

    /// With namespaces called otherwise: by what they are called, what they are to be called.
    #[must_use]
    pub fn calling(mut self, names: &BTreeMap<String, String>) -> Changes {
        self.changes = self.changes.into_iter().map(|change| change.calling(names)).collect();
        self
    }

    /// Each, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.changes.iter()
    }

    /// A line each.
    pub fn lines(&self) -> Vec<String> {
        self.changes.iter().map(ToString::to_string).collect()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.iter()
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

impl Change {
    /// With its namespace called otherwise.
    #[must_use]
    pub(crate) fn calling(mut self, names: &BTreeMap<String, String>) -> Change {
        if let Some(name) = names.get(&self.object.namespace) {
            self.object.namespace.clone_from(name);
        }
        self
    }

    fn reversed(self) -> Change {
        let what = match self.what {
            What::Added => What::Removed,
            What::Changed => What::Changed,
            What::Removed => What::Added,
        };
        let fields = self.fields.into_iter().map(|field| Field { from: field.to, to: field.from, ..field });
        Change { what, fields: fields.collect(), ..self }
    }

    /// Without its namespace: `+ fdb 02:42:c0:a8:00:64 dev vxlan1 self behind 10.0.0.10 permanent`,
    /// `~ link eth0: mtu 1450 -> 1400`.
    pub fn short(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let sign = match self.what {
                What::Removed => '-',
                What::Changed => '~',
                What::Added => '+',
            };
            write!(f, "{sign} {}", self.object)?;
            for (number, field) in self.fields.iter().enumerate() {
                match (self.what, number) {
                    (What::Changed, 0) => f.write_str(": ")?,
                    (What::Changed, _) => f.write_str(", ")?,
                    _ => f.write_str(" ")?,
                }
                field.show(self.what, f)?;
            }
            Ok(())
        })
    }
}

/// With its namespace: `C0: ~ link eth0: mtu 1450 -> 1400`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object.namespace, self.short())
    }
}

/// What is called so has no name beside it: a setting has but one.
const NAMELESS: &str = "value";

impl Field {
    /// Of what has changed: `mtu 1450 -> 1400`, `master none -> br0`, `now up`, `no longer up`; of what came or went: `mtu 1450`,
    /// `up`.
    fn show(&self, what: What, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field { field, from, to } = self;
        let flag = |value: &Option<Value>| matches!(value, Some(Value::Flag(_)));
        if flag(from) || flag(to) {
            f.write_str(match (what, to) {
                (What::Changed, Some(_)) => "now ",
                (What::Changed, None) => "no longer ",
                _ => "",
            })?;
            return f.write_str(field);
        }
        if field != NAMELESS {
            write!(f, "{field} ")?;
        }
        let said = |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), Value::to_string);
        match what {
            What::Removed => f.write_str(&said(from)),
            What::Changed => write!(f, "{} -> {}", said(from), said(to)),
            What::Added => f.write_str(&said(to)),
        }
    }
}

/// By namespace; a line each.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for change in self {
            let namespace = &change.object.namespace;
            if before != Some(namespace) {
                writeln!(f, "{}{namespace}", if before.is_some() { "\n" } else { "" })?;
                before = Some(namespace);
            }
            writeln!(f, "  {}", change.short())?;
        }
        Ok(())
    }
}
