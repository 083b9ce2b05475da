//! What a wire does to the frames of one direction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Filter, Pick};

/// What a wire does to the frames of one direction. The default does nothing.
///
/// In the order in which they act on a frame: `only`, `mtu`, `loss`, `corrupt`, `duplicate`, `rate`, then `delay`, `jitter`
/// and `reorder` together, then `hold`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Impairment {
    /// How much later each frame arrives.
    pub delay: Duration,
    /// How much the delay varies. Frames do overtake each other if it is larger than their distance.
    pub jitter: Jitter,
    /// Frames that do not arrive.
    pub loss: Pick,
    /// Frames that arrive twice, one right after the other.
    pub duplicate: Pick,
    /// Frames that skip the delay, and so overtake those before them.
    pub reorder: Pick,
    /// Frames of which one bit, behind the Ethernet header, is flipped. Checksums are those of the frame as it was sent, so
    /// that a receiver notices.
    pub corrupt: Pick,
    /// How fast the wire is.
    pub rate: Option<Rate>,
    /// Longer packets do not pass, and nobody is told (a black hole, RFC 2923 §2.1). In bytes of the Ethernet payload.
    pub mtu: Option<u32>,
    /// Nothing passes until it is released; then all of it, in order.
    pub hold: bool,
    /// Only frames that match are impaired, and counted. All, unless said.
    pub only: Option<Filter>,
}

/// How much a delay varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jitter {
    /// How far a delay strays: the half width of [`Distribution::Uniform`], the standard deviation of the others.
    pub spread: Duration,
    /// How the delays are spread.
    pub distribution: Distribution,
    /// How much a delay resembles the one before it, from 0 to 1.
    pub correlation: f64,
}

/// How delays are spread. They are never below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// From `delay - spread` to `delay + spread`, all alike.
    #[default]
    Uniform,
    /// The bell around `delay`.
    Normal,
    /// A long tail above, of shape 3 and scaled to the spread.
    Pareto,
}

/// How fast a wire is, and what waits before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Bits a second, counting the bytes of the frame from its Ethernet header on (no preamble, no checksum), as `tc` counts.
    pub bits_per_second: u64,
    /// What waits; what does not fit is lost, and counted apart from `loss`.
    pub queue: Queue,
}

/// What may wait before a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// So many bytes.
    Bytes(u64),
    /// So many frames.
    Packets(u64),
}

impl Rate {
    /// What may wait unless it is said, in time: as much as the wire carries in it.
    const QUEUE: Duration = Duration::from_millis(50);
    /// And no less than ten full frames.
    const LEAST_QUEUE: u64 = 10 * 1514;

    /// A rate with the queue that it has unless one is said: what the wire carries in 50 ms, and no less than ten full frames.
    pub fn new(bits_per_second: u64) -> Rate {
        let bytes = u128::from(bits_per_second) * Self::QUEUE.as_millis() / 8000;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(Self::LEAST_QUEUE);
        Rate { bits_per_second, queue: Queue::Bytes(bytes) }
    }
}

impl Impairment {
    /// Whether it does nothing at all, so that the wire may be a bare one.
    pub fn is_none(&self) -> bool {
        *self == Impairment { only: self.only.clone(), ..Impairment::default() }
    }

    /// Whether all frames are delayed alike, and nothing else happens to any.
    pub fn is_constant_delay(&self) -> bool {
        *self == Impairment { delay: self.delay, ..Impairment::default() }
    }

    /// Whether what happens depends on the single packet, so that no frame may carry several of them.
    pub fn is_per_packet(&self) -> bool {
        let picked = [&self.loss, &self.duplicate, &self.reorder, &self.corrupt];
        picked.into_iter().any(|pick| *pick != Pick::Never)
            || !self.jitter.spread.is_zero()
            || self.rate.is_some()
            || self.mtu.is_some()
            || self.only.is_some()
    }
}
