//! Packets as they pass through a namespace, for those who only look.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, Result};
use crate::netns::Netns;

/// `ETH_P_ALL`, `linux/if_ether.h`.
const ALL: u16 = 3;
/// `PACKET_OUTGOING`, `linux/if_packet.h`.
const OUTGOING: u8 = 4;
/// Most bytes of a frame that are kept: headers of all layers, an overlay's included, and then some.
const KEPT: usize = 512;
/// For frames that wait to be read, in bytes.
const BUFFER: usize = 4 << 20;

/// Sees every frame that any link of a namespace receives or sends.
#[derive(Debug)]
pub struct Tap {
    socket: Socket,
    namespace: String,
}

/// A frame that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The index of the link.
    pub link: u32,
    /// Whether the link sent it; else it received it.
    pub outgoing: bool,
    /// It, from its Ethernet header on; cut off after 512 bytes.
    pub bytes: Vec<u8>,
}

impl Tap {
    /// Sees what passes from now on.
    pub fn new(netns: &Netns) -> Result<Tap> {
        let made = netns.run(|| -> io::Result<Socket> {
            let socket =
                Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ALL.to_be()))))?;
            socket.set_recv_buffer_size(BUFFER)?;
            Ok(socket)
        })?;
        let namespace = netns.name().to_owned();
        let socket = made.doing("capture packets", format_args!("in {namespace}"))?;
        Ok(Tap { socket, namespace })
    }

    /// The next frame, if one passes within `patience`.
    pub fn next(&self, patience: Duration) -> Result<Option<Frame>> {
        self.read(patience).doing("capture packets", format_args!("in {}", self.namespace))
    }

    fn read(&self, patience: Duration) -> io::Result<Option<Frame>> {
        let deadline = Instant::now() + patience;
        let mut bytes = vec![0; KEPT];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Zero would mean "for ever".
            self.socket.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut bytes) {
                Ok((length, Some(from))) => {
                    bytes.truncate(length);
                    let link = u32::try_from(from.ifindex()).unwrap_or_default();
                    return Ok(Some(Frame { link, outgoing: from.pkttype() == OUTGOING, bytes }));
                }
                Err(Errno::EAGAIN) if left.is_zero() => return Ok(None),
                // Which link it was is always said. A link that is switched off says so to all who listen.
                Ok((_, None)) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
