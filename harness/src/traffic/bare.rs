//! The plainest paths, of no lab: what all others are held against.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use kernel::{Batch, Netns, NewLink, Rtnl};

use super::Path;
use crate::error::{Error, Kind, Result};

/// How long a link may take to be up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses of the two ends; a network of their own, so any will do.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

impl Path {
    /// Within one namespace, over its loopback.
    pub fn loopback() -> Result<Path> {
        let netns = Netns::new("loopback")?;
        Rtnl::new(&netns)?.apply(&Batch::new().up(1, "lo"))?;
        Ok(Path::new(netns.clone(), netns, Ipv4Addr::LOCALHOST))
    }

    /// From one namespace to another, with one veth pair between them and nothing else.
    pub fn veth(mtu: u32) -> Result<Path> {
        let (near, far) = (Netns::new("near")?, Netns::new("far")?);
        let link = || NewLink { index: 2, name: "eth0".into(), mtu: Some(mtu), ..NewLink::default() };
        let ends = [(Rtnl::new(&near)?, NEAR), (Rtnl::new(&far)?, FAR)];
        ends[0].0.apply(&Batch::new().veth(&link(), &link(), Some(far.as_fd())))?;
        for (rtnl, ip) in &ends {
            let net = Ipv4Net::new(*ip, 24).map_err(|why| Error::new(Kind::Machine, why))?;
            rtnl.apply(&Batch::new().up(1, "lo").up(2, "eth0").address(2, IpNet::V4(net)))?;
        }
        // Either leg carries frames once both are up.
        for (rtnl, _) in &ends {
            rtnl.wait_running(2, "eth0", PATIENCE)?;
        }
        Ok(Path::new(near, far, FAR))
    }
}
