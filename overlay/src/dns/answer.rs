//! What to do with a query. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{self, Data, Query, Rcode, Record, Type, Unfit};
use crate::docker;

/// Who knows names.
pub trait Names {
    /// Whether nobody else knows more: what it does not know does not exist.
    const IS_AUTHORITY: bool;

    /// The addresses of a name, which has no dot at its end, of either family. None: it does not know the name.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;

    /// The name of an address, without a dot at its end.
    fn name_of(&self, address: IpAddr) -> Option<String>;

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
        // Of any type it has, one is enough (RFC 8482, 4.1), and all have A.
        Type::A | Type::ANY | Type::AAAA => {
            let of_type = |ip| match (ip, query.kind) {
                (IpAddr::V6(ip), Type::AAAA) => Some(Data::Aaaa(ip)),
                (IpAddr::V4(ip), Type::A | Type::ANY) => Some(Data::A(ip)),
                _ => None,
            };
            let mut found: Vec<Data> = names.addresses(name)?.into_iter().filter_map(of_type).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut found);
            Some(found.into_iter().map(record).collect())
        }
        Type::PTR => {
            let known = reversed(name).and_then(|address| names.name_of(address));
            let known = known.filter(|name| message::encode_name(name).is_some());
            known.map(|name| vec![record(Data::Ptr(name))])
        }
        // Nobody here takes mail (20.10: `handleMXQuery`), and there is nothing else.
        _ => names.addresses(name).map(|_| Vec::new()),
    }
}

/// The address in a name such as `100.0.168.192.in-addr.arpa` (RFC 1035, 3.5), or of a digit for each four bits in `ip6.arpa`
/// (RFC 3596, 2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    let name = name.to_ascii_lowercase();
    let parts = |name: &str| name.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    if let Some(name) = name.strip_suffix(".in-addr.arpa") {
        return parts(name).join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let digits = parts(name.strip_suffix(".ip6.arpa")?);
    if digits.len() != 32 || digits.iter().any(|digit| digit.len() != 1) {
        return None;
    }
    u128::from_str_radix(&digits.concat(), 16).ok().map(|bits| Ipv6Addr::from(bits).into())
}

/// A server's reply as it is passed on: if it does not fit, the client is told to come by TCP.
pub(super) fn fit(bytes: &[u8], reply: Vec<u8>, over: Over) -> Vec<u8> {
    let fits = Query::read(bytes).is_ok_and(|query| reply.len() <= limit(&query, over));
    if fits { reply } else { message::too_long(bytes) }
}

#[cfg(test)]
mod tests;
