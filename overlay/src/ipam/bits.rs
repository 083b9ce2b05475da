//! A set of small numbers as Docker keeps it: runs of equal 32-bit blocks (20.10: `bitseq/sequence.go`).
//!
//! Number *n* is bit `31 - n % 32` of block `n / 32`. The addresses of a pool are kept so, and the VNIs.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const BLOCK: u64 = 32;
const FULL: u32 = u32::MAX;

/// Equal blocks beside one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    block: u32,
    count: u64,
}

/// A set of numbers below a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    len: u64,
    runs: Vec<Run>,
}

/// The text is not a set that Docker would write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a bit sequence: {0}")]
pub struct BadBits(&'static str);

impl Bits {
    /// The empty set of numbers below `len`.
    pub fn new(len: u64) -> Bits {
        Bits { len, runs: vec![Run { block: 0, count: len.div_ceil(BLOCK) }] }
    }

    /// How many numbers there could be.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no number is in the set.
    pub fn is_empty(&self) -> bool {
        self.free() == self.len
    }

    /// How many numbers below the limit are not in the set.
    ///
    /// It is counted and not kept: Docker's own counter drifts when a number is released twice.
    pub fn free(&self) -> u64 {
        let taken = |run: &Run| u128::from(run.block.count_ones()) * u128::from(run.count);
        let taken: u128 = self.runs.iter().map(taken).sum();
        self.len.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX))
    }

    /// Whether a number is in the set.
    pub fn has(&self, number: u64) -> bool {
        let mut first = 0;
        for run in &self.runs {
            first += run.count;
            if number / BLOCK < first {
                return run.block & mask(number) != 0;
            }
        }
        false
    }

    /// Takes a number. False: it was in the set already, or never can be.
    pub fn take(&mut self, number: u64) -> bool {
        if number >= self.len || self.has(number) {
            return false;
        }
        self.change(number, |block| block | mask(number));
        true
    }

    /// Gives a number back. False: it was not in the set.
    pub fn release(&mut self, number: u64) -> bool {
        if !self.has(number) {
            return false;
        }
        self.change(number, |block| block & !mask(number));
        true
    }

    /// The lowest number of the range that is not in the set.
    pub fn first_free(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), (*range.end()).min(self.len.checked_sub(1)?));
        let mut first = 0; // the first block of this run
        for run in self.runs.iter().filter(|run| run.count > 0) {
            let last = first + (run.count - 1);
            // The last number of the last block of all may be beyond what is counted in.
            let (from, to) = (low.max(first * BLOCK), high.min(last * BLOCK + (BLOCK - 1)));
            if run.block != FULL && from <= to {
                // All blocks of a run are alike: what the first one, cut, has not, the second one has or none.
                let two = from..=to.min(from.saturating_add(2 * BLOCK - 1 - from % BLOCK));
                let found = two.into_iter().find(|number| run.block & mask(*number) == 0);
                if found.is_some() {
                    return found;
                }
            }
            first = last + 1;
        }
        None
    }

    /// The numbers that only one of both has, upwards.
    pub fn difference(&self, other: &Bits) -> impl Iterator<Item = u64> {
        let len = self.len.min(other.len);
        let in_stretch = move |(first, count, block): (u64, u64, u32)| {
            let blocks = if block == 0 { 0 } else { count };
            let numbers =
                (first..first + blocks).flat_map(|place| (0..BLOCK).map(move |bit| place * BLOCK + bit));
            numbers.filter(move |number| block & mask(*number) != 0 && *number < len)
        };
        stretches(&self.runs, &other.runs).into_iter().flat_map(in_stretch)
    }

    /// The lowest free number after one that was handed out last, and from the start when there is none left.
    pub fn next_free(&self, after: Option<u64>, range: RangeInclusive<u64>) -> Option<u64> {
        let start = after.map_or(*range.start(), |last| last.saturating_add(1).max(*range.start()));
        self.first_free(start..=*range.end()).or_else(|| self.first_free(range))
    }

    fn change(&mut self, number: u64, f: impl Fn(u32) -> u32) {
        let place = number / BLOCK;
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len() + 2);
        let mut push = |block, count| match runs.last_mut() {
            _ if count == 0 => {}
            Some(last) if last.block == block => last.count += count,
            _ => runs.push(Run { block, count }),
        };
        let mut first = 0;
        for run in &self.runs {
            let next = first + run.count;
            if (first..next).contains(&place) {
                push(run.block, place - first);
                push(f(run.block), 1);
                push(run.block, next - place - 1);
            } else {
                push(run.block, run.count);
            }
            first = next;
        }
        self.runs = runs;
    }

    /// The text that Docker keeps in the store.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(16 + 12 * self.runs.len());
        bytes.extend(self.len.to_be_bytes());
        bytes.extend(self.free().to_be_bytes());
        for run in &self.runs {
            bytes.extend(run.block.to_be_bytes());
            bytes.extend(run.count.to_be_bytes());
        }
        BASE64_STANDARD.encode(bytes)
    }

    /// Reads what Docker keeps in the store.
    pub fn decode(text: &str) -> Result<Bits, BadBits> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| BadBits("not base64"))?;
        let (head, body) = bytes.split_at_checked(16).ok_or(BadBits("too short"))?;
        let len = u64::from_be_bytes(head[..8].try_into().map_err(|_| BadBits("too short"))?);
        let (runs, rest) = body.as_chunks::<12>();
        if !rest.is_empty() {
            return Err(BadBits("cut in the middle of a run"));
        }
        let mut bits = Bits { len, runs: Vec::with_capacity(runs.len()) };
        let mut blocks = 0_u64;
        for &[a, b, c, d, count @ ..] in runs {
            let run = Run { block: u32::from_be_bytes([a, b, c, d]), count: u64::from_be_bytes(count) };
            blocks = blocks.checked_add(run.count).ok_or(BadBits("more blocks than numbers"))?;
            bits.runs.push(run);
        }
        if blocks == len.div_ceil(BLOCK) {
            Ok(bits)
        } else {
            Err(BadBits("as many blocks as numbers are needed"))
        }
    }
}

