//! Flows that the kernel tracks (`linux/netfilter/nfnetlink_conntrack.h`).
//!
//! Rules that translate addresses see only the first packet of a flow. Where that was sent, the others are sent as long as the
//! flow is tracked, whatever the rules say by then: it has to be forgotten.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};

use netlink_sys::Socket;

use crate::error::{Context, Error, Result};
use crate::netns::Netns;
use crate::nft;
use crate::nft::wire::{Attributes, attribute, dump_of, tell};

/// `NFNL_SUBSYS_CTNETLINK` with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_ID`, `CTA_ZONE`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// `CTA_TUPLE_IP` with `CTA_IP_V4_SRC` and `CTA_IP_V4_DST`; `CTA_TUPLE_PROTO` with `CTA_PROTO_NUM`, `CTA_PROTO_SRC_PORT` and
/// `CTA_PROTO_DST_PORT`.
const IP: u16 = 1;
const IP_SOURCE: u16 = 1;
const IP_DESTINATION: u16 = 2;
const PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `AF_INET`.
const IPV4: u8 = 2;

/// A flow that has ports, over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// `IPPROTO_TCP` or `IPPROTO_UDP`, or another one with ports.
    pub protocol: u8,
    /// Who began it.
    pub from: SocketAddrV4,
    /// Where that one sends to.
    pub to: SocketAddrV4,
    /// Where that arrives, and so who answers.
    pub at: SocketAddrV4,
}

/// A connection to the flows of one namespace.
#[derive(Debug)]
pub struct Conntrack {
    namespace: String,
    socket: Mutex<Socket>,
}

impl Conntrack {
    /// A connection made inside `netns`.
    pub fn new(netns: &Netns) -> Result<Conntrack> {
        let namespace = netns.name().to_owned();
        let socket = netns.run(nft::open)?.doing("open the tracked flows of", &namespace)?;
        Ok(Conntrack { namespace, socket: Mutex::new(socket) })
    }

    /// The flows that are tracked. That this kernel does not tell is an error that [is one of support](Error::is_unsupported).
    pub fn flows(&self) -> Result<Vec<Flow>> {
        Ok(self.tracked()?.into_iter().map(|(flow, _)| flow).collect())
    }

    /// Forgets the flows that are to be forgotten: their next packet is a first one again. How many there were.
    pub fn forget(&self, which: impl Fn(&Flow) -> bool) -> Result<usize> {
        let mut forgotten = 0;
        for (flow, key) in self.tracked()?.into_iter().filter(|(flow, _)| which(flow)) {
            let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            match tell(&socket, DELETE, IPV4, &key) {
                Ok(()) => forgotten += 1,
                // It has ended meanwhile.
                Err(gone) if gone.raw_os_error() == Some(libc::ENOENT) => {}
                Err(why) => {
                    let what =
                        format_args!("the flow from {} to {} in {}", flow.from, flow.to, self.namespace);
                    return Err(Error::new("forget", what, why));
                }
            }
        }
        Ok(forgotten)
    }

    /// Each flow with what the kernel knows it by.
    fn tracked(&self) -> Result<Vec<(Flow, Attributes)>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let dumped = dump_of(&socket, GET, IPV4).map_err(|why| match why.raw_os_error() {
            // No such subsystem (`nfnetlink_rcv_msg`).
            Some(libc::EINVAL) => io::Error::from_raw_os_error(libc::EOPNOTSUPP),
            _ => why,
        });
        let dumped = dumped.doing("list", format_args!("the tracked flows of {}", self.namespace))?;
        Ok(dumped.iter().filter_map(|body| read(body.get(4..)?)).collect())
    }
}

/// A flow, if it is one with ports over IPv4.
fn read(attributes: &[u8]) -> Option<(Flow, Attributes)> {
    let original = attribute(attributes, ORIGINAL)?;
    let (protocol, from, to) = tuple(original)?;
    let (_, at, _) = tuple(attribute(attributes, REPLY)?)?;
    let mut key = Attributes::default().bytes(ORIGINAL | NESTED, original);
    for kind in [ID, ZONE] {
        if let Some(value) = attribute(attributes, kind) {
            key = key.bytes(kind, value);
        }
    }
    Some((Flow { protocol, from, to, at }, key))
}

/// Protocol, source and destination of one direction.
fn tuple(tuple: &[u8]) -> Option<(u8, SocketAddrV4, SocketAddrV4)> {
    let (ip, protocol) = (attribute(tuple, IP)?, attribute(tuple, PROTOCOL)?);
    let end = |address, port| {
        let address = <[u8; 4]>::try_from(attribute(ip, address)?).ok()?;
        let port = <[u8; 2]>::try_from(attribute(protocol, port)?).ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port)))
    };
    let number = *attribute(protocol, PROTOCOL_NUMBER)?.first()?;
    Some((number, end(IP_SOURCE, SOURCE_PORT)?, end(IP_DESTINATION, DESTINATION_PORT)?))
}
