//! The store.

pub mod keys;
pub mod record;
