//! Addresses: which subnet a network gets, and which address an endpoint.

mod bits;
mod flags;
mod ordinal;
mod pool;

pub use bits::{BadBits, Bits};
pub use flags::PoolFlags;
pub(crate) use ordinal::{nth, ordinal, unused};
pub use pool::{PoolError, PoolRequest, Reserved, allocate, release, reserve};
