//! What a step expects, and whether what came out is that. Pure: no clock, no kernel.

use std::fmt;
use std::time::Duration;

use super::limit::{Bound, Percent};
use super::outcome::Outcome;
use super::text::{Text, fits, shown};
use crate::topology::show_duration;

/// What is expected of a step. Each variant judges the outcome of its verbs.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// Of echo requests.
    Echoes {
        /// The share of them without an answer.
        loss: Bound<Percent>,
        /// The median round trip.
        rtt: Option<Bound<Duration>>,
    },
    /// Of a command.
    Exit {
        /// Its exit status.
        status: i32,
        /// What it printed.
        stdout: Vec<Text>,
        /// What it printed to its standard error.
        stderr: Vec<Text>,
    },
    /// Of a TCP connection or a UDP datagram.
    Answer {
        /// Whether the connection came about, or the answer came.
        came: bool,
        /// What was answered.
        reply: Vec<Text>,
    },
    /// Of a key of the store.
    Value {
        /// Whether it is there.
        exists: bool,
        /// Its value.
        value: Vec<Text>,
    },
    /// Of a list of keys.
    Keys {
        /// Each of these globs fits one.
        present: Vec<String>,
        /// None of these fits any.
        absent: Vec<String>,
    },
    /// Of a name that is looked up.
    Found {
        /// Exactly these addresses or names, in any order. `None`: any at all.
        records: Option<Vec<String>>,
    },
    /// Of a request that can be refused: it is done.
    Done {
        /// What it shows.
        output: Vec<Text>,
    },
    /// Of a request that can be refused: it is.
    Refused {
        /// With this error.
        error: Vec<Text>,
    },
    /// Of a fact: it holds.
    Holds,
}

/// An outcome that is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got}")]
pub struct Mismatch {
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub got: String,
}

fn mismatch<T>(expected: impl fmt::Display, got: impl fmt::Display) -> Result<T, Mismatch> {
    Err(Mismatch { expected: expected.to_string(), got: got.to_string() })
}

impl Expect {
    /// Judges an outcome.
    pub fn judge(&self, outcome: &Outcome) -> Result<(), Mismatch> {
        match (self, outcome) {
            (Self::Echoes { loss, rtt }, Outcome::Echoes { sent, round_trips }) => {
                judge_echoes(*loss, rtt.as_ref(), *sent, round_trips)
            }
            (
                Self::Exit { status, stdout, stderr },
                Outcome::Exit { status: got, stdout: out, stderr: err },
            ) => {
                if got != status {
                    let last = if err.trim().is_empty() { out } else { err };
                    return mismatch(
                        format!("status {status}"),
                        format!("status {got}, saying {}", shown(last)),
                    );
                }
                judge_text("stdout", stdout, out)?;
                judge_text("stderr", stderr, err)
            }
            (Self::Answer { came, reply }, Outcome::Answer(answer)) => judge_answer(*came, reply, answer),
            (Self::Value { exists, value }, Outcome::Value(found)) => {
                judge_value(*exists, value, found.as_deref())
            }
            (Self::Keys { present, absent }, Outcome::Keys(keys)) => judge_keys(present, absent, keys),
            (Self::Done { output }, Outcome::Request(Ok(text))) => judge_text("output", output, text),
            (Self::Done { .. }, Outcome::Request(Err(why))) => {
                mismatch("success", format!("the error: {why}"))
            }
            (Self::Found { records }, Outcome::Found(Ok(found))) => judge_found(records.as_deref(), found),
            (Self::Found { .. }, Outcome::Found(Err(why))) => mismatch(self, why),
            (Self::Refused { .. }, Outcome::Found(Ok(found))) => mismatch("an error", listed(found)),
            (Self::Refused { error }, Outcome::Request(Err(why)) | Outcome::Found(Err(why))) => {
                judge_text("error", error, why)
            }
            (Self::Refused { .. }, Outcome::Request(Ok(_))) => mismatch("an error", "success"),
            (Self::Holds, Outcome::Fact(Ok(()))) => Ok(()),
            (Self::Holds, Outcome::Fact(Err(why))) => mismatch("it to hold", why),
            _ => mismatch("the outcome of another verb", format!("{outcome:?}")),
        }
    }
}

