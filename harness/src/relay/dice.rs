//! Randomness without a past: a number for each frame.

/// 2^64 divided by the golden ratio, odd: multiples of it are spread evenly (Knuth, The Art of Computer Programming, 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is decided. Each thing has numbers of its own, so that who is lost does not depend on what else is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// [`Impairment::loss`](crate::fault::Impairment::loss).
    Loss = 1,
    /// Which frames are corrupted.
    Corrupt = 2,
    /// Which bit of them.
    Bit = 3,
    /// Which frames arrive twice.
    Duplicate = 4,
    /// Which frames skip the delay.
    Reorder = 5,
    /// How the delay varies.
    Jitter = 6,
}

/// Numbers that look random, each a function of the seed, the stream and its place in it. Nothing is drawn in turn, so
/// nothing depends on timing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Those of a stream.
    pub(super) fn new(seed: u64, stream: Stream) -> Dice {
        Dice(mix(mix(seed).wrapping_add((stream as u64).wrapping_mul(GOLDEN))))
    }

    /// The number of frame `n`; `which` of the two that it has.
    pub(super) fn number(self, n: u64, which: Which) -> u64 {
        let place = n.wrapping_mul(2).wrapping_add(which as u64);
        mix(self.0.wrapping_add(place.wrapping_mul(GOLDEN)))
    }

    /// The same, from 0 up to but without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    pub(super) fn fraction(self, n: u64, which: Which) -> f64 {
        (self.number(n, which) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A decision may take two numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    First = 0,
    Second = 1,
}

/// Changes about half of the bits of the result for each bit of `x`: the finaliser of SplitMix64 (Steele, Lea and Flood,
/// Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, with Stafford's constants of variant 13).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        // Whoever notes a seed down relies on it: these never change.
        let dice = Dice::new(7, Stream::Loss);
        assert_eq!(
            [1, 2].map(|n| dice.number(n, Which::First)),
            [0xedbf_fbd6_2e8f_a50e, 0x8ac4_be70_d4c2_85e0]
        );
    }

    #[test]
    fn streams_seeds_and_places_differ() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..4 {
            for stream in [Stream::Loss, Stream::Corrupt, Stream::Jitter] {
                for n in 0..1000 {
                    let dice = Dice::new(seed, stream);
                    assert!(seen.insert(dice.number(n, Which::First)));
                    assert!(seen.insert(dice.number(n, Which::Second)));
                }
            }
        }
    }

    #[test]
    fn fractions_fill_the_range_evenly() {
        let dice = Dice::new(1, Stream::Bit);
        let mut tenths = [0_u32; 10];
        for n in 0..10_000 {
            let fraction = dice.fraction(n, Which::Second);
            assert!((0.0..1.0).contains(&fraction));
            let tenth = (1..10).filter(|at| fraction * 10.0 >= f64::from(*at)).count();
            tenths[tenth] += 1;
        }
        // 1000 each, give or take five standard deviations of 30.
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }
}
