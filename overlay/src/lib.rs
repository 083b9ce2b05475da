//! The overlay engine of one Docker host.

pub mod datapath;
mod discovery;
pub mod docker;
mod engine;
mod error;
mod host;
pub mod id;
pub mod inspect;
pub mod ipam;
pub mod kv;
pub mod ledger;
pub mod model;

pub use engine::{Config, EndpointInfo, Engine, JoinOptions, NetworkSummary};
pub use error::{Error, Result};
pub use host::{ContainerRef, HostEnv, Sandbox, Sandboxes};
pub use ledger::CreateNetwork;
