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
            (Self::Keys { present, absent }, Outcome::Keys(keys)) => judge_keys(present, absent, keys),
            (Self::Requests { count }, Outcome::Requests { found, forgotten }) => judge_count(
                "requests",
                count,
                found,
                forgotten.then_some("the trace has forgotten older ones"),
            ),
            (Self::Packets { count }, Outcome::Packets { found, lost }) => {
                judge_count("packets", count, found, (*lost > 0).then_some("there was no room for more"))
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
                let present = present.iter().map(|glob| format!("a key {glob}"));
                let all: Vec<String> =
                    present.chain(absent.iter().map(|glob| format!("no key {glob}"))).collect();
                f.write_str(if all.is_empty() { "a list of keys" } else { "" })?;
                f.write_str(&all.join(", "))
            }
            Self::Requests { count } => write!(f, "{count} such requests"),
            Self::Packets { count } => write!(f, "{count} such packets"),
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
mod tests {
    use super::*;

    fn echoes(loss: &str, rtt: Option<&str>) -> Expect {
        let rtt = rtt.map(|text| text.parse().expect("a limit"));
        Expect::Echoes { loss: loss.parse().expect("a limit"), rtt }
    }

    fn of(answered: usize, sent: u32) -> Outcome {
        Outcome::Echoes { sent, round_trips: vec![Duration::from_millis(2); answered] }
    }

    fn said(verdict: Result<(), Mismatch>) -> String {
        verdict.map_or_else(|mismatch| mismatch.to_string(), |()| "ok".into())
    }

    #[test]
    fn loss_is_compared_exactly() {
        assert_eq!(said(echoes("0%", None).judge(&of(2, 2))), "ok");
        assert_eq!(said(echoes("100%", None).judge(&of(0, 2))), "ok");
        assert_eq!(
            said(echoes("<=33.333%", None).judge(&of(2, 3))),
            "expected a loss of <=33.333%, got 2 of 3 answered"
        );
        assert_eq!(said(echoes("<=33.334%", None).judge(&of(2, 3))), "ok");
        assert_eq!(said(echoes(">0%", None).judge(&of(3, 3))), "expected a loss of >0%, got 3 of 3 answered");
        assert_eq!(said(echoes("0%", None).judge(&of(0, 0))), "expected a loss of 0%, got 0 of 0 answered");
    }

    #[test]
    fn round_trips_are_judged_by_their_median() {
        assert_eq!(said(echoes("0%", Some("<5ms")).judge(&of(2, 2))), "ok");
        let slow = echoes("0%", Some(">=5ms")).judge(&of(2, 2));
        assert_eq!(said(slow), "expected a median round trip of >=5ms, got 2ms");
        assert_eq!(
            said(echoes("100%", Some("<5ms")).judge(&of(0, 2))),
            "expected a median round trip of <5ms, got no answer"
        );
    }

    #[test]
    fn requests_are_counted_and_what_is_forgotten_may_have_been_some() {
        let count = |text: &str| Expect::Requests { count: text.parse().expect("a limit") };
        let of = |number: usize, forgotten| Outcome::Requests {
            found: (0..number).map(|number| format!("r{number}")).collect(),
            forgotten,
        };
        assert_eq!(said(count("0").judge(&of(0, false))), "ok");
        assert_eq!(
            said(count("0").judge(&of(4, false))),
            "expected 0 such requests, got 4, at last \"r1\\nr2\\nr3\""
        );
        assert_eq!(said(count(">=1").judge(&of(1, true))), "ok");
        assert_eq!(
            said(count("0").judge(&of(0, true))),
            "expected 0 such requests, got 0, and the trace has forgotten older ones"
        );
    }

