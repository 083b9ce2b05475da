//! A topology file as written: where `toml` and `serde` are, and nowhere else.
//!
//! - `at`: a value together with its place in the file.
//! - `tables`: the tables, nearly every key optional.
//! - `read`: from text to tables, going on past mistakes.
//! - `near`: the name that was probably meant.

mod at;
mod near;
mod read;
mod tables;

pub(crate) use at::At;
pub(super) use near::nearest;
pub(super) use read::read_tables;
pub(super) use tables::{AttachmentEntry, File, HostTable, StoreTable, UnderlayTable};
pub(crate) use tables::{ContainerTable, NetworkTable};
