//! Addresses: which subnet a network gets, and which address an endpoint.

mod bits;
mod flags;
mod pool;

pub use bits::{BadBits, Bits};
pub use flags::PoolFlags;
pub use pool::{PoolError, PoolRequest, Reserved, allocate, release, reserve};
pub(crate) use pool::{numbers, untouched};
