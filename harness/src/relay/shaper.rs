//! One direction of a wire: what has to wait, and until when.

use std::collections::VecDeque;
use std::time::Duration;

use super::counts::{Counts, Delays};
use super::fate::{Fate, Fates};
use super::frame::{ETHERNET, Frame};
use super::histogram::Histogram;
use super::line::{Line, Waiting};
use super::pace::Pace;
use super::resolved::Resolved;
use super::segment;
use super::touch::{Done, Dropped, Touch, key, tell};

/// One direction of a wire.
///
/// A frame is pushed when it has been read, and popped when its time has come; what is lost never comes out. Without jitter
/// and reordering frames keep their order, even if the delay gets shorter. A frame that the filter does not mean is not
/// impaired at all: it comes out at the next [`pop`](Shaper::pop), before all that wait, and even while the wire is held.
#[derive(Debug)]
pub(crate) struct Shaper {
    resolved: Resolved,
    seed: u64,
    /// Whether frames of several packets have to be cut apart.
    cuts: bool,
    fates: Fates,
    pace: Option<Pace>,
    straight: VecDeque<Frame>,
    line: Line,
    /// Of the last frame that came in, and the highest of those that went out.
    number: u64,
    furthest: u64,
    /// What `counts` says, without what is only known when it is asked for.
    counts: Counts,
    delays: Histogram,
    /// What was done to frames, if somebody wants to know.
    touched: Option<Vec<Touch>>,
}

impl Shaper {
    /// A wire on which nothing is yet.
    pub(crate) fn new(resolved: Resolved, seed: u64) -> Shaper {
        let impairment = resolved.impairment();
        Shaper {
            seed,
            cuts: impairment.is_per_packet(),
            fates: Fates::new(impairment, seed),
            pace: impairment.rate.map(Pace::new),
            straight: VecDeque::new(),
            line: Line::default(),
            number: 0,
            furthest: 0,
            counts: Counts::default(),
            delays: Histogram::default(),
            touched: None,
            resolved,
        }
    }

    /// From now on it does that to frames, and counts them from 1. What is on its way stays so: it is due when it would have
    /// been, unless the wire is held, and goes on in order once it is not held any more.
    pub(crate) fn change(&mut self, resolved: Resolved) {
        let impairment = resolved.impairment();
        self.cuts = impairment.is_per_packet();
        self.fates = Fates::new(impairment, self.seed);
        match (&mut self.pace, impairment.rate) {
            (Some(pace), Some(rate)) => pace.change(rate),
            (pace, rate) => *pace = rate.map(Pace::new),
        }
        self.resolved = resolved;
    }

    /// Takes a frame. `now` is since the wire began, as is the time of the frame's arrival, from which its delay counts.
    pub(crate) fn push(&mut self, now: Duration, frame: Frame) {
        if !self.resolved.matches(&frame.bytes) {
            self.counts.seen += 1;
            self.straight.push_back(frame);
            return;
        }
        let key = self.touched.as_ref().and_then(|_| key(&frame.bytes, frame.bytes.len()));
        let frame = match if self.cuts && frame.header.is_gso() { segment::cut(frame) } else { Err(frame) } {
            Ok(packets) => {
                let done: Vec<Done> = packets.into_iter().map(|packet| self.impair(now, packet)).collect();
                return self.tell(key, &done);
            }
            Err(frame) => frame,
        };
        let done = self.impair(now, frame);
        self.tell(key, &[done]);
    }

    /// Of the frame with that key, if somebody wants to know.
    fn tell(&mut self, key: Option<u64>, done: &[Done]) {
        if let (Some(key), Some(touched)) = (key, &mut self.touched) {
            let text = tell(done, self.resolved.whose());
            touched.extend(text.map(|text| Touch { key, text }));
        }
    }

    /// What was done to frames since this was last asked; of frames that come, if somebody wants to know by then.
    pub(super) fn touched(&mut self, wanted: bool) -> Vec<Touch> {
        let next = wanted.then(Vec::new);
        std::mem::replace(&mut self.touched, next).unwrap_or_default()
    }

