//! Packet sockets with the virtio header (packet(7), `PACKET_VNET_HDR`): without it checksums and frames of several packets
//! could not be told from finished ones, and TCP would not even connect. For encapsulated frames of several packets it has no
//! words.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, SockaddrLike, bind, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

use super::Heard;
use crate::capture::dropped;
use crate::error::{Context, Result};
use crate::netns::Netns;
use crate::vnet::VnetHeader;

/// `PACKET_*`, `linux/if_packet.h`.
const VNET_HDR: libc::c_int = 15;
const QDISC_BYPASS: libc::c_int = 20;
const IGNORE_OUTGOING: libc::c_int = 23;
/// For frames that wait to be read, in bytes of the kernel's books. Without the right to have more than others
/// (`SO_RCVBUFFORCE`), it is what `net.core.rmem_max` allows.
const BUFFER: usize = 32 << 20;

/// A packet socket at a link.
#[derive(Debug)]
pub(super) struct Packet {
    socket: OwnedFd,
    /// Frames that came and were not handed over, as far as is known.
    missed: AtomicU64,
}

impl Packet {
    /// At the link with that index, of that name, in `netns`; for frames of that protocol that it receives.
    pub(super) fn open(netns: &Netns, index: u32, name: &str, protocol: u16) -> Result<Packet> {
        let opened = netns.run(move || open(index, protocol))?;
        let object = || format!("the end of a wire at {name} in {}", netns.name());
        Ok(Packet { socket: opened.doing("open", object())?, missed: AtomicU64::new(0) })
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
        let mut header = [0; VnetHeader::LEN];
        let room = buffer.len();
        loop {
            let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buffer)];
            let mut space = nix::cmsg_space!(libc::timespec);
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => {
                    let stamp = message.cmsgs()?.find_map(|control| match control {
                        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                        _ => None,
                    });
                    let length = message.bytes.saturating_sub(VnetHeader::LEN);
                    if length > room {
                        self.missed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    let header = VnetHeader::parse(&header).unwrap_or_default();
                    return Ok(Some(Heard { header, length, age: stamp.map_or(Duration::ZERO, age) }));
                }
                Err(Errno::EAGAIN) => return Ok(None),
                // A link that is switched off says so once.
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                // A frame that the header has no words for (a tunnel's, cut into packets later) is refused; it is gone then.
                Err(Errno::EINVAL) => drop(self.missed.fetch_add(1, Ordering::Relaxed)),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// How many frames came and were not handed over.
    pub(super) fn missed(&self) -> u64 {
        // What the kernel cannot say any more is left out.
        let new = dropped(&self.socket).unwrap_or_default();
        self.missed.fetch_add(new, Ordering::Relaxed) + new
    }

    pub(super) fn send(&self, header: &VnetHeader, bytes: &[u8]) -> nix::Result<usize> {
        let header = (*header).emit();
        let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
        sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], MsgFlags::MSG_DONTWAIT, None)
    }
}

impl AsFd for Packet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open(index: u32, protocol: u16) -> io::Result<OwnedFd> {
    // Of no protocol at first, so that no frame of another link comes before it is bound.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    for option in [VNET_HDR, QDISC_BYPASS, IGNORE_OUTGOING] {
        set(&socket, option)?;
    }
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        socket.set_recv_buffer_size(BUFFER)?;
    }
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    let mut address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or_default(),
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).ok();
    #[expect(unsafe_code, reason = "an address of a link can only be read from the kernel's form")]
    // SAFETY: a live value of that type and its length.
    let link = unsafe { LinkAddr::from_raw(std::ptr::from_mut(&mut address).cast(), length) };
    let link = link.ok_or_else(|| io::Error::other("the kernel's address of a link has changed"))?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(socket.into())
}

fn set(socket: &Socket, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    #[expect(unsafe_code, reason = "these options have no safe form")]
    // SAFETY: a live number of that length.
    let set = unsafe {
        let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, std::ptr::from_ref(&on).cast(), length)
    };
    Ok(Errno::result(set).map(drop)?)
}

/// How long ago a moment of the wall clock was.
fn age(stamp: TimeSpec) -> Duration {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default();
    now.saturating_sub(Duration::from(stamp))
}
