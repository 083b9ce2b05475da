//! What happens to each frame, decided by its number alone.

use std::time::Duration;

use super::dice::{Dice, Stream, Which};
use super::frame::ETHERNET;
use super::gauss;
use crate::fault::{Distribution, Impairment, Jitter, Pick};

/// What happens to a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// It does not arrive.
    pub(super) lost: bool,
    /// It arrives twice.
    pub(super) doubled: bool,
    /// It skips the delay.
    pub(super) hurried: bool,
    /// The bit of it that is flipped, counted from the frame's beginning; always behind the Ethernet header.
    pub(super) flipped: Option<usize>,
    /// How much later it arrives: nothing, if it skips the delay.
    pub(super) delay: Duration,
}

/// The fates of the frames of one direction, from the first on.
#[derive(Clone, Debug)]
pub(super) struct Fates {
    number: u64,
    lost: Picker,
    corrupted: Picker,
    bit: Dice,
    doubled: Picker,
    hurried: Picker,
    delay: Delay,
}

impl Fates {
    /// What that impairment does, by that seed.
    pub(super) fn new(impairment: &Impairment, seed: u64) -> Fates {
        let picker = |pick: &Pick, stream| Picker::new(pick.clone(), Dice::new(seed, stream));
        Fates {
            number: 0,
            lost: picker(&impairment.loss, Stream::Loss),
            corrupted: picker(&impairment.corrupt, Stream::Corrupt),
            bit: Dice::new(seed, Stream::Bit),
            doubled: picker(&impairment.duplicate, Stream::Duplicate),
            hurried: picker(&impairment.reorder, Stream::Reorder),
            delay: Delay::new(impairment, Dice::new(seed, Stream::Jitter)),
        }
    }

    /// The fate of the next frame, which is `length` bytes long. Each thing is decided, whether or not it still matters, so
    /// that a frame that is lost does not change what happens to those behind it.
    pub(super) fn next(&mut self, length: usize) -> Fate {
        self.number += 1;
        let number = self.number;
        let hurried = self.hurried.picks(number);
        let delay = self.delay.of(number);
        Fate {
            lost: self.lost.picks(number),
            doubled: self.doubled.picks(number),
            hurried,
            flipped: if self.corrupted.picks(number) { self.bit(length) } else { None },
            delay: if hurried { Duration::ZERO } else { delay },
        }
    }

    /// A bit behind the Ethernet header, if there is one.
    fn bit(&self, length: usize) -> Option<usize> {
        let bits = length.checked_sub(ETHERNET)? as u64 * 8;
        // The remainder prefers low bits by less than one in 2^45.
        let bit = self.bit.number(self.number, Which::First).checked_rem(bits)?;
        usize::try_from(bit).ok().map(|bit| ETHERNET * 8 + bit)
    }
}

/// A [`Pick`] and where it stands.
#[derive(Clone, Debug)]
struct Picker {
    pick: Pick,
    dice: Dice,
    /// Of [`Pick::Bursts`]: in the bad state.
    bad: bool,
}

impl Picker {
    fn new(pick: Pick, dice: Dice) -> Picker {
        Picker { pick, dice, bad: false }
    }

    /// Whether it happens to frame `n`; to be asked for each in turn.
    fn picks(&mut self, n: u64) -> bool {
        match &self.pick {
            Pick::Never => false,
            Pick::Chance(chance) => self.dice.fraction(n, Which::First) < *chance,
            Pick::Bursts { begin, end, bad, good } => {
                let change = if self.bad { *end } else { *begin };
                if self.dice.fraction(n, Which::Second) < change {
                    self.bad = !self.bad;
                }
                self.dice.fraction(n, Which::First) < if self.bad { *bad } else { *good }
            }
            Pick::Every(nth) => n.checked_rem(*nth) == Some(0),
            Pick::Exactly(these) => these.contains(&n),
        }
    }
}

/// The shape of Pareto's distribution, and with it the mean and the deviation of one that begins at 1.
const SHAPE: f64 = 3.0;
const MEAN: f64 = SHAPE / (SHAPE - 1.0);
/// `sqrt(SHAPE / (SHAPE - 2)) / (SHAPE - 1)`.
const DEVIATION: f64 = 0.866_025_403_784_438_6;

/// A delay that varies.
///
/// Behind each distribution is a normal number that resembles the one before it; only then is it given its shape. So the
/// delays are spread as they should be, however much they are correlated.
#[derive(Clone, Debug)]
struct Delay {
    mean: Duration,
    jitter: Jitter,
    dice: Dice,
    /// The normal number of the frame before.
    before: Option<f64>,
}

