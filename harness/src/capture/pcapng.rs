//! Packets as a file of the format pcapng (draft-ietf-opsawg-pcapng-03), which Wireshark reads: one section, its interfaces by name,
//! stamps in nanoseconds. Pure. Our own, since what we need of it is small and crates for it were unreleased or years old.
//!
//! - `read`: what we have written, read again.

mod read;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use read::{Block, Reader};

use super::packet::Packet;

/// Block types (§4.1, §4.2, §4.3, §4.6).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const STATISTICS: u32 = 5;
/// By which readers see the order of bytes (§4.1).
const MAGIC: u32 = 0x1a2b_3c4d;
/// The version of the format (§4.1).
const VERSION: [u16; 2] = [1, 0];
/// `LINKTYPE_ETHERNET` (§9, draft-ietf-opsawg-pcaplinktype).
const ETHERNET: u16 = 1;
/// Options: the end and comments (§3.5), of sections (§4.1), interfaces (§4.2), packets (§4.3) and statistics (§4.6).
const END: u16 = 0;
const COMMENT: u16 = 1;
const OF_SECTION_APPLICATION: u16 = 4;
const OF_INTERFACE_NAME: u16 = 2;
const OF_INTERFACE_RESOLUTION: u16 = 9;
const OF_PACKET_FLAGS: u16 = 2;
const OF_STATISTICS_LOST: u16 = 7;
/// Stamps are multiples of 10 to the power of minus nine seconds (§4.2, `if_tsresol`).
const NANOSECONDS: u8 = 9;
/// The way of a packet (§4.3.1): bits 0 and 1.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// Longest comment or name that is written; an option's length has sixteen bits.
const LONGEST_TEXT: usize = 4096;

/// The beginning of a file: a section of unknown length (§4.1).
pub fn section() -> Vec<u8> {
    let mut body = MAGIC.to_le_bytes().to_vec();
    body.extend(VERSION.iter().flat_map(|part| part.to_le_bytes()));
    body.extend(u64::MAX.to_le_bytes());
    option(&mut body, OF_SECTION_APPLICATION, b"lab");
    ended(&mut body);
    block(SECTION, &body)
}

/// An interface; they have numbers in the order in which they are written, from zero (§4.2). `snapshot`: of each packet so many bytes
/// are kept.
pub fn interface(name: &str, snapshot: u32) -> Vec<u8> {
    let mut body = ETHERNET.to_le_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(snapshot.to_le_bytes());
    option(&mut body, OF_INTERFACE_NAME, text(name));
    option(&mut body, OF_INTERFACE_RESOLUTION, &[NANOSECONDS]);
    ended(&mut body);
    block(INTERFACE, &body)
}

/// A packet of an interface that was written before (§4.3).
pub fn packet(packet: &Packet) -> Vec<u8> {
    let mut body = packet.interface.to_le_bytes().to_vec();
    stamp(&mut body, packet.at);
    body.extend(u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend(packet.length.to_le_bytes());
    padded(&mut body, &packet.bytes);
    let way = if packet.outgoing { OUTBOUND } else { INBOUND };
    option(&mut body, OF_PACKET_FLAGS, &way.to_le_bytes());
    if let Some(comment) = &packet.comment {
        option(&mut body, COMMENT, text(comment));
    }
    ended(&mut body);
    block(PACKET, &body)
}

/// How many packets of an interface were lost for want of room (§4.6, `isb_osdrop`), at the end.
pub fn statistics(interface: u32, at: Duration, lost: u64, comment: Option<&str>) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    stamp(&mut body, at);
    option(&mut body, OF_STATISTICS_LOST, &lost.to_le_bytes());
    if let Some(comment) = comment {
        option(&mut body, COMMENT, text(comment));
    }
    ended(&mut body);
    block(STATISTICS, &body)
}

/// A comment on that.
pub(super) fn unseen(namespaces: u64) -> String {
    format!("namespaces that could not be looked into: {namespaces}")
}

/// The upper half first, whatever the order of bytes (§4.3).
fn stamp(body: &mut Vec<u8>, at: Duration) {
    let nanoseconds = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let halves = [nanoseconds >> 32, nanoseconds & u64::from(u32::MAX)];
    body.extend(halves.iter().flat_map(|half| u32::try_from(*half).unwrap_or_default().to_le_bytes()));
}

/// An option: its code, its length, its value, up to a whole word (§3.5).
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    padded(body, value);
}

fn ended(body: &mut Vec<u8>) {
    option(body, END, &[]);
}

fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Cut off between two characters.
fn text(text: &str) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(LONGEST_TEXT)]
}

/// A block: its type, its length, its body, its length again (§3.1).
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}
