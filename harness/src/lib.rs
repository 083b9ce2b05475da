//! Labs.

pub mod scenario;
pub mod topology;
