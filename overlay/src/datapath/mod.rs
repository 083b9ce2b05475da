//! What the kernel has, made to agree with what the store says.

mod plan;

pub use plan::{Op, Tables, plan};
