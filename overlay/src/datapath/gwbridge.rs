//! `docker_gwbridge`: the bridge of a host over which its containers reach the outside, and only the outside.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Once;

use ipnet::{IpNet, Ipv4Net};
use kernel::conntrack::Conntrack;
use kernel::nft::Nft;
use kernel::{Batch, Mac, Netns, NewLink, Result, Rtnl};

use super::flows::is_astray;
use super::ports::Ports;
use super::rules::{TABLE, rules};
use crate::docker;
use crate::id::{EndpointId, SandboxId};
use crate::model::Binding;

/// A container's place on the gateway bridge.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    /// An id, for `inspect`.
    pub(crate) endpoint: EndpointId,
    /// Its address there.
    pub(crate) ip: Ipv4Addr,
    /// Its name in the container: `eth1`.
    pub(crate) inner_name: String,
    /// Its index in the container.
    pub(super) inner: u32,
    /// Index of the half on the bridge.
    pub(super) outer: u32,
    /// Name of the half on the bridge: `vethbc521fc`.
    pub(super) outer_name: String,
}

/// The gateway bridge of a host.
#[derive(Debug)]
pub(super) struct Gateway {
    host: Netns,
    subnet: Ipv4Net,
    /// The bridge's index, once it is there.
    pub(super) bridge: Option<u32>,
    nft: Option<Nft>,
    /// Whether it has been said that flows are not forgotten.
    said: Once,
    /// Ports are isolated, because bridged packets do not pass the filter here.
    isolate: bool,
    /// The containers that are on it.
    pub(super) outsides: BTreeMap<SandboxId, Outside>,
    /// The ports that they have published.
    pub(super) ports: Ports,
}

impl Gateway {
    /// A host's gateway bridge that is not there yet, with the first of Docker's local pools that the underlay leaves free.
    pub(super) fn new(host: &Netns, underlay: &[Ipv4Net]) -> Gateway {
        Gateway {
            host: host.clone(),
            ports: Ports::new(host),
            subnet: docker::gwbridge_subnet(underlay),
            bridge: None,
            nft: None,
            said: Once::new(),
            isolate: false,
            outsides: BTreeMap::new(),
        }
    }

