//! Labs.

pub mod consul;
pub mod scenario;
pub mod topology;
