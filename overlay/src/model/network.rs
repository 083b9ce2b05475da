//! An overlay network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Endpoint, Subnet, Vni};
use crate::docker;
use crate::id::NetworkId;

/// An overlay network as the store has it: known to every host, built on a host at its first join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What it is.
    pub id: NetworkId,
    /// What people call it.
    pub name: String,
    /// When it was made, as RFC 3339 text.
    pub created: String,
    /// Its subnets, in the order in which they were asked for; never none. Each is a broadcast domain of its own, with a VNI of
    /// its own; the overlay's namespace routes between them.
    pub subnets: Vec<Subnet>,
    /// Whether its containers are kept from the outside.
    pub internal: bool,
    /// Docker's flag of that name.
    pub attachable: bool,
    /// What the creator asked of the driver.
    pub options: BTreeMap<String, String>,
    /// What the creator noted on it.
    pub labels: BTreeMap<String, String>,
}

/// The option that says what subnets are built of. Not Docker's, which has a bridge always.
pub const OPTION_DATAPATH: &str = "lab.datapath";

/// What a subnet of an overlay is built of on each host, between the vxlan device and the containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Build {
    /// A bridge, and a veth pair for each container: as Docker does.
    #[default]
    Bridge,
    /// A MACVLAN of the vxlan device is the container's interface itself: less to pass, and less to look at.
    Macvlan,
}

/// The option [`OPTION_DATAPATH`] says what there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {OPTION_DATAPATH} value: {0:?} is neither \"bridge\" nor \"macvlan\"")]
pub struct BadBuild(pub String);

impl Build {
    /// What options ask for.
    pub fn asked(options: &BTreeMap<String, String>) -> Result<Build, BadBuild> {
        match options.get(OPTION_DATAPATH).map(String::as_str) {
            None | Some("bridge") => Ok(Build::Bridge),
            Some("macvlan") => Ok(Build::Macvlan),
            Some(other) => Err(BadBuild(other.to_owned())),
        }
    }
}

/// The option for the MTU does not hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMtu {
    /// Not a number.
    #[error("failed to parse {0}: invalid syntax")]
    NotANumber(String),
    /// Too small to leave anything of it.
    #[error("invalid MTU value: {0}")]
    TooSmall(i64),
    /// Too small for IPv6 inside.
    #[error(
        "invalid MTU value: {mtu}: {inside} bytes of it are left inside, and IPv6 needs {least} (RFC 8200, 5), give {enough} or more",
        inside = overlay_mtu(Some(*.mtu), *.encrypted),
        least = docker::IPV6_MTU,
        enough = docker::IPV6_MTU + overhead(*.encrypted)
    )]
    NoIpv6 {
        /// What was asked for.
        mtu: u32,
        /// Whether ESP takes its part of it, too.
        encrypted: bool,
    },
}

impl Network {
    /// Whether its containers have IPv6 addresses, those of some subnet at least.
    pub fn ipv6(&self) -> bool {
        self.subnets.iter().any(|subnet| subnet.v6.is_some())
    }

    /// The subnet that an address is in.
    pub fn subnet_of(&self, ip: impl Into<IpAddr>) -> Option<&Subnet> {
        let ip = ip.into();
        self.subnets.iter().find(|subnet| subnet.contains(ip))
    }

    /// The subnets other than an endpoint's own, and the gateway of its own, which leads there: of each family that it has an
    /// address of.
    pub fn beyond(&self, endpoint: &Endpoint) -> Vec<(IpNet, IpAddr)> {
        let Some(own) = self.subnet_of(endpoint.address.addr()) else { return Vec::new() };
        let v6 = own.v6.as_ref().filter(|_| endpoint.address6.is_some());
        let others = self.subnets.iter().filter(|subnet| subnet.v4.net != own.v4.net);
        let leads = |net| match net {
            IpNet::V4(_) => Some((net, own.v4.gateway.into())),
            IpNet::V6(_) => v6.map(|v6| (net, v6.gateway.into())),
        };
        others.flat_map(Subnet::nets).filter_map(leads).collect()
    }

    /// The VNIs that its subnets have so far.
    pub fn vnis(&self) -> impl Iterator<Item = Vni> {
        self.subnets.iter().filter_map(|subnet| subnet.vni)
    }

    /// The MTU of the overlay's interfaces: the underlay's, which an option may state, less what VXLAN adds, and ESP if it is
    /// encrypted.
    pub fn mtu(&self) -> u32 {
        overlay_mtu(underlay_mtu(&self.options).ok().flatten(), self.encrypted())
    }

    /// What its subnets are built of. Who wrote another word there than is known here means what Docker does.
    pub fn build(&self) -> Build {
        Build::asked(&self.options).unwrap_or_default()
    }

    /// Whether its frames are encrypted between hosts (`--opt encrypted`, whatever its value is).
    pub fn encrypted(&self) -> bool {
        is_encrypted(&self.options)
    }
}

/// Whether the options ask for encryption.
pub(crate) fn is_encrypted(options: &BTreeMap<String, String>) -> bool {
    options.contains_key(docker::OPTION_ENCRYPTED)
}

