//! A wire that is worse than a bare one: what it does to frames. All but the pump is without sockets and without a clock.
//!
//! Times are [`Duration`]s since the wire began; randomness is a function of a seed. In reading order:
//!
//! - `frame`: [`Frame`], what passes.
//! - `resolved`: [`Resolved`], an impairment in numbers.
//! - `select`: which frames are meant.
//! - `dice`, `fate`: what happens to frame n.
//! - `segment`: many packets in one frame, cut apart.
//! - `shaper`: [`Shaper`], what has to wait, and until when; `line`, `pace`: its queues.
//! - `touch`: what was done to a frame, in words; `log`: of all frames, while somebody captures them.
//! - `pump`: the thread that carries frames.
//! - `counts`: [`Counts`], what was seen to happen.
//!
//! [`Duration`]: std::time::Duration

mod counts;
mod dice;
mod fate;
mod frame;
mod gauss;
mod histogram;
mod line;
mod log;
mod pace;
mod pump;
mod resolved;
mod segment;
mod select;
mod shaper;
mod touch;

pub(crate) use self::{frame::Frame, pump::Account, pump::Pump, resolved::Resolved, shaper::Shaper};
pub use counts::{Counts, Delays};
pub(crate) use log::{Log, Noted, Reading, Side};
#[cfg(test)]
pub(crate) use touch::Touch;
pub(crate) use touch::key;
