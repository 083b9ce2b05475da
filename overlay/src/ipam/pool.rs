//! Requests for a subnet or an address, and the checks that Docker makes of them, in Docker's words.

use std::collections::BTreeMap;
use std::net::{AddrParseError, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net};

use super::{Bits, nth, ordinal, unused};
use crate::docker;
use crate::model::Subnet;

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
    /// A subnet that this engine does not do.
    #[error("Invalid subnet {0} : IPv6 is not supported yet, give an IPv4 subnet")]
    Ipv6(String),
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
    /// No default pool is left.
    #[error(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
    )]
    Exhausted,
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
        ip: Ipv4Addr,
    },
    /// The subnet is too small.
    #[error("No available addresses on this pool")]
    NoRoom,
    /// The address is another's, or the subnet's own.
    #[error("Address already in use")]
    InUse,
    /// The address is of another subnet.
    #[error("Invalid address {0}: It does not belong to any of this network's subnets")]
    Foreign(Ipv4Addr),
}

/// A subnet that was found for a request, with what is taken of it from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The subnet.
    pub subnet: Subnet,
    /// Its addresses in use: the first and the last, the gateway, the auxiliary ones.
    pub bits: Bits,
}

/// Finds the subnet for a request. `used` are the subnets of other networks, `avoid` those of the underlay:
/// Docker looks at the latter only for networks that stay on a host, and collides.
pub fn reserve(request: &PoolRequest, used: &[Ipv4Net], avoid: &[Ipv4Net]) -> Result<Reserved, PoolError> {
    let clashes =
        |net: &Ipv4Net| used.iter().chain(avoid).any(|other| other.contains(net) || net.contains(other));
    let net = match &request.subnet {
        Some(text) => Some(subnet(text)?),
        None if request.gateway.is_some() || request.ip_range.is_some() => {
            return Err(PoolError::SubnetNeeded);
        }
        None => None,
    };
    let checked = net.map(|net| Request::check(net, request)).transpose()?;
    let Request { net, gateway, range, aux } = match checked {
        Some(request) if clashes(&request.net) => return Err(PoolError::Overlap),
        Some(request) => request,
        None => {
            let mut pools = docker::DEFAULT_POOLS.subnets(docker::DEFAULT_POOL_LEN).into_iter().flatten();
            let net = pools.find(|net| !clashes(net)).ok_or(PoolError::Exhausted)?;
            Request::check(net, request)?
        }
    };

    let mut bits = unused(net);
    let typed = request.gateway.clone().unwrap_or_default();
    let refused = |why| PoolError::Gateway { gateway: typed, why: Box::new(why) };
    let gateway = take(&mut bits, net, range, gateway).map_err(refused)?;
    for (name, ip) in &aux {
        take(&mut bits, net, range, Some(*ip)).map_err(|_| PoolError::Aux { name: name.clone(), ip: *ip })?;
    }
    Ok(Reserved { subnet: Subnet { net, gateway, range, aux, vni: None }, bits })
}

/// Takes an address for an endpoint: the one that was asked for, else the lowest that is free.
pub fn allocate(bits: &mut Bits, subnet: &Subnet, asked: Option<Ipv4Addr>) -> Result<Ipv4Addr, PoolError> {
    take(bits, subnet.net, subnet.range, asked)
}

/// Gives an endpoint's address back. False: nobody had it.
pub fn release(bits: &mut Bits, subnet: &Subnet, ip: Ipv4Addr) -> bool {
    subnet.net.contains(&ip) && bits.release(ordinal(subnet.net, ip))
}

