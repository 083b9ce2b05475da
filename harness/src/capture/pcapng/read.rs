//! A file of this format, block by block: what [`super`] writes, of little-endian machines as of any. Other blocks and options are passed
//! over.

use std::io::{self, Read};
use std::time::Duration;

use super::{
    COMMENT, END, INTERFACE, MAGIC, OF_INTERFACE_NAME, OF_PACKET_FLAGS, OF_STATISTICS_LOST, OUTBOUND, PACKET,
    SECTION, STATISTICS,
};
use crate::capture::packet::Packet;

/// Longest block; that of a packet of 64 KiB with headers and options is a fraction of it.
const LONGEST: u32 = 1 << 20;
/// How many bytes of a packet's block are not the packet (§4.3).
const PACKET_HEAD: usize = 20;

/// What a block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// There is an interface.
    Interface {
        /// Its name.
        name: String,
    },
    /// A packet passed.
    Packet(Packet),
    /// So much was lost.
    Statistics {
        /// Of which interface.
        interface: u32,
        /// How many packets.
        lost: u64,
        /// In a sentence.
        comment: Option<String>,
    },
}

/// Reads a file.
#[derive(Debug)]
pub struct Reader<R>(R);

impl<R: Read> Reader<R> {
    /// Of this, from its beginning on.
    pub fn new(from: R) -> Reader<R> {
        Reader(from)
    }

    fn block(&mut self) -> io::Result<Option<Block>> {
        loop {
            let mut head = [0; 8];
            if !self.fill(&mut head)? {
                return Ok(None);
            }
            let [kind, length] = [word(&head, 0), word(&head, 4)].map(Option::unwrap_or_default);
            if !(12..=LONGEST).contains(&length) || length % 4 != 0 {
                return Err(odd("a block of an odd length"));
            }
            let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)? - 8];
            self.0.read_exact(&mut body)?;
            body.truncate(body.len() - 4);
            let block = match kind {
                SECTION if word(&body, 0) != Some(MAGIC) => return Err(odd("it is no little-endian pcapng")),
                INTERFACE => interface(&body),
                PACKET => packet(&body),
                STATISTICS => statistics(&body),
                _ => continue,
            };
            return block.map(Some).ok_or_else(|| odd("a block that ends too early"));
        }
    }

    /// All of these bytes; false if there was none left.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.0.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// What is not of this format, or cut off, is an error.
impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        self.block().transpose()
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn interface(body: &[u8]) -> Option<Block> {
    let mut name = String::new();
    for (code, value) in options(body.get(8..)?) {
        if code == OF_INTERFACE_NAME {
            name = String::from_utf8_lossy(value).into_owned();
        }
    }
    Some(Block::Interface { name })
}

fn packet(body: &[u8]) -> Option<Block> {
    let kept = usize::try_from(word(body, 12)?).ok()?;
    let bytes = body.get(PACKET_HEAD..PACKET_HEAD.checked_add(kept)?)?.to_vec();
    let mut packet = Packet {
        interface: word(body, 0)?,
        at: stamp(body, 4)?,
        outgoing: false,
        length: word(body, 16)?,
        bytes,
        comment: None,
    };
    for (code, value) in options(body.get(PACKET_HEAD + kept.next_multiple_of(4)..).unwrap_or_default()) {
        match code {
            OF_PACKET_FLAGS => packet.outgoing = word(value, 0)? & 3 == OUTBOUND,
            COMMENT => packet.comment = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
    }
    Some(Block::Packet(packet))
}

fn statistics(body: &[u8]) -> Option<Block> {
    let (mut lost, mut comment) = (0, None);
    for (code, value) in options(body.get(12..)?) {
        match code {
            OF_STATISTICS_LOST => lost = u64::from_le_bytes(*value.first_chunk()?),
            COMMENT => comment = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
    }
    Some(Block::Statistics { interface: word(body, 0)?, lost, comment })
}

/// The options of a block, up to the last one that is whole.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let &[a, b, c, d] = bytes.first_chunk()?;
        let (code, length) = (u16::from_le_bytes([a, b]), usize::from(u16::from_le_bytes([c, d])));
        (code != END).then_some(())?;
        let value = bytes.get(4..4 + length)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

fn stamp(bytes: &[u8], at: usize) -> Option<Duration> {
    let [upper, lower] = [word(bytes, at)?, word(bytes, at + 4)?].map(u64::from);
    Some(Duration::from_nanos(upper << 32 | lower))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&word| u32::from_le_bytes(word))
}
