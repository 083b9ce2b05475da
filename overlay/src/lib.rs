//! The overlay engine of one Docker host.
pub mod kv;
