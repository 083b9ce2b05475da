//! A thread that carries the frames of one direction of a wire.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kernel::wire::{Bell, End, Missed, punctual, wait};

use super::{Counts, Frame, Log, Resolved, Shaper, Side};
use crate::error::{Error, Kind, Result};

/// How long before a frame is due the thread stops sleeping and watches the clock: what the kernel takes to wake it.
const EARLY: Duration = Duration::from_micros(60);
/// How long the thread watches for the next frame, behind the last that came, before it sleeps: as long as waking it may take.
/// A stream then wakes nobody, and all that carries none costs as much once.
const WATCH: Duration = EARLY;
/// Frames taken in before others are let out: a wire that is busy must not hold up those that are due.
const BATCH: usize = 64;

/// Carries frames from one end to another, until it is dropped: then what is on its way goes on at once, in order.
#[derive(Debug)]
pub(crate) struct Pump {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    shaper: Mutex<Shaper>,
    bell: Bell,
    over: AtomicBool,
    /// Frames that the far link did not take.
    refused: AtomicU64,
    missed: Missed,
    /// Why it carries no frames any more.
    dead: OnceLock<String>,
    log: Log,
    side: Side,
}

/// What became of frames.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Of those that were taken in.
    pub(crate) counts: Counts,
    /// How many of them the far link did not take.
    pub(crate) refused: u64,
    /// How many came and could not be taken in.
    pub(crate) missed: u64,
    /// Why no more are carried, if that is so.
    pub(crate) dead: Option<String>,
}

impl Pump {
    /// Starts to carry frames, those of that side of a wire; what it does to them is noted in a log. What has come before is thrown away: it has gone another way.
    pub(crate) fn start(
        name: &str,
        mut from: End,
        to: End,
        shaper: Shaper,
        (log, side): (Log, Side),
    ) -> Result<Pump> {
        let failed = |e| Error::new(Kind::Machine, format_args!("cannot start the pump of {name}: {e}"));
        // Here and not in the thread: what is sent once this has returned is carried.
        while from.receive().map_err(failed)?.is_some() {}
        let shared = Arc::new(Shared {
            shaper: Mutex::new(shaper),
            bell: Bell::new().map_err(failed)?,
            over: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            missed: from.missed(),
            dead: OnceLock::new(),
            log,
            side,
        });
        let thread = thread::Builder::new().name(name.to_owned()).spawn({
            let (shared, name) = (Arc::clone(&shared), name.to_owned());
            move || {
                if let Err(error) = shared.carry(from, &to) {
                    tracing::warn!(wire = name, %error, "the wire is dead");
                    // It is said once.
                    let _ = shared.dead.set(error.to_string());
                }
            }
        });
        Ok(Pump { shared, thread: Some(thread.map_err(failed)?) })
    }

    /// From now on it does that to frames.
    pub(crate) fn change(&self, resolved: Resolved) {
        self.shared.shaper().change(resolved);
        self.shared.bell.ring();
    }

    /// What became of frames so far.
    pub(crate) fn account(&self) -> Account {
        Account {
            counts: self.shared.shaper().counts(),
            refused: self.shared.refused.load(Ordering::Relaxed),
            missed: self.shared.missed.count(),
            dead: self.shared.dead.get().cloned(),
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, its frames are lost and nothing else.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn shaper(&self) -> MutexGuard<'_, Shaper> {
        self.shaper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, mut from: End, to: &End) -> std::io::Result<()> {
        // Without it frames are late by up to 50 µs, no worse.
        let _ = punctual();
        let begun = Instant::now();
        let mut due = None;
        // Frames come in order, whatever clocks say that are read one after the other.
        let mut last = Duration::ZERO;
        let mut watch = Duration::ZERO;
        while !self.over.load(Ordering::SeqCst) {
            self.sleep(&from, begun, due, watch)?;
            let mut shaper = self.shaper();
            let is_read = self.log.is_read();
            // What was done to frames that came while nobody read yet is nobody's.
            shaper.touched(is_read);
            for _ in 0..BATCH {
                let Some(received) = from.receive()? else { break };
                let now = begun.elapsed();
                let arrived = now.saturating_sub(received.age).max(last);
                last = arrived;
                watch = now + WATCH;
                shaper.push(now, Frame { header: received.header, bytes: received.bytes, arrived });
            }
            if is_read {
                self.log.note(self.side, shaper.touched(true));
            }
            while let Some(frame) = shaper.pop(begun.elapsed()) {
                self.send(to, &frame)?;
            }
            due = shaper.wake_at();
        }
        let mut shaper = self.shaper();
        shaper.change(Resolved::default());
        while let Some(frame) = shaper.pop(Duration::MAX) {
            self.send(to, &frame)?;
        }
        Ok(())
    }

    /// Until a frame comes, somebody rings, or the next frame is due. Until `watch` without going to sleep.
    fn sleep(
        &self,
        from: &End,
        begun: Instant,
        due: Option<Duration>,
        watch: Duration,
    ) -> std::io::Result<()> {
        let early = due.map(|due| due.saturating_sub(EARLY));
        let watch = early.map_or(watch, |early| watch.min(early));
        while begun.elapsed() < watch {
            if wait(from, &self.bell, Some(Duration::ZERO))? {
                return Ok(());
            }
            // Whoever sends the next one may need this core.
            thread::yield_now();
        }
        let Some((due, early)) = due.zip(early) else { return wait(from, &self.bell, None).map(drop) };
        let left = early.saturating_sub(begun.elapsed());
        if !left.is_zero() {
            return wait(from, &self.bell, Some(left)).map(drop);
        }
        while begun.elapsed() < due {
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn send(&self, to: &End, frame: &Frame) -> std::io::Result<()> {
        if !to.send(&frame.header, &frame.bytes)? {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
