//! What a step can try on a lab beside echo requests: connections, datagrams, traffic, commands; and what the machine lacks for it.

mod carry;
mod echo;
mod exec;
mod lacking;
mod tcp;
mod udp;

use std::io;

pub(crate) use carry::carry;
pub(crate) use echo::Echo;
pub(crate) use exec::{exec, missing_tool};
pub(crate) use lacking::{lacking, lacking_inside};
pub(crate) use tcp::tcp;
pub(crate) use udp::udp;

/// What was answered, or why nothing was.
pub(crate) type Answer = Result<String, String>;

/// An error's text without its number, which says nothing more.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
