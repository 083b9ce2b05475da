//! Frames that wait for their time.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::frame::Frame;

/// A frame that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it goes on.
    pub(super) due: Duration,
    /// The how manieth it was to come.
    pub(super) number: u64,
    /// Whether it is the second of two that are the same.
    pub(super) copy: bool,
    /// It.
    pub(super) frame: Frame,
}

impl Waiting {
    fn rank(&self) -> (Duration, u64, bool) {
        (self.due, self.number, self.copy)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// Those that keep their order in a queue, which costs nothing, and beside it those that may overtake.
#[derive(Debug, Default)]
pub(super) struct Line {
    orderly: VecDeque<Waiting>,
    free: BinaryHeap<Reverse<Waiting>>,
    originals: u64,
}

impl Line {
    /// One more, never before those that came in the same way.
    pub(super) fn follow(&mut self, mut waiting: Waiting) {
        if let Some(last) = self.orderly.back() {
            waiting.due = waiting.due.max(last.due);
        }
        self.originals += u64::from(!waiting.copy);
        self.orderly.push_back(waiting);
    }

    /// One more, which goes when it is due, whoever else waits.
    pub(super) fn overtake(&mut self, waiting: Waiting) {
        self.originals += u64::from(!waiting.copy);
        self.free.push(Reverse(waiting));
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Duration> {
        let orderly = self.orderly.front().map(|waiting| waiting.due);
        let free = self.free.peek().map(|Reverse(waiting)| waiting.due);
        orderly.into_iter().chain(free).min()
    }

    /// The next one that is due.
    pub(super) fn take(&mut self, now: Duration) -> Option<Waiting> {
        let next = match (self.orderly.front(), self.free.peek()) {
            (Some(orderly), Some(Reverse(free))) if free < orderly => self.take_free(now),
            (None, Some(_)) => self.take_free(now),
            (Some(orderly), _) if orderly.due <= now => self.orderly.pop_front(),
            _ => None,
        }?;
        self.originals -= u64::from(!next.copy);
        Some(next)
    }

    fn take_free(&mut self, now: Duration) -> Option<Waiting> {
        let due = self.free.peek().is_some_and(|Reverse(waiting)| waiting.due <= now);
        if due { self.free.pop().map(|Reverse(waiting)| waiting) } else { None }
    }

    /// How many wait, copies left out.
    pub(super) fn originals(&self) -> u64 {
        self.originals
    }
}
