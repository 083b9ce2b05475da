//! The ends of a wire that somebody in between carries the frames of: a link's frames as they come, and sent as if they had
//! come from its other side.
//!
//! Packet sockets with the virtio header (packet(7), `PACKET_VNET_HDR`): without it checksums and frames of several packets
//! could not be told from finished ones, and TCP would not even connect.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, SockaddrLike, bind, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, Result};
use crate::netns::Netns;
use crate::vnet::VnetHeader;

/// `ETH_P_ALL`, `linux/if_ether.h`.
const ALL: u16 = 3;
/// `PACKET_*`, `linux/if_packet.h`.
const VNET_HDR: libc::c_int = 15;
const QDISC_BYPASS: libc::c_int = 20;
const IGNORE_OUTGOING: libc::c_int = 23;
/// Longest frame: 64 KiB of GSO payload and its headers.
const LONGEST: usize = 66 * 1024;
/// For frames that wait to be read, in bytes of the kernel's books. Without the right to have more than others
/// (`SO_RCVBUFFORCE`), it is what `net.core.rmem_max` allows.
const BUFFER: usize = 32 << 20;

/// The end of a wire, at a link of some namespace.
#[derive(Debug)]
pub struct End {
    socket: OwnedFd,
    name: String,
    buffer: Vec<u8>,
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What is left to do with it.
    pub header: VnetHeader,
    /// It, from its Ethernet header on.
    pub bytes: Vec<u8>,
    /// How long ago it came.
    pub age: Duration,
}

impl End {
    /// An end at the link with that index, of that name, in `netns`: it gets what the link receives.
    pub fn receiving(netns: &Netns, index: u32, name: &str) -> Result<End> {
        End::open(netns, index, name, ALL)
    }

    /// An end at a link that only sends.
    pub fn sending(netns: &Netns, index: u32, name: &str) -> Result<End> {
        // Of no protocol, no frame comes.
        End::open(netns, index, name, 0)
    }

    fn open(netns: &Netns, index: u32, name: &str, protocol: u16) -> Result<End> {
        let opened = netns.run(move || open(index, protocol))?;
        let object = || format!("the end of a wire at {name} in {}", netns.name());
        let socket = opened.doing("open", object())?;
        Ok(End { socket, name: name.to_owned(), buffer: vec![0; LONGEST] })
    }

    /// The next frame that waits, if one does.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        let mut header = [0; VnetHeader::LEN];
        let (length, stamp) = loop {
            let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(&mut self.buffer)];
            let mut space = nix::cmsg_space!(libc::timespec);
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => {
                    let stamp = message.cmsgs()?.find_map(|control| match control {
                        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                        _ => None,
                    });
                    break (message.bytes, stamp);
                }
                Err(Errno::EAGAIN) => return Ok(None),
                // A link that is switched off says so once. A frame that the header has no words for (a tunnel's, cut into
                // packets later) is refused; it is gone then.
                Err(Errno::EINTR | Errno::ENETDOWN | Errno::EINVAL) => {}
                Err(errno) => return Err(errno.into()),
            }
        };
        let Some((header, bytes)) = VnetHeader::parse(&header)
            .zip(length.checked_sub(VnetHeader::LEN).and_then(|length| self.buffer.get(..length)))
        else {
            return Err(io::Error::other(format!("a frame at {} is longer than any can be", self.name)));
        };
        Ok(Some(Received { header, bytes: bytes.to_vec(), age: stamp.map_or(Duration::ZERO, age) }))
    }

    /// Sends a frame as if the link's other side had: whether it went.
    pub fn send(&self, header: &VnetHeader, bytes: &[u8]) -> io::Result<bool> {
        let header = (*header).emit();
        let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
        match sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], MsgFlags::MSG_DONTWAIT, None) {
            Ok(_) => Ok(true),
            // The link is off or gone, or takes no more: a wire that is unplugged loses frames.
            Err(
                Errno::EAGAIN
                | Errno::ENOBUFS
                | Errno::ENETDOWN
                | Errno::ENXIO
                | Errno::ENODEV
                | Errno::EINTR
                | Errno::EMSGSIZE
                | Errno::EINVAL,
            ) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A bell that wakes who waits for a frame.
#[derive(Debug)]
pub struct Bell(EventFd);

impl Bell {
    /// A bell that has not been rung.
    pub fn new() -> io::Result<Bell> {
        Ok(Bell(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
    }

    /// Rings it.
    pub fn ring(&self) {
        // It is full only if it has been rung more often than anybody can count.
        let _ = self.0.write(1);
    }
}

/// Waits until a frame waits at `end`, the bell is rung, or the time is over; for ever, if none is given.
pub fn wait(end: &End, bell: &Bell, time: Option<Duration>) -> io::Result<()> {
    let mut both =
        [PollFd::new(end.as_fd(), PollFlags::POLLIN), PollFd::new(bell.0.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut both, time.map(TimeSpec::from), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let _ = bell.0.read();
    Ok(())
}

/// Lets this thread be woken on time, and not up to 50 µs later, as Linux does for most (`PR_SET_TIMERSLACK`).
pub fn punctual() -> io::Result<()> {
    Ok(nix::sys::prctl::set_timerslack(1)?)
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
