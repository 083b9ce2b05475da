//! Durations, counted by how long they are.

use std::time::Duration;

/// Each octave is divided into so many parts, so that what is told is within 0.4 % of what was.
const PARTS: u64 = 128;
const BITS: u32 = PARTS.ilog2();

/// How often durations of about each length were seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    seen: u64,
    least: Option<Duration>,
    most: Duration,
    counts: Vec<u64>,
}

impl Histogram {
    /// One more.
    pub(super) fn add(&mut self, duration: Duration) {
        let place = place(duration);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.seen += 1;
        self.most = self.most.max(duration);
        self.least = Some(self.least.map_or(duration, |least| least.min(duration)));
    }

    /// The shortest and the longest.
    pub(super) fn range(&self) -> Option<(Duration, Duration)> {
        self.least.map(|least| (least, self.most))
    }

    /// The duration that so many of a hundred do not exceed; `None` if none was seen.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let (least, most) = self.range()?;
        let rank = (u128::from(self.seen) * u128::from(percent)).div_ceil(100).max(1);
        let mut sum = 0;
        let place = self.counts.iter().position(|count| {
            sum += u128::from(*count);
            sum >= rank
        })?;
        Some(middle(place as u64).clamp(least, most))
    }
}

/// Where durations of that length are counted: the first parts are nanoseconds, then each octave has as many.
fn place(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let octave = nanos.max(1).ilog2().saturating_sub(BITS);
    let place = u64::from(octave) * PARTS + (nanos >> octave);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The middle of what is counted there.
fn middle(place: u64) -> Duration {
    if place < 2 * PARTS {
        return Duration::from_nanos(place);
    }
    let octave = place / PARTS - 1;
    let begins = (PARTS + place % PARTS) << octave;
    Duration::from_nanos(begins + (1 << octave) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_percentile_is_that_of_what_was_seen() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for micros in 1..=100 {
            histogram.add(Duration::from_micros(micros));
        }
        let near = |percent, micros: f64| {
            let told = histogram.percentile(percent).expect("some were seen").as_secs_f64() * 1e6;
            assert!((told / micros - 1.0).abs() < 0.005, "{percent}: {told}");
        };
        near(50, 50.0);
        near(99, 99.0);
        assert_eq!(histogram.percentile(100), Some(Duration::from_micros(100)));
        assert_eq!(histogram.range(), Some((Duration::from_micros(1), Duration::from_micros(100))));
    }

    proptest! {
        #[test]
        fn what_is_told_is_near_to_what_was(nanos: u64) {
            let told = middle(place(Duration::from_nanos(nanos)) as u64).as_nanos();
            prop_assert!(told.abs_diff(u128::from(nanos)) <= u128::from(nanos) / 256 + 1);
        }

        #[test]
        fn longer_is_never_before_shorter(one: u64, other: u64) {
            let place = |nanos| place(Duration::from_nanos(nanos));
            prop_assert!((one <= other) == (place(one) <= place(other)) || place(one) == place(other));
        }
    }
}
