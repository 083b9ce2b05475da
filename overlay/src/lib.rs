//! The overlay engine of one Docker host.

pub mod datapath;
pub mod docker;
mod error;
mod host;
pub mod id;
pub mod ipam;
pub mod kv;
pub mod ledger;
pub mod model;

pub use error::{Error, Result};
pub use host::{ContainerRef, HostEnv, Sandbox, Sandboxes};
