//! nftables: a table as a value, replaced whole in one transaction.
//!
//! Whoever owns a table writes down all of it and replaces what is there; nothing is ever edited in
//! place, so nothing can be left over.

mod expr;
mod read;
pub(crate) mod wire;
mod words;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};

use ipnet::Ipv4Net;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::netns::Netns;

/// Which packets a table sees (`NFPROTO_*`, `linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv4 and IPv6.
    Inet,
    /// Frames that a bridge forwards.
    Bridge,
    /// Frames of one device, as they arrive.
    Netdev,
}

/// A table and all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// A chain that hangs on a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it hangs.
    pub hook: Hook,
    /// The order among chains of one hook; lower first.
    pub priority: i32,
    /// What becomes of a packet that no rule decides; `true` lets it pass.
    pub accept: bool,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// The place where a chain sees packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Filter, packets that are routed through (or bridged, with bridge-nf-call-iptables). Of [`Family::Bridge`]: frames
    /// that a bridge forwards, once for each port that they leave by, floods included.
    Forward,
    /// Filter, packets for this host.
    Input,
    /// Filter, packets from this host.
    Output,
    /// Packets from this host, each of which is routed anew if its mark is changed, and so may be encrypted.
    Reroute,
    /// NAT, before routing.
    Prerouting,
    /// NAT, after routing.
    Postrouting,
    /// NAT, packets from this host.
    NatOutput,
    /// Filter, frames arriving at a device.
    Ingress(String),
}

/// Conditions, all of which hold, and what is done then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Conditions, tested in order.
    pub matches: Vec<Match>,
    /// What is done.
    pub action: Action,
    /// For people, and to tell whose counters these are. At most 127 bytes (`NFTNL_UDATA_COMMENT_MAXLEN`).
    pub comment: Option<String>,
}

/// Longest comment, in bytes: `nft` refuses to read longer ones.
const LONGEST_COMMENT: usize = 127;

impl Rule {
    /// `Rule::when([…], Action::Drop)`.
    pub fn when(matches: impl Into<Vec<Match>>, action: Action) -> Rule {
        Rule { matches: matches.into(), action, comment: None }
    }

    /// With a comment.
    #[must_use]
    pub fn saying(self, comment: impl std::fmt::Display) -> Rule {
        let mut comment = comment.to_string();
        comment.truncate(comment.floor_char_boundary(LONGEST_COMMENT));
        Rule { comment: Some(comment), ..self }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Came in by the link of that name.
    In(String),
    /// Came in by another link.
    NotIn(String),
    /// Goes out by the link of that name.
    Out(String),
    /// Goes out by another link.
    NotOut(String),
    /// Comes from there.
    Source(Ipv4Net),
    /// Goes there.
    Destination(Ipv4Net),
    /// Goes to an address of this host.
    DestinationIsLocal,
    /// An IP protocol, `IPPROTO_*`.
    Protocol(u8),
    /// TCP's or UDP's destination port; goes with [`Match::Protocol`].
    DestinationPort(u16),
    /// An `EtherType`, such as 0x0806.
    EtherType(u16),
    /// Bytes of the packet are exactly these.
    Payload {
        /// Where the counting begins.
        base: Base,
        /// How many bytes behind that.
        offset: u32,
        /// At most 16 bytes, a register's size.
        value: Vec<u8>,
    },
    /// Belongs to a connection seen before, or to one that such a connection opened.
    Established,
    /// Belongs to a connection whose destination was changed by [`Action::Dnat`].
    Redirected,
    /// Did not come by IPsec. Of [`Hook::Input`] and [`Hook::Forward`].
    CameInClear,
    /// Is not going to leave by IPsec. Of packets that are routed.
    GoesInClear,
}

/// From where bytes of a packet are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Ethernet's header.
    Link,
    /// The IP or ARP header.
    Network,
    /// The header behind IP's. Not of fragments but the first.
    Transport,
}

/// What a rule has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The table.
    pub table: String,
    /// The rule's comment.
    pub comment: String,
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// How many packets a rule has seen that fit it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let pass this chain.
    Accept,
    /// Drop.
    Drop,
    /// Give the source the address of the outgoing link.
    Masquerade,
    /// Send it elsewhere.
    Dnat(SocketAddrV4),
    /// Give it a mark, which never leaves the host.
    Mark(u32),
}

/// A connection to the nftables of one namespace.
#[derive(Debug)]
pub struct Nft {
    namespace: String,
    socket: Mutex<Socket>,
}

impl Nft {
    /// A connection made inside `netns`.
    pub fn new(netns: &Netns) -> Result<Nft> {
        let namespace = netns.name().to_owned();
        let socket = netns.run(open)?.doing("open nftables in", &namespace)?;
        Ok(Nft { namespace, socket: Mutex::new(socket) })
    }

    /// Makes the table what `table` says, whatever was in it, all at once.
    pub fn replace(&self, table: &Table) -> Result<()> {
        self.transact(&wire::replace(table)).map_err(|why| self.error("replace", &table.name, why))
    }

    /// Removes the table. That it is not there is an error.
    pub fn remove(&self, family: Family, name: &str) -> Result<()> {
        self.transact(&wire::remove(family, name)).map_err(|why| self.error("remove", name, why))
    }

    /// The names of the tables that are there.
    pub fn tables(&self) -> Result<Vec<String>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = wire::list(&socket, wire::GET_TABLE, wire::TABLE_NAME);
        listed.doing("list", format_args!("nftables tables in {}", self.namespace))
    }

    /// The rules that are there, one line each, in the words of `nft`; those of a table are its [`Table::lines`] as long as
    /// nobody changes them.
    pub fn rules(&self) -> Result<Vec<String>> {
        Ok(self.tallies()?.into_iter().map(|(line, _)| line).collect())
    }

    /// The rules that are there, as [`Nft::rules`] has them, and what each has counted; `None` of those without a counter.
    pub fn tallies(&self) -> Result<Vec<(String, Option<Tally>)>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        read::rules(&socket).doing("list", format_args!("nftables rules in {}", self.namespace))
    }

    /// What the rules that have a comment have counted, in order.
    pub fn counted(&self) -> Result<Vec<Counted>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        read::counted(&socket).doing("read", format_args!("nftables counters in {}", self.namespace))
    }

    fn transact(&self, batch: &wire::Batch) -> io::Result<()> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        batch.send(&socket)
    }

    fn error(&self, op: &'static str, table: &str, why: io::Error) -> Error {
        Error::new(op, format_args!("nftables table {table} in {}", self.namespace), why)
    }
}

/// A connection to netfilter, which nftables is a part of.
pub(crate) fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// The host part of a prefix cut off.
fn masked(net: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    (net.network(), net.netmask())
}
