//! Echo requests of our own, so that no `ping` need be installed.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::error::{Context, Result};
use crate::netns::Netns;

/// What is said in a family's echo messages, and where.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    request: u8,
    reply: u8,
    unreachable: u8,
    /// A raw socket is given the packet with its header, too.
    with_header: bool,
}

/// ICMP, RFC 792.
const V4: Words = Words { request: 8, reply: 0, unreachable: 3, with_header: true };
/// ICMPv6, RFC 4443. Its checksum is the kernel's work (RFC 3542, 3.1).
const V6: Words = Words { request: 128, reply: 129, unreachable: 1, with_header: false };

/// Length of an IPv6 header, RFC 8200.
const V6_HEADER: usize = 40;
/// Payload bytes, as `ping` sends.
const PAYLOAD: usize = 56;

/// Distinguishes pings of one process that run at once in one namespace.
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// Sends echo requests from one namespace to one address.
#[derive(Debug)]
pub struct Pinger {
    socket: Socket,
    to: IpAddr,
    id: u16,
    seq: u16,
    payload: Vec<u8>,
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
    pub fn new(netns: &Netns, to: impl Into<IpAddr>) -> Result<Pinger> {
        let (id, to) = (NEXT_ID.fetch_add(1, Ordering::Relaxed), to.into());
        Ok(Pinger { socket: netns.icmp(to)?, to, id, seq: 0, payload: vec![0; PAYLOAD] })
    }

    /// Its requests carry that from now on, and not 56 bytes of zero.
    #[must_use]
    pub fn carrying(self, payload: &[u8]) -> Pinger {
        Pinger { payload: payload.to_vec(), ..self }
    }

    /// One request; waits for its answer, at most for `patience`.
    pub fn ping(&mut self, patience: Duration) -> Result<Echo> {
        self.seq = self.seq.wrapping_add(1);
        self.attempt(patience).doing("ping", self.to)
    }

    fn attempt(&self, patience: Duration) -> io::Result<Echo> {
        let sent = Instant::now();
        let words = if self.to.is_ipv4() { &V4 } else { &V6 };
        let to = SocketAddr::new(self.to, 0);
        match self.socket.send_to(&request(words, self.id, self.seq, &self.payload), &to.into()) {
            Ok(_) => {}
            // No route, no address of that family to send from, or a neighbour that never answered: an answer of a kind.
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL)
                ) =>
            {
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
            match answer(words, packet, self.id, self.seq) {
                Some(kind) if kind == words.reply => return Ok(Echo::Reply(sent.elapsed())),
                Some(kind) if kind == words.unreachable => return Ok(Echo::Unreachable),
                _ => {}
            }
        }
    }
}

fn request(words: &Words, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = [&[0; 8], payload].concat();
    packet[0] = words.request;
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[6..8].copy_from_slice(&seq.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The type of the message that was received, if it is about our request.
fn answer(words: &Words, packet: &[u8], id: u16, seq: u16) -> Option<u8> {
    let icmp = if words.with_header { behind_ip(packet)? } else { packet };
    let kind = *icmp.first()?;
    // An error quotes the packet that it is about: its IP header and eight bytes, at least.
    let about = if kind == words.unreachable { behind_ip(icmp.get(8..)?)? } else { icmp };
    let ours = about.get(4..6)? == id.to_be_bytes() && about.get(6..8)? == seq.to_be_bytes();
    ours.then_some(kind)
}

fn behind_ip(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    packet.get(if first >> 4 == 6 { V6_HEADER } else { usize::from(first & 0xf) * 4 }..)
}

/// The checksum of the internet protocols (RFC 1071) over bytes in which its place is zero.
pub fn checksum(bytes: &[u8]) -> u16 {
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
        assert_eq!(checksum(&request(&V4, 0x1234, 7, &[1, 2, 3])), 0);
        assert_eq!(request(&V4, 1, 2, &[0; PAYLOAD])[..8], [8, 0, 0xf7, 0xfc, 0, 1, 0, 2]);
    }

    #[test]
    fn only_our_own_answer_counts() {
        let mut packet = vec![0x45; 20];
        packet.extend([V4.reply, 0, 0, 0, 0, 9, 0, 3]);
        assert_eq!(answer(&V4, &packet, 9, 3), Some(V4.reply));
        assert_eq!(answer(&V4, &packet, 9, 4), None);
        assert_eq!(answer(&V4, &packet[..10], 9, 3), None);
        assert_eq!(answer(&V4, &[], 9, 3), None);
    }

    #[test]
    fn an_error_about_our_own_request_counts_too() {
        let mut packet = vec![V6.unreachable, 0, 0, 0, 0, 0, 0, 0, 0x60];
        packet.extend([0; V6_HEADER - 1]);
        packet.extend([V6.request, 0, 0, 0, 0, 9, 0, 3]);
        assert_eq!(answer(&V6, &packet, 9, 3), Some(V6.unreachable));
        assert_eq!(answer(&V6, &packet, 8, 3), None);
        assert_eq!(answer(&V6, &packet[..50], 9, 3), None);
        assert_eq!(answer(&V6, &[V6.reply, 0, 0, 0, 0, 9, 0, 3], 9, 3), Some(V6.reply));
    }
}
