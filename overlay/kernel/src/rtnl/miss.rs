//! Addresses that a vxlan device was asked for and does not know.
//!
//! With `l3miss` and `l2miss` the kernel tells whoever listens (`RTM_GETNEIGH` to `RTNLGRP_NEIGH`, `drivers/net/vxlan`), and
//! loses the packet. It tells again for every further one.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{BUFFER, messages};
use crate::error::{Context, Result};
use crate::mac::Mac;
use crate::netns::Netns;

/// `RTNLGRP_NEIGH`, `linux/rtnetlink.h`.
const GROUP: u32 = 3;

/// Something that a vxlan device does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// The MAC of an address: somebody asked for it by ARP, on the device of that index.
    Address(u32, IpAddr),
    /// Where a MAC is: a frame was to go there.
    Mac(u32, Mac),
}

/// What was missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// In the order in which it was; often the same several times.
    pub all: Vec<Miss>,
    /// Whether the kernel had no room for more, and some were lost (`ENOBUFS`).
    pub overflowed: bool,
}

/// Hears of the misses in one namespace.
#[derive(Debug)]
pub struct Misses(Socket);

/// The same, on a tokio runtime.
#[derive(Debug)]
pub struct MissStream(AsyncFd<Socket>);

impl Misses {
    /// From now on.
    pub fn new(netns: &Netns) -> Result<Misses> {
        let opened = netns.run(|| -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, 0))?;
            socket.add_membership(GROUP)?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        })?;
        Ok(Misses(opened.doing("listen for misses in", netns.name())?))
    }

    /// Waits for them on the current runtime.
    pub fn stream(self) -> io::Result<MissStream> {
        #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
        // SAFETY: the socket owns its descriptor, is moved in, and nobody takes it out again.
        let registered = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) };
        Ok(MissStream(registered.map_err(io::Error::other)?))
    }
}

impl MissStream {
    /// What was missed since it was last asked; waits until that is something.
    pub async fn next(&self) -> io::Result<Missed> {
        loop {
            let mut ready = self.0.readable().await?;
            // Without an answer there was nothing to hear after all.
            if let Ok(heard) = ready.try_io(|socket| take(socket.get_ref())) {
                return heard;
            }
        }
    }
}

/// All that waits; [`io::ErrorKind::WouldBlock`], if that is nothing.
fn take(socket: &Socket) -> io::Result<Missed> {
    let mut missed = Missed::default();
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, 0) {
            Ok(_) => {
                let said = messages(&buffer).flatten();
                missed.all.extend(said.filter_map(|message| read(message.payload)));
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => missed.overflowed = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && missed != Missed::default() => {
                return Ok(missed);
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Miss> {
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::GetNeighbour(neighbour)) = payload else {
        return None;
    };
    let dev = neighbour.header.ifindex;
    let mut mac = None;
    for attribute in &neighbour.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                return Some(Miss::Address(dev, IpAddr::V4(*ip)));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                return Some(Miss::Address(dev, IpAddr::V6(*ip)));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.first_chunk().copied().map(Mac),
            _ => {}
        }
    }
    Some(Miss::Mac(dev, mac?))
}