/// What is expected, when nothing came that it could be compared with.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echoes { loss, rtt: None } => write!(f, "a loss of {loss}"),
            Self::Echoes { loss, rtt: Some(rtt) } => {
                write!(f, "a loss of {loss}, a median round trip of {rtt}")
            }
            Self::Exit { status, .. } => write!(f, "status {status}"),
            Self::Answer { came: true, .. } | Self::Found { records: None } => f.write_str("an answer"),
            Self::Answer { came: false, .. } => f.write_str("no answer"),
            Self::Value { exists: true, .. } => f.write_str("the key to be there"),
            Self::Value { exists: false, .. } => f.write_str("no such key"),
            Self::Keys { present, absent } => {
                let present = present.iter().map(|glob| format!("a key {glob}"));
                let all: Vec<String> =
                    present.chain(absent.iter().map(|glob| format!("no key {glob}"))).collect();
                f.write_str(if all.is_empty() { "a list of keys" } else { "" })?;
                f.write_str(&all.join(", "))
            }
            Self::Found { records: Some(records) } => f.write_str(&listed(records)),
            Self::Done { .. } => f.write_str("success"),
            Self::Refused { .. } => f.write_str("an error"),
            Self::Holds => f.write_str("it to hold"),
        }
    }
}

fn judge_echoes(
    loss: Bound<Percent>,
    rtt: Option<&Bound<Duration>>,
    sent: u32,
    round_trips: &[Duration],
) -> Result<(), Mismatch> {
    let answered = u32::try_from(round_trips.len()).unwrap_or(u32::MAX).min(sent);
    let got = || format!("{answered} of {sent} answered");
    if !loss.admits_ratio(sent - answered, sent) {
        return mismatch(format!("a loss of {loss}"), got());
    }
    let Some(bound) = rtt else { return Ok(()) };
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    match sorted.get(sorted.len() / 2) {
        Some(median) if bound.admits(median) => Ok(()),
        Some(median) => mismatch(format!("a median round trip of {bound}"), show_duration(*median)),
        None => mismatch(format!("a median round trip of {bound}"), "no answer"),
    }
}

fn judge_answer(came: bool, reply: &[Text], answer: &Result<String, String>) -> Result<(), Mismatch> {
    match (came, answer) {
        (true, Ok(text)) => judge_text("reply", reply, text),
        (true, Err(why)) => mismatch("an answer", why),
        (false, Err(_)) => Ok(()),
        // A connection alone: nothing was read from it.
        (false, Ok(text)) if text.is_empty() => mismatch("no connection", "one"),
        (false, Ok(text)) => mismatch("no answer", shown(text)),
    }
}

/// In any order: servers draw one.
fn judge_found(records: Option<&[String]>, found: &[String]) -> Result<(), Mismatch> {
    let sorted = |all: &[String]| {
        let mut all = all.to_vec();
        all.sort();
        all
    };
    match records {
        Some(records) if sorted(records) == sorted(found) => Ok(()),
        Some(records) => mismatch(listed(records), listed(found)),
        None if found.is_empty() => mismatch("an answer", listed(found)),
        None => Ok(()),
    }
}

/// What a name has.
fn listed(records: &[String]) -> String {
    if records.is_empty() { "nothing of this type".to_owned() } else { records.join(", ") }
}

fn judge_value(exists: bool, value: &[Text], found: Option<&str>) -> Result<(), Mismatch> {
    match (exists, found) {
        (true, Some(text)) => judge_text("value", value, text),
        (true, None) => mismatch("the key to be there", "no such key"),
        (false, None) => Ok(()),
        (false, Some(text)) => mismatch("no such key", format!("the value {}", shown(text))),
    }
}

fn judge_text(what: &str, conditions: &[Text], text: &str) -> Result<(), Mismatch> {
    match conditions.iter().find(|condition| !condition.holds(text)) {
        None => Ok(()),
        Some(condition) => mismatch(format!("{what} to be {condition}"), shown(text)),
    }
}

fn judge_keys(present: &[String], absent: &[String], keys: &[String]) -> Result<(), Mismatch> {
    if let Some(glob) = present.iter().find(|glob| !keys.iter().any(|key| fits(glob, key))) {
        return mismatch(format!("a key {glob}"), shown(&keys.join("\n")));
    }
    let found = absent.iter().find_map(|glob| keys.iter().find(|key| fits(glob, key)).map(|key| (glob, key)));
    match found {
        Some((glob, key)) => mismatch(format!("no key {glob}"), format!("the key {key}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
