//! Many datagrams a system call: `sendmmsg` and `recvmmsg` (Linux 3.0), and several datagrams a message: `UDP_SEGMENT` on the way
//! out (4.18), `UDP_GRO` on the way in (5.0).
//!
//! Own, since nix's buffers for `recvmmsg` lose the room for control messages with the first message that has none, and what
//! coalesced datagrams are made of is said there.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

/// Longest message: what the length field of UDP can say.
const LONGEST: usize = 65_535;
/// Room for the control message of one message, in words of eight bytes: a head of 16 bytes and a number.
const CONTROL: usize = 4;
/// `SK_MEMINFO_VARS` and `SK_MEMINFO_DROPS`, `linux/sock_diag.h`.
const MEMINFO: usize = 9;
const DROPS: usize = 8;
/// Most messages of one call; the kernel's own limit is 1024 (`UIO_MAXIOV`).
pub const MOST: usize = 64;

type Control = [u64; CONTROL];

/// Messages that were received in one call.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    each: usize,
    came: Vec<Came>,
}

/// A message in its place of the inbox.
#[derive(Clone, Copy, Debug)]
struct Came {
    length: usize,
    /// How long its datagrams are, but for the last one.
    segment: usize,
}

impl Inbox {
    /// Room for so many messages, of so many bytes each. What is longer is cut off.
    pub fn new(messages: usize, each: usize) -> Inbox {
        let (messages, each) = (messages.clamp(1, MOST), each.clamp(1, LONGEST));
        Inbox { bytes: vec![0; messages * each], each, came: Vec::with_capacity(messages) }
    }

    /// Lets the kernel hand over datagrams that came together as one message. An inbox for that has room for the longest
    /// message.
    pub fn coalescing(socket: &UdpSocket) -> io::Result<()> {
        setsockopt(socket, sockopt::UdpGroSegment, &true)?;
        Ok(())
    }

    /// Waits for a message, as long as the socket's timeout says, and takes those that have come by then. That none has come is
    /// an error of kind `WouldBlock`.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.came.clear();
        let mut controls = [[0; CONTROL]; MOST];
        let mut parts: Vec<libc::iovec> = self
            .bytes
            .chunks_exact_mut(self.each)
            .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> =
            parts.iter_mut().zip(&mut controls).map(|(part, control)| header(part, Some(control))).collect();
        let count = libc::c_uint::try_from(headers.len()).unwrap_or_default();
        #[expect(unsafe_code, reason = "nix's form of it cannot be used twice with control messages")]
        // SAFETY: as many headers as said; what they point to, `self.bytes`, `parts` and `controls`, outlives the call.
        let received = unsafe {
            let (first, at_once) = (headers.as_mut_ptr(), libc::MSG_WAITFORONE);
            libc::recvmmsg(socket.as_raw_fd(), first, count, at_once, ptr::null_mut())
        };
        let received = usize::try_from(Errno::result(received)?).unwrap_or_default();
        for header in headers.iter().take(received) {
            let length = usize::try_from(header.msg_len).unwrap_or_default().min(self.each);
            let mut came = Came { length, segment: length };
            for (level, kind, number) in numbers(&header.msg_hdr) {
                if (level, kind) == (libc::SOL_UDP, libc::UDP_GRO) {
                    came.segment = usize::try_from(number).unwrap_or(length);
                }
            }
            self.came.push(came);
        }
        Ok(())
    }

    /// The datagrams of the messages that came last.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let messages = self.bytes.chunks_exact(self.each).zip(&self.came);
        // A datagram of no bytes is one, too.
        messages.flat_map(|(bytes, came)| {
            let bytes = &bytes[..came.length];
            let empty = bytes.is_empty().then_some(bytes);
            empty.into_iter().chain(bytes.chunks(came.segment.max(1)))
        })
    }
}

/// How many messages that came for a socket the kernel has dropped so far, for want of room in it or since they were damaged.
pub fn dropped(socket: &UdpSocket) -> io::Result<u32> {
    let mut numbers = [0_u32; MEMINFO];
    let mut length = libc::socklen_t::try_from(mem::size_of_val(&numbers)).unwrap_or_default();
    #[expect(unsafe_code, reason = "this option has no safe form")]
    // SAFETY: live numbers, and how many bytes they are; the kernel writes no more than that.
    let got = unsafe {
        let (place, length) = (numbers.as_mut_ptr().cast(), ptr::from_mut(&mut length));
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, place, length)
    };
    Errno::result(got)?;
    Ok(numbers[DROPS])
}

