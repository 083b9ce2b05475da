//! One packet, followed from interface to interface, there and back; and where and why it was lost, if it was.
//!
//! ```no_run
//! # async fn example(lab: harness::Lab) -> harness::Result {
//! let journey = lab.follow("C1", "C0", &harness::trace::Probe::default()).await?;
//! assert!(journey.is_answered(), "{journey}");
//! # Ok(())
//! # }
//! ```
//!
//! All of a lab is captured while one probe is sent (see [`crate::capture`]); what kernels held before and after says which entries
//! decided, and what was counted meanwhile which fault has taken it. All but that is pure.
//!
//! - `probe`: what is sent, and which packets are of it.
//! - `journey`: what came of it, as a value and as text.
//! - `scene`: what is known of the lab.
//! - `decided`: the entries that decided at an interface.
//! - `cause`, `rule`: why it went no further.

mod cause;
mod decided;
mod journey;
mod probe;
mod rule;
mod scene;

pub use journey::{End, Hop, Journey, Outcome};
pub use probe::{Probe, Protocol};

pub(crate) use cause::end;
pub(crate) use decided::decided;
pub(crate) use probe::{Marked, Way};
pub(crate) use scene::{Ends, HostSeen, Owner, Scene};
