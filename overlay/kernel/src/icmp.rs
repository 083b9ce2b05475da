//! Echo requests of our own, so that no `ping` need be installed.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::error::{Context, Result};
use crate::netns::Netns;

/// ICMP types, RFC 792.
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
/// Payload bytes, as `ping` sends.
const PAYLOAD: usize = 56;

/// Distinguishes pings of one process that run at once in one namespace.
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// Sends echo requests from one namespace to one address.
#[derive(Debug)]
pub struct Pinger {
    socket: Socket,
    to: Ipv4Addr,
    id: u16,
    seq: u16,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Answered, after that time.
    Reply(Duration),
    /// Nothing came in time.
    Silence,
    /// A router or this host said that it cannot be reached.
    Unreachable,
}

impl Pinger {
    /// Pings `to` from `netns`.
    pub fn new(netns: &Netns, to: Ipv4Addr) -> Result<Pinger> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Pinger { socket: netns.icmp()?, to, id, seq: 0 })
    }

    /// One request; waits for its answer, at most for `patience`.
    pub fn ping(&mut self, patience: Duration) -> Result<Echo> {
        self.seq = self.seq.wrapping_add(1);
        self.attempt(patience).doing("ping", self.to)
    }

    fn attempt(&self, patience: Duration) -> io::Result<Echo> {
        let sent = Instant::now();
        let to = SocketAddr::V4(SocketAddrV4::new(self.to, 0));
        match self.socket.send_to(&request(self.id, self.seq), &to.into()) {
            Ok(_) => {}
            // No route, or a neighbour that never answered: an answer of a kind.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => {
                return Ok(Echo::Unreachable);
            }
            Err(e) => return Err(e),
        }
        let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Ok(Echo::Silence);
            }
            self.socket.set_read_timeout(Some(left))?;
            let read = match self.socket.recv(&mut buffer) {
                Ok(read) => read,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => {
                    return Ok(Echo::Unreachable);
                }
                Err(e) => return Err(e),
            };
            #[expect(unsafe_code, reason = "socket2 reads into uninitialised memory")]
            // SAFETY: `recv` has initialised the first `read` bytes.
            let packet = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), read) };
            match answer(packet, self.id, self.seq) {
                Some(ECHO_REPLY) => return Ok(Echo::Reply(sent.elapsed())),
                Some(UNREACHABLE) => return Ok(Echo::Unreachable),
                _ => {}
            }
        }
    }
}

fn request(id: u16, seq: u16) -> Vec<u8> {
    let mut packet = vec![0; 8 + PAYLOAD];
    packet[0] = ECHO_REQUEST;
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[6..8].copy_from_slice(&seq.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The type of the ICMP message in an IPv4 packet, if it is about our request.
fn answer(packet: &[u8], id: u16, seq: u16) -> Option<u8> {
    let icmp = behind_ip(packet)?;
    let kind = *icmp.first()?;
    // An error quotes the packet that it is about: its IP header and eight bytes.
    let about = if kind == UNREACHABLE { behind_ip(icmp.get(8..)?)? } else { icmp };
    let ours = about.get(4..6)? == id.to_be_bytes() && about.get(6..8)? == seq.to_be_bytes();
    ours.then_some(kind)
}

fn behind_ip(packet: &[u8]) -> Option<&[u8]> {
    packet.get(usize::from(packet.first()? & 0xf) * 4..)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits above")]
    let folded = sum as u16;
    !folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_checks_to_zero() {
        assert_eq!(checksum(&request(0x1234, 7)), 0);
        assert_eq!(request(1, 2)[..8], [8, 0, 0xf7, 0xfc, 0, 1, 0, 2]);
    }

    #[test]
    fn only_our_own_answer_counts() {
        let mut packet = vec![0x45; 20];
        packet.extend([ECHO_REPLY, 0, 0, 0, 0, 9, 0, 3]);
        assert_eq!(answer(&packet, 9, 3), Some(ECHO_REPLY));
        assert_eq!(answer(&packet, 9, 4), None);
        assert_eq!(answer(&packet[..10], 9, 3), None);
        assert_eq!(answer(&[], 9, 3), None);
    }
}
