//! What a step expects, and whether what came out is that. Pure: no clock, no kernel.

use std::fmt;
use std::time::Duration;

use super::limit::{Bound, Percent, Speed};
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
    /// Of traffic. Without limits: that something arrives.
    Traffic {
        /// The bits a second that arrive.
        rate: Option<Bound<Speed>>,
        /// The share of datagrams that do not arrive.
        loss: Option<Bound<Percent>>,
        /// The share of them that arrive twice.
        duplicates: Option<Bound<Percent>>,
        /// The share of them that others have overtaken.
        reordered: Option<Bound<Percent>>,
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
    /// Of requests to the store that are looked for.
    Requests {
        /// How many there are.
        count: Bound<u64>,
    },
    /// Of packets that are captured.
    Packets {
        /// How many there are.
        count: Bound<u64>,
    },
    /// Of what has changed.
    Changes {
        /// Each of these globs fits a change.
        all: Vec<String>,
        /// A change that fits none of those fits one of these.
        besides: Vec<String>,
    },
    /// Of what is said.
    Events {
        /// Each of these globs fits an event.
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

/// What came out of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Echo requests were sent.
    Echoes {
        /// How many.
        sent: u32,
        /// The round trips of those that were answered.
        round_trips: Vec<Duration>,
    },
    /// Traffic was sent.
    Traffic(Came),
    /// A command ended.
    Exit {
        /// Its exit status; 128 and the signal's number if a signal ended it.
        status: i32,
        /// What it printed.
        stdout: String,
        /// What it printed to its standard error.
        stderr: String,
    },
    /// A TCP connection or a UDP exchange: the answer, or why there was none.
    Answer(Result<String, String>),
    /// A key of the store. `None`: it is not there.
    Value(Option<String>),
    /// Keys of the store.
    Keys(Vec<String>),
    /// Requests to the store.
    Requests {
        /// Each in a line.
        found: Vec<String>,
        /// There may have been more: the trace has forgotten some.
        forgotten: bool,
    },
    /// Packets were captured.
    Packets {
        /// Each in a line.
        found: Vec<String>,
        /// How many there were beside them that could not be kept.
        lost: u64,
    },
    /// What has changed, each in a line.
    Changes(Vec<String>),
    /// What was said.
    Events {
        /// Each in a line.
        said: Vec<String>,
        /// How many there were beside them that were forgotten before they were read.
        forgotten: u64,
    },
    /// A name was looked up: what it has, or why that is not known.
    Found(Result<Vec<String>, String>),
    /// A request: what it shows, or why it was refused.
    Request(Result<String, String>),
    /// A fact, or why it does not hold.
    Fact(Result<(), String>),
}

/// What came of traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Bits a second that arrived.
    pub rate: Speed,
    /// Datagrams that were sent; of streams, nothing.
    pub sent: u64,
    /// Those that did not arrive.
    pub lost: u64,
    /// Those that arrived twice.
    pub duplicates: u64,
    /// Those that others have overtaken.
    pub reordered: u64,
    /// Why nothing could be sent, if so.
    pub why: Option<String>,
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
            (Self::Traffic { rate, loss, duplicates, reordered }, Outcome::Traffic(came)) => {
                judge_traffic(*rate, [*loss, *duplicates, *reordered], came)
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
            (Self::Keys { present, absent }, Outcome::Keys(keys)) => {
                judge_globs(("a", "key"), present, absent, keys, 0)
            }
            (Self::Events { present, absent }, Outcome::Events { said, forgotten }) => {
                judge_globs(("an", "event"), present, absent, said, *forgotten)
            }
            (Self::Requests { count }, Outcome::Requests { found, forgotten }) => judge_count(
                "requests",
                count,
                found,
                forgotten.then_some("the trace has forgotten older ones"),
            ),
            (Self::Packets { count }, Outcome::Packets { found, lost }) => {
                judge_count("packets", count, found, (*lost > 0).then_some("there was no room for more"))
            }
            (Self::Changes { all, besides }, Outcome::Changes(changes)) => {
                judge_changes(all, besides, changes)
            }
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
            Self::Echoes { loss, rtt: None } | Self::Traffic { rate: None, loss: Some(loss), .. } => {
                write!(f, "a loss of {loss}")
            }
            Self::Echoes { loss, rtt: Some(rtt) } => {
                write!(f, "a loss of {loss}, a median round trip of {rtt}")
            }
            Self::Traffic { rate: Some(rate), .. } => write!(f, "a rate of {rate}"),
            Self::Traffic { .. } => f.write_str("something to arrive"),
            Self::Exit { status, .. } => write!(f, "status {status}"),
            Self::Answer { came: true, .. } | Self::Found { records: None } => f.write_str("an answer"),
            Self::Answer { came: false, .. } => f.write_str("no answer"),
            Self::Value { exists: true, .. } => f.write_str("the key to be there"),
            Self::Value { exists: false, .. } => f.write_str("no such key"),
            Self::Keys { present, absent } => {
                f.write_str(&said_globs("a key", "no key", present, absent, "a list of keys"))
            }
            Self::Requests { count } => write!(f, "{count} such requests"),
            Self::Packets { count } => write!(f, "{count} such packets"),
            Self::Events { present, absent } => {
                f.write_str(&said_globs("an event", "no event", present, absent, "the steps to hold"))
            }
            Self::Changes { all, .. } if all.is_empty() => f.write_str("nothing to change"),
            Self::Changes { all, .. } => f.write_str(&all.join(", ")),
            Self::Found { records: Some(records) } => f.write_str(&listed(records)),
            Self::Done { .. } => f.write_str("success"),
            Self::Refused { .. } => f.write_str("an error"),
            Self::Holds => f.write_str("it to hold"),
        }
    }
}

