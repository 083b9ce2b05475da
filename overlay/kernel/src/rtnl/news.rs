//! What is changed in a namespace, told by the kernel as it is: links, addresses, routes, neighbours, forwarding entries, and what
//! vxlan devices miss.

use std::io;

use netlink_packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::Socket;

use super::dump::{self, Address, FdbEntry, Link, Neighbour, Route};
use super::listener::{self, Listener};
use super::messages;
use super::miss::{self, Miss};
use crate::error::Result;
use crate::netns::Netns;

/// `RTNLGRP_LINK`, `_NEIGH` (forwarding entries and misses, too), `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`,
/// `linux/rtnetlink.h`.
const GROUPS: [u32; 6] = [1, 3, 5, 7, 9, 11];
/// Room for what has not been heard yet, in bytes of the kernel's books: a thousand messages or so. More than `rmem_max` has to be
/// forced, which needs a capability in the machine's own namespaces.
const ROOM: i32 = 1 << 20;

/// Something that the kernel has told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// It is no more; else it is there now, or is otherwise.
    pub gone: bool,
    /// It is there instead of another (`NLM_F_REPLACE`); kernels say so of routes.
    pub replaces: bool,
    /// What.
    pub what: Noticed,
}

/// What the kernel tells of.
#[derive(Clone, Debug, PartialEq)]
pub enum Noticed {
    /// A link.
    Link(Link),
    /// An address.
    Address(Address),
    /// A route of the main table.
    Route(Route),
    /// An entry of the neighbour table.
    Neighbour(Neighbour),
    /// An entry of a forwarding database.
    Fdb(FdbEntry),
    /// A vxlan device was asked for something that it does not know.
    Missed(Miss),
}

/// Hears what is changed in one namespace. Keeps it alive.
#[derive(Debug)]
pub struct News(Socket);

/// The same, on a tokio runtime.
#[derive(Debug)]
pub struct NewsStream(Listener);

impl News {
    /// From now on.
    pub fn new(netns: &Netns) -> Result<News> {
        listener::open(netns, &GROUPS, Some(ROOM), "listen for news in").map(News)
    }

    /// Waits for them on the current runtime.
    pub fn stream(self) -> io::Result<NewsStream> {
        Listener::new(self.0).map(NewsStream)
    }
}

impl NewsStream {
    /// What was told since it was last asked, in order; waits until that is something. And whether the kernel had no room for more,
    /// so that some was lost.
    pub async fn next(&self) -> io::Result<(Vec<Notice>, bool)> {
        self.0.next(take).await
    }
}

fn take(socket: &Socket) -> io::Result<(Vec<Notice>, bool)> {
    let mut all = Vec::new();
    let overflowed = listener::take(socket, |datagram| {
        all.extend(messages(datagram).flatten().filter_map(read));
    })?;
    Ok((all, overflowed))
}

/// Whether a datagram tells of nothing that somebody has done: only of what bridges have learned from their ports, or forgotten, and of
/// what is missed.
pub(crate) fn is_idle(datagram: &[u8]) -> bool {
    messages(datagram).all(|message| match message.ok().and_then(read).map(|notice| notice.what) {
        Some(Noticed::Fdb(entry)) => !entry.own && !entry.permanent,
        Some(Noticed::Missed(_)) => true,
        _ => false,
    })
}

fn read(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<Notice> {
    let replaces = message.header.flags & NLM_F_REPLACE != 0;
    if let Some(missed) = miss::read(&message.payload) {
        return Some(Notice { gone: false, replaces, what: Noticed::Missed(missed) });
    }
    let NetlinkPayload::InnerMessage(message) = message.payload else { return None };
    let (gone, what) = match message {
        RouteNetlinkMessage::NewLink(message) => (false, link(message)?),
        RouteNetlinkMessage::DelLink(message) => (true, link(message)?),
        RouteNetlinkMessage::NewAddress(message) => (false, Noticed::Address(dump::address(&message)?)),
        RouteNetlinkMessage::DelAddress(message) => (true, Noticed::Address(dump::address(&message)?)),
        RouteNetlinkMessage::NewRoute(message) => (false, Noticed::Route(dump::route(&message)?)),
        RouteNetlinkMessage::DelRoute(message) => (true, Noticed::Route(dump::route(&message)?)),
        RouteNetlinkMessage::NewNeighbour(message) => (false, neighbour(&message)?),
        RouteNetlinkMessage::DelNeighbour(message) => (true, neighbour(&message)?),
        _ => return None,
    };
    Some(Notice { gone, replaces, what })
}

/// What is told of a bridge's port in the bridge's family is told in that of links, too; that a port is gone means there that the
/// link is no port any more.
fn link(message: LinkMessage) -> Option<Noticed> {
    (message.header.interface_family != AddressFamily::Bridge).then(|| Noticed::Link(dump::link(message)))
}

fn neighbour(message: &NeighbourMessage) -> Option<Noticed> {
    if message.header.family == AddressFamily::Bridge {
        return dump::fdb(message).map(Noticed::Fdb);
    }
    dump::neighbour(message).map(Noticed::Neighbour)
}
