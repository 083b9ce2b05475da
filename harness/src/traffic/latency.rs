//! How long things took, as a histogram of bounded memory and three significant digits. Pure.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told from longer ones: a minute, in nanoseconds. Longer than any run waits for an answer.
const LONGEST: u64 = 60_000_000_000;
/// Significant digits: a thousandth. 170 KB.
const DIGITS: u8 = 3;

/// Times, from the shortest to the longest.
#[derive(Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Latency {
        // The bounds are such that there is one.
        let made = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        Latency(made.unwrap_or_else(|_| unreachable!("these bounds are in order")))
    }
}

impl Latency {
    /// Something took that long.
    pub fn record(&mut self, took: Duration) {
        // What is out of the bounds is as far as they go.
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LONGEST).clamp(1, LONGEST));
    }

    /// With those of another run, too.
    pub fn add(&mut self, other: &Latency) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The shortest; zero if there is none.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(if self.0.is_empty() { 0 } else { self.0.min() })
    }

    /// The longest; zero if there is none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// Their mean; zero if there is none.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean() / 1e9)
    }

    /// The time that a share of them, from 0 to 1, does not exceed; zero if there is none. To a thousandth.
    pub fn at(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }

    /// The shares that did not exceed a time, with that time, rising: one point for each time that differs from the one before.
    pub fn curve(&self) -> Vec<(f64, Duration)> {
        let all = self.0.iter_recorded();
        all.map(|step| (step.quantile(), Duration::from_nanos(step.value_iterated_to()))).collect()
    }
}

/// `min 5.1 µs, p50 6.3 µs, p90 7 µs, p99 9.9 µs, p99.9 21 µs, max 58 µs`.
impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
        write!(f, "min {:.1?}", self.min())?;
        for (name, share) in shares {
            write!(f, ", {name} {:.1?}", self.at(share))?;
        }
        write!(f, ", max {:.1?}", self.max())
    }
}

/// Without its thousands of counters.
impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Latency({} times: {self})", self.count())
    }
}

impl serde::Serialize for Latency {
    /// In whole nanoseconds.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &self.count())?;
        map.serialize_entry("min_ns", &nanos(self.min()))?;
        map.serialize_entry("mean_ns", &nanos(self.mean()))?;
        for (name, share) in [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999)] {
            map.serialize_entry(name, &nanos(self.at(share)))?;
        }
        map.serialize_entry("max_ns", &nanos(self.max()))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_taken_no_time() {
        let none = Latency::default();
        assert_eq!(
            (none.count(), none.min(), none.at(0.5), none.max()),
            (0, Duration::ZERO, Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(none.curve(), []);
    }

    #[test]
    fn what_takes_too_long_to_be_told_is_as_long_as_can_be() {
        let mut latency = Latency::default();
        latency.record(Duration::from_hours(1));
        latency.record(Duration::ZERO);
        assert!(latency.max() >= Duration::from_mins(1));
        assert_eq!((latency.count(), latency.min()), (2, Duration::from_nanos(1)));
    }

    proptest! {
        #[test]
        fn shares_are_those_of_the_sorted_times_to_a_thousandth(nanos in proptest::collection::vec(1..10_000_000_000u64, 1..200)) {
            let mut latency = Latency::default();
            for nanos in &nanos {
                latency.record(Duration::from_nanos(*nanos));
            }
            let mut sorted = nanos.clone();
            sorted.sort_unstable();
            for percent in [50, 90, 99] {
                // The nearest rank.
                let rank = (sorted.len() * percent).div_ceil(100).max(1);
                let exact = Duration::from_nanos(sorted[rank - 1]);
                let found = latency.at(f64::from(u32::try_from(percent).expect("small")) / 100.0);
                prop_assert!(found.abs_diff(exact) <= exact / 900 + Duration::from_nanos(1), "{found:?}, not {exact:?}");
            }
            prop_assert_eq!(latency.count(), u64::try_from(nanos.len()).expect("few"));
            let curve = latency.curve();
            prop_assert!(curve.windows(2).all(|two| two[0] < two[1]));
        }
    }
}
