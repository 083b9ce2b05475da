//! An endpoint's pair: one half on the overlay's bridge, the other in the container.

use std::os::fd::AsFd;

use std::net::IpAddr;

use ipnet::IpNet;
use kernel::{Batch, Netns, NewLink, Result};

use crate::model::Endpoint;

/// An endpoint's pair of links.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// Index of the half in the container.
    pub(super) inner: u32,
    /// Its name there: `eth0`.
    pub(super) inner_name: String,
    /// Index of the half in the overlay's namespace.
    pub(super) outer: u32,
    /// Its name there: `veth2`.
    pub(super) outer_name: String,
    /// The network's other subnets, and the address on the overlay's bridge that leads there.
    pub(super) beyond: Vec<(IpNet, IpAddr)>,
}

impl Pair {
    /// What is to be made from the overlay's namespace: both halves, each where it belongs.
    pub(super) fn outside<'a>(
        &self,
        batch: Batch<'a>,
        bridge: u32,
        container: &'a Netns,
        endpoint: &Endpoint,
        mtu: u32,
    ) -> Batch<'a> {
        let outer = NewLink {
            index: self.outer,
            name: self.outer_name.clone(),
            mtu: Some(mtu),
            master: Some(bridge),
            ..NewLink::default()
        };
        let inner = NewLink {
            index: self.inner,
            name: self.inner_name.clone(),
            mac: Some(endpoint.mac),
            mtu: Some(mtu),
            ..NewLink::default()
        };
        batch.veth(&outer, &inner, Some(container.as_fd()))
    }

    /// Switches IPv6 on for the container's half and its loopback, if the endpoint has an address of it.
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
}