/// Messages that are sent in one call, all of one length.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    each: usize,
    datagram: usize,
}

impl Outbox {
    /// So many messages of so many datagrams of so many bytes each; as many of the latter as a message can hold.
    pub fn new(messages: usize, datagrams: usize, datagram: usize) -> Outbox {
        let datagram = datagram.clamp(1, LONGEST);
        let each = datagrams.clamp(1, LONGEST / datagram) * datagram;
        Outbox { bytes: vec![0; messages.clamp(1, MOST) * each], each, datagram }
    }

    /// How many datagrams there are in a message.
    pub fn datagrams_each(&self) -> usize {
        self.each / self.datagram
    }

    /// How many messages it holds.
    pub fn messages(&self) -> usize {
        self.bytes.len() / self.each
    }

    /// The datagrams of all messages, to be written.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(self.datagram)
    }

    /// Sends the first `datagrams` of them to where the socket is connected to, in as few messages as hold them; how many went.
    /// A message goes as a whole. An error: none did.
    pub fn send(&self, socket: &UdpSocket, datagrams: usize) -> io::Result<usize> {
        let bytes = self.bytes.get(..datagrams.saturating_mul(self.datagram)).unwrap_or(&self.bytes);
        let mut parts: Vec<libc::iovec> = bytes
            .chunks(self.each)
            .map(|chunk| libc::iovec { iov_base: chunk.as_ptr().cast_mut().cast(), iov_len: chunk.len() })
            .collect();
        if parts.is_empty() {
            return Ok(0);
        }
        let mut controls = [[0; CONTROL]; MOST];
        let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(parts.len());
        for (part, control) in parts.iter_mut().zip(&mut controls) {
            let several = part.iov_len > self.datagram;
            let mut header = header(part, several.then_some(control));
            if several {
                segment(&mut header.msg_hdr, u16::try_from(self.datagram).unwrap_or(u16::MAX));
            }
            headers.push(header);
        }
        let count = libc::c_uint::try_from(headers.len()).unwrap_or_default();
        #[expect(unsafe_code, reason = "the counterpart of `recvmmsg`")]
        // SAFETY: as many headers as said; what they point to, `self.bytes` (only read), `parts` and `controls`, outlives the
        // call.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        let sent = usize::try_from(Errno::result(sent)?).unwrap_or_default();
        Ok(parts.iter().take(sent).map(|part| part.iov_len / self.datagram).sum())
    }
}

/// A header of a message of one part, to or from wherever.
fn header(part: &mut libc::iovec, control: Option<&mut Control>) -> libc::mmsghdr {
    #[expect(unsafe_code, reason = "C's structures have no default")]
    // SAFETY: numbers and null pointers, of which all zero is a value.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_iov = ptr::from_mut(part);
    header.msg_hdr.msg_iovlen = 1;
    if let Some(control) = control {
        header.msg_hdr.msg_control = control.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = mem::size_of_val(control);
    }
    header
}

/// Says that a message is one of several datagrams: `UDP_SEGMENT`. It has room for it.
fn segment(header: &mut libc::msghdr, length: u16) {
    let size = libc::c_uint::try_from(mem::size_of::<u16>()).unwrap_or_default();
    #[expect(unsafe_code, reason = "control messages are laid out by C's macros")]
    // SAFETY: the room is aligned as a head is, since it is of words of eight bytes, and larger than one head and two bytes.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        if first.is_null() {
            return;
        }
        (*first).cmsg_level = libc::SOL_UDP;
        (*first).cmsg_type = libc::UDP_SEGMENT;
        (*first).cmsg_len = usize::try_from(libc::CMSG_LEN(size)).unwrap_or_default();
        libc::CMSG_DATA(first).cast::<u16>().write_unaligned(length);
        header.msg_controllen = usize::try_from(libc::CMSG_SPACE(size)).unwrap_or_default();
    }
}

