//! The bytes of queries and replies (RFC 1035), as far as a name server of containers needs them. Pure.
//!
//! A query is read no further than it has to be: what is unknown here may be known to somebody else, and is passed on to the byte.
//! That is why it is not read by a crate: those that know what they read refuse what they do not know.
//!
//! - `word`: types and codes
//! - `name`: names and numbers in a message
//! - `record`: one record
//! - `query`: what a client asks, and a reply to it
//! - `response`: what a server replies

mod name;
mod query;
mod record;
mod response;
#[cfg(test)]
mod tests;
mod word;

pub(super) use name::encode_name;
#[cfg(test)]
pub(super) use query::PLAIN;
pub(super) use query::{Query, Unfit, refusal, too_long};
pub use record::{Data, Record};
pub use response::{Question, Response};
pub use word::{Rcode, Type};

/// Bytes of a header (RFC 1035, 4.1.1).
const HEADER: usize = 12;

/// Class IN (RFC 1035, 3.2.4).
const IN: u16 = 1;

/// The flags in the third and fourth byte of a header (RFC 1035, 4.1.1; RFC 2535, 6.1).
mod flag {
    pub(super) const QR: u8 = 0x80;
    pub(super) const OPCODE: u8 = 0x78;
    pub(super) const AA: u8 = 0x04;
    pub(super) const TC: u8 = 0x02;
    pub(super) const RD: u8 = 0x01;
    pub(super) const RA: u8 = 0x80;
    pub(super) const CD: u8 = 0x10;
    pub(super) const RCODE: u8 = 0x0f;
}
