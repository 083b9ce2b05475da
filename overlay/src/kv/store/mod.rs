//! The store's rules, as a pure state machine with Consul's semantics: no clock, no I/O, no entropy of its own.
//!
//! - `duration`: Go's text form of durations, in which TTLs and waits travel
//! - `table`: entries and tombstones, and which index a read reports
//! - `session`: who may hold keys, and until when
//! - `catalog`: nodes, services, checks
//! - `state`: the store itself
//! - `delta`: what became of it, to be written down and done again
//! - `txn`: several operations, all or nothing

mod catalog;
mod delta;
mod duration;
mod session;
mod state;
mod table;
mod txn;

pub use catalog::{
    CONSUL, Catalog, Check, Health, Instance, Node, Registered, Registration, SERF_HEALTH, SERVER_PORT,
    Service,
};
pub use delta::Delta;
pub use duration::{DurationError, GoDuration};
pub use session::{Behavior, LOCK_DELAY, Refusal, Session, SessionRequest};
pub use state::{Change, Config, Store, Watch};
pub use table::{Entry, Key};
pub use txn::{Failure, MAX_OPS, Op, Shown, Verb, reads_only};

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod twins;
