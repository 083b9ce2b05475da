//! Addresses: which subnet a network gets, and which address an endpoint.

mod bits;
mod pool;

pub use bits::{BadBits, Bits};
pub use pool::{PoolError, PoolRequest, Reserved, allocate, release, reserve};
