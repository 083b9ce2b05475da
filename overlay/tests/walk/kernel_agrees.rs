//! Whether a host's kernel has what the store says, and nothing else: an opinion of its own, made of names and addresses only.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use kernel::rtnl::Link;
use kernel::{Mac, Netns, Snapshot};
use overlay::kv::keys;
use overlay::ledger::View;
use overlay::model::{Endpoint, Network, Subnet};
use overlay::{ContainerRef, HostEnv, Resolution};

use crate::lab::look;

/// A host, and what it should have.
pub struct Expected<'a> {
    pub env: &'a HostEnv,
    pub view: &'a View,
    pub resolution: Resolution,
}

/// What holds, or a sentence on what does not.
type Holds = Result<(), String>;

fn holds(fact: bool, otherwise: impl FnOnce() -> String) -> Holds {
    if fact { Ok(()) } else { Err(otherwise()) }
}

impl Expected<'_> {
    fn vtep(&self) -> Ipv4Addr {
        keys::host_of(self.env.advertise).unwrap()
    }

    fn endpoints(&self) -> impl Iterator<Item = (&Network, &Endpoint)> {
        let all = self.view.endpoints_on(self.vtep());
        all.filter_map(|endpoint| Some((&self.view.networks.get(&endpoint.network)?.value.network, endpoint)))
    }

    /// Looks at all of the host. `containers` are those that may be on networks.
    pub fn check(&self, containers: &[&ContainerRef]) -> Holds {
        let used: BTreeSet<_> = self.endpoints().map(|(network, _)| network.id).collect();
        let all = self.env.sandboxes.list();
        let overlays: Vec<(String, Netns)> = all.into_iter().filter(|(name, _)| name.contains('-')).collect();
        let names: Vec<&String> = overlays.iter().map(|(name, _)| name).collect();
        holds(overlays.len() == used.len(), || format!("overlays {names:?}, networks in use {used:?}"))?;
        let mut looks = Vec::new();
        for id in used {
            let network = &self.view.networks[&id].value.network;
            let found = overlays.iter().find(|(name, _)| id.epoch_of(name).is_some());
            let (name, netns) =
                found.ok_or_else(|| format!("no overlay of {} among {names:?}", network.name))?;
            let have = look(netns);
            self.overlay(network, &have)
                .map_err(|why| format!("{name} ({}): {why}\n{:#?}", network.name, have.links))?;
            looks.push((id, have));
        }
        let host = look(&self.env.netns);
        let mut outward = 0;
        for container in containers {
            let have = look(&container.netns);
            let its: Vec<_> = self
                .endpoints()
                .filter(|(_, endpoint)| endpoint.sandbox == Some(container.sandbox))
                .collect();
            for (network, endpoint) in &its {
                let overlay = looks.iter().find(|(id, _)| *id == network.id).map(|(_, have)| have);
                let overlay = overlay.ok_or("its overlay is not there")?;
                plugged(network, endpoint, &have, overlay)
                    .map_err(|why| format!("{} on {}: {why}", container.name, network.name))?;
            }
            let goes_out = its.iter().any(|(network, _)| !network.internal);
            outward += usize::from(goes_out);
            outside(&have, its.len(), goes_out, &host)
                .map_err(|why| format!("{}: {why}\n{have:#?}", container.name))?;
        }
        let mut rest: Vec<&str> = host
            .links
            .iter()
            .filter(|link| !link.name.starts_with("veth"))
            .map(|link| link.name.as_str())
            .collect();
        rest.retain(|name| *name != "docker_gwbridge");
        holds(rest == ["lo", "eth0"], || format!("the host has {rest:?}"))?;
        let veths = host.links.iter().filter(|link| link.name.starts_with("veth")).count();
        holds(veths == outward, || {
            format!("{veths} veths on the host, {outward} containers with a way outside")
        })
    }

    fn overlay(&self, network: &Network, have: &Snapshot) -> Holds {
        let there = self.endpoints().filter(|(its, _)| its.id == network.id).count();
        let subnets: Vec<&Subnet> = network.subnets.iter().filter(|subnet| subnet.vni.is_some()).collect();
        let wanted = 1 + 2 * subnets.len() + there;
        holds(have.links.len() == wanted, || format!("{} links and not {wanted}", have.links.len()))?;
        if let Some(down) = have.links.iter().find(|link| !link.up) {
            return Err(format!("{} is down", down.name));
        }
        let peers = self.view.peers(network.id, self.vtep());
        for subnet in subnets {
            let bridge = bridge_of(subnet, have)?;
            let vni = subnet.vni.map(overlay::model::Vni::get);
            let device = have.links.iter().find(|link| link.vxlan.as_ref().map(|vxlan| vxlan.vni) == vni);
            let device = device.ok_or_else(|| format!("no device of VNI {vni:?}"))?;
            holds(device.master == Some(bridge.index), || {
                format!("{} is on no bridge of its own", device.name)
            })?;
            let peers = peers.iter().filter(|(ip, _)| subnet.contains(**ip));
            let arp: BTreeSet<(IpAddr, Option<Mac>)> =
                peers.clone().map(|(ip, peer)| (*ip, Some(peer.mac))).collect();
            let fdb: BTreeSet<(Mac, Option<IpAddr>)> =
                peers.map(|(_, peer)| (peer.mac, Some(peer.vtep.into()))).collect();
            let has_arp = have.neighbours.iter().filter(|entry| entry.dev == device.index && entry.permanent);
            let has_arp: BTreeSet<_> = has_arp.map(|entry| (entry.ip, entry.mac)).collect();
            let has_fdb = have
                .fdb
                .iter()
                .filter(|entry| entry.dev == device.index && entry.permanent && entry.vtep.is_some());
            let has_fdb: BTreeSet<_> = has_fdb.map(|entry| (entry.mac, entry.vtep)).collect();
            let agree = match self.resolution {
                Resolution::Store => has_arp == arp && has_fdb == fdb,
                Resolution::OnMiss => has_arp.is_subset(&arp) && has_fdb.is_subset(&fdb),
            };
            holds(agree, || format!("the tables hold {has_arp:?} and {has_fdb:?}, not {arp:?} and {fdb:?}"))?;
        }
        Ok(())
    }
}

