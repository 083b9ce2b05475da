//! What happens while a scenario is played, as it happens. Displayers consume it; `--json` prints it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The version of the format in which events are written as JSON.
pub const EVENT_VERSION: u32 = 1;

/// Something that happened while a scenario was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// A file is going to be played.
    Begin {
        /// What its lab is called.
        name: String,
        /// What it shows.
        description: String,
        /// Where everything random starts from, in this run.
        seed: u64,
        /// How many steps it has.
        steps: usize,
    },
    /// Its lab is up.
    Up {
        /// How many hosts it has.
        hosts: usize,
        /// How many networks.
        networks: usize,
        /// How many containers.
        containers: usize,
        /// How long that took.
        #[serde(rename = "took_ms", with = "millis")]
        took: Duration,
    },
    /// A step begins.
    Step {
        /// Its place, from 1.
        number: usize,
        /// Its name.
        name: String,
    },
    /// A step ended.
    Done {
        /// Its place, from 1.
        number: usize,
        /// Its name.
        name: String,
        /// How it ended.
        #[serde(flatten)]
        end: StepEnd,
        /// How long it took.
        #[serde(rename = "took_ms", with = "millis")]
        took: Duration,
        /// How often it was tried.
        tries: u32,
    },
    /// What there was to see at a failure has been written down.
    Bundle {
        /// The directory.
        path: String,
    },
    /// The lab stays as it was at the failure, and can be asked, until somebody ends it.
    Kept {
        /// What it is called by.
        name: String,
    },
    /// It is over.
    End {
        /// What came of it.
        #[serde(flatten)]
        verdict: Verdict,
        /// The steps, counted.
        counts: Counts,
        /// How long it took, the lab's construction included.
        #[serde(rename = "took_ms", with = "millis")]
        took: Duration,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepEnd {
    /// It was played, and what was expected of it held.
    Held,
    /// It was not played.
    Skipped {
        /// Why.
        reason: String,
    },
    /// What was expected of it did not hold.
    Failed(Failure),
}

/// Why a step failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The fact of an `[[always]]` table that does not hold any more; `None`: the step's own expectation.
    pub always: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What came instead, at last.
    pub got: String,
    /// What came before that, each thing once: whether it came closer.
    pub earlier: Vec<Seen>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// What a try brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When it was first seen, since the step began.
    #[serde(rename = "after_ms", with = "millis")]
    pub after: Duration,
    /// What it was.
    pub got: String,
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was played held.
    Held,
    /// An expectation failed.
    Failed,
    /// It was not played, since the machine lacks what it requires.
    Skipped {
        /// What that is.
        reason: String,
    },
    /// It could not be played: the file or the machine is at fault.
    Broken {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The exit code that says so.
    pub fn code(&self) -> u8 {
        match self {
            Verdict::Held | Verdict::Skipped { .. } => 0,
            Verdict::Failed => 1,
            Verdict::Broken { .. } => 2,
        }
    }
}

/// The steps of a scenario, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Played, and what was expected held.
    pub held: usize,
    /// Played, and what was expected did not hold.
    pub failed: usize,
    /// Not played, for want of a tool.
    pub skipped: usize,
    /// Not played, since an earlier one failed.
    pub left: usize,
}

impl Counts {
    /// Counts a step.
    pub(super) fn add(&mut self, end: &StepEnd) {
        match end {
            StepEnd::Held => self.held += 1,
            StepEnd::Failed(_) => self.failed += 1,
            StepEnd::Skipped { .. } => self.skipped += 1,
        }
    }
}

/// A time as a number of milliseconds, to the microsecond.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds are 285 years")]
    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_micros() as f64 / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        let time = Duration::try_from_secs_f64((millis * 1000.0).round() / 1e6);
        time.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let event = RunEvent::Done {
            number: 3,
            name: "C1 pings C0".into(),
            end: StepEnd::Skipped { reason: "no ip".into() },
            took: Duration::from_micros(1500),
            tries: 0,
        };
        let text = serde_json::to_string(&event).expect("JSON");
        assert_eq!(
            text,
            r#"{"event":"done","number":3,"name":"C1 pings C0","result":"skipped","reason":"no ip","took_ms":1.5,"tries":0}"#
        );
    }

    proptest! {
        #[test]
        fn an_event_is_read_back(micros in 0..100_000_000_000u64, got: String, tries: u32) {
            let took = Duration::from_micros(micros);
            let seen = Seen { after: took, got: got.clone() };
            let failure = Failure { got, earlier: vec![seen], ..Failure::default() };
            let event = RunEvent::Done { number: 1, name: "x".into(), end: StepEnd::Failed(failure), took, tries };
            let text = serde_json::to_string(&event).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<RunEvent>(&text).expect("an event"), event);
        }
    }
}
