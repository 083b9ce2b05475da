//! What a step expects, and whether what came out is that. Pure: no clock, no kernel.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::text::{Text, fits, shown};
use crate::topology::{parse_duration, show_duration};

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
    /// A request: what it shows, or why it was refused.
    Request(Result<String, String>),
    /// A fact, or why it does not hold.
    Fact(Result<(), String>),
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
                judge_echoes(loss, rtt.as_ref(), *sent, round_trips)
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
            (Self::Answer { came: false, .. }, Outcome::Answer(Err(_))) => Ok(()),
            (Self::Answer { came: false, .. }, Outcome::Answer(Ok(text))) if text.is_empty() => {
                mismatch("no answer", "one")
            }
            (Self::Answer { came: false, .. }, Outcome::Answer(Ok(text))) => {
                mismatch("no answer", format!("the answer {}", shown(text)))
            }
            (Self::Answer { came: true, .. }, Outcome::Answer(Err(why))) => mismatch("an answer", why),
            (Self::Answer { came: true, reply }, Outcome::Answer(Ok(text))) => {
                judge_text("reply", reply, text)
            }
            (Self::Value { exists: false, .. }, Outcome::Value(None)) => Ok(()),
            (Self::Value { exists: false, .. }, Outcome::Value(Some(value))) => {
                mismatch("no such key", format!("the value {}", shown(value)))
            }
            (Self::Value { exists: true, .. }, Outcome::Value(None)) => mismatch("the key", "no such key"),
            (Self::Value { exists: true, value }, Outcome::Value(Some(text))) => {
                judge_text("value", value, text)
            }
            (Self::Keys { present, absent }, Outcome::Keys(keys)) => judge_keys(present, absent, keys),
            (Self::Done { output }, Outcome::Request(Ok(text))) => judge_text("output", output, text),
            (Self::Done { .. }, Outcome::Request(Err(why))) => {
                mismatch("success", format!("the error: {why}"))
            }
            (Self::Refused { error }, Outcome::Request(Err(why))) => judge_text("error", error, why),
            (Self::Refused { .. }, Outcome::Request(Ok(_))) => mismatch("an error", "success"),
            (Self::Holds, Outcome::Fact(Ok(()))) => Ok(()),
            (Self::Holds, Outcome::Fact(Err(why))) => mismatch("it to hold", why),
            _ => mismatch("the outcome of another verb", format!("{outcome:?}")),
        }
    }
}

fn judge_echoes(
    loss: &Bound<Percent>,
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

/// A share in thousandths of a percent, so that it compares exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

/// A limit on a value: `0%`, `<=10%`, `>5ms`. Without a sign it is the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<T> {
    sign: Sign,
    limit: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Sign {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    fn split(text: &str) -> (Self, &str) {
        let signs = [("<=", Self::AtMost), ("<", Self::Less), (">=", Self::AtLeast), (">", Self::More)];
        let found = signs.iter().find_map(|(mark, sign)| text.strip_prefix(mark).map(|rest| (*sign, rest)));
        let (sign, rest) = found.unwrap_or((Self::Equal, text));
        (sign, rest.trim())
    }
}

impl<T: Ord> Bound<T> {
    /// Whether a value is within the limit.
    pub fn admits(&self, value: &T) -> bool {
        self.sign.admits(value.cmp(&self.limit))
    }
}

impl<T> Bound<T> {
    /// Exactly this.
    pub const fn exactly(limit: T) -> Self {
        Self { sign: Sign::Equal, limit }
    }
}

impl Bound<Percent> {
    /// Whether `part` of `whole` is within the limit; nothing of nothing is all of it lost.
    pub fn admits_ratio(&self, part: u32, whole: u32) -> bool {
        let (part, whole) = if whole == 0 { (1, 1) } else { (part, whole) };
        let share = u64::from(part) * u64::from(Percent::WHOLE.0);
        self.sign.admits(share.cmp(&(u64::from(self.limit.0) * u64::from(whole))))
    }
}

impl Percent {
    /// Nothing: 0 %.
    pub const NONE: Self = Self(0);
    /// All: 100 %.
    pub const WHOLE: Self = Self(100_000);
}

impl FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is a number from 0 to 100 and a `%`, such as `0%` or `12.5%`".to_owned();
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 3 || fraction.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let fraction: u32 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
        let share = Self(whole * 1000 + fraction);
        if share > Self::WHOLE { Err(wrong()) } else { Ok(share) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1000, self.0 % 1000);
        match format!("{fraction:03}").trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            digits => write!(f, "{whole}.{digits}%"),
        }
    }
}

impl FromStr for Bound<Percent> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        Ok(Self { sign, limit: rest.parse()? })
    }
}

impl FromStr for Bound<Duration> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        Ok(Self { sign, limit: parse_duration(rest)? })
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for Bound<Percent> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, self.limit)
    }
}

impl fmt::Display for Bound<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, show_duration(self.limit))
    }
}