    fn impair(&mut self, now: Duration, mut frame: Frame) -> Done {
        let mut done = Done { held: self.is_held(), ..Done::default() };
        self.number += 1;
        self.counts.seen += 1;
        self.counts.matched += 1;
        let fate = self.fates.next(frame.bytes.len());
        let longest = self.resolved.impairment().mtu.map(|mtu| u64::from(mtu) + ETHERNET as u64);
        if longest.is_some_and(|longest| frame.len() > longest) {
            self.counts.too_long += 1;
            return Done { dropped: Some(Dropped::TooLong), ..done };
        }
        if fate.lost {
            self.counts.lost += 1;
            return Done { dropped: Some(Dropped::Lost), ..done };
        }
        if let Some(bit) = fate.flipped {
            frame.flip(bit);
            self.counts.corrupted += 1;
            done.flipped = Some(bit);
        }
        // The kernel's clock may be ahead of a `now` that was read earlier.
        let arrived = frame.arrived.min(now);
        let copy = fate.doubled.then(|| frame.clone());
        let Some(due) = self.send(arrived, frame, &fate, false) else {
            self.counts.overflowed += 1;
            return Done { dropped: Some(Dropped::Overflowed), ..done };
        };
        (done.delay, done.hurried) = (due.saturating_sub(arrived), fate.hurried);
        self.counts.reordered += u64::from(fate.hurried);
        if let Some(copy) = copy {
            done.doubled = self.send(arrived, copy, &fate, true).is_some();
            self.counts.duplicated += u64::from(done.doubled);
        }
        done
    }

    /// Onto the wire, unless its queue is full: when it is due.
    fn send(&mut self, arrived: Duration, frame: Frame, fate: &Fate, copy: bool) -> Option<Duration> {
        let left = match &mut self.pace {
            Some(pace) => pace.admit(arrived, frame.len()),
            None => Some(arrived),
        };
        let due = left?.saturating_add(fate.delay);
        let waiting = Waiting { due, number: self.number, copy, frame };
        if fate.hurried || !self.resolved.impairment().jitter.spread.is_zero() {
            self.line.overtake(waiting);
        } else {
            self.line.follow(waiting);
        }
        Some(due)
    }

    /// The next frame that is due; to be called until there is none.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Frame> {
        if let Some(frame) = self.straight.pop_front() {
            self.counts.passed += 1;
            self.counts.bytes += frame.len();
            return Some(frame);
        }
        if self.is_held() {
            return None;
        }
        let Waiting { number, copy, frame, .. } = self.line.take(now)?;
        if !copy {
            self.counts.passed += 1;
            self.counts.bytes += frame.len();
            self.counts.late += u64::from(number < self.furthest);
            self.delays.add(now.saturating_sub(frame.arrived));
        }
        self.furthest = self.furthest.max(number);
        Some(frame)
    }

    /// When [`pop`](Shaper::pop) will have a frame, unless another one is pushed or the wire is changed before; `None`: not
    /// at all. It may be over.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        match self.straight.front() {
            Some(frame) => Some(frame.arrived),
            None if self.is_held() => None,
            None => self.line.due(),
        }
    }

    /// What was seen to happen. Changing the wire does not begin anew.
    pub(crate) fn counts(&self) -> Counts {
        let waiting = self.line.originals();
        let percentile = |percent| self.delays.percentile(percent).unwrap_or_default();
        let delays = self.delays.range().map(|(min, max)| Delays {
            min,
            median: percentile(50),
            p99: percentile(99),
            max,
        });
        Counts {
            waiting: waiting + self.straight.len() as u64,
            held: if self.is_held() { waiting } else { 0 },
            delays,
            ..self.counts
        }
    }

    fn is_held(&self) -> bool {
        self.resolved.impairment().hold
    }
}

#[cfg(test)]
mod tests;
