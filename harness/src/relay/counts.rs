//! What was seen to happen on a wire.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was seen to happen to the frames of one direction of a wire, since it was spliced in. Beside the impairment it
/// tells whether the wire did what it was asked for.
///
/// `seen` is `passed + lost + too_long + overflowed + waiting`: each frame is counted in one of them, and a copy in none.
/// Where frames of several packets are cut apart, it is the packets that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Frames that came, and were taken in.
    pub seen: u64,
    /// Those that were meant by the filter, or all.
    pub matched: u64,
    /// Those that went on.
    pub passed: u64,
    /// The bytes of those, from the Ethernet header on.
    pub bytes: u64,
    /// Frames lost as was asked for.
    pub lost: u64,
    /// Frames lost because they were longer than the MTU.
    pub too_long: u64,
    /// Frames lost because the queue before the wire was full.
    pub overflowed: u64,
    /// Frames sent twice: the copies, which `passed` and `bytes` leave out.
    pub duplicated: u64,
    /// Frames that skipped the delay.
    pub reordered: u64,
    /// Frames that came out behind one which had come in after them (RFC 4737 §4.1).
    pub late: u64,
    /// Frames with a bit flipped.
    pub corrupted: u64,
    /// Frames on their way.
    pub waiting: u64,
    /// Those of them that have to wait until the wire is released.
    pub held: u64,
    /// How much later frames went on than they had come; `None` before the first. Those that were not meant are left out.
    pub delays: Option<Delays>,
}

/// Delays, as they were seen: waiting for the wire to be free or to be released included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    /// The shortest.
    pub min: Duration,
    /// Half of them were not longer, to within 0.4 %.
    pub median: Duration,
    /// 99 of 100 were not longer, to within 0.4 %.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// `12 seen, 9 passed, 3 lost; later by 10.013ms (median), 10.4ms (p99)`: what is not there is left out.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seen", self.seen)?;
        if self.matched != self.seen {
            write!(f, ", {} meant", self.matched)?;
        }
        write!(f, ", {} passed", self.passed)?;
        let others = [
            (self.lost, "lost"),
            (self.too_long, "too long"),
            (self.overflowed, "overflowed"),
            (self.duplicated, "duplicated"),
            (self.reordered, "reordered"),
            (self.late, "late"),
            (self.corrupted, "corrupted"),
            (self.waiting, "waiting"),
            (self.held, "held"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        match &self.delays {
            None => Ok(()),
            Some(delays) => write!(f, "; later by {:.3?} (median), {:.3?} (p99)", delays.median, delays.p99),
        }
    }
}
