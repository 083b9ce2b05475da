//! What came of a probe, as a value and as text. Pure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::probe::Protocol;
use crate::capture::Layer;

/// A probe's way, from interface to interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// The version of this format.
    pub version: u32,
    /// Who sent it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// To which address.
    pub address: IpAddr,
    /// Of which protocol.
    pub protocol: Protocol,
    /// What the sender saw of it.
    pub outcome: Outcome,
    /// The interfaces that it passed, in the order of time.
    pub hops: Vec<Hop>,
    /// Where it ended, and why, if no answer came.
    pub end: Option<End>,
    /// Packets that could not be looked at, for want of room: the way may have gaps.
    pub lost: u64,
}

/// What the sender saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An answer, after so long.
    Answered(Duration),
    /// A refusal, from where it was sent to: it has arrived.
    Refused(String),
    /// Nothing, or that there is no way.
    Nothing(String),
}

/// An interface that a packet passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// When, in nanoseconds since it was seen first.
    pub since: u64,
    /// The namespace: `docker0/1-620dd59483`.
    pub namespace: String,
    /// The interface in it.
    pub interface: String,
    /// The interface sent it; else it received it.
    pub outgoing: bool,
    /// On its way back.
    pub back: bool,
    /// Its headers in words, from the outermost level on.
    pub headers: Vec<String>,
    /// Its headers.
    pub layers: Vec<Layer>,
    /// How long it was, with its Ethernet header.
    pub length: u32,
    /// What decided where it went from here.
    pub decided: Vec<String>,
}

/// Where a packet ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Where it was last seen; nowhere, if it was never sent.
    pub last: Option<String>,
    /// Why it went no further.
    pub why: String,
}

impl Journey {
    /// Whether an answer came.
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(after) => write!(f, "answered after {:.3} ms", after.as_secs_f64() * 1000.0),
            Self::Refused(why) => write!(f, "it arrives, and is refused: {why}"),
            Self::Nothing(why) => f.write_str(why),
        }
    }
}

impl Hop {
    /// `switch/port2, in, on its way there`.
    pub(super) fn place(&self) -> String {
        let way = if self.outgoing { "out" } else { "in" };
        let back = if self.back { "back" } else { "there" };
        format!("{}/{}, {way}, on its way {back}", self.namespace, self.interface)
    }
}

/// Lines for people, columns aligned.
impl fmt::Display for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {} ({}), {}: {}", self.from, self.to, self.address, self.protocol, self.outcome)?;
        let names: Vec<String> =
            self.hops.iter().map(|hop| format!("{}/{}", hop.namespace, hop.interface)).collect();
        let width = names.iter().map(String::len).max().unwrap_or_default();
        let mut before = None;
        for (hop, name) in self.hops.iter().zip(&names) {
            if before != Some(hop.back) {
                writeln!(f, "{}", if hop.back { "back" } else { "there" })?;
                before = Some(hop.back);
            }
            let milliseconds = Duration::from_nanos(hop.since).as_secs_f64() * 1000.0;
            let way = if hop.outgoing { "out" } else { "in " };
            writeln!(f, "{milliseconds:>9.3} ms  {name:<width$}  {way}  {}", hop.headers.join("  "))?;
            for decided in &hop.decided {
                writeln!(f, "{:14}{:width$}       {decided}", "", "")?;
            }
        }
        if let Some(End { last, why }) = &self.end {
            match last {
                Some(last) => writeln!(f, "last seen: {last}")?,
                None => writeln!(f, "last seen: nowhere, it was never sent")?,
            }
            writeln!(f, "why: {why}")?;
        }
        if self.lost > 0 {
            writeln!(f, "{} packets could not be looked at: there may be gaps", self.lost)?;
        }
        Ok(())
    }
}