    #[test]
    fn traffic_is_judged_by_rate_then_shares() {
        let came = Came { rate: Speed(94_340_000), sent: 1000, lost: 100, duplicates: 1, ..Came::default() };
        let nothing = Came { sent: 1000, lost: 1000, ..Came::default() };
        let refused = Came { why: Some("there is no way".into()), ..Came::default() };
        let judge = |rate: Option<&str>, loss: Option<&str>, came: &Came| {
            let (rate, loss) = (
                rate.map(|text| text.parse().expect("a limit")),
                loss.map(|text| text.parse().expect("a limit")),
            );
            said(
                Expect::Traffic { rate, loss, duplicates: None, reordered: None }
                    .judge(&Outcome::Traffic(came.clone())),
            )
        };
        assert_eq!(judge(None, None, &came), "ok");
        assert_eq!(judge(Some(">=90mbit"), Some("10%"), &came), "ok");
        assert_eq!(judge(Some(">=100mbit"), None, &came), "expected a rate of >=100mbit, got 94.3mbit");
        assert_eq!(judge(None, Some("<5%"), &came), "expected a loss of <5%, got 100 of 1000 lost");
        assert_eq!(judge(None, None, &nothing), "expected something to arrive, got nothing");
        assert_eq!(judge(None, Some("100%"), &nothing), "ok");
        assert_eq!(judge(None, None, &refused), "expected something to arrive, got nothing: there is no way");
        assert_eq!(judge(Some("<1kbit"), None, &refused), "ok");
        assert_eq!(
            judge(Some(">1kbit"), None, &refused),
            "expected a rate of >1kbit, got 0bit: there is no way"
        );
    }

    #[test]
    fn a_command_is_judged_by_status_then_output() {
        let exit = |status, stdout: &str, stderr: &str| Outcome::Exit {
            status,
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let expect = Expect::Exit { status: 0, stdout: vec![Text::Contains("up".into())], stderr: vec![] };
        assert_eq!(said(expect.judge(&exit(0, "is up\n", ""))), "ok");
        assert_eq!(
            said(expect.judge(&exit(1, "", "no route\n"))),
            "expected status 0, got status 1, saying \"no route\""
        );
        let down = said(expect.judge(&exit(0, "is down\n", "")));
        assert_eq!(down, "expected stdout to be something that contains \"up\", got \"is down\"");
    }

    #[test]
    fn answers_keys_and_refusals_are_judged() {
        let answer = |came| Expect::Answer { came, reply: vec![] };
        assert_eq!(said(answer(true).judge(&Outcome::Answer(Ok("hi".into())))), "ok");
        assert_eq!(
            said(answer(true).judge(&Outcome::Answer(Err("timed out".into())))),
            "expected an answer, got timed out"
        );
        assert_eq!(said(answer(false).judge(&Outcome::Answer(Err("refused".into())))), "ok");
        assert_eq!(
            said(answer(false).judge(&Outcome::Answer(Ok(String::new())))),
            "expected no connection, got one"
        );
        let keys = Expect::Keys { present: vec!["a/*".into()], absent: vec!["b*".into()] };
        assert_eq!(said(keys.judge(&Outcome::Keys(vec!["a/1".into()]))), "ok");
        assert_eq!(said(keys.judge(&Outcome::Keys(vec![]))), "expected a key a/*, got \"\"");
        assert_eq!(
            said(keys.judge(&Outcome::Keys(vec!["a/".into(), "bb".into()]))),
            "expected no key b*, got the key bb"
        );
        let found = |records: &[&str]| Outcome::Found(Ok(records.iter().map(ToString::to_string).collect()));
        let records = |records: &[&str]| Expect::Found {
            records: Some(records.iter().map(ToString::to_string).collect()),
        };
        assert_eq!(said(records(&["1", "2"]).judge(&found(&["2", "1"]))), "ok");
        assert_eq!(said(records(&["1", "2"]).judge(&found(&["1"]))), "expected 1, 2, got 1");
        assert_eq!(said(records(&[]).judge(&found(&[]))), "ok");
        let any = Expect::Found { records: None };
        assert_eq!(said(any.judge(&found(&[]))), "expected an answer, got nothing of this type");
        let missing = Outcome::Found(Err("NXDOMAIN".into()));
        assert_eq!(said(any.judge(&missing)), "expected an answer, got NXDOMAIN");
        let refused = |error: &str| Expect::Refused { error: vec![Text::Equals(error.into())] };
        assert_eq!(said(refused("NXDOMAIN").judge(&missing)), "ok");
        assert_eq!(said(refused("NXDOMAIN").judge(&found(&["1"]))), "expected an error, got 1");
        let value = Expect::Value { exists: false, value: vec![] };
        assert_eq!(
            said(value.judge(&Outcome::Value(Some("1".into())))),
            "expected no such key, got the value \"1\""
        );
        let refused = Expect::Refused { error: vec![Text::Contains("exists".into())] };
        assert_eq!(said(refused.judge(&Outcome::Request(Err("it exists".into())))), "ok");
        assert_eq!(
            said(refused.judge(&Outcome::Request(Ok(String::new())))),
            "expected an error, got success"
        );
    }
}
