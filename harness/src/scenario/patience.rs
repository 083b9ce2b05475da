//! When a step is tried again. Pure: times are counted from the step's beginning, by the caller.

use std::time::Duration;

/// Before the second try. Facts are cheap to look at, and often there at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Between later tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What a step's `within` and `for` ask for, and how far its tries have come.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    within: Option<Duration>,
    holds_for: Duration,
    /// When the try began that was the first to hold.
    since: Option<Duration>,
    pause: Duration,
}

/// What is to be done after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it held, as long as it had to.
    Held,
    /// Try again after that pause.
    Again(Duration),
    /// Nothing: it does not hold, and its time is over.
    Failed,
    /// Nothing: it held for that long, and then not any more.
    Lapsed(Duration),
}

impl Patience {
    pub(crate) fn new(within: Option<Duration>, holds_for: Option<Duration>) -> Patience {
        Patience { within, holds_for: holds_for.unwrap_or_default(), since: None, pause: SHORTEST_PAUSE }
    }

    /// A try that began and ended then has held, or has not. One that began in time counts, however long it took.
    pub(crate) fn after(&mut self, began: Duration, ended: Duration, held: bool) -> Next {
        if held {
            let since = *self.since.get_or_insert(began);
            return match (since + self.holds_for).checked_sub(ended) {
                // The last look is at the end of that time, not before.
                Some(left) if !left.is_zero() => Next::Again(left.min(SHORTEST_PAUSE)),
                _ => Next::Held,
            };
        }
        if let Some(since) = self.since {
            return Next::Lapsed(began.saturating_sub(since));
        }
        match self.within.and_then(|within| within.checked_sub(ended)) {
            Some(left) if !left.is_zero() => {
                let pause = self.pause.min(left);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Next::Again(pause)
            }
            _ => Next::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn without_limits_there_is_one_try() {
        assert_eq!(Patience::new(None, None).after(ms(0), ms(3), true), Next::Held);
        assert_eq!(Patience::new(None, None).after(ms(0), ms(3), false), Next::Failed);
    }

    #[test]
    fn within_tries_again_and_lets_the_last_try_end() {
        let mut patience = Patience::new(Some(ms(50)), None);
        assert_eq!(patience.after(ms(0), ms(1), false), Next::Again(ms(5)));
        assert_eq!(patience.after(ms(6), ms(48), false), Next::Again(ms(2)));
        assert_eq!(patience.clone().after(ms(50), ms(90), true), Next::Held);
        assert_eq!(patience.after(ms(50), ms(90), false), Next::Failed);
    }

    #[test]
    fn what_has_to_hold_for_a_time_may_not_lapse() {
        let mut patience = Patience::new(Some(ms(100)), Some(ms(20)));
        assert_eq!(patience.after(ms(0), ms(10), false), Next::Again(ms(5)));
        assert_eq!(patience.after(ms(15), ms(25), true), Next::Again(ms(5)));
        let mut lapsing = patience.clone();
        assert_eq!(lapsing.after(ms(30), ms(31), false), Next::Lapsed(ms(15)));
        assert_eq!(patience.after(ms(30), ms(35), true), Next::Held);
    }

    proptest! {
        #[test]
        fn it_comes_to_an_end(within in 0..200u64, holds in 0..200u64, takes in 0..20u64, from in 0..400u64) {
            let mut patience = Patience::new(Some(ms(within)), Some(ms(holds)));
            let mut now = ms(0);
            for _ in 0..200 {
                let ended = now + ms(takes);
                match patience.after(now, ended, now >= ms(from)) {
                    Next::Again(pause) => {
                        prop_assert!(!pause.is_zero());
                        now = ended + pause;
                    }
                    Next::Held => return Ok(()),
                    end => {
                        prop_assert_eq!(end, Next::Failed);
                        prop_assert!(now + ms(takes) >= ms(within));
                        return Ok(());
                    }
                }
            }
            prop_assert!(false, "no end");
        }
    }
}
