//! The ends of a wire that somebody in between carries the frames of: a link's frames as they come, and sent as if they had
//! come from its other side.
//!
//! - `packet`: packet sockets, at the leg of a veth; they work everywhere.
//! - `tap`: TAP devices, which have words for encapsulated frames of several packets, too (Linux 6.17).

mod packet;
mod tap;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::error::Result;
use crate::netns::Netns;
use crate::vnet::VnetHeader;

use packet::Packet;
pub use tap::TapDevice;

/// `ETH_P_ALL`, `linux/if_ether.h`.
const ALL: u16 = 3;
/// Longest frame: 64 KiB of GSO payload and its headers.
const LONGEST: usize = 66 * 1024;

/// The end of a wire, at a link of some namespace.
#[derive(Debug)]
pub struct End {
    device: Device,
    name: String,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Device {
    Packet(Arc<Packet>),
    Tap(TapDevice),
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

/// Frames that came to an end and could not be handed over: the kernel had no room for them or no words, or they were longer
/// than any is here (BIG TCP, Linux 5.19). Whoever counts them need not be who receives. Of a TAP device none are known.
#[derive(Clone, Debug)]
pub struct Missed(Option<Arc<Packet>>);

impl Missed {
    /// How many so far.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |packet| packet.missed())
    }
}

/// What was heard of a frame that came into a buffer.
struct Heard {
    header: VnetHeader,
    length: usize,
    age: Duration,
}

impl End {
    /// An end at the link with that index, of that name, in `netns`: it gets what the link receives.
    pub fn receiving(netns: &Netns, index: u32, name: &str) -> Result<End> {
        Ok(End::new(Device::Packet(Packet::open(netns, index, name, ALL)?.into()), name))
    }

    /// An end at a link that only sends.
    pub fn sending(netns: &Netns, index: u32, name: &str) -> Result<End> {
        // Of no protocol, no frame comes.
        Ok(End::new(Device::Packet(Packet::open(netns, index, name, 0)?.into()), name))
    }

    fn new(device: Device, name: &str) -> End {
        End { device, name: name.to_owned(), buffer: vec![0; LONGEST] }
    }

    /// What it cannot hand over.
    pub fn missed(&self) -> Missed {
        Missed(match &self.device {
            Device::Packet(packet) => Some(Arc::clone(packet)),
            Device::Tap(_) => None,
        })
    }

    /// The next frame that waits, if one does.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        let heard = match &self.device {
            Device::Packet(packet) => packet.receive(&mut self.buffer)?,
            Device::Tap(tap) => tap.receive(&mut self.buffer)?,
        };
        let Some(Heard { header, length, age }) = heard else { return Ok(None) };
        let Some(bytes) = self.buffer.get(..length) else {
            return Err(io::Error::other(format!("a frame at {} is longer than any can be", self.name)));
        };
        Ok(Some(Received { header, bytes: bytes.to_vec(), age }))
    }

    /// Sends a frame as if the link's other side had: whether it went.
    pub fn send(&self, header: &VnetHeader, bytes: &[u8]) -> io::Result<bool> {
        let sent = match &self.device {
            Device::Packet(packet) => packet.send(header, bytes),
            Device::Tap(tap) => tap.send(header, bytes),
        };
        match sent {
            Ok(_) => Ok(true),
            // The link is off or gone, or takes no more, or not such a frame: a wire that is unplugged loses frames.
            Err(
                Errno::EAGAIN
                | Errno::ENOBUFS
                | Errno::ENETDOWN
                | Errno::ENXIO
                | Errno::ENODEV
                | Errno::EINTR
                | Errno::EIO
                | Errno::EMSGSIZE
                | Errno::EINVAL,
            ) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.device {
            Device::Packet(packet) => packet.as_fd(),
            Device::Tap(tap) => tap.as_fd(),
        }
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

/// Waits until a frame waits at `end`, the bell is rung, or the time is over; for ever, if none is given. Whether one of the
/// first two was so.
pub fn wait(end: &End, bell: &Bell, time: Option<Duration>) -> io::Result<bool> {
    let mut both =
        [PollFd::new(end.as_fd(), PollFlags::POLLIN), PollFd::new(bell.0.as_fd(), PollFlags::POLLIN)];
    let ready = match ppoll(&mut both, time.map(TimeSpec::from), None) {
        Ok(ready) => ready > 0,
        Err(Errno::EINTR) => false,
        Err(errno) => return Err(errno.into()),
    };
    if both[1].any() == Some(true) {
        let _ = bell.0.read();
    }
    Ok(ready)
}

/// Lets this thread be woken on time, and not up to 50 µs later, as Linux does for most (`PR_SET_TIMERSLACK`).
pub fn punctual() -> io::Result<()> {
    Ok(nix::sys::prctl::set_timerslack(1)?)
}
