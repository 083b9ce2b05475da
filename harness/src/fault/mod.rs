//! What goes wrong in a lab, and how it is put right again.
//!
//! A [`Fault`] is a value, the same whether a step of a file, `lab fault` or a test asks for it. [`Lab::inject`] makes it
//! so and returns a [`Guard`]; healing lifts it. In reading order:
//!
//! - `request`: [`Fault`], everything that can go wrong.
//! - `guard`: [`Guard`], which heals when it is dropped.
//! - `impairment`: [`Impairment`], what a wire does to the frames of one direction.
//! - `pick`: [`Pick`], which frames something happens to.
//! - `kv`: [`KvFault`], what can be wrong with the store.
//! - `filter`: [`Filter`], frames by what they carry, seen through VXLAN.
//! - `nemesis`: [`Nemesis`], faults that come and go by a seed, and their [`Schedule`].
//! - `partition`: [`Partition`], who does not hear whom.
//! - `relay`, elsewhere: [`Counts`], what a wire was seen to do.
//! - `words`, `phrase`: faults as files, command lines and lists write them.
//! - `wires`, `rules`: what wires and switch are to do, from the faults that are there.
//!
//! [`Lab::inject`]: crate::Lab::inject

mod filter;
mod guard;
mod impairment;
mod kv;
mod nemesis;
mod partition;
mod phrase;
mod pick;
mod request;
mod rules;
mod wires;
mod words;

pub(crate) use filter::Contradiction;
pub use filter::{Filter, Protocol, Tunnel};
pub use guard::{Active, FaultId, Guard};
pub use impairment::{Distribution, Impairment, Jitter, Queue, Rate};
pub use kv::{Ailment, Comeback, KvFault};
pub use nemesis::{Menace, Nemesis, Schedule, Strike};
pub use partition::{Cut, Partition};
pub use pick::Pick;
pub use request::{Fault, Process, Way};
pub(crate) use rules::{Names, PluggedIn, TABLE, fault_of, table};
pub(crate) use wires::{blamed, wires};
pub use words::{parse_offset, parse_protocol, parse_signal};
pub(crate) use words::{parse_rate, parse_share};

pub use crate::relay::{Counts, Delays};
