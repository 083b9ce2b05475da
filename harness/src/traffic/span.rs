//! When traffic is measured: a warm-up, then the time that counts; and how it is stopped before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cost::{Busy, Cost, of_this_thread};

/// How long a thread of the traffic waits for anything before it looks whether it is over.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How long traffic lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Before anything counts: congestion windows open, neighbours are found.
    pub warm_up: Duration,
    /// What counts.
    pub lasts: Duration,
}

impl Default for Span {
    /// A second, after a fifth of one.
    fn default() -> Span {
        Span::of(Duration::from_secs(1))
    }
}

impl Span {
    /// So long, after a warm-up of a fifth of it, at most half a second.
    pub fn of(lasts: Duration) -> Span {
        Span { warm_up: (lasts / 5).min(Duration::from_millis(500)), lasts }
    }

    /// In all.
    pub fn whole(&self) -> Duration {
        self.warm_up + self.lasts
    }
}

/// Stops a run before its time: what it returns then is worth nothing. Clones are handles to one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops it. It ends some 20 ms later.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been stopped.
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A span that has begun.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) begins: Instant,
    pub(super) ends: Instant,
    stop: Stop,
}

impl Window {
    pub(super) fn new(span: Span, stop: &Stop) -> Window {
        let begins = Instant::now() + span.warm_up;
        Window { begins, ends: begins + span.lasts, stop: stop.clone() }
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.stopped()
    }

    /// Whether what happens then counts.
    pub(super) fn counts(&self, now: Instant) -> bool {
        (self.begins..self.ends).contains(&now)
    }

    /// Whether nothing is to be begun any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.ends || self.stopped()
    }

    /// Waits for that moment; earlier if it is stopped.
    pub(super) fn sleep_until(&self, then: Instant) {
        while !self.stopped() {
            match then.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(LOOK)),
                _ => return,
            }
        }
    }

    /// Waits until the window is over; what process and machine have spent within it.
    pub(super) fn watch(&self) -> Cost {
        self.sleep_until(self.begins);
        let before = Busy::now();
        self.sleep_until(self.ends);
        before.since()
    }
}

/// The CPU time of a thread within a window. The thread tells it the time as it goes; while it waits, it costs nothing.
#[derive(Debug)]
pub(super) struct Meter {
    from: Option<Duration>,
    cost: Option<Duration>,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter { from: None, cost: None }
    }

    /// It is so late now.
    pub(super) fn tick(&mut self, window: &Window, now: Instant) {
        match (self.from, self.cost) {
            (None, _) if now >= window.begins => self.from = Some(of_this_thread()),
            (Some(_), None) if now >= window.ends => self.cost = Some(self.so_far()),
            _ => {}
        }
    }

    fn so_far(&self) -> Duration {
        self.from.map(|from| of_this_thread().saturating_sub(from)).unwrap_or_default()
    }

    /// What the window has cost, to be asked on that thread.
    pub(super) fn cost(&self) -> Duration {
        self.cost.unwrap_or_else(|| self.so_far())
    }
}