/// The control messages of a header that are a number of four bytes: level, type, number.
fn numbers(header: &libc::msghdr) -> Vec<(libc::c_int, libc::c_int, u32)> {
    let mut found = Vec::new();
    #[expect(unsafe_code, reason = "control messages are laid out by C's macros")]
    // SAFETY: the kernel has filled the room that `msg_control` points to, which the caller still holds, up to `msg_controllen`,
    // and the macros stay within. A number is read only where its length says that there is one.
    unsafe {
        let least = usize::try_from(libc::CMSG_LEN(4)).unwrap_or(usize::MAX);
        let mut at = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            if (*at).cmsg_len >= least {
                let number = libc::CMSG_DATA(at).cast::<u32>().read_unaligned();
                found.push(((*at).cmsg_level, (*at).cmsg_type, number));
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let (from, to) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (from, to) = (from.expect("a socket"), to.expect("a socket"));
        from.connect(to.local_addr().expect("bound")).expect("an address");
        to.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        (from, to)
    }

    fn numbered(outbox: &mut Outbox) {
        for (number, datagram) in (0..).zip(outbox.datagrams_mut()) {
            datagram[0] = number;
        }
    }

    /// The first bytes of so many datagrams.
    fn heard(inbox: &mut Inbox, socket: &UdpSocket, count: usize) -> Vec<(u8, usize)> {
        let mut heard = Vec::new();
        while heard.len() < count {
            inbox.receive(socket).expect("they come");
            heard.extend(inbox.datagrams().map(|datagram| (datagram[0], datagram.len())));
        }
        heard
    }

    #[test]
    fn many_datagrams_go_and_come_in_a_call() {
        let (from, to) = pair();
        let mut outbox = Outbox::new(8, 1, 100);
        numbered(&mut outbox);
        assert_eq!((outbox.messages(), outbox.datagrams_each()), (8, 1));
        assert_eq!(outbox.send(&from, 5).expect("they go"), 5);
        let mut inbox = Inbox::new(64, 200);
        assert_eq!(heard(&mut inbox, &to, 5), (0..5).map(|number| (number, 100)).collect::<Vec<_>>());
        assert_eq!(dropped(&to).expect("a number"), 0);
    }

    #[test]
    fn datagrams_of_one_message_arrive_as_many_whether_coalesced_or_not() {
        for coalesced in [false, true] {
            let (from, to) = pair();
            if coalesced {
                Inbox::coalescing(&to).expect("Linux 5.0");
            }
            let mut outbox = Outbox::new(2, 10, 300);
            numbered(&mut outbox);
            // One message of ten and one of five.
            assert_eq!(outbox.send(&from, 15).expect("they go"), 15);
            let mut inbox = Inbox::new(64, LONGEST);
            let expected = (0..15).map(|number| (number, 300)).collect::<Vec<_>>();
            assert_eq!(heard(&mut inbox, &to, 15), expected);
            // Twice: the room for control messages is still there.
            assert_eq!(outbox.send(&from, 15).expect("they go"), 15);
            assert_eq!(heard(&mut inbox, &to, 15), expected);
        }
    }

    #[test]
    fn what_finds_no_room_is_told() {
        let (from, to) = pair();
        nix::sys::socket::setsockopt(&to, nix::sys::socket::sockopt::RcvBuf, &2048).expect("an option");
        let outbox = Outbox::new(64, 1, 1000);
        for _ in 0..4 {
            assert_eq!(outbox.send(&from, 64).expect("they go"), 64);
        }
        let mut inbox = Inbox::new(64, 1000);
        inbox.receive(&to).expect("the first came");
        let kept = inbox.datagrams().count();
        assert_eq!(kept + usize::try_from(dropped(&to).expect("a number")).expect("few"), 256);
    }

    #[test]
    fn nothing_that_comes_is_no_datagram() {
        let (_from, to) = pair();
        to.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        let mut inbox = Inbox::new(4, 100);
        assert_eq!(inbox.receive(&to).expect_err("none").kind(), io::ErrorKind::WouldBlock);
        assert_eq!(inbox.datagrams().count(), 0);
    }
}