/// Globs that are to fit something, and those that are to fit nothing; what is expected where there are none.
fn said_globs(some: &str, no: &str, present: &[String], absent: &[String], else_: &str) -> String {
    let present = present.iter().map(|glob| format!("{some} {glob}"));
    let all: Vec<String> = present.chain(absent.iter().map(|glob| format!("{no} {glob}"))).collect();
    if all.is_empty() { else_.to_owned() } else { all.join(", ") }
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

fn judge_traffic(
    rate: Option<Bound<Speed>>,
    shares: [Option<Bound<Percent>>; 3],
    came: &Came,
) -> Result<(), Mismatch> {
    let said = |what: String| match &came.why {
        Some(why) => format!("{what}: {why}"),
        None => what,
    };
    match rate {
        Some(rate) if !rate.admits(&came.rate) => {
            return mismatch(format!("a rate of {rate}"), said(came.rate.to_string()));
        }
        None if shares[0].is_none() && came.rate == Speed::default() => {
            return mismatch("something to arrive", said("nothing".to_owned()));
        }
        _ => {}
    }
    let [loss, duplicates, reordered] = shares;
    let counted = [
        ("a loss", loss, came.lost, "lost"),
        ("duplicates", duplicates, came.duplicates, "came twice"),
        ("reordered ones", reordered, came.reordered, "overtaken"),
    ];
    for (what, bound, part, word) in counted {
        if let Some(bound) = bound
            && !bound.admits_ratio(part, came.sent)
        {
            return mismatch(format!("{what} of {bound}"), said(format!("{part} of {} {word}", came.sent)));
        }
    }
    Ok(())
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

/// Keys or events, each in a line, and how many there were that are not known any more: what is to be absent may be among them.
fn judge_globs(
    (article, what): (&str, &str),
    present: &[String],
    absent: &[String],
    all: &[String],
    forgotten: u64,
) -> Result<(), Mismatch> {
    let lost = if forgotten > 0 { format!("{forgotten} more were forgotten; ") } else { String::new() };
    if let Some(glob) = present.iter().find(|glob| !all.iter().any(|one| fits(glob, one))) {
        return mismatch(format!("{article} {what} {glob}"), format!("{lost}{}", shown(&all.join("\n"))));
    }
    let found = absent.iter().find_map(|glob| all.iter().find(|one| fits(glob, one)).map(|one| (glob, one)));
    match (found, absent.first()) {
        (Some((glob, one)), _) => mismatch(format!("no {what} {glob}"), format!("the {what} {one}")),
        (None, Some(glob)) if forgotten > 0 => {
            mismatch(format!("no {what} {glob}"), format!("{lost}it may have been among them"))
        }
        (None, _) => Ok(()),
    }
}

/// Each glob fits a change, and each change a glob.
fn judge_changes(all: &[String], besides: &[String], changes: &[String]) -> Result<(), Mismatch> {
    let quoted = |lines: &mut dyn Iterator<Item = &String>| {
        let lines: Vec<String> = lines.map(|line| format!("{line:?}")).collect();
        if lines.is_empty() { "no change".to_owned() } else { lines.join(", ") }
    };
    if let Some(glob) = all.iter().find(|glob| !changes.iter().any(|change| fits(glob, change))) {
        return mismatch(format!("a change {glob:?}"), quoted(&mut changes.iter()));
    }
    let is_meant = |change: &&String| all.iter().chain(besides).any(|glob| fits(glob, change));
    let mut others = changes.iter().filter(|change| !is_meant(change)).peekable();
    match (others.peek(), all.is_empty()) {
        (None, _) => Ok(()),
        (_, true) => mismatch("nothing to change", quoted(&mut others)),
        (_, false) => mismatch("nothing else to change", quoted(&mut others)),
    }
}

/// The latest of many requests or packets that are shown.
const LATEST: usize = 3;

/// What there was `beside` may have been any number: a count holds that holds for more, too.
fn judge_count(
    what: &str,
    count: &Bound<u64>,
    found: &[String],
    beside: Option<&str>,
) -> Result<(), Mismatch> {
    let seen = u64::try_from(found.len()).unwrap_or(u64::MAX);
    if count.admits(&seen) && (beside.is_none() || count.admits(&u64::MAX)) {
        return Ok(());
    }
    let latest = found[found.len().saturating_sub(LATEST)..].join("\n");
    let mut got = format!("{seen}");
    if let Some(beside) = beside {
        got = format!("{got}, and {beside}");
    }
    if !latest.is_empty() {
        got = format!("{got}, at last {}", shown(&latest));
    }
    mismatch(format!("{count} such {what}"), got)
}

#[cfg(test)]
mod tests;
