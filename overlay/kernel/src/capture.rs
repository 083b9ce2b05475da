//! What passes the links of a namespace, as the kernel writes it into memory that it shares with us: rings of version 3
//! (`TPACKET_V3`, Linux 3.2; `Documentation/networking/packet_mmap.rst`). No system call a packet, each stamped when it passes, and
//! what finds no room is counted.
//!
//! - `block`: what is in a block of a ring; plain bytes.

mod block;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, Error, Result};
use crate::netns::Netns;

pub use block::Seen;

/// `ETH_P_ALL`, `linux/if_ether.h`.
const ALL: u16 = 3;
/// Bytes of a block: room for a frame of 64 KiB that is many packets (GSO) with its headers, and a multiple of every page size that
/// Linux has.
const BLOCK: usize = 256 << 10;
/// The same where no more than [`SMALL`] bytes of each packet are kept: a multiple of every page size but the largest of one machine
/// (Hexagon).
const SMALL_BLOCK: usize = 64 << 10;
const SMALL: u32 = 4 << 10;
/// What the kernel wants to be told of frames, of which blocks of version 3 have none: a power of two that holds a header.
const FRAME: usize = 2048;
/// Milliseconds after which the kernel hands over a block that is not full.
pub const RETIRE: u32 = 10;
/// The longest snapshot: that of tcpdump, and more than any frame has.
pub const LONGEST: u32 = 256 << 10;
/// Instructions of classic BPF (`linux/bpf_common.h`, `linux/filter.h`): load a word of what is known of the packet, compare, end.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_IFINDEX`: the index of the link.
const LINK: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();
/// Most links that one ring can be told: a jump is at most 255 instructions long.
pub const MOST_LINKS: usize = 250;

/// How many bytes a ring gets and hands over at once, if so much of each packet is kept.
pub fn block(snapshot: u32) -> usize {
    if snapshot <= SMALL { SMALL_BLOCK } else { BLOCK }
}

/// A ring into which the kernel writes what passes in a namespace.
#[derive(Debug)]
pub struct Ring {
    socket: OwnedFd,
    map: Map,
    /// The block that the kernel hands over next.
    next: usize,
    /// A copy of the block that is read.
    copy: Vec<u8>,
    lost: u64,
}

impl Ring {
    /// Sees what passes in `netns` from now on: at the links with these indexes, at all links if there is none; of each packet its first
    /// `snapshot` bytes. More than [`MOST_LINKS`] are an error. `room` is how much memory the ring has, in bytes, at least two
    /// [blocks](block).
    pub fn open(netns: &Netns, links: &[u32], snapshot: u32, room: usize) -> Result<Ring> {
        if links.len() > MOST_LINKS {
            let why =
                format!("{} links are meant, and no more than {MOST_LINKS} can be told apart", links.len());
            return Err(Error::other("capture packets", format_args!("in {}", netns.name()), why));
        }
        let program = program(links, snapshot.clamp(1, LONGEST));
        let block = block(snapshot);
        let blocks = (room / block).max(2);
        let opened = netns.run(move || open(&program, block, blocks))?;
        let (socket, map) = opened.doing("capture packets", format_args!("in {}", netns.name()))?;
        Ok(Ring { socket, map, next: 0, copy: Vec::new(), lost: 0 })
    }

