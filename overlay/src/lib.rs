//! The overlay engine of one Docker host.

pub mod datapath;
pub mod docker;
mod error;
pub mod id;
pub mod ipam;
pub mod kv;
pub mod ledger;
pub mod model;

pub use error::{Error, Result};
