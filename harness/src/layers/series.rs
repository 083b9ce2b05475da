//! What samples of a layer say together. Pure.

use std::time::Duration;

use super::Sample;
use crate::traffic::Latency;

/// Samples of one layer, one a round.
#[derive(Clone, Debug, Default)]
pub struct Series(pub Vec<Sample>);

impl Series {
    /// Bits a second of streams: the median of the samples.
    pub fn bits_per_second(&self) -> f64 {
        self.median(|sample| sample.streams.bits_per_second())
    }

    /// That, as a share of another layer's: the median of the shares in each round. Zero if the other carried nothing.
    pub fn ratio(&self, base: &Series) -> f64 {
        self.against(base, |sample| sample.streams.bits_per_second())
    }

    /// All round trips, of all rounds.
    pub fn latency(&self) -> Latency {
        let mut all = Latency::default();
        self.0.iter().for_each(|sample| all.add(&sample.trips.latency));
        all
    }

    /// The round trip that a share of them, from 0 to 1, does not exceed: the median of that of each round. Of all of them together,
    /// rounds in which they are short would count more, since they have more of them.
    pub fn trip(&self, share: f64) -> Duration {
        let seconds = self.median(|sample| sample.trips.latency.at(share).as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// The median round trip as a multiple of another layer's: the median of the multiples in each round.
    pub fn latency_ratio(&self, base: &Series) -> f64 {
        self.against(base, |sample| sample.trips.latency.at(0.5).as_secs_f64())
    }

    /// CPU seconds of this process for a gigabyte (10⁹ bytes) of streams.
    pub fn cpu_per_gigabyte(&self) -> f64 {
        self.median(Sample::cpu_per_gigabyte)
    }

    /// The same, of either end.
    pub fn cpu_per_gigabyte_of_ends(&self) -> [f64; 2] {
        let of = |end: fn(&Sample) -> f64| self.median(end);
        [
            of(|sample| share(sample.streams.cost.from.as_secs_f64() * 1e9, sample.streams.all())),
            of(|sample| share(sample.streams.cost.to.as_secs_f64() * 1e9, sample.streams.all())),
        ]
    }

    /// CPU nanoseconds of this process for a datagram that goes through all of the kernel by itself: what a sent one costs the
    /// sender and whoever carries it, and one that came the receiver.
    pub fn nanos_per_packet(&self) -> f64 {
        self.median(Sample::nanos_per_packet)
    }

    /// Datagrams a second that arrived.
    pub fn packets_per_second(&self) -> f64 {
        self.median(|sample| {
            let delivered = &sample.datagrams;
            delivered.bits_per_second() / (f64::from(delivered.size.max(1)) * 8.0)
        })
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        middle(self.0.iter().map(of).collect())
    }

    fn against(&self, base: &Series, of: impl Fn(&Sample) -> f64) -> f64 {
        let pairs = self.0.iter().zip(&base.0).map(|(ours, theirs)| (of(ours), of(theirs)));
        middle(pairs.filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect())
    }
}

impl Sample {
    /// See [`Series::cpu_per_gigabyte`].
    pub fn cpu_per_gigabyte(&self) -> f64 {
        share(self.streams.cost.process.as_secs_f64() * 1e9, self.streams.all())
    }

    /// See [`Series::nanos_per_packet`].
    pub fn nanos_per_packet(&self) -> f64 {
        let cost = self.datagrams.cost;
        let sending = cost.process.saturating_sub(cost.to).as_secs_f64() * 1e9;
        share(sending, self.datagrams.sent)
            + share(cost.to.as_secs_f64() * 1e9, self.datagrams.arrivals.unique)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a cost has no 53 significant bits")]
fn share(cost: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { cost / count as f64 }
}

/// The middle one; zero if there is none.
fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Arrivals, Carried, Cost, Delivered};

    fn carried(megabits: u64) -> Sample {
        let streams = Carried {
            lasted: Duration::from_secs(1),
            bytes: [megabits * 125_000, 0],
            cost: Cost { process: Duration::from_millis(500), ..Cost::default() },
            ..Carried::default()
        };
        Sample { streams, ..Sample::default() }
    }

    #[test]
    fn a_ratio_is_that_of_samples_of_one_round() {
        // The machine got ten times as fast: of each round it is a half.
        let (base, half) = (
            Series(vec![carried(100), carried(1000), carried(1000)]),
            Series(vec![carried(50), carried(500), carried(500)]),
        );
        assert!((half.ratio(&base) - 0.5).abs() < 1e-9);
        assert!((base.ratio(&base) - 1.0).abs() < 1e-9);
        assert!(base.ratio(&Series::default()).abs() < 1e-9);
    }

    #[test]
    fn costs_are_of_what_arrived() {
        assert!((carried(8000).cpu_per_gigabyte() - 0.5).abs() < 1e-9);
        assert!(Sample::default().cpu_per_gigabyte().abs() < 1e-9);
        let cost =
            Cost { to: Duration::from_micros(10), process: Duration::from_micros(40), ..Cost::default() };
        let arrivals = Arrivals { unique: 10, ..Arrivals::default() };
        let datagrams = Delivered { sent: 30, arrivals, cost, ..Delivered::default() };
        let sample = Sample { datagrams, ..Sample::default() };
        assert!(
            (sample.nanos_per_packet() - 2000.0).abs() < 1e-6,
            "a microsecond to send, and one to receive"
        );
    }
}