    /// Hands over all packets that wait, in the order in which they passed; whether there were any.
    pub fn each(&mut self, mut hear: impl FnMut(Seen<'_>)) -> bool {
        let mut any = false;
        while self.map.take(self.next, &mut self.copy) {
            self.next = (self.next + 1) % self.map.blocks;
            for seen in block::packets(&self.copy) {
                any = true;
                hear(seen);
            }
        }
        any
    }

    /// How many packets have found no room so far, as far as the kernel says.
    pub fn lost(&mut self) -> u64 {
        // What it does not say any more takes nothing away from what it has said.
        self.lost += dropped(&self.socket).unwrap_or_default();
        self.lost
    }
}

/// Readable when a block can be read.
impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The memory of a ring.
#[derive(Debug)]
struct Map {
    start: NonNull<u8>,
    /// How long each is.
    block: usize,
    blocks: usize,
}

#[expect(unsafe_code, reason = "a pointer is of no thread by itself")]
// SAFETY: the memory is the process's, not a thread's, and only the owner of this value reaches it.
unsafe impl Send for Map {}

impl Map {
    fn new(socket: &OwnedFd, block: usize, blocks: usize) -> io::Result<Map> {
        #[expect(unsafe_code, reason = "the ring can only be reached as memory")]
        // SAFETY: a new mapping, of the length that the socket's ring was made with, at an address that the kernel chooses.
        let start = unsafe {
            let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            libc::mmap(ptr::null_mut(), blocks * block, access, shared, socket.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("a mapping at address 0"))?;
        Ok(Map { start, block, blocks })
    }

    /// Copies a block, if the kernel has handed it over, and gives it back. False: it has not.
    fn take(&self, number: usize, copy: &mut Vec<u8>) -> bool {
        if number >= self.blocks {
            return false;
        }
        #[expect(unsafe_code, reason = "the ring can only be reached as memory")]
        // SAFETY: the block lies within the mapping, since its number is less than `blocks`, and is aligned as a page is, so that its
        // status is aligned as a number is. The status is only ever read and written as an atomic here. While it says that the block is
        // ours the kernel does not write to it (packet_mmap.rst), so that its bytes can be copied; no reference to them outlives that.
        unsafe {
            let block = self.start.as_ptr().add(number * self.block);
            let status = AtomicU32::from_ptr(block.add(block::STATUS).cast());
            if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return false;
            }
            let length = block::length(std::slice::from_raw_parts(block, self.block));
            copy.clear();
            copy.extend_from_slice(std::slice::from_raw_parts(block, length));
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
        true
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the counterpart of mmap")]
        // SAFETY: the mapping is ours, of that length, and nothing refers to it any more.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.blocks * self.block);
        }
    }
}

fn open(program: &[libc::sock_filter], block: usize, blocks: usize) -> io::Result<(OwnedFd, Map)> {
    // Of no protocol at first: no packet comes before all is said.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    let version = libc::c_int::try_from(libc::tpacket_versions::TPACKET_V3 as u32).unwrap_or_default();
    set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
    let number = |number: usize| libc::c_uint::try_from(number).map_err(io::Error::other);
    let ring = libc::tpacket_req3 {
        tp_block_size: number(block)?,
        tp_block_nr: number(blocks)?,
        tp_frame_size: number(FRAME)?,
        tp_frame_nr: number(block / FRAME * blocks)?,
        tp_retire_blk_tov: RETIRE,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &ring)?;
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        // The kernel copies it, and does not write to it.
        filter: program.as_ptr().cast_mut(),
    };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
    let socket = OwnedFd::from(socket);
    let map = Map::new(&socket, block, blocks)?;
    listen(&socket)?;
    Ok((socket, map))
}

/// From now on packets come: of all protocols, from all links.
fn listen(socket: &OwnedFd) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or_default(),
        sll_protocol: ALL.to_be(),
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    #[expect(unsafe_code, reason = "an address of a link has no other form")]
    // SAFETY: a live address of that length, which the kernel only reads.
    let bound = unsafe {
        let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
        libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), length)
    };
    Ok(Errno::result(bound).map(drop)?)
}

fn set<T>(socket: &Socket, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    #[expect(unsafe_code, reason = "these options have no safe form")]
    // SAFETY: a live value and its length, which the kernel only reads.
    let set = unsafe {
        let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default();
        libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(value).cast(), length)
    };
    Ok(Errno::result(set).map(drop)?)
}

/// How many packets have found no room at a packet socket since this was last asked: the kernel begins anew each time.
pub(crate) fn dropped(socket: &OwnedFd) -> io::Result<u64> {
    let mut found = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut length = libc::socklen_t::try_from(size_of_val(&found)).unwrap_or_default();
    #[expect(unsafe_code, reason = "this option has no safe form")]
    // SAFETY: live numbers, and how many bytes they are; the kernel writes no more than that.
    let got = unsafe {
        let place = ptr::from_mut(&mut found).cast();
        let length = ptr::from_mut(&mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, place, length)
    };
    Errno::result(got)?;
    Ok(found.tp_drops.into())
}

/// Takes the first `snapshot` bytes of packets of those links, [`MOST_LINKS`] at most, and nothing of others.
fn program(links: &[u32], snapshot: u32) -> Vec<libc::sock_filter> {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut all = Vec::new();
    if !links.is_empty() {
        all.push(statement(LOAD, LINK));
        for (number, link) in links.iter().enumerate() {
            // Over the comparisons that are left, and over the end that takes nothing.
            let taken = u8::try_from(links.len() - number).unwrap_or(u8::MAX);
            all.push(libc::sock_filter { jt: taken, ..statement(JUMP_IF_EQUAL, *link) });
        }
        all.push(statement(RETURN, 0));
    }
    all.push(statement(RETURN, snapshot));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_links_than_can_be_told_apart_are_an_error() {
        let here = Netns::current("here").expect("that of this thread");
        let refused = Ring::open(&here, &[7; MOST_LINKS + 1], 96, 1).expect_err("one too many").to_string();
        let expected =
            "cannot capture packets in here: 251 links are meant, and no more than 250 can be told apart";
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_program_takes_the_links_it_was_told_and_no_others() {
        let shape = |program: &[libc::sock_filter]| {
            program.iter().map(|one| (one.code, one.jt, one.k)).collect::<Vec<_>>()
        };
        assert_eq!(shape(&program(&[], 96)), [(RETURN, 0, 96)]);
        assert_eq!(
            shape(&program(&[4, 7], 96)),
            [(LOAD, 0, LINK), (JUMP_IF_EQUAL, 2, 4), (JUMP_IF_EQUAL, 1, 7), (RETURN, 0, 0), (RETURN, 0, 96)]
        );
    }
}
