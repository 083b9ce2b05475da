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
        assert_eq!(Mac::of(Ipv4Addr::new(192, 168, 0, 100)).to_string(), "02:42:c0:a8:00:64");
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
