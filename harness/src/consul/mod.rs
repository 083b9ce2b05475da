//! The HTTP face of a lab's own store: what a client of a one-node Consul 1.21 expects.
//!
//! The rules are [`overlay::kv::store`]'s; here are only the words of the wire.
//!
//! - `serve`: connections
//! - `face`: which path and method means what
//! - `request`: paths, queries, and the parameters that all reads share
//! - `answer`: statuses, headers, JSON
//! - `kv`, `session`, `txn`: the three parts of the API that are whole
//! - `node`: status, agent, catalog, health: as much as is true of a store that is one node and nothing else
//! - `page`: the keys, for a browser
//!
//! Left out, so 404: registering nodes, services and checks, events, coordinates, prepared queries, snapshots.
//! Answers are never compressed, and the number of connections from one address is not limited.

mod answer;
mod face;
mod kv;
mod node;
mod page;
mod request;
mod serve;
mod session;
mod txn;

pub use serve::{Config, serve};
