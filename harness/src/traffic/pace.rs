//! When the next datagrams of a rate are due, counted from the beginning, so that no pause adds up. Pure.

use std::time::Duration;

/// Datagrams at an even rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two of them, in units of 2⁻³² ns: a thousand years of datagrams fit, and a day of a million a second is off by less
    /// than one.
    gap: u128,
}

impl Pace {
    /// Datagrams of so many bits at so many bits a second.
    pub(super) fn new(bits_each: u64, bits_per_second: u64) -> Pace {
        let gap = ((u128::from(bits_each) * 1_000_000_000) << 32) / u128::from(bits_per_second.max(1));
        Pace { gap: gap.max(1) }
    }

    /// How many are to be sent by then: the first at once.
    pub(super) fn due(self, elapsed: Duration) -> u64 {
        let due = (elapsed.as_nanos() << 32) / self.gap + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When the one behind so many is due.
    pub(super) fn at(self, sent: u64) -> Duration {
        // Rounded up: then it is due, not a nanosecond before.
        let nanos = (u128::from(sent) * self.gap).div_ceil(1 << 32);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_met_to_the_datagram_after_a_day() {
        let pace = Pace::new(1000, 1_000_000_000);
        assert_eq!(pace.due(Duration::ZERO), 1);
        assert_eq!(pace.due(Duration::from_nanos(999)), 1);
        assert_eq!(pace.due(Duration::from_micros(1)), 2);
        assert_eq!(pace.due(Duration::from_hours(24)), 86_400 * 1_000_000 + 1);
        let odd = Pace::new(11_200, 3_000_000);
        let day = odd.due(Duration::from_hours(24));
        assert!(day.abs_diff(86_400 * 3_000_000 / 11_200) <= 1, "{day}");
    }

    proptest! {
        #[test]
        fn who_waits_until_it_is_due_finds_it_due(bits in 1..600_000u64, rate in 1..100_000_000_000u64, sent in 0..1_000_000u64) {
            let pace = Pace::new(bits, rate);
            let at = pace.at(sent);
            prop_assert!(pace.due(at) > sent, "{} at {at:?}", pace.due(at));
            if let Some(before) = at.checked_sub(Duration::from_nanos(2)) {
                prop_assert!(pace.due(before) <= sent + 1);
            }
        }
    }
}
