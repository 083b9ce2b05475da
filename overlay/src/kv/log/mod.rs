//! What a store keeps on disk: every write in a log before it is answered, the whole state in a snapshot from time to time.
//!
//! - `frame`: what was written in one go, with checksums, and what is left of it after a power failure
//! - `folder`: the files, and what a store reads back from them
//! - `Log`: who writes, and who waits until it is written

mod folder;
mod frame;
mod writer;

#[cfg(test)]
mod tests;

pub use folder::Error;
pub(in crate::kv) use folder::Folder;
pub(in crate::kv) use writer::Log;