fn take(
    bits: &mut Bits,
    net: Ipv4Net,
    range: Option<Ipv4Net>,
    asked: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, PoolError> {
    match asked {
        Some(ip) if !net.contains(&ip) => Err(PoolError::Foreign(ip)),
        Some(ip) if bits.take(ordinal(net, ip)) => Ok(ip),
        Some(_) => Err(PoolError::InUse),
        None => {
            let number = bits.first_free(ordinals(net, range)).ok_or(PoolError::NoRoom)?;
            bits.take(number);
            nth(net, number).ok_or(PoolError::NoRoom)
        }
    }
}

/// The numbers from which an endpoint is served: of a range both ends, as Docker does.
fn ordinals(net: Ipv4Net, range: Option<Ipv4Net>) -> RangeInclusive<u64> {
    let part = range.unwrap_or(net);
    ordinal(net, part.network())..=ordinal(net, part.broadcast())
}

/// A request whose parts fit together.
struct Request {
    net: Ipv4Net,
    gateway: Option<Ipv4Addr>,
    range: Option<Ipv4Net>,
    aux: BTreeMap<String, Ipv4Addr>,
}

impl Request {
    fn check(net: Ipv4Net, request: &PoolRequest) -> Result<Request, PoolError> {
        let within = |what, ip: Ipv4Addr, value: &str| {
            if net.contains(&ip) {
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
            let range: Ipv4Net = text.parse().map_err(|_| PoolError::BadRange(text.to_owned()))?;
            let fits = net.contains(&range);
            if fits {
                Ok(range.trunc())
            } else {
                Err(PoolError::NoMatchingSubnet { what: "range", value: text.to_owned() })
            }
        });
        let aux = request.aux.iter().map(|(name, text)| {
            let ip = text.parse().map_err(|_: AddrParseError| PoolError::BadAddress(text.clone()))?;
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

fn subnet(text: &str) -> Result<Ipv4Net, PoolError> {
    match text.parse() {
        Ok(IpNet::V4(net)) => Ok(net.trunc()),
        Ok(IpNet::V6(_)) => Err(PoolError::Ipv6(text.to_owned())),
        Err(_) => Err(PoolError::BadSubnet(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn asked(subnet: &str) -> PoolRequest {
        PoolRequest { subnet: Some(subnet.to_owned()), ..PoolRequest::default() }
    }

    fn said(request: &PoolRequest) -> String {
        reserve(request, &nets(&["192.168.0.0/24"]), &nets(&["10.0.0.0/24"])).unwrap_err().to_string()
    }

    #[test]
    fn refusals_are_in_dockers_words() {
        let overlap = "Pool overlaps with other one on this address space";
        assert_eq!(said(&asked("192.168.0.0/24")), overlap);
        assert_eq!(said(&asked("192.168.0.0/16")), overlap);
        assert_eq!(said(&asked("10.0.0.0/24")), overlap);
        assert_eq!(
            said(&asked("300.1.1.0/24")),
            "Invalid subnet 300.1.1.0/24 : invalid CIDR address: 300.1.1.0/24"
        );
        let gateway =
            |gateway: &str| PoolRequest { gateway: Some(gateway.to_owned()), ..asked("10.72.0.0/24") };
        assert_eq!(said(&gateway("10.99.0.1")), "no matching subnet for gateway 10.99.0.1");
        assert_eq!(said(&gateway("zzz")), "invalid gateway address zzz in Ipam configuration");
        assert_eq!(
            said(&gateway("10.72.0.0")),
            "failed to allocate gateway (10.72.0.0): Address already in use"
        );
        assert_eq!(
            said(&asked("10.72.0.0/32")),
            "failed to allocate gateway (): No available addresses on this pool"
        );
        assert_eq!(
            said(&asked("10.72.0.0/31")),
            "failed to allocate gateway (): No available addresses on this pool"
        );
        let aux = |ip: &str| PoolRequest {
            aux: BTreeMap::from([("a".to_owned(), ip.to_owned())]),
            ..gateway("10.72.0.9")
        };
        assert_eq!(
            said(&aux("10.72.0.9")),
            "failed to allocate secondary ip address (a:10.72.0.9): Address already in use"
        );
        assert_eq!(said(&aux("10.73.0.9")), "no matching subnet for aux-address 10.73.0.9");
    }

    #[test]
    fn an_overlap_is_found_with_a_range_too() {
        let request = PoolRequest { ip_range: Some("192.168.0.64/26".to_owned()), ..asked("192.168.0.0/24") };
        assert_eq!(reserve(&request, &nets(&["192.168.0.0/24"]), &[]), Err(PoolError::Overlap));
    }

    #[test]
    fn a_default_pool_is_the_first_that_overlaps_nothing() {
        let found =
            reserve(&PoolRequest::default(), &nets(&["10.0.1.0/24"]), &nets(&["10.0.0.0/24"])).unwrap();
        assert_eq!(found.subnet.net, "10.0.2.0/24".parse().unwrap());
        assert_eq!(found.subnet.gateway, Ipv4Addr::new(10, 0, 2, 1));
        assert_eq!(reserve(&PoolRequest::default(), &nets(&["10.0.0.0/8"]), &[]), Err(PoolError::Exhausted));
    }

    #[test]
    fn a_new_subnet_has_the_bits_that_docker_sets() {
        let found = reserve(&asked("192.168.0.0/24"), &[], &[]).unwrap();
        assert_eq!(
            found.bits.encode(),
            "AAAAAAAAAQAAAAAAAAAA/cAAAAAAAAAAAAAAAQAAAAAAAAAAAAAABgAAAAEAAAAAAAAAAQ=="
        );
    }

    #[test]
    fn containers_are_served_from_the_bottom_and_within_the_range() {
        let Reserved { subnet, mut bits } = reserve(&asked("192.168.0.0/24"), &[], &[]).unwrap();
        let hundred = Ipv4Addr::new(192, 168, 0, 100);
        assert_eq!(allocate(&mut bits, &subnet, Some(hundred)), Ok(hundred));
        assert_eq!(allocate(&mut bits, &subnet, None), Ok(Ipv4Addr::new(192, 168, 0, 2)));
        for taken in [
            hundred,
            Ipv4Addr::new(192, 168, 0, 1),
            Ipv4Addr::new(192, 168, 0, 0),
            Ipv4Addr::new(192, 168, 0, 255),
        ] {
            assert_eq!(allocate(&mut bits, &subnet, Some(taken)), Err(PoolError::InUse));
        }
        let foreign = allocate(&mut bits, &subnet, Some(Ipv4Addr::new(192, 168, 9, 1))).unwrap_err();
        assert_eq!(
            foreign.to_string(),
            "Invalid address 192.168.9.1: It does not belong to any of this network's subnets"
        );
        assert!(release(&mut bits, &subnet, hundred) && !release(&mut bits, &subnet, hundred));

        // As observed: `--ip-range 10.77.0.128/25 --aux-address a=10.77.0.5` gives the gateway .128, the container .129.
        let ranged = PoolRequest {
            ip_range: Some("10.77.0.128/25".to_owned()),
            aux: BTreeMap::from([("a".to_owned(), "10.77.0.5".to_owned())]),
            ..asked("10.77.0.0/24")
        };
        let Reserved { subnet, mut bits } = reserve(&ranged, &[], &[]).unwrap();
        assert_eq!(subnet.gateway, Ipv4Addr::new(10, 77, 0, 128));
        assert_eq!(allocate(&mut bits, &subnet, None), Ok(Ipv4Addr::new(10, 77, 0, 129)));
    }

    #[test]
    fn a_slash_30_has_room_for_one() {
        let Reserved { subnet, mut bits } = reserve(&asked("10.9.0.0/30"), &[], &[]).unwrap();
        assert_eq!(allocate(&mut bits, &subnet, None), Ok(Ipv4Addr::new(10, 9, 0, 2)));
        assert_eq!(allocate(&mut bits, &subnet, None), Err(PoolError::NoRoom));
    }
}
