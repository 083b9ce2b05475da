//! Addresses that a vxlan device was asked for and does not know.
//!
//! With `l3miss` and `l2miss` the kernel tells whoever listens (`RTM_GETNEIGH` to `RTNLGRP_NEIGH`, `drivers/net/vxlan`), and
//! loses the packet. It tells again for every further one.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute};
use netlink_sys::Socket;

use super::listener::{self, Listener};
use super::messages;
use crate::error::Result;
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
pub struct MissStream(Listener);

impl Misses {
    /// From now on.
    pub fn new(netns: &Netns) -> Result<Misses> {
        listener::open(netns, &[GROUP], None, "listen for misses in").map(Misses)
    }

    /// Waits for them on the current runtime.
    pub fn stream(self) -> io::Result<MissStream> {
        Listener::new(self.0).map(MissStream)
    }
}

impl MissStream {
    /// What was missed since it was last asked; waits until that is something.
    pub async fn next(&self) -> io::Result<Missed> {
        self.0.next(take).await
    }
}

/// All that waits; [`io::ErrorKind::WouldBlock`], if that is nothing.
fn take(socket: &Socket) -> io::Result<Missed> {
    let mut all = Vec::new();
    let overflowed = listener::take(socket, |datagram| {
        all.extend(messages(datagram).flatten().filter_map(|message| read(&message.payload)));
    })?;
    // Others speak in this group, too: of neighbours that come and go.
    if all.is_empty() && !overflowed {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(Missed { all, overflowed })
}

pub(super) fn read(payload: &NetlinkPayload<RouteNetlinkMessage>) -> Option<Miss> {
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