impl Delay {
    fn new(impairment: &Impairment, dice: Dice) -> Delay {
        Delay { mean: impairment.delay, jitter: impairment.jitter, dice, before: None }
    }

    /// That of frame `n`; to be asked for each in turn.
    fn of(&mut self, n: u64) -> Duration {
        if self.jitter.spread.is_zero() {
            return self.mean;
        }
        let fresh = gauss::normal(self.dice.fraction(n, Which::First), self.dice.fraction(n, Which::Second));
        let correlation = self.jitter.correlation.clamp(0.0, 1.0);
        let normal = match self.before {
            // The weights keep the variance at 1.
            Some(before) => correlation * before + (1.0 - correlation * correlation).sqrt() * fresh,
            None => fresh,
        };
        self.before = Some(normal);
        let stray = match self.jitter.distribution {
            Distribution::Uniform => 1.0 - 2.0 * gauss::above(normal),
            Distribution::Normal => normal,
            Distribution::Pareto => (gauss::above(normal).powf(-1.0 / SHAPE) - MEAN) / DEVIATION,
        };
        let seconds = self.mean.as_secs_f64() + stray * self.jitter.spread.as_secs_f64();
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const FRAMES: usize = 10_000;

    fn fates(impairment: &Impairment, seed: u64, count: usize) -> Vec<Fate> {
        let mut fates = Fates::new(impairment, seed);
        (0..count).map(|_| fates.next(100)).collect()
    }

    /// The numbers of the frames that are lost.
    fn lost(loss: Pick, seed: u64, count: usize) -> Vec<u64> {
        let impairment = Impairment { loss, ..Impairment::default() };
        (1..).zip(fates(&impairment, seed, count)).filter(|(_, fate)| fate.lost).map(|(n, _)| n).collect()
    }

    fn delays(delay: u64, jitter: Jitter, seed: u64) -> Vec<f64> {
        let impairment = Impairment { delay: Duration::from_millis(delay), jitter, ..Impairment::default() };
        fates(&impairment, seed, FRAMES).iter().map(|fate| fate.delay.as_secs_f64() * 1e3).collect()
    }

    fn jitter(distribution: Distribution, correlation: f64) -> Jitter {
        Jitter { spread: Duration::from_millis(10), distribution, correlation }
    }

    #[expect(clippy::cast_precision_loss, reason = "few")]
    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn deviation(values: &[f64]) -> f64 {
        let mean_ = mean(values);
        mean(&values.iter().map(|value| (value - mean_).powi(2)).collect::<Vec<_>>()).sqrt()
    }

    #[test]
    fn a_chance_holds_within_binomial_bounds() {
        for (chance, seed) in [(0.3, 1), (0.3, 2), (0.01, 3), (0.5, u64::MAX), (0.9, 0)] {
            let count =
                f64::from(u32::try_from(lost(Pick::Chance(chance), seed, FRAMES).len()).expect("few"));
            let five = 5.0 * (10_000.0 * chance * (1.0 - chance)).sqrt();
            assert!((count - 10_000.0 * chance).abs() < five, "{chance}, seed {seed}: {count}");
        }
        assert_eq!(lost(Pick::Chance(0.0), 1, FRAMES).len(), 0);
        assert_eq!(lost(Pick::Chance(1.0), 1, FRAMES).len(), FRAMES);
    }

    #[test]
    fn a_burst_is_as_long_as_it_should_be() {
        let bursts = Pick::Bursts { begin: 0.01, end: 0.2, bad: 1.0, good: 0.0 };
        let lost = lost(bursts, 4, 200_000);
        let ends = lost.windows(2).filter(|pair| pair[1] != pair[0] + 1).count() + 1;
        let of = |count: usize| f64::from(u32::try_from(count).expect("few"));
        // 1 / end is 5, from some 1900 bursts of deviation 4.5: five times 0.1. A share of begin / (begin + end) is lost.
        assert!((of(lost.len()) / of(ends) - 5.0).abs() < 0.5, "{}", of(lost.len()) / of(ends));
        assert!((of(lost.len()) / 200_000.0 - 0.0476).abs() < 0.006, "{}", lost.len());
    }

    #[test]
    fn a_good_state_may_lose_and_a_bad_one_may_not() {
        let swapped = Pick::Bursts { begin: 0.0, end: 1.0, bad: 0.0, good: 1.0 };
        assert_eq!(lost(swapped, 1, 100).len(), 100);
    }

    #[test]
    fn delays_are_spread_as_they_should_be_however_correlated() {
        for correlation in [0.0, 0.5] {
            // The half width is 10 ms, so the deviation is 10 / sqrt(3).
            let uniform = delays(50, jitter(Distribution::Uniform, correlation), 1);
            assert!(uniform.iter().all(|delay| (40.0..=60.0).contains(delay)));
            assert!((mean(&uniform) - 50.0).abs() < 0.5, "{}", mean(&uniform));
            assert!((deviation(&uniform) - 5.77).abs() < 0.3, "{}", deviation(&uniform));

            let normal = delays(50, jitter(Distribution::Normal, correlation), 2);
            assert!((mean(&normal) - 50.0).abs() < 1.0, "{}", mean(&normal));
            assert!((deviation(&normal) - 10.0).abs() < 0.5, "{}", deviation(&normal));

            // A tail of shape 3 makes the deviation of a sample stray itself; the ends of its range do not.
            let pareto = delays(50, jitter(Distribution::Pareto, correlation), 3);
            let least = pareto.iter().copied().fold(f64::INFINITY, f64::min);
            let most = pareto.iter().copied().fold(0.0, f64::max);
            assert!((mean(&pareto) - 50.0).abs() < 1.0, "{}", mean(&pareto));
            assert!((least - (50.0 - 10.0 / 3.0_f64.sqrt())).abs() < 0.1, "{least}");
            assert!(most > 100.0, "{most}");
        }
    }

    #[test]
    fn a_correlated_delay_resembles_the_one_before_it() {
        for correlation in [0.0, 0.5, 0.9] {
            let delays = delays(50, jitter(Distribution::Normal, correlation), 5);
            let middle = mean(&delays);
            let products: Vec<f64> =
                delays.windows(2).map(|pair| (pair[0] - middle) * (pair[1] - middle)).collect();
            let seen = mean(&products) / deviation(&delays).powi(2);
            assert!((seen - correlation).abs() < 0.05, "{correlation}: {seen}");
        }
    }

    #[test]
    fn a_delay_is_never_below_zero() {
        let delays = delays(1, jitter(Distribution::Normal, 0.0), 6);
        assert!(delays.contains(&0.0) && delays.iter().all(|delay| *delay >= 0.0));
    }

    #[test]
    fn what_else_is_configured_changes_nothing() {
        let alone = Impairment { loss: Pick::Chance(0.2), ..Impairment::default() };
        let together = Impairment {
            corrupt: Pick::Chance(0.2),
            duplicate: Pick::Chance(0.2),
            reorder: Pick::Every(2),
            jitter: jitter(Distribution::Pareto, 0.3),
            ..alone.clone()
        };
        let (one, other) = (fates(&alone, 7, 1000), fates(&together, 7, 1000));
        assert!(one.iter().zip(&other).all(|(one, other)| one.lost == other.lost));
        assert!(other.iter().any(|fate| fate.lost != fate.doubled), "each has dice of its own");
    }

    proptest! {
        #[test]
        fn the_same_seed_means_the_same_fates(seed: u64) {
            let impairment = Impairment {
                loss: Pick::Bursts { begin: 0.1, end: 0.3, bad: 0.8, good: 0.1 },
                corrupt: Pick::Chance(0.5),
                duplicate: Pick::Chance(0.1),
                reorder: Pick::Chance(0.2),
                jitter: jitter(Distribution::Normal, 0.4),
                ..Impairment::default()
            };
            prop_assert_eq!(fates(&impairment, seed, 200), fates(&impairment, seed, 200));
        }

        #[test]
        fn every_nth_is_every_nth(nth in 1_u64..50, seed: u64) {
            let expected: Vec<u64> = (1..=500).filter(|n| n % nth == 0).collect();
            prop_assert_eq!(lost(Pick::Every(nth), seed, 500), expected);
        }

        #[test]
        fn exactly_these_are_exactly_these(these in prop::collection::btree_set(1_u64..200, 0..20), seed: u64) {
            let expected: Vec<u64> = these.iter().copied().collect();
            prop_assert_eq!(lost(Pick::Exactly(BTreeSet::clone(&these)), seed, 200), expected);
        }

        #[test]
        fn a_flipped_bit_is_behind_the_ethernet_header(length in 0_usize..2000, seed: u64) {
            let corrupt = Impairment { corrupt: Pick::Every(1), ..Impairment::default() };
            match Fates::new(&corrupt, seed).next(length).flipped {
                Some(bit) => prop_assert!((ETHERNET * 8..length * 8).contains(&bit)),
                None => prop_assert!(length <= ETHERNET),
            }
        }
    }
}