/// As [`underlay_mtu`], and enough of it for IPv6 inside if that is wanted: the kernel takes IPv6 away from a link with less.
pub(crate) fn checked_mtu(options: &BTreeMap<String, String>, ipv6: bool) -> Result<Option<u32>, BadMtu> {
    let (mtu, encrypted) = (underlay_mtu(options)?, is_encrypted(options));
    match mtu {
        Some(mtu) if ipv6 && mtu < docker::IPV6_MTU + overhead(encrypted) => {
            Err(BadMtu::NoIpv6 { mtu, encrypted })
        }
        mtu => Ok(mtu),
    }
}

/// The MTU of the underlay that the options state.
fn underlay_mtu(options: &BTreeMap<String, String>) -> Result<Option<u32>, BadMtu> {
    let Some(text) = options.get(docker::OPTION_MTU) else { return Ok(None) };
    let mtu: i64 = text.parse().map_err(|_| BadMtu::NotANumber(text.clone()))?;
    // At least one word of four bytes has to be left: ESP pads to that.
    let least = if is_encrypted(options) { overhead(true) + ESP_WORD } else { overhead(false) + 1 };
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) if mtu >= least => Ok(Some(mtu)),
        _ => Err(BadMtu::TooSmall(mtu)),
    }
}

/// What ESP pads to, in bytes (RFC 4303 §2.4).
const ESP_WORD: u32 = 4;

/// What is added to a packet inside until it is one outside, padding apart.
fn overhead(encrypted: bool) -> u32 {
    docker::VXLAN_OVERHEAD + if encrypted { docker::ESP_OVERHEAD } else { 0 }
}

/// The MTU inside, for one outside. As Docker reckons it, an encrypted one is a multiple of four (20.10: `encryption.go`, `maxMTU`).
fn overlay_mtu(underlay: Option<u32>, encrypted: bool) -> u32 {
    let mtu = underlay.unwrap_or(docker::UNDERLAY_MTU).saturating_sub(overhead(encrypted));
    if encrypted { mtu - mtu % ESP_WORD } else { mtu }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(mtu: &str) -> Result<u32, BadMtu> {
        underlay_mtu(&BTreeMap::from([(docker::OPTION_MTU.to_owned(), mtu.to_owned())]))
            .map(|mtu| overlay_mtu(mtu, false))
    }

    #[test]
    fn the_mtu_is_the_underlays_less_fifty() {
        assert_eq!(underlay_mtu(&BTreeMap::new()).map(|mtu| overlay_mtu(mtu, false)), Ok(1450));
        assert_eq!(asked("1300"), Ok(1250));
        assert_eq!(asked("9000"), Ok(8950));
        assert_eq!(asked("0"), Ok(1450));
        assert_eq!(asked("-5"), Err(BadMtu::TooSmall(-5)));
        assert_eq!(asked("x"), Err(BadMtu::NotANumber("x".to_owned())));
    }

    #[test]
    fn what_esp_adds_is_left_free() {
        let asked = |mtu: &str| {
            let options = [(docker::OPTION_MTU, mtu), (docker::OPTION_ENCRYPTED, "")];
            underlay_mtu(&options.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
                .map(|mtu| overlay_mtu(mtu, true))
        };
        assert_eq!(asked("0"), Ok(1424));
        assert_eq!(asked("9000"), Ok(8924));
        assert_eq!(asked("1401"), Ok(1324));
        assert_eq!(asked("80"), Ok(4));
        assert_eq!(asked("79"), Err(BadMtu::TooSmall(79)));
        for mtu in 80..2000 {
            // UDP, VXLAN, Ethernet and the packet, then two bytes of ESP's own, padded; before it SPI, number and IV, behind it the
            // check value.
            let inside = asked(&mtu.to_string()).unwrap_or_default() + 8 + 8 + 14;
            let outside = 20 + 4 + 4 + 8 + (inside + 2).next_multiple_of(4) + 8;
            assert!(outside <= mtu && mtu - outside < 4, "{outside} of {mtu}");
        }
    }

    #[test]
    fn subnets_are_built_of_bridges_unless_asked_otherwise() {
        let asked = |value: &str| Build::asked(&[(OPTION_DATAPATH.to_owned(), value.to_owned())].into());
        assert_eq!(Build::asked(&BTreeMap::new()), Ok(Build::Bridge));
        assert_eq!((asked("bridge"), asked("macvlan")), (Ok(Build::Bridge), Ok(Build::Macvlan)));
        let said = asked("ipvlan").map_err(|why| why.to_string());
        assert_eq!(
            said,
            Err("invalid lab.datapath value: \"ipvlan\" is neither \"bridge\" nor \"macvlan\"".to_owned())
        );
    }

    #[test]
    fn ipv6_needs_1280_bytes_inside() {
        let asked =
            |mtu: &str| checked_mtu(&BTreeMap::from([(docker::OPTION_MTU.to_owned(), mtu.to_owned())]), true);
        assert_eq!(asked("1330"), Ok(Some(1330)));
        assert_eq!(asked("0"), Ok(None));
        assert_eq!(
            asked("1300").map_err(|why| why.to_string()),
            Err("invalid MTU value: 1300: 1250 bytes of it are left inside, and IPv6 needs 1280 (RFC 8200, 5), give 1330 or more".to_owned())
        );
    }
}
