//! What goes wrong in a lab, and how it is put right again.
//!
//! A [`Fault`] is a value, the same whether a step of a file, `lab fault` or a test asks for it. [`Lab::inject`] makes it
//! so and returns a [`Guard`]; healing lifts it. In reading order:
//!
//! - `request`: [`Fault`], everything that can go wrong.
//! - `impairment`: [`Impairment`], what a wire does to the frames of one direction.
//! - `pick`: [`Pick`], which frames something happens to.
//! - `filter`: [`Filter`], frames by what they carry, seen through VXLAN.
//! - `guard`: [`Guard`], which heals when it is dropped.
//! - `relay`: [`Counts`], what a wire was seen to do.
//! - `partition`: [`Partition`], who does not hear whom.
//!
//! [`Lab::inject`]: crate::Lab::inject

mod filter;
mod guard;
mod impairment;
mod partition;
mod pick;
mod request;

pub use filter::{Filter, Protocol, Tunnel};
pub use guard::{Active, FaultId, Guard};
pub use impairment::{Distribution, Impairment, Jitter, Queue, Rate};
pub use partition::Partition;
pub use pick::Pick;
pub use request::{Fault, Process, Way};

pub use crate::relay::{Counts, Delays};
