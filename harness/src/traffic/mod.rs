//! Traffic of our own, and what came of it: streams, datagrams, round trips, connections.
//!
//! A [`Path`] says from where to where; a request ([`Streams`], [`Datagrams`], [`Trips`], [`Connections`]) is sent along it, and
//! what arrived is measured where it arrives. Senders and sinks are threads of this process with sockets in the namespaces of the
//! path, so both ends have one clock.
//!
//! ```no_run
//! # fn example(from: kernel::Netns, to: kernel::Netns) -> harness::Result {
//! use harness::traffic::{Path, Span, Stop, Streams, Traffic};
//!
//! let path = Path::new(from, to, [10, 0, 0, 2]);
//! let carried = Streams { count: 4, ..Streams::default() }.run(&path, Span::default(), &Stop::default())?;
//! println!("{:.2} Gbit/s", carried.bits_per_second() / 1e9);
//! # Ok(())
//! # }
//! ```
//!
//! What is counted:
//!
//! - Nothing of the warm-up. Streams are counted by what was read within the [`Span`]; datagrams are those *sent* within it, however
//!   late they come, and are told apart by numbers that they carry.
//! - A run ends. Every wait is bounded, so that a path that is cut, before or meanwhile, only makes figures small: what
//!   did not arrive in the time that was asked for did not arrive. Only where no connection comes about is there an error.
//! - [`Cost`] is CPU time, of the threads of either side, of this process and of the whole machine. In the kernel a sender's thread often does
//!   the receiver's work, too (a veth hands a packet over in a softirq on the sender's CPU), and some is done for nobody in
//!   particular: the sides say who was charged, the machine what it cost.
//! - Round trips are a closed loop, one request at a time: while an answer is late, nothing is sent that could be late as well
//!   (coordinated omission), so the tail is that of requests, not of points in time.
//!
//! In reading order: `span` (when), `path` (from where to where), `bare` (paths that are no lab's), `cpus`
//! (which CPUs both run on), `streams`, `datagrams`, `trips`, `connections` (requests and runs); `sequence`, `latency`, `pace` (numbers without sockets or clocks); `cost` (CPU time).

mod bare;
mod connections;
mod cost;
mod cpus;
mod datagrams;
mod latency;
mod pace;
mod path;
mod sequence;
mod span;
mod streams;
mod trips;

pub use connections::{Connected, Connections};
pub use cost::Cost;
pub use cpus::Cpus;
pub use datagrams::{Datagrams, Delivered, LARGEST, SMALLEST};
pub use latency::Latency;
pub use path::Path;
pub use sequence::{Arrivals, Sequence};
pub use span::{Span, Stop};
pub use streams::{Carried, MOST_STREAMS, Streams, Way};
pub use trips::{Answered, Protocol, Trips};

use crate::error::Result;

/// What can be sent along a path.
pub trait Traffic: Send + 'static {
    /// What came of it.
    type Found: Send + 'static;

    /// Sends it and waits for it. It blocks, for the whole span and some bounded time that each kind says.
    fn run(&self, path: &Path, span: Span, stop: &Stop) -> Result<Self::Found>;
}
