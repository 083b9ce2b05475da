//! Labs.
pub mod consul;
