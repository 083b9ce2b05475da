//! What people and programs are shown of a scenario that is played. Displayers turn events into text; none of them prints.
//!
//! - [`Human`]: a line a step.
//! - [`json_line`]: a JSON object a line, versioned.
//! - [`Junit`]: JUnit's XML, for CI.
//! - [`Github`]: what GitHub Actions folds, and the files that it annotates.
//! - [`Bundle`]: what there was to see when a step failed, in a directory.
//! - [`in_short`]: a lab in a few lines.

mod failure;
mod figures;
mod github;
mod human;
mod json;
mod junit;
mod short;
mod timeline;

pub use failure::Bundle;
pub use github::{Github, place};
pub use human::{Human, Paint, quoted, summary};
pub use json::json_line;
pub use junit::Junit;
pub use short::in_short;
