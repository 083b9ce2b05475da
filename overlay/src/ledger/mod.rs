//! The store's documents as a whole, and the transactions that change them. Pure.
//!
//! Docker changes one key after the other, so that a crash in between leaks. Here a verb is decided from one
//! look at all documents and done in one transaction; when somebody else was faster, it is decided anew.

mod audit;
mod create;
mod endpoint;
mod remove;
#[cfg(test)]
mod tests;
mod view;

pub use create::CreateNetwork;
pub(crate) use create::create;
pub(crate) use endpoint::{Joining, join, leave, reclaim, rename};
pub(crate) use remove::remove;
pub(crate) use view::halves;
pub use view::{Found, Stored, View};
