//! Requests for a subnet or an address, and the checks that Docker makes of them, in Docker's words.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::Bits;
use crate::model::{Net, Pool};

/// A subnet as a user asks for it, in the user's own words: `inspect` echoes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PoolRequest {
    /// `--subnet`; without it the network gets a default pool.
    pub subnet: Option<String>,
    /// `--gateway`
    pub gateway: Option<String>,
    /// `--ip-range`
    pub ip_range: Option<String>,
    /// `--aux-address`, by name
    pub aux: BTreeMap<String, String>,
}

/// Why there is no such subnet or address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Not a subnet.
    #[error("Invalid subnet {0} : invalid CIDR address: {0}")]
    BadSubnet(String),
    /// An IPv6 subnet of a network that is to have none. Docker passes over it.
    #[error(
        "Invalid subnet {0} : the network is without IPv6, which has to be asked for (--ipv6, ipv6 = true)"
    )]
    Ipv6Off(String),
    /// More IPv6 subnets than IPv4 ones. Docker has them, in no relation to each other.
    #[error("{v6} IPv6 subnets and {v4} IPv4 ones: each IPv6 subnet goes with an IPv4 one, give as many")]
    Unpaired {
        /// How many IPv4 subnets.
        v4: usize,
        /// How many IPv6 subnets.
        v6: usize,
    },
    /// Not a subnet, as a range.
    #[error("invalid CIDR address: {0}")]
    BadRange(String),
    /// Not an address, as a gateway.
    #[error("invalid gateway address {0} in Ipam configuration")]
    BadGateway(String),
    /// Not an address.
    #[error("invalid IP address: {0}")]
    BadAddress(String),
    /// Docker's command line says so before it asks the daemon.
    #[error("no matching subnet for {what} {value}")]
    NoMatchingSubnet {
        /// Gateway, range or aux-address.
        what: &'static str,
        /// As it was typed.
        value: String,
    },
    /// A gateway or a range needs a subnet.
    #[error("every ip-range or gateway must have a corresponding subnet")]
    SubnetNeeded,
    /// The subnets of one network cover each other.
    #[error("multiple overlapping subnet configuration is not supported")]
    OverlapsItself,
    /// A subnet has one gateway and one range.
    #[error("cannot configure multiple {what} ({second}, {first}) {whose} the same subnet ({subnet})")]
    Twice {
        /// `gateways` or `ranges`.
        what: &'static str,
        /// `for` or `on`.
        whose: &'static str,
        /// As it was typed.
        first: String,
        /// As it was typed.
        second: String,
        /// Of which.
        subnet: String,
    },
    /// Somebody has these addresses.
    #[error("Pool overlaps with other one on this address space")]
    Overlap,
    /// No default pool is left; of IPv6 there are none.
    #[error(
        "could not find an available, non-overlapping IPv{0} address pool among the defaults to assign to the network"
    )]
    Exhausted(u8),
    /// The gateway cannot be had.
    #[error("failed to allocate gateway ({gateway}): {why}")]
    Gateway {
        /// As it was typed; empty when none was.
        gateway: String,
        /// What is wrong.
        why: Box<PoolError>,
    },
    /// An auxiliary address cannot be had.
    #[error("failed to allocate secondary ip address ({name}:{ip}): Address already in use")]
    Aux {
        /// Its name.
        name: String,
        /// The address.
        ip: IpAddr,
    },
    /// The subnet is too small.
    #[error("No available addresses on this pool")]
    NoRoom,
    /// The address is another's, or the subnet's own.
    #[error("Address already in use")]
    InUse,
    /// The address is of another subnet.
    #[error("Invalid address {0}: It does not belong to any of this network's subnets")]
    Foreign(IpAddr),
    /// A container's two addresses are of two subnets.
    #[error(
        "Invalid addresses {0} and {1}: they belong to different subnets of the network, and a container is in one"
    )]
    Apart(IpAddr, IpAddr),
    /// An address of an IPv6 subnet that is too far behind its first one (20.10: `ipamapi.ErrIPOutOfRange`).
    #[error("Requested address is out of range")]
    OutOfRange,
}

/// A pool that was found for a request, with what is taken of it from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved<N: Net> {
    /// The pool.
    pub pool: Pool<N>,
    /// Its addresses in use: the first and, of IPv4, the last, the gateway, the auxiliary ones.
    pub bits: Bits,
}

impl PoolRequest {
    /// Whether it asks for IPv6: only that is written with colons.
    pub fn is_v6(&self) -> bool {
        self.subnet.as_ref().is_some_and(|subnet| subnet.contains(':'))
    }
}

