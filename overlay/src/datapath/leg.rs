//! An endpoint's leg: its interface in the container, and what that hangs on in the overlay's namespace.

use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;
use kernel::{Batch, Netns, NewLink, Result, Rtnl};

use super::attach::{PATIENCE, remove};
use super::segment::Segment;
use crate::model::Endpoint;

/// An endpoint's interface.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    /// Its index in the container.
    pub(super) inner: u32,
    /// Its name there: `eth0`.
    pub(super) inner_name: String,
    /// What it hangs on.
    pub(super) hangs_on: HangsOn,
    /// The network's other subnets, and the address of the overlay's gateway that leads there.
    pub(super) beyond: Vec<(IpNet, IpAddr)>,
}

/// What a leg hangs on in the overlay's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HangsOn {
    /// A port of the bridge, by index and name: the other half of a veth pair, `veth2`.
    Port(u32, String),
    /// The vxlan device itself: the leg is a MACVLAN of it.
    Tunnel,
}

impl Leg {
    /// What is to be made from the overlay's namespace: all of it, each part where it belongs.
    pub(super) fn outside<'a>(
        &self,
        batch: Batch<'a>,
        segment: &Segment,
        container: &'a Netns,
        endpoint: &Endpoint,
        mtu: u32,
    ) -> Batch<'a> {
        let inner = NewLink {
            index: self.inner,
            name: self.inner_name.clone(),
            mac: Some(endpoint.mac),
            mtu: Some(mtu),
            ..NewLink::default()
        };
        match &self.hangs_on {
            HangsOn::Port(index, name) => {
                let (index, name, master) = (*index, name.clone(), Some(segment.bridge));
                let outer = NewLink { index, name, mtu: Some(mtu), master, ..NewLink::default() };
                batch.veth(&outer, &inner, Some(container.as_fd()))
            }
            // Switched on from inside, with its addresses, as a veth's half is.
            HangsOn::Tunnel => {
                let inner = NewLink { up: false, ..inner };
                batch.macvlan(&inner, segment.vxlan, Some(container.as_fd()))
            }
        }
    }

    /// Switches IPv6 on for the container's interface and its loopback, if the endpoint has an address of it.
    pub(super) fn with_ipv6(&self, container: &Netns, endpoint: &Endpoint) -> Result<()> {
        if endpoint.address6.is_none() {
            return Ok(());
        }
        let own = format!("ipv6/conf/{}/disable_ipv6", self.inner_name);
        container.set_sysctls(&[("ipv6/conf/lo/disable_ipv6", "0"), (&own, "0")])
    }

    /// What is to be done in the container: the addresses, without a broadcast address (article; 20.10 sets one), and the routes
    /// to other subnets.
    pub(super) fn inside<'a>(&self, batch: Batch<'a>, endpoint: &Endpoint) -> Batch<'a> {
        let batch = endpoint.addresses().fold(batch, |batch, address| batch.address(self.inner, address));
        let batch = batch.up(self.inner, &self.inner_name);
        self.beyond.iter().fold(batch, |batch, (net, gateway)| batch.route(*net, *gateway, self.inner))
    }

    /// Waits until the overlay's end carries frames, and lets its bridge know who is behind it.
    pub(super) fn plug(&self, overlay: &Rtnl, endpoint: &Endpoint) -> Result<()> {
        let HangsOn::Port(index, name) = &self.hangs_on else { return Ok(()) };
        overlay.wait_running(*index, name, PATIENCE)?;
        // The bridge may have learned that it is elsewhere, behind the vxlan device: then what comes from there for an address
        // that has moved here would be dropped for minutes, until the container speaks first.
        overlay.apply(&Batch::new().learn(*index, endpoint.mac))
    }

    /// Takes it away, from whichever end is to be had: `inside` is the container's, if that is there. That it is not there is fine.
    pub(super) fn remove(&self, overlay: &Rtnl, inside: Option<&Rtnl>) -> Result<()> {
        match &self.hangs_on {
            HangsOn::Port(index, name) => remove(overlay, *index, name),
            HangsOn::Tunnel => inside.map_or(Ok(()), |inside| remove(inside, self.inner, &self.inner_name)),
        }
    }
}
