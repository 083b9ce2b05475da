//! Which frames of a wire something happens to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Which frames something happens to. Frames are counted from 1, from the moment the wire is impaired; a [`Filter`]
/// leaves out those that it does not match, so that they are not counted.
///
/// Whether it happens to frame `n` depends on the seed and on `n` alone, so the same seed picks the same frames.
///
/// [`Filter`]: super::Filter
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// None.
    #[default]
    Never,
    /// Each with that probability, from 0 to 1, on its own.
    Chance(f64),
    /// Bursts, by Gilbert and Elliott: a state that is good or bad, changed with a probability before each frame.
    Bursts {
        /// The probability to go from good to bad.
        begin: f64,
        /// The probability to go from bad to good; a burst has `1 / end` frames on average.
        end: f64,
        /// The probability that it happens to a frame in the bad state: 1 in Gilbert's simple model.
        bad: f64,
        /// The probability that it happens to a frame in the good state: 0 in Gilbert's model.
        good: f64,
    },
    /// Every n-th: frames n, 2n, 3n.
    Every(u64),
    /// Exactly these.
    Exactly(BTreeSet<u64>),
}
