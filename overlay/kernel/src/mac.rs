//! Ethernet addresses.

use std::fmt::{self, Display};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An Ethernet address. Prints as `02:42:c0:a8:00:64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that Docker gives an endpoint: `02:42` and the four bytes of its IPv4 address
    /// (libnetwork `netutils.GenerateMACFromIP`, all versions), so that a reused IP keeps its MAC.
    pub const fn of(ip: Ipv4Addr) -> Mac {
        let [a, b, c, d] = ip.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }

    /// The IPv4 address that [`Mac::of`] makes it of, if it is such a one.
    pub const fn ip(self) -> Option<Ipv4Addr> {
        match self.0 {
            [0x02, 0x42, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        }
    }

    /// Whether an interface can have it: it is not a group's (IEEE 802, the first byte's lowest bit), nor all zero.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// From the bytes of a netlink attribute; anything but six bytes is not Ethernet.
    pub fn from_bytes(bytes: &[u8]) -> Option<Mac> {
        bytes.try_into().ok().map(Mac)
    }
}

impl Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Why a text is no Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Ethernet address such as 02:42:c0:a8:00:64")]
pub struct BadMac(String);

impl FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Mac, BadMac> {
        let bad = || BadMac(text.to_owned());
        let bytes: Vec<u8> = text
            .split(':')
            .map(|part| match part.as_bytes() {
                // `from_str_radix` alone would take a sign.
                [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                    u8::from_str_radix(part, 16).map_err(|_| bad())
                }
                _ => Err(bad()),
            })
            .collect::<Result<_, _>>()?;
        Mac::from_bytes(&bytes).ok_or_else(bad)
    }
}

impl serde::Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Mac, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_the_mac_of_its_address() {
        let ip = Ipv4Addr::new(192, 168, 0, 100);
        assert_eq!(Mac::of(ip).to_string(), "02:42:c0:a8:00:64");
        assert_eq!(Mac::of(ip).ip(), Some(ip));
        assert_eq!(Mac([2, 0x43, 192, 168, 0, 100]).ip(), None);
    }

    #[test]
    fn groups_and_nobody_are_no_interfaces() {
        for (mac, is) in
            [("02:42:c0:a8:00:64", true), ("01:00:5e:00:00:01", false), ("00:00:00:00:00:00", false)]
        {
            assert_eq!(mac.parse().map(Mac::is_unicast), Ok(is), "{mac}");
        }
    }

    #[test]
    fn text_and_value_are_one() {
        assert_eq!("02:42:ac:12:00:02".parse(), Ok(Mac([2, 0x42, 0xac, 0x12, 0, 2])));
        for wrong in [
            "",
            "02:42",
            "02:42:ac:12:00:0",
            "02:42:ac:12:00:02:03",
            "0x:42:ac:12:00:02",
            "+2:42:ac:12:00:02",
        ] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }
}
