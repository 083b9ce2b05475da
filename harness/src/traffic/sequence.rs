//! Which of numbered datagrams have come: once, twice, in order. Pure, of bounded memory.

use serde::{Deserialize, Serialize};

/// How far behind the newest number one may be whose duplicate is still known, in numbers: at a million datagrams a second what
/// comes a second late. 128 KiB.
const WINDOW: u64 = 1 << 20;
const WORD: u64 = 64;
const WORDS: usize = 1 << 14;

/// What came of numbered datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Different ones that came.
    pub unique: u64,
    /// Further copies of those.
    pub duplicates: u64,
    /// Those of the different ones that came behind one with a higher number (RFC 4737, 3.3).
    pub reordered: u64,
    /// Those that came so late, more than a million numbers behind, that nobody knows whether they had come before. They are
    /// counted as different and reordered ones.
    pub stale: u64,
}

/// Numbers from 0, as they come.
#[derive(Clone, Debug)]
pub struct Sequence {
    seen: Vec<u64>,
    /// One more than the highest number so far.
    next: u64,
    arrivals: Arrivals,
}

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence { seen: vec![0; WORDS], next: 0, arrivals: Arrivals::default() }
    }
}

impl Sequence {
    /// A datagram of that number has come.
    pub fn arrive(&mut self, number: u64) {
        // No sender gets that far; there is a number behind each.
        let number = number.min(u64::MAX - 1);
        if number >= self.next {
            self.forget(number);
            self.mark(number);
            self.next = number + 1;
            self.arrivals.unique += 1;
        } else if self.next - number > WINDOW {
            self.arrivals.stale += 1;
            self.arrivals.reordered += 1;
            self.arrivals.unique += 1;
        } else if self.mark(number) {
            self.arrivals.duplicates += 1;
        } else {
            self.arrivals.reordered += 1;
            self.arrivals.unique += 1;
        }
    }

    /// What came so far.
    pub fn arrivals(&self) -> Arrivals {
        self.arrivals
    }

    /// Makes room for the numbers from `next` to `number`, whose places were those of numbers a window earlier.
    fn forget(&mut self, number: u64) {
        if number - self.next >= WINDOW {
            self.seen.fill(0);
            return;
        }
        let mut at = self.next;
        while at <= number {
            if at.is_multiple_of(WORD) && number - at >= WORD {
                self.seen[place(at).0] = 0;
                at += WORD;
            } else {
                let (word, bit) = place(at);
                self.seen[word] &= !bit;
                at += 1;
            }
        }
    }

    /// Marks a number as seen; whether it was before.
    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        let before = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        before
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    (usize::try_from(at / WORD).unwrap_or_default(), 1 << (at % WORD))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Arrivals {
        let mut sequence = Sequence::default();
        numbers.into_iter().for_each(|number| sequence.arrive(number));
        sequence.arrivals()
    }

    #[test]
    fn in_order_nothing_is_odd() {
        assert_eq!(of(0..3 * WINDOW), Arrivals { unique: 3 * WINDOW, ..Arrivals::default() });
    }

    #[test]
    fn gaps_duplicates_and_late_ones_are_told_apart() {
        assert_eq!(
            of([0, 1, 4, 4, 3, 3, 3, 9]),
            Arrivals { unique: 5, duplicates: 3, reordered: 1, ..Arrivals::default() }
        );
    }

    #[test]
    fn what_is_older_than_can_be_known_is_said() {
        assert_eq!(of([WINDOW, 0]), Arrivals { unique: 2, reordered: 1, stale: 1, duplicates: 0 });
        assert_eq!(of([WINDOW - 1, 0, 0]), Arrivals { unique: 2, reordered: 1, duplicates: 1, stale: 0 });
        assert_eq!(of([u64::MAX, u64::MAX]).unique, 1);
    }

    #[test]
    fn a_leap_forgets_no_more_than_it_must() {
        // The second number has the place of the first.
        assert_eq!(of([5, 5 + WINDOW, 5 + WINDOW]).duplicates, 1);
        assert_eq!(of([5, 4 + WINDOW, 5]), Arrivals { unique: 2, duplicates: 1, ..Arrivals::default() });
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(numbers in proptest::collection::vec(0..5000u64, 0..500)) {
            let (mut seen, mut expected) = (BTreeSet::new(), Arrivals::default());
            for number in &numbers {
                let late = seen.last().is_some_and(|last| number < last);
                if seen.insert(*number) {
                    expected.unique += 1;
                    expected.reordered += u64::from(late);
                } else {
                    expected.duplicates += 1;
                }
            }
            prop_assert_eq!(of(numbers), expected);
        }

        #[test]
        fn every_arrival_is_counted_once(numbers in proptest::collection::vec(0..4 * WINDOW, 0..200)) {
            let count = u64::try_from(numbers.len()).expect("few");
            let arrivals = of(numbers);
            prop_assert_eq!(arrivals.unique + arrivals.duplicates, count);
            prop_assert!(arrivals.reordered + arrivals.stale <= 2 * arrivals.unique);
        }
    }
}
