//! The overlay engine of one Docker host.

pub mod datapath;
pub mod docker;
pub mod id;
pub mod ipam;
pub mod kv;
pub mod model;
