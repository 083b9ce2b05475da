//! A hardware address, and Docker's rule for making one from an IPv4 address.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// The six bytes as an address.
    pub const fn new(octets: [u8; 6]) -> Mac {
        Mac(octets)
    }

    /// The address of an endpoint: `02:42` and the four bytes of its IPv4 address (20.10: `netutils.GenerateMACFromIP`).
    ///
    /// An address that moves to another container takes its MAC along, so that the neighbours' tables stay right.
    pub const fn of(ip: Ipv4Addr) -> Mac {
        let [a, b, c, d] = ip.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }

    /// The six bytes.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a hardware address: {0:?}")]
pub struct BadMac(String);

impl FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Mac, BadMac> {
        let bad = || BadMac(text.to_owned());
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Mac(octets)) }
    }
}

impl TryFrom<String> for Mac {
    type Error = BadMac;

    fn try_from(text: String) -> Result<Mac, BadMac> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn an_endpoints_mac_is_made_of_its_address() {
        assert_eq!(Mac::of(Ipv4Addr::new(192, 168, 0, 100)).to_string(), "02:42:c0:a8:00:64");
        assert_eq!(Mac::of(Ipv4Addr::new(10, 50, 0, 3)).to_string(), "02:42:0a:32:00:03");
        assert_eq!(Mac::of(Ipv4Addr::new(172, 18, 0, 2)).to_string(), "02:42:ac:12:00:02");
    }

    #[test]
    fn text_goes_both_ways() {
        let mac: Mac = "02:42:c0:a8:00:64".parse().unwrap();
        assert_eq!(mac, Mac::new([2, 0x42, 0xc0, 0xa8, 0, 0x64]));
        for bad in ["", "02:42:c0:a8:00", "02:42:c0:a8:00:64:00", "02:42:c0:a8:00:6g", "2:42:c0:a8:0:64"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
