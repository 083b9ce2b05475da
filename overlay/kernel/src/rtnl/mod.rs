//! rtnetlink, as one connection per namespace.
//!
//! Many requests leave in one datagram: the kernel works through it before `send` returns, so no
//! reply is waited for in between. That is possible because interface indexes are chosen by us.
//! Synchronous, since there is nothing to wait for.

mod batch;
mod counters;
mod delay;
mod dump;
mod link;
mod listener;
mod miss;
mod news;
mod running;

use std::io;
use std::sync::{Mutex, PoisonError};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::error::{Context, Error, Result};
use crate::netns::{Inside, Netns};

pub use batch::Batch;
pub use counters::Counters;
pub use delay::Delayed;
pub use dump::{Address, Bridge, FdbEntry, Link, Neighbour, Port, Route, Snapshot, Vxlan};
pub use link::{NewLink, NewVxlan};
pub use miss::{Miss, MissStream, Missed, Misses};
pub(crate) use news::is_idle;
pub use news::{News, NewsStream, Notice, Noticed};

/// Requests in one datagram: their acknowledgements, about 800 bytes each in the kernel's books, have
/// to fit the default receive buffer (212,992 bytes).
const DATAGRAM: usize = 128;
/// Receive buffer for dumps; the kernel fills at most 32 KiB a read.
const BUFFER: usize = 64 * 1024;
/// `NLMSGERR_ATTR_MSG`, `linux/netlink.h`: the kernel's sentence about an error.
const ATTR_MSG: u16 = 1;

/// A connection to the routing netlink of one namespace. Holds the namespace alive.
#[derive(Debug)]
pub struct Rtnl {
    namespace: String,
    socket: Mutex<Socket>,
}

impl Rtnl {
    /// A connection made inside `netns`.
    pub fn new(netns: &Netns) -> Result<Rtnl> {
        let socket = netns.run(open)?;
        Self::with(netns.name(), socket)
    }

    /// A connection of the calling thread's namespace.
    pub fn here() -> Result<Rtnl> {
        Self::with("this namespace", open())
    }

    /// A connection of the new namespace that the calling thread is in.
    pub fn inside(inside: Inside<'_>) -> Result<Rtnl> {
        Self::with(inside.name(), open())
    }

    fn with(namespace: &str, socket: io::Result<Socket>) -> Result<Rtnl> {
        let socket = socket.doing("open a netlink connection in", namespace)?;
        Ok(Rtnl { namespace: namespace.to_owned(), socket: Mutex::new(socket) })
    }

    /// Sends all requests of `batch`. The kernel carries out every one it can; the first failure is returned.
    pub fn apply(&self, batch: &Batch<'_>) -> Result<()> {
        self.apply_all(batch).into_iter().next().map_or(Ok(()), Err)
    }

    /// Sends all requests of `batch`; every failure, in the order of the requests.
    pub fn apply_all(&self, batch: &Batch<'_>) -> Vec<Error> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut errors = Vec::new();
        for chunk in batch.requests().chunks(DATAGRAM) {
            let mut datagram = Vec::new();
            for (seq, request) in (1..).zip(chunk) {
                put(&mut datagram, request.message.clone(), seq, NLM_F_REQUEST | NLM_F_ACK | request.flags);
            }
            match exchange(&socket, &datagram, chunk.len()) {
                Ok(refused) => errors.extend(refused.into_iter().map(|(seq, code, said)| {
                    let request = &chunk[seq - 1];
                    let object = format!("{} in {}", request.object, self.namespace);
                    Error::new(request.op, object, io::Error::from_raw_os_error(code)).said(said)
                })),
                Err(why) => errors.push(Error::new("configure", &self.namespace, why)),
            }
        }
        errors
    }

    /// All that `request` lists.
    fn list(&self, what: &str, request: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut datagram = Vec::new();
        put(&mut datagram, request, 1, NLM_F_REQUEST | NLM_F_DUMP);
        dump(&socket, &datagram).doing("list", format_args!("{what} in {}", self.namespace))
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    // Not needed to work, only to explain.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Appends one message; each begins on a multiple of four bytes.
fn put(datagram: &mut Vec<u8>, message: RouteNetlinkMessage, seq: u32, flags: u16) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = seq;
    message.finalize();
    let start = datagram.len();
    datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut datagram[start..start + message.buffer_len()]);
}

/// What was refused: the request's number, the error, the kernel's sentence.
type Refused = (usize, i32, Option<String>);

fn exchange(socket: &Socket, datagram: &[u8], count: usize) -> io::Result<Vec<Refused>> {
    socket.send(datagram, 0)?;
    let mut refused = Vec::new();
    let mut answered = 0;
    let mut buffer = Vec::with_capacity(BUFFER);
    while answered < count {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            let message = message?;
            if let NetlinkPayload::Error(error) = message.payload {
                answered += 1;
                if let Some(code) = error.code {
                    let seq = message.header.sequence_number as usize;
                    refused.push((seq, code.get().abs(), sentence(&error.header)));
                }
            }
        }
    }
    Ok(refused)
}

fn dump(socket: &Socket, datagram: &[u8]) -> io::Result<Vec<RouteNetlinkMessage>> {
    socket.send(datagram, 0)?;
    let mut all = Vec::new();
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            match message?.payload {
                NetlinkPayload::InnerMessage(inner) => all.push(inner),
                NetlinkPayload::Done(_) => return Ok(all),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
    }
}

/// The names of the links that `socket`'s namespace has. Notifications that come between are passed over.
pub(crate) fn link_names(socket: &Socket) -> io::Result<Vec<String>> {
    let mut datagram = Vec::new();
    put(&mut datagram, RouteNetlinkMessage::GetLink(LinkMessage::default()), 1, NLM_F_REQUEST | NLM_F_DUMP);
    let links = dump(socket, &datagram)?.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    });
    let name = |attribute| if let LinkAttribute::IfName(name) = attribute { Some(name) } else { None };
    Ok(links.filter_map(|link| link.attributes.into_iter().find_map(name)).collect())
}

/// The messages of one datagram.
fn messages(datagram: &[u8]) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = NetlinkMessage::deserialize(rest).map_err(io::Error::other);
        let length = message.as_ref().map_or(rest.len(), |m| (m.header.length as usize).next_multiple_of(4));
        rest = rest.get(length.max(1)..).unwrap_or_default();
        Some(message)
    })
}

/// The kernel's sentence behind the 16 bytes of the refused request's header.
fn sentence(refused: &[u8]) -> Option<String> {
    NlasIterator::new(refused.get(16..)?)
        .flatten()
        .find(|attribute| attribute.kind() == ATTR_MSG)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned())
}