    /// The bridge's subnet.
    pub(super) fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// The bridge's own address, the containers' way out.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.subnet.hosts().next().unwrap_or(self.subnet.addr())
    }

    /// The lowest address that no container has.
    pub(super) fn free_ip(&self) -> Option<Ipv4Addr> {
        self.subnet.hosts().skip(1).find(|ip| self.outsides.values().all(|outside| outside.ip != *ip))
    }

    /// What the bridge needs of the host, other than links.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.host.set_sysctl("ipv4/ip_forward", "1")?;
        // Without it, frames from port to port would not see the filter.
        self.isolate = match self.host.set_sysctl("bridge/bridge-nf-call-iptables", "1") {
            Ok(()) => false,
            Err(error) if error.is_missing() => true,
            Err(error) => return Err(error),
        };
        if self.nft.is_none() {
            self.nft = Some(Nft::new(&self.host)?);
        }
        self.write_rules(None)
    }

    /// Lets through what was sent to published ports, to those of a container that is just being put on the bridge too.
    pub(super) fn open_ports(&self, fresh: (SandboxId, Ipv4Addr)) -> Result<()> {
        if self.ports.of(fresh.0).is_empty() {
            return Ok(());
        }
        // Or the answers to the host's loopback would be martians (ip-sysctl.rst, `route_localnet`).
        self.host.set_sysctl(&format!("ipv4/conf/{}/route_localnet", docker::GWBRIDGE), "1")?;
        self.write_rules(Some(fresh))?;
        self.forget_flows(Some(fresh));
        Ok(())
    }

    /// Gives the ports of a container back that is not on the bridge any more.
    pub(super) fn close_ports(&mut self, sandbox: SandboxId) -> Result<()> {
        if self.ports.of(sandbox).is_empty() {
            return Ok(());
        }
        self.ports.release(sandbox);
        self.write_rules(None)?;
        self.forget_flows(None);
        Ok(())
    }

    /// Writes the rules again if somebody removed or changed them.
    pub(super) fn mend_rules(&mut self) -> Result<()> {
        self.ports.hold_all();
        let Some(nft) = &self.nft else { return Ok(()) };
        let mut have = nft.rules()?;
        have.retain(|line| line.split_once(' ').is_some_and(|(table, _)| table == TABLE));
        if have == rules(self.subnet, &self.published(None)).lines() {
            return Ok(());
        }
        self.write_rules(None)?;
        if self.ports.all().next().is_some() {
            self.forget_flows(None);
        }
        Ok(())
    }

    fn write_rules(&self, fresh: Option<(SandboxId, Ipv4Addr)>) -> Result<()> {
        let table = rules(self.subnet, &self.published(fresh));
        self.nft.as_ref().map_or(Ok(()), |nft| nft.replace(&table))
    }

    /// Forgets the flows that the rules would send elsewhere now. Those that go on as they went are a smaller harm than a container
    /// without a network, so that it is only said that they do.
    fn forget_flows(&self, fresh: Option<(SandboxId, Ipv4Addr)>) {
        let forgotten = || {
            let addresses = Rtnl::new(&self.host)?.addresses()?;
            let own: Vec<Ipv4Addr> = addresses
                .iter()
                .filter_map(|found| match found.net {
                    IpNet::V4(net) => Some(net.addr()),
                    IpNet::V6(_) => None,
                })
                .collect();
            let published = self.published(fresh);
            Conntrack::new(&self.host)?.forget(|flow| is_astray(flow, self.subnet, &published, &own))
        };
        match forgotten() {
            Ok(_) => {}
            Err(error) if error.is_unsupported() => self.said.call_once(|| {
                tracing::warn!(host = self.host.name(), %error, "flows to a published port go on where they went");
            }),
            Err(error) => tracing::warn!(host = self.host.name(), %error, "flows may go on where they went"),
        }
    }

    /// What is published, with the address on the bridge of the container that has it.
    fn published(&self, fresh: Option<(SandboxId, Ipv4Addr)>) -> Vec<(Binding, Ipv4Addr)> {
        let ip = |sandbox: SandboxId| match (self.outsides.get(&sandbox), fresh) {
            (Some(outside), _) => Some(outside.ip),
            (None, Some((fresh, ip))) if fresh == sandbox => Some(ip),
            _ => None,
        };
        self.ports.all().filter_map(|(sandbox, binding)| Some((binding, ip(sandbox)?))).collect()
    }

    /// The bridge itself.
    pub(super) fn bridge<'a>(&self, batch: Batch<'a>, index: u32, mac: Mac) -> Batch<'a> {
        let bridge = NewLink {
            index,
            name: docker::GWBRIDGE.to_owned(),
            mac: Some(mac),
            mtu: Some(docker::GWBRIDGE_MTU),
            ..NewLink::default()
        };
        let address = Ipv4Net::new_assert(self.address(), self.subnet.prefix_len());
        batch.bridge(&bridge).address(index, IpNet::V4(address))
    }

    /// What is to be made from the host: a container's pair.
    pub(super) fn outside<'a>(
        &self,
        batch: Batch<'a>,
        bridge: u32,
        outside: &Outside,
        container: &'a Netns,
        publishes: bool,
    ) -> Batch<'a> {
        let outer = NewLink {
            index: outside.outer,
            name: outside.outer_name.clone(),
            mtu: Some(docker::GWBRIDGE_MTU),
            master: Some(bridge),
            ..NewLink::default()
        };
        let inner = NewLink {
            index: outside.inner,
            name: outside.inner_name.clone(),
            mac: Some(Mac::of(outside.ip)),
            mtu: Some(docker::GWBRIDGE_MTU),
            ..NewLink::default()
        };
        let mut batch = batch.veth(&outer, &inner, Some(container.as_fd()));
        if self.isolate {
            batch = batch.isolate(outside.outer, &outside.outer_name);
        }
        // What a container sends to its own published port goes back by the port that it came from (20.10 does so without its
        // userland proxy: `setHairpinMode`).
        if publishes { batch.hairpin(outside.outer, &outside.outer_name) } else { batch }
    }

    /// What is to be done in the container.
    pub(super) fn inside<'a>(&self, batch: Batch<'a>, outside: &Outside) -> Batch<'a> {
        let address = Ipv4Net::new_assert(outside.ip, self.subnet.prefix_len());
        batch
            .address(outside.inner, IpNet::V4(address))
            .up(outside.inner, &outside.inner_name)
            .default_route(self.address(), outside.inner)
    }
}
