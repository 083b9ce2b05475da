//! What to do with a query. Pure.

use std::net::Ipv4Addr;

use super::message::{self, Data, Query, Rcode, Record, Type, Unfit};
use crate::docker;

/// Who knows names.
pub trait Names {
    /// Whether nobody else knows more: what it does not know does not exist.
    const IS_AUTHORITY: bool;

    /// The addresses of a name, which has no dot at its end. None: it does not know the name.
    fn addresses(&self, name: &str) -> Option<Vec<Ipv4Addr>>;

    /// The name of an address, without a dot at its end.
    fn name_of(&self, address: Ipv4Addr) -> Option<String>;

    /// Whether nobody else is asked for a name that it does not know.
    fn withholds(&self, _name: &str, _kind: Type) -> bool {
        false
    }
}

/// How a query has come, and so how long its reply may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// What to do with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Reply with these bytes.
    Reply(Vec<u8>),
    /// Ask somebody else.
    Forward,
    /// Say nothing: it is no query.
    Ignore,
}

/// Longest message on a connection: its length is sent in two bytes (RFC 1035, 4.2.2).
const LONGEST: usize = 65_535;

/// What to do with these bytes. The order of several addresses is drawn by the seed, as Docker shuffles them.
pub fn react<N: Names>(bytes: &[u8], names: &N, over: Over, seed: u64) -> Reaction {
    let query = match Query::read(bytes) {
        Ok(query) => query,
        Err(Unfit::Silence) => return Reaction::Ignore,
        Err(Unfit::Refuse(code)) => return Reaction::Reply(message::refusal(bytes, code)),
    };
    let found = if query.is_in() { look(&query, names, seed) } else { None };
    let (code, records) = match found {
        Some(records) => (Rcode::NOERROR, records),
        None if N::IS_AUTHORITY => (Rcode::NXDOMAIN, Vec::new()),
        None if query.is_in()
            && query.name.as_deref().is_some_and(|name| names.withholds(name, query.kind)) =>
        {
            (Rcode::NOERROR, Vec::new())
        }
        None => return Reaction::Forward,
    };
    Reaction::Reply(query.reply(code, N::IS_AUTHORITY, &records, limit(&query, over)))
}

fn limit(query: &Query<'_>, over: Over) -> usize {
    match over {
        Over::Udp => query.limit(),
        Over::Tcp => LONGEST,
    }
}

/// The records that are asked for; none at all of a name that is known is not the same as an unknown name.
fn look(query: &Query<'_>, names: &impl Names, seed: u64) -> Option<Vec<Record>> {
    let name = query.name.as_deref()?;
    let record = |data| Record { ttl: docker::NAME_TTL, data };
    match query.kind {
        // Of any type it has, one is enough (RFC 8482, 4.1).
        Type::A | Type::ANY => {
            let mut addresses = names.addresses(name)?;
            fastrand::Rng::with_seed(seed).shuffle(&mut addresses);
            Some(addresses.into_iter().map(|ip| record(Data::A(ip))).collect())
        }
        Type::PTR => {
            let known = reversed(name).and_then(|address| names.name_of(address));
            let known = known.filter(|name| message::encode_name(name).is_some());
            known.map(|name| vec![record(Data::Ptr(name))])
        }
        // All addresses are IPv4, nobody here takes mail (20.10: `handleIPQuery`, `handleMXQuery`), and there is nothing else.
        _ => names.addresses(name).map(|_| Vec::new()),
    }
}

/// The address in a name such as `100.0.168.192.in-addr.arpa` (RFC 1035, 3.5).
fn reversed(name: &str) -> Option<Ipv4Addr> {
    let name = name.to_ascii_lowercase();
    let mut parts: Vec<&str> = name.strip_suffix(".in-addr.arpa")?.split('.').collect();
    parts.reverse();
    parts.join(".").parse().ok()
}

/// A server's reply as it is passed on: if it does not fit, the client is told to come by TCP.
pub(super) fn fit(bytes: &[u8], reply: Vec<u8>, over: Over) -> Vec<u8> {
    let fits = Query::read(bytes).is_ok_and(|query| reply.len() <= limit(&query, over));
    if fits { reply } else { message::too_long(bytes) }
}

#[cfg(test)]
mod tests;
