//! The HTTP face of a lab's own store: what a client of a one-node Consul 1.21 expects.
//!
//! The rules are [`overlay::kv::store`]'s; here are only the words of the wire.
//!
//! - `serve`: connections, and what one client may have of the store
//! - `peers`: who is connected
//! - `clients`: who asks
//! - `ills`: what is wrong with the store, and what that is to a request
//! - `trace`: what it was asked, and what came of it; `sought`: which of that is meant
//! - `face`: which path and method means what
//! - `request`: paths, queries, and the parameters that all reads share
//! - `answer`: statuses, headers, JSON
//! - `kv`, `session`, `txn`: the three parts of the API that are whole
//! - `listings`: what many watch, written out once
//! - `agent`: status and agent: what is true of a store that is one node and nothing else, and what is registered there
//! - `catalog`: catalog and health: nodes, services and checks
//! - `event`: what clients tell each other in passing
//! - `fields`, `filter`: the bodies of all these, and expressions that pick rows
//! - `ui`: the key browser, and what it asks
//!
//! Left out, so 404: coordinates, prepared queries, snapshots. No check is run: one that an agent would run by itself is as it is told.
//! Answers are never compressed.

mod agent;
mod answer;
mod catalog;
mod clients;
mod event;
mod face;
mod fields;
mod filter;
mod ills;
mod kv;
mod listings;
mod peers;
mod request;
mod serve;
mod session;
mod sought;
mod trace;
mod txn;
mod ui;

pub(crate) use answer::Answer;
pub use clients::Clients;
pub use ills::{Ill, Ills, Past};
pub(crate) use serve::{ACCEPT_AGAIN, is_of_one_connection, is_out_of_descriptors};
pub use serve::{Config, Limits, serve};
pub use sought::Sought;
pub use trace::{CONTAINER, Operation, Trace, Traced};
pub(crate) use ui::PREFIX;
