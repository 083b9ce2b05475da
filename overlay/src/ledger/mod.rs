//! The store's documents as a whole, and the transactions that change them. Pure.
//!
//! Docker changes one key after the other, so that a crash in between leaks. Here a verb is decided from one
//! look at all documents and done in one transaction; when somebody else was faster, it is decided anew.

mod audit;
mod create;
mod endpoint;
mod keyring;
#[cfg(test)]
mod race;
mod remove;
#[cfg(test)]
mod tests;
mod view;

pub use create::CreateNetwork;
pub(crate) use create::create;
pub(crate) use endpoint::{Joining, join, leave, reclaim, rename};
pub(crate) use keyring::{first_keys, rotate, turn_keys};
pub(crate) use remove::remove;
pub use view::{Found, Stored, View};
pub(crate) use view::{Moment, halves};
