//! The addresses that a network is served from, of either family.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::docker;

/// A family's subnets: `Ipv4Net` and `Ipv6Net`.
pub trait Net: Copy + Ord + Debug + Display + FromStr + Into<IpNet> + Serialize + DeserializeOwned {
    /// Its addresses.
    type Ip: Copy + Ord + Debug + Display + FromStr + Into<IpAddr>;

    /// 4 or 6.
    const VERSION: u8;

    /// Whether the last address is nobody's, since it means everybody.
    const BROADCAST: bool;

    /// A subnet, if it is one of this family.
    fn of(net: IpNet) -> Option<Self>;

    /// Docker's default pools.
    fn default_pools() -> impl Iterator<Item = Self>;

    /// The subnet itself, without the bits of an address in it.
    #[must_use]
    fn network(self) -> Self;

    /// The first and the last address.
    fn ends(self) -> (Self::Ip, Self::Ip);

    /// The address, as one that is written with this length.
    fn address(self) -> Self::Ip;

    /// Another address with this length, as an interface carries it.
    #[must_use]
    fn with_len(self, ip: Self::Ip) -> Self;

    /// Whether an address is in it.
    fn holds(self, ip: Self::Ip) -> bool;

    /// Whether another is part of it, or it itself.
    fn covers(self, other: Self) -> bool;

    /// How many addresses have a number. A /64 or larger IPv6 subnet is capped at 2^64 - 1 (20.10: `ipam/allocator.go`, `insertBitMask`).
    fn size(self) -> u64;

    /// The number of an address, counted from the network's; none: it is not in it, or beyond the cap.
    fn number(self, ip: Self::Ip) -> Option<u64>;

    /// The address of that number.
    fn nth(self, number: u64) -> Self::Ip;
}

macro_rules! net {
    ($net:ident, $ip:ident, $family:ident, $number:ident, $version:literal, broadcast: $broadcast:literal, default: $default:expr) => {
        impl Net for $net {
            type Ip = $ip;
            const VERSION: u8 = $version;
            const BROADCAST: bool = $broadcast;

            fn of(net: IpNet) -> Option<$net> {
                if let IpNet::$family(net) = net { Some(net) } else { None }
            }

            fn default_pools() -> impl Iterator<Item = $net> {
                $default
            }

            fn network(self) -> $net {
                self.trunc()
            }

            fn ends(self) -> ($ip, $ip) {
                ($net::network(&self), $net::broadcast(&self))
            }

            fn address(self) -> $ip {
                self.addr()
            }

            fn with_len(self, ip: $ip) -> $net {
                $net::new_assert(ip, self.prefix_len())
            }

            fn holds(self, ip: $ip) -> bool {
                self.contains(&ip)
            }

            fn covers(self, other: $net) -> bool {
                self.contains(&other)
            }

            fn size(self) -> u64 {
                let bits = u32::from(self.max_prefix_len() - self.prefix_len());
                1_u64.checked_shl(bits).unwrap_or(u64::MAX)
            }

            fn number(self, ip: $ip) -> Option<u64> {
                let number = $number::from(ip).checked_sub($number::from($net::network(&self)))?;
                u64::try_from(number).ok().filter(|number| *number < self.size())
            }

            fn nth(self, number: u64) -> $ip {
                // Below the size of the subnet it fits.
                let number = $number::try_from(number).unwrap_or($number::MAX);
                $ip::from($number::from($net::network(&self)).saturating_add(number))
            }
        }
    };
}

net!(Ipv4Net, Ipv4Addr, V4, u32, 4, broadcast: true, default: {
    docker::DEFAULT_POOLS.subnets(docker::DEFAULT_POOL_LEN).into_iter().flatten()
});
net!(Ipv6Net, Ipv6Addr, V6, u128, 6, broadcast: false, default: std::iter::empty());

/// A pool of a network, checked: whatever lies in it does lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool<N: Net> {
    /// The network address and length.
    pub net: N,
    /// The address that every host's bridge has.
    pub gateway: N::Ip,
    /// From which containers are served, if not from all of it.
    pub range: Option<N>,
    /// Addresses kept from containers, by name.
    pub aux: BTreeMap<String, N::Ip>,
}

impl<N: Net> Pool<N> {
    /// Its key in the store: `GlobalDefault/192.168.0.0/24`, with `/<range>` behind it if there is one.
    pub fn id(&self) -> String {
        match self.range {
            None => pool_id(self.net),
            Some(range) => format!("{}/{range}", pool_id(self.net)),
        }
    }

    /// The gateway's address with the pool's length, as the bridge carries it.
    pub fn gateway_net(&self) -> IpNet {
        self.net.with_len(self.gateway).into()
    }
}

/// The key of a whole subnet's pool in the store.
pub(crate) fn pool_id<N: Net>(net: N) -> String {
    format!("{}/{net}", docker::ADDRESS_SPACE)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn six(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_numbered_from_the_networks_own() {
        let net: Ipv4Net = "192.168.0.0/24".parse().unwrap();
        assert_eq!((net.size(), net.number(Ipv4Addr::new(192, 168, 0, 100))), (256, Some(100)));
        assert_eq!(net.number(Ipv4Addr::new(192, 168, 1, 0)), None);
        assert_eq!(net.nth(255), Ipv4Addr::new(192, 168, 0, 255));
        let net = six("fd00:1::/112");
        assert_eq!((net.size(), net.number("fd00:1::ff".parse().unwrap())), (65_536, Some(255)));
        assert_eq!(net.nth(256), "fd00:1::100".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn a_large_ipv6_subnet_is_capped_as_docker_does() {
        for text in ["fd00:1::/64", "fd00:1::/48", "::/0"] {
            assert_eq!(six(text).size(), u64::MAX, "{text}");
        }
        assert_eq!(six("fd00:1::/65").size(), 1 << 63);
        let net = six("fd00:1::/64");
        assert_eq!(net.number("fd00:1::ffff:ffff:ffff:fffe".parse().unwrap()), Some(u64::MAX - 1));
        assert_eq!(net.number("fd00:1::ffff:ffff:ffff:ffff".parse().unwrap()), None);
        assert_eq!(six("fd00:1::/48").number("fd00:1:0:1::".parse().unwrap()), None);
    }
}