/// Finds the pool for a request. `used` are the subnets of other networks, `avoid` those of the underlay:
/// Docker looks at the latter only for networks that stay on a host, and collides.
pub fn reserve<N: Net>(request: &PoolRequest, used: &[N], avoid: &[N]) -> Result<Reserved<N>, PoolError> {
    let clashes = |net: N| used.iter().chain(avoid).any(|other| other.covers(net) || net.covers(*other));
    let net = match &request.subnet {
        Some(text) => Some(text.parse::<N>().map_err(|_| PoolError::BadSubnet(text.to_owned()))?.network()),
        None if request.gateway.is_some() || request.ip_range.is_some() => {
            return Err(PoolError::SubnetNeeded);
        }
        None => None,
    };
    let checked = net.map(|net| Request::check(net, request)).transpose()?;
    let Request { net, gateway, range, aux } = match checked {
        Some(request) if clashes(request.net) => return Err(PoolError::Overlap),
        Some(request) => request,
        None => {
            let net = N::default_pools().find(|net| !clashes(*net));
            Request::check(net.ok_or(PoolError::Exhausted(N::VERSION))?, request)?
        }
    };

    let mut bits = untouched(net);
    let typed = request.gateway.clone().unwrap_or_default();
    let refused = |why| PoolError::Gateway { gateway: typed, why: Box::new(why) };
    let gateway = take(&mut bits, net, range, gateway).map_err(refused)?;
    for (name, ip) in &aux {
        take(&mut bits, net, range, Some(*ip)).map_err(|why| match why {
            PoolError::OutOfRange => why,
            _ => PoolError::Aux { name: name.clone(), ip: (*ip).into() },
        })?;
    }
    Ok(Reserved { pool: Pool { net, gateway, range, aux }, bits })
}

/// The addresses of a subnet that nobody uses yet: those that mean the network itself, and everybody in it, are taken.
pub(crate) fn untouched<N: Net>(net: N) -> Bits {
    let mut bits = Bits::new(net.size());
    bits.take(0);
    if N::BROADCAST {
        bits.take(bits.len() - 1);
    }
    bits
}

/// Takes an address for an endpoint: the one that was asked for, else the lowest that is free.
pub fn allocate<N: Net>(bits: &mut Bits, pool: &Pool<N>, asked: Option<N::Ip>) -> Result<N::Ip, PoolError> {
    take(bits, pool.net, pool.range, asked)
}

/// Gives an endpoint's address back. False: nobody had it.
pub fn release<N: Net>(bits: &mut Bits, pool: &Pool<N>, ip: N::Ip) -> bool {
    pool.net.number(ip).is_some_and(|number| bits.release(number))
}

fn take<N: Net>(bits: &mut Bits, net: N, range: Option<N>, asked: Option<N::Ip>) -> Result<N::Ip, PoolError> {
    match asked {
        Some(ip) if !net.holds(ip) => Err(PoolError::Foreign(ip.into())),
        Some(ip) => match net.number(ip) {
            None => Err(PoolError::OutOfRange),
            Some(number) if bits.take(number) => Ok(ip),
            Some(_) => Err(PoolError::InUse),
        },
        None => {
            let number = bits.first_free(numbers(net, range)).ok_or(PoolError::NoRoom)?;
            bits.take(number);
            Ok(net.nth(number))
        }
    }
}

/// The numbers from which an endpoint is served: of a range both ends, as Docker does.
pub(crate) fn numbers<N: Net>(net: N, range: Option<N>) -> RangeInclusive<u64> {
    let (first, last) = range.unwrap_or(net).ends();
    match net.number(first) {
        Some(first) => first..=net.number(last).unwrap_or(u64::MAX),
        // A range that is beyond the cap: no number is in it.
        #[expect(clippy::reversed_empty_ranges, reason = "it is empty")]
        None => 1..=0,
    }
}

/// A request whose parts fit together.
struct Request<N: Net> {
    net: N,
    gateway: Option<N::Ip>,
    range: Option<N>,
    aux: BTreeMap<String, N::Ip>,
}

impl<N: Net> Request<N> {
    fn check(net: N, request: &PoolRequest) -> Result<Request<N>, PoolError> {
        let within = |what, ip: N::Ip, value: &str| {
            if net.holds(ip) {
                Ok(ip)
            } else {
                Err(PoolError::NoMatchingSubnet { what, value: value.to_owned() })
            }
        };
        let gateway = request.gateway.as_deref().map(|text| {
            let ip = text.parse().map_err(|_| PoolError::BadGateway(text.to_owned()))?;
            within("gateway", ip, text)
        });
        let range = request.ip_range.as_deref().map(|text| {
            let range: N = text.parse().map_err(|_| PoolError::BadRange(text.to_owned()))?;
            let fits = net.covers(range);
            if fits {
                Ok(range.network())
            } else {
                Err(PoolError::NoMatchingSubnet { what: "range", value: text.to_owned() })
            }
        });
        let aux = request.aux.iter().map(|(name, text)| {
            let ip = text.parse().map_err(|_| PoolError::BadAddress(text.clone()))?;
            Ok((name.clone(), within("aux-address", ip, text)?))
        });
        Ok(Request {
            net,
            gateway: gateway.transpose()?,
            range: range.transpose()?,
            aux: aux.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests;
