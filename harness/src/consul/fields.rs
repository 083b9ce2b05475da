//! The fields of a JSON body. Names match without case, unknown ones are ignored, and null is as nothing.

use super::answer::Answer;
use bytes::Bytes;
use overlay::kv::store::GoDuration;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// An object, by names in lower case.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, (String, Value)>);

/// What is wrong with a field.
pub(super) type Wrong = String;

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Fields, Wrong> {
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(Fields::of(fields))
    }

    /// The same of a request's body, whose mistakes are the client's.
    pub(super) fn of_body(body: &Bytes) -> Result<Fields, Answer> {
        Fields::parse(body).map_err(undecodable)
    }

    fn of(fields: Map<String, Value>) -> Fields {
        let there = fields.into_iter().filter(|(_, value)| !value.is_null());
        Fields(there.map(|(name, value)| (name.to_ascii_lowercase(), (name, value))).collect())
    }

    /// Takes a field as it is. Of several names the first that is there.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<(String, Value)> {
        names.iter().find_map(|name| self.0.remove(*name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn string(&mut self, names: &[&str]) -> Result<Option<String>, Wrong> {
        self.take(names).map(|(name, value)| string(&name, value)).transpose()
    }

    pub(super) fn strings(&mut self, names: &[&str]) -> Result<Option<Vec<String>>, Wrong> {
        let strings = |(name, value): (String, Value)| match value {
            Value::Array(values) => values.into_iter().map(|value| string(&name, value)).collect(),
            other => Err(wrong(&name, &other)),
        };
        self.take(names).map(strings).transpose()
    }

    /// Text by name.
    pub(super) fn texts(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>, Wrong> {
        match self.take(names) {
            None => Ok(BTreeMap::new()),
            Some((name, Value::Object(fields))) => {
                let text = |(key, value): (String, Value)| Ok((key, string(&name, value)?));
                fields.into_iter().map(text).collect()
            }
            Some((name, other)) => Err(wrong(&name, &other)),
        }
    }

    pub(super) fn object(&mut self, names: &[&str]) -> Result<Option<Fields>, Wrong> {
        let object = |(name, value): (String, Value)| match value {
            Value::Object(fields) => Ok(Fields::of(fields)),
            other => Err(wrong(&name, &other)),
        };
        self.take(names).map(object).transpose()
    }

    pub(super) fn objects(&mut self, names: &[&str]) -> Result<Vec<Fields>, Wrong> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some((name, Value::Array(values))) => {
                let object = |value| match value {
                    Value::Object(fields) => Ok(Fields::of(fields)),
                    other => Err(wrong(&name, &other)),
                };
                values.into_iter().map(object).collect()
            }
            Some((name, other)) => Err(wrong(&name, &other)),
        }
    }

    pub(super) fn flag(&mut self, names: &[&str]) -> Result<bool, Wrong> {
        match self.take(names) {
            None => Ok(false),
            Some((_, Value::Bool(flag))) => Ok(flag),
            Some((name, other)) => Err(wrong(&name, &other)),
        }
    }

    pub(super) fn port(&mut self, names: &[&str]) -> Result<u16, Wrong> {
        match self.take(names) {
            None => Ok(0),
            Some((name, value)) => {
                let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
                port.ok_or_else(|| wrong(&name, &value))
            }
        }
    }

    /// A duration as Go writes them. Nothing and nothing positive are none.
    pub(super) fn duration(&mut self, names: &[&str]) -> Result<Option<Duration>, Wrong> {
        match self.string(names)?.filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => Ok(GoDuration::parse(&text).map_err(|why| why.to_string())?.positive()),
        }
    }
}

/// The answer to a body that makes no sense.
pub(super) fn undecodable(why: impl std::fmt::Display) -> Answer {
    Answer::error(400, format!("Request decode failed: {why}"))
}

pub(super) fn wrong(name: &str, value: &Value) -> Wrong {
    format!("field {name} cannot be {value}")
}

fn string(name: &str, value: Value) -> Result<String, Wrong> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        other => Err(wrong(name, &other)),
    }
}