fn bridge_of<'a>(subnet: &Subnet, have: &'a Snapshot) -> Result<&'a Link, String> {
    let gateway = subnet.v4.gateway_net();
    let found = have.addresses.iter().find(|address| address.net == gateway);
    let bridge = found.and_then(|address| have.by_index(address.dev));
    bridge.ok_or_else(|| format!("no bridge has {gateway}"))
}

/// Whether a container's interface is there and on its subnet's bridge, and leads to all subnets.
fn plugged(network: &Network, endpoint: &Endpoint, have: &Snapshot, overlay: &Snapshot) -> Holds {
    let address = IpNet::V4(endpoint.address);
    let found = have.addresses.iter().find(|found| found.net == address);
    let inner = found
        .and_then(|found| have.by_index(found.dev))
        .ok_or_else(|| format!("no interface has {address}"))?;
    holds(inner.mac == Some(endpoint.mac), || format!("{} has {:?}", inner.name, inner.mac))?;
    let outer =
        inner.peer.and_then(|index| overlay.by_index(index)).filter(|outer| outer.peer == Some(inner.index));
    let outer = outer.ok_or_else(|| format!("{} has no other end in the overlay", inner.name))?;
    let subnet = network.subnet_of(endpoint.address.addr()).ok_or("its address is in no subnet")?;
    let bridge = bridge_of(subnet, overlay)?;
    holds(outer.master == Some(bridge.index), || format!("{} is not on {}", outer.name, bridge.name))?;
    for subnet in &network.subnets {
        leads(have, Some(subnet.v4.net), inner)?;
    }
    Ok(())
}

fn leads(have: &Snapshot, to: Option<Ipv4Net>, through: &Link) -> Holds {
    let found =
        have.routes.iter().any(|route| route.to == to.map(IpNet::V4) && route.dev == Some(through.index));
    holds(found, || format!("no route to {to:?} through {}", through.name))
}

/// Whether a container has its way outside, if it should have one, and nothing else.
fn outside(have: &Snapshot, networks: usize, goes_out: bool, host: &Snapshot) -> Holds {
    let wanted = 1 + networks + usize::from(goes_out);
    holds(have.links.len() == wanted, || format!("{} links and not {wanted}", have.links.len()))?;
    if !goes_out {
        return Ok(());
    }
    let gateway: Ipv4Net = "172.18.0.0/16".parse().unwrap();
    let found = have
        .addresses
        .iter()
        .find(|found| matches!(found.net.addr(), IpAddr::V4(ip) if gateway.contains(&ip)));
    let inner = found.and_then(|found| have.by_index(found.dev)).ok_or("no way outside")?;
    leads(have, None, inner)?;
    let bridge = host.link("docker_gwbridge").ok_or("no docker_gwbridge")?;
    let outer =
        inner.peer.and_then(|index| host.by_index(index)).ok_or("its way outside has no other end")?;
    holds(bridge.up && outer.up && outer.master == Some(bridge.index), || {
        "its way outside is not on docker_gwbridge".to_owned()
    })
}
