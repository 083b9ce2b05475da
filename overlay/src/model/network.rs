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
        "invalid MTU value: {0}: {inside} bytes of it are left inside, and IPv6 needs {least} (RFC 8200, 5), give {enough} or more",
        inside = .0 - docker::VXLAN_OVERHEAD,
        least = docker::IPV6_MTU,
        enough = docker::IPV6_MTU + docker::VXLAN_OVERHEAD
    )]
    NoIpv6(u32),
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

    /// The MTU of the overlay's interfaces: the underlay's, which an option may state, less what VXLAN adds.
    pub fn mtu(&self) -> u32 {
        overlay_mtu(underlay_mtu(&self.options).ok().flatten())
    }
}

/// As [`underlay_mtu`], and enough of it for IPv6 inside if that is wanted: the kernel takes IPv6 away from a link with less.
pub(crate) fn checked_mtu(options: &BTreeMap<String, String>, ipv6: bool) -> Result<Option<u32>, BadMtu> {
    let mtu = underlay_mtu(options)?;
    match mtu {
        Some(mtu) if ipv6 && mtu < docker::IPV6_MTU + docker::VXLAN_OVERHEAD => Err(BadMtu::NoIpv6(mtu)),
        mtu => Ok(mtu),
    }
}

/// The MTU of the underlay that the options state.
fn underlay_mtu(options: &BTreeMap<String, String>) -> Result<Option<u32>, BadMtu> {
    let Some(text) = options.get(docker::OPTION_MTU) else { return Ok(None) };
    let mtu: i64 = text.parse().map_err(|_| BadMtu::NotANumber(text.clone()))?;
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) if mtu > docker::VXLAN_OVERHEAD => Ok(Some(mtu)),
        _ => Err(BadMtu::TooSmall(mtu)),
    }
}

/// The MTU inside, for one outside.
fn overlay_mtu(underlay: Option<u32>) -> u32 {
    underlay.unwrap_or(docker::UNDERLAY_MTU) - docker::VXLAN_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(mtu: &str) -> Result<u32, BadMtu> {
        underlay_mtu(&BTreeMap::from([(docker::OPTION_MTU.to_owned(), mtu.to_owned())])).map(overlay_mtu)
    }

    #[test]
    fn the_mtu_is_the_underlays_less_fifty() {
        assert_eq!(underlay_mtu(&BTreeMap::new()).map(overlay_mtu), Ok(1450));
        assert_eq!(asked("1300"), Ok(1250));
        assert_eq!(asked("9000"), Ok(8950));
        assert_eq!(asked("0"), Ok(1450));
        assert_eq!(asked("-5"), Err(BadMtu::TooSmall(-5)));
        assert_eq!(asked("x"), Err(BadMtu::NotANumber("x".to_owned())));
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
