//! The only place from which something reaches the terminal.

use std::fmt::Display;
use std::io::{self, Write};

/// A line of output.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Text that has its own end.
pub(crate) fn text(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}

/// What is no text of ours.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A line beside the output that stays until the next one is written over it; nothing: it goes.
pub(crate) fn over(text: &str) {
    // Back to the line's beginning, and what is right of it erased (ECMA-48, EL).
    let _ = io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
}

/// A value, as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// What went wrong.
pub(crate) fn error(error: &anyhow::Error) {
    note(format_args!("lab: {error:#}"));
}

/// A remark beside the output, in one piece.
pub(crate) fn note(text: impl Display) {
    // With standard error closed there is nobody to tell.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// An I/O error without its number.
pub(crate) fn why(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
