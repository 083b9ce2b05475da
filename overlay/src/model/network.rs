//! An overlay network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Subnet, Vni};
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
}

impl Network {
    /// The subnet that an address is in.
    pub fn subnet_of(&self, ip: Ipv4Addr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.net.contains(&ip))
    }

    /// The subnets other than an address's own, and its own gateway, which leads there.
    pub fn beyond(&self, ip: Ipv4Addr) -> Vec<(Ipv4Net, Ipv4Addr)> {
        let Some(own) = self.subnet_of(ip) else { return Vec::new() };
        let others = self.subnets.iter().filter(|subnet| subnet.net != own.net);
        others.map(|subnet| (subnet.net, own.gateway)).collect()
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

/// The MTU of the underlay that the options state.
pub(crate) fn underlay_mtu(options: &BTreeMap<String, String>) -> Result<Option<u32>, BadMtu> {
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
}
