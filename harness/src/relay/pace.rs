//! How fast a wire is, and what waits before it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fault::{Queue, Rate};

/// Nanoseconds in a second, and bits in a byte.
const SECOND: u128 = 1_000_000_000;
const BYTE: u128 = 8;

/// A wire of some speed: when each frame has left it.
///
/// Time here is the wire's own: a frame begins where the one before it ended, to the fraction of a nanosecond, however late
/// anybody looks. So a rate is exact over any number of frames.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// When the last frame will have left.
    free: Duration,
    /// What of it is less than a nanosecond, in nanoseconds times bits a second.
    fraction: u128,
    /// When each frame that waits will begin to leave, and its length.
    waiting: VecDeque<(Duration, u64)>,
    /// The bytes of those.
    bytes: u64,
}

impl Pace {
    /// A wire that is free.
    pub(super) fn new(rate: Rate) -> Pace {
        Pace { rate, free: Duration::ZERO, fraction: 0, waiting: VecDeque::new(), bytes: 0 }
    }

    /// From now on it is that fast. What waits already leaves as it would have left.
    pub(super) fn change(&mut self, rate: Rate) {
        self.rate = rate;
        self.fraction = 0;
    }

    /// When the last bit of a frame of `length` bytes will have left; `None` if it does not fit into the queue. The frame
    /// that is leaving does not wait, so a free wire takes a frame of any length. On a wire without any bits a second
    /// nothing fits.
    pub(super) fn admit(&mut self, arrived: Duration, length: u64) -> Option<Duration> {
        while let Some((_, length)) = self.waiting.pop_front_if(|(begins, _)| *begins <= arrived) {
            self.bytes -= length;
        }
        let speed = u128::from(self.rate.bits_per_second);
        if speed == 0 {
            return None;
        }
        if self.free > arrived {
            if !self.fits(length) {
                return None;
            }
            self.waiting.push_back((self.free, length));
            self.bytes += length;
        } else {
            self.free = arrived;
            self.fraction = 0;
        }
        let whole = u128::from(length) * BYTE * SECOND + self.fraction;
        self.fraction = whole % speed;
        let nanos = u64::try_from(whole / speed).unwrap_or(u64::MAX);
        self.free = self.free.saturating_add(Duration::from_nanos(nanos));
        Some(self.free)
    }

    fn fits(&self, length: u64) -> bool {
        match self.rate.queue {
            Queue::Bytes(limit) => self.bytes.saturating_add(length) <= limit,
            Queue::Packets(limit) => (self.waiting.len() as u64) < limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(bits_per_second: u64, queue: Queue) -> Pace {
        Pace::new(Rate { bits_per_second, queue })
    }

    #[test]
    fn a_rate_is_exact_over_many_frames() {
        // 1514 bytes at 50 Mbit/s take 242,240 ns; at 7 bit/s something that no nanosecond divides.
        let mut pace_ = pace(50_000_000, Queue::Packets(u64::MAX));
        let left = (0..100_000).filter_map(|_| pace_.admit(Duration::ZERO, 1514)).last();
        assert_eq!(left, Some(Duration::from_millis(24_224)));
        let mut odd = pace(7, Queue::Packets(u64::MAX));
        let left = (0..7000).filter_map(|_| odd.admit(Duration::ZERO, 1)).last();
        assert_eq!(left, Some(Duration::from_secs(8000)));
    }

    #[test]
    fn a_free_wire_takes_any_frame_at_once() {
        let mut pace = pace(8_000, Queue::Bytes(0));
        let second = Duration::from_secs(1);
        assert_eq!(pace.admit(second, 1000), Some(2 * second));
        assert_eq!(pace.admit(second, 1), None, "nothing may wait");
        assert_eq!(pace.admit(2 * second, 1000), Some(3 * second));
        assert_eq!(pace.admit(10 * second, 1000), Some(11 * second), "time that passed is not made up for");
    }

    #[test]
    fn what_does_not_fit_is_lost_until_there_is_room() {
        for queue in [Queue::Packets(2), Queue::Bytes(2999)] {
            let mut pace = pace(8_000, queue);
            let fits = |pace: &mut Pace, at| pace.admit(Duration::from_millis(at), 1000).is_some();
            assert!(fits(&mut pace, 0) && fits(&mut pace, 0) && fits(&mut pace, 0));
            assert!(!fits(&mut pace, 999));
            // The first has left, so the second does not wait any more.
            assert!(fits(&mut pace, 1000) && !fits(&mut pace, 1000));
        }
    }

    #[test]
    fn without_bits_nothing_passes() {
        assert_eq!(pace(0, Queue::Packets(9)).admit(Duration::ZERO, 1), None);
    }

    proptest! {
        #[test]
        fn never_is_more_sent_than_the_rate_allows(
            speed in 1_u64..1_000_000_000,
            frames in prop::collection::vec((0_u64..1_000_000, 1_u64..2000), 1..100),
        ) {
            let mut pace = pace(speed, Queue::Bytes(10_000));
            let (mut now, mut bits, mut before) = (Duration::ZERO, 0_u128, Duration::ZERO);
            for (gap, length) in frames {
                now += Duration::from_nanos(gap);
                if let Some(left) = pace.admit(now, length) {
                    prop_assert!(left >= before && left >= now);
                    before = left;
                    bits += u128::from(length) * BYTE;
                    // Up to the nanosecond that is not over.
                    prop_assert!(bits * SECOND <= (left.as_nanos() + 1) * u128::from(speed));
                }
            }
        }
    }
}
