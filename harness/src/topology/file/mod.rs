//! A topology file as written: where `toml` and `serde` are, and nowhere else.
//!
//! - `at`: a value together with its place in the file.
//! - `tables`: the tables, nearly every key optional.
//! - `impairment`: the tables of wires; `word_or`: a word, or a table that says more.
//! - `read`: from text to tables, going on past mistakes.
//! - `near`: the name that was probably meant.
//! - `places`: the lines on which something is said.

mod at;
mod impairment;
mod near;
mod places;
mod read;
mod tables;
mod word_or;

pub(crate) use at::At;
pub(crate) use impairment::{FilterTable, ImpairmentTable};
pub(super) use impairment::{JitterTable, PickTable, RateTable};
pub(super) use near::nearest;
pub(super) use places::line_of;
pub use places::step_lines;
pub(super) use read::read_tables;
pub(super) use tables::{
    AttachmentEntry, File, HostTable, ProcessTable, ReadyTable, RecordTable, RequiresTable, StoreTable,
    UnderlayTable,
};
pub(crate) use tables::{ContainerTable, NetworkTable, SubnetTable};
pub(crate) use word_or::{Example, WordOr};