/// Where both are of one run each: the first block, how many, and the numbers of a block that only one has.
fn stretches(one: &[Run], other: &[Run]) -> Vec<(u64, u64, u32)> {
    let (mut one, mut other) = (one.iter().copied(), other.iter().copied());
    let (mut left, mut right) = (one.next(), other.next());
    let (mut all, mut first) = (Vec::new(), 0);
    while let (Some(a), Some(b)) = (&mut left, &mut right) {
        let count = a.count.min(b.count);
        all.push((first, count, a.block ^ b.block));
        first += count;
        a.count -= count;
        b.count -= count;
        if a.count == 0 {
            left = one.next();
        }
        if right.is_some_and(|b| b.count == 0) {
            right = other.next();
        }
    }
    all
}

fn mask(number: u64) -> u32 {
    1 << (31 - number % BLOCK)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const VNIS: u64 = 16_776_960;

    /// Taken numbers of a set of 256, or of the VNIs, and what Docker 20.10 was seen to write for them.
    const GOLDEN: [(u64, &[u64], &str); 5] = [
        (256, &[], "AAAAAAAAAQAAAAAAAAABAAAAAAAAAAAAAAAACA=="),
        (256, &[0, 1, 255], "AAAAAAAAAQAAAAAAAAAA/cAAAAAAAAAAAAAAAQAAAAAAAAAAAAAABgAAAAEAAAAAAAAAAQ=="),
        (
            256,
            &[0, 1, 2, 100, 255],
            "AAAAAAAAAQAAAAAAAAAA++AAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAggAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAwAAAAEAAAAAAAAAAQ==",
        ),
        (VNIS, &[], "AAAAAAD//wAAAAAAAP//AAAAAAAAAAAAAAf/+A=="),
        (VNIS, &[0], "AAAAAAD//wAAAAAAAP/+/4AAAAAAAAAAAAAAAQAAAAAAAAAAAAf/9w=="),
    ];

    fn of(len: u64, taken: &[u64]) -> Bits {
        let mut bits = Bits::new(len);
        assert!(taken.iter().all(|number| bits.take(*number)));
        bits
    }

    #[test]
    fn sets_are_written_as_docker_writes_them() {
        for (len, taken, text) in GOLDEN {
            assert_eq!(of(len, taken).encode(), text);
            assert_eq!(Bits::decode(text).unwrap(), of(len, taken));
        }
    }

    #[test]
    fn the_lowest_free_number_is_found_within_a_range() {
        let bits = of(256, &[0, 1, 2, 64, 65, 255]);
        assert_eq!(bits.first_free(0..=255), Some(3));
        assert_eq!(bits.first_free(64..=127), Some(66));
        assert_eq!(bits.first_free(64..=65), None);
        assert_eq!(bits.first_free(255..=300), None);
        assert_eq!(of(2, &[0, 1]).first_free(0..=1), None);
        assert_eq!(Bits::new(0).first_free(0..=0), None);
    }

    #[test]
    fn serial_order_goes_on_and_wraps() {
        let mut bits = of(4, &[0]);
        assert_eq!(bits.next_free(Some(0), 0..=3), Some(1));
        assert_eq!(bits.next_free(Some(3), 0..=3), Some(1));
        assert!(bits.take(1) && bits.take(2) && bits.take(3) && !bits.take(4));
        assert_eq!(bits.next_free(Some(1), 0..=3), None);
    }

    #[test]
    fn releasing_twice_counts_once() {
        let mut bits = of(256, &[7]);
        assert!(bits.release(7) && !bits.release(7));
        assert_eq!((bits.free(), bits.is_empty()), (256, true));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in
            ["", "AAAA", "?", "AAAAAAAAAQAAAAAAAAABAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAQAAAAAAAAABAAAAAA=="]
        {
            assert!(Bits::decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_as_large_as_an_ipv6_subnet_is_no_larger_in_text() {
        let mut bits = of(u64::MAX, &[0, 1, 2, 1 << 40, u64::MAX - 1]);
        assert_eq!(bits.free(), u64::MAX - 5);
        assert_eq!(Bits::decode(&bits.encode()).unwrap(), bits);
        assert!(!bits.take(u64::MAX) && bits.has(u64::MAX - 1) && !bits.has(u64::MAX - 2));
        assert_eq!(bits.first_free(0..=u64::MAX), Some(3));
        assert_eq!(bits.first_free(u64::MAX - 1..=u64::MAX), None);
        assert_eq!(bits.first_free(1 << 40..=u64::MAX), Some((1 << 40) + 1));
        assert_eq!(bits.next_free(Some(u64::MAX), 0..=u64::MAX), Some(3));
        let other = of(u64::MAX, &[0, 2, 1 << 50]);
        let differ: Vec<u64> = bits.difference(&other).collect();
        assert_eq!(differ, [1, 1 << 40, 1 << 50, u64::MAX - 1]);
        assert!(bits.release(u64::MAX - 1) && bits.release(1 << 40));
        assert_eq!(bits, of(u64::MAX, &[0, 1, 2]));
        // As Docker writes an IPv6 pool whose first two addresses are taken: 2^64 - 1 bits in 2^59 blocks.
        assert_eq!(
            of(u64::MAX, &[0, 1]).encode(),
            "/////////////////////cAAAAAAAAAAAAAAAQAAAAAH/////////w=="
        );
        // All of them, as nobody could take them one by one.
        let full = "//////////8AAAAAAAAAAP////8IAAAAAAAAAA==";
        let full = Bits::decode(full).unwrap();
        assert_eq!((full.free(), full.first_free(0..=u64::MAX)), (0, None));
    }

    proptest! {
        #[test]
        fn what_differs_is_what_only_one_has(one in prop::collection::btree_set(0_u64..300, 0..40), other in prop::collection::btree_set(0_u64..300, 0..40)) {
            let bits = |set: &BTreeSet<u64>| of(300, &set.iter().copied().collect::<Vec<_>>());
            let differ: Vec<u64> = bits(&one).difference(&bits(&other)).collect();
            prop_assert_eq!(differ, one.symmetric_difference(&other).copied().collect::<Vec<_>>());
        }

        #[test]
        fn a_set_is_what_was_put_into_it(len in 1_u64..300, steps in prop::collection::vec((any::<bool>(), 0_u64..300), 0..80)) {
            let (mut bits, mut model) = (Bits::new(len), BTreeSet::new());
            for (take, number) in steps {
                if take {
                    prop_assert_eq!(bits.take(number), number < len && model.insert(number));
                } else {
                    prop_assert_eq!(bits.release(number), model.remove(&number));
                }
            }
            prop_assert!((0..len).all(|number| bits.has(number) == model.contains(&number)));
            prop_assert_eq!(bits.free(), len - model.len() as u64);
            prop_assert_eq!(Bits::decode(&bits.encode()).unwrap(), bits.clone());
            for low in 0..len {
                prop_assert_eq!(bits.first_free(low..=len), (low..len).find(|number| !model.contains(number)));
            }
        }
    }
}
