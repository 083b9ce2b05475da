//! The interfaces that packets between two places cross.

use std::net::IpAddr;

use kernel::{Netns, Rtnl, Snapshot};
use overlay::docker;

use super::{Lab, Place};
use crate::capture::Spot;
use crate::error::Result;
use crate::host::blocking;

impl Lab {
    /// The interfaces that packets between the two cross, there and back: of the places themselves, of overlays and gateway bridges in
    /// between, of hosts, of the switch. Only the near half, where the other end is nobody's here.
    pub(crate) async fn path_spots(&self, from: &str, to: &str) -> Result<Vec<Spot>> {
        let ip = self.find(from, to).await?;
        let near = self.place(from)?;
        let name = to.split_once('@').map_or(to, |(name, _)| name);
        let far = self.place(name).or_else(|_| self.owner_of(ip)).ok();
        let mut spots = Vec::new();
        let there = self.way_out(&near, ip, &mut spots).await?;
        if let Some(far) = &far {
            let back = match source(&there, ip) {
                Some(back) => back,
                None => self.address(to, from)?.into(),
            };
            self.way_out(far, back, &mut spots).await?;
        }
        Ok(spots)
    }

    /// The place that has an address: a host, or a container on an overlay or a gateway bridge.
    fn owner_of(&self, ip: IpAddr) -> Result<Place> {
        let containers = self.containers();
        let has = |container: &&std::sync::Arc<crate::container::Container>| {
            container.networks().iter().any(|(_, info)| {
                IpAddr::V4(info.address.addr()) == ip
                    || info.address6.is_some_and(|net| IpAddr::V6(net.addr()) == ip)
                    || info.outside.as_ref().is_some_and(|(_, outside)| IpAddr::V4(*outside) == ip)
            })
        };
        if let Some(container) = containers.iter().find(has) {
            return self.place(&format!("container:{}", container.name()));
        }
        let host = self.hosts().find(|host| IpAddr::V4(host.ip()) == ip);
        self.place(&host.map_or_else(|| ip.to_string(), |host| format!("host:{}", host.name())))
    }

    /// The interfaces between a place and the switch, on the way to an address; what the place itself holds.
    async fn way_out(&self, place: &Place, to: IpAddr, spots: &mut Vec<Spot>) -> Result<Snapshot> {
        let netns = place.netns()?;
        let inside = dump(netns.clone()).await?;
        let Some(container) = place.container() else {
            if let Some(host) = place.host_ip() {
                let out = route(&inside, to);
                // Towards containers of its own it is the gateway bridge, and the other end's way has the rest.
                add(spots, place.name(), &netns, out.iter().map(|(link, _)| link.clone()).collect());
                if out.is_none_or(|(link, _)| link != docker::GWBRIDGE) {
                    self.switch(host.into(), spots).await?;
                }
            } else {
                add(spots, place.name(), &netns, all(&inside));
            }
            return Ok(inside);
        };
        let Some((out, _)) = route(&inside, to) else {
            add(spots, place.name(), &netns, all(&inside));
            return Ok(inside);
        };
        add(spots, place.name(), &netns, vec![out.clone()]);
        let peer = inside.link(&out).and_then(|link| link.peer);
        let host = &container.host;
        let alive = host.alive()?;
        let networks = container.networks();
        let Some((_, info)) = networks.iter().find(|(_, info)| info.interface == out) else {
            // By the gateway bridge.
            let there = dump(alive.netns.clone()).await?;
            let port = peer.and_then(|peer| there.by_index(peer)).map(|link| link.name.clone());
            let mut links: Vec<String> = port.into_iter().collect();
            links.extend(["docker_gwbridge", "eth0"].map(str::to_owned));
            add(spots, host.name(), &alive.netns, links);
            self.switch(host.ip().into(), spots).await?;
            return Ok(inside);
        };
        let overlays = self.overlays(host.name())?;
        let name = format!("{}/{}", host.name(), info.overlay);
        let Some((_, overlay)) = overlays.iter().find(|(its, _)| *its == name) else { return Ok(inside) };
        let there = dump(overlay.clone()).await?;
        // A port of the bridge, or the tunnel itself, if the interface is a MACVLAN of it: then those here reach each other in that.
        let near = peer.and_then(|peer| there.by_index(peer));
        let mut links: Vec<String> =
            near.iter().filter(|link| link.vxlan.is_none()).map(|link| link.name.clone()).collect();
        let local = self.owner_of(to).ok();
        let is_here =
            local.is_some_and(|far| far.container().is_some_and(|far| far.host.name() == host.name()));
        if !is_here {
            let bridge = near.and_then(|link| link.master);
            let tunnels = there.links.iter().filter(|link| link.vxlan.is_some());
            links.extend(
                tunnels
                    .filter(|link| {
                        bridge.map_or(peer == Some(link.index) || near.is_none(), |bridge| {
                            link.master == Some(bridge)
                        })
                    })
                    .map(|link| link.name.clone()),
            );
        }
        add(spots, &name, overlay, links);
        if !is_here {
            add(spots, host.name(), &alive.netns, vec!["eth0".to_owned()]);
            self.switch(host.ip().into(), spots).await?;
        }
        Ok(inside)
    }

    /// The port of the switch that a host's wire ends at.
    async fn switch(&self, host: IpAddr, spots: &mut Vec<Spot>) -> Result<()> {
        let netns = self.0.fabric.netns().clone();
        let holds = dump(netns.clone()).await?;
        let host = self.hosts().find(|its| IpAddr::V4(its.ip()) == host);
        let number = host.and_then(|host| self.0.ports.get(host.name())).map(|port| port.0);
        // A wire that somebody in between carries has ends of its own.
        let names = |number| ["port", "wire", "plug"].map(|end| format!("{end}{number}"));
        let ends = number.into_iter().flat_map(names).filter(|end| holds.link(end).is_some());
        add(spots, "switch", &netns, ends.collect());
        Ok(())
    }
}

/// More links of a namespace; none that is not there.
fn add(spots: &mut Vec<Spot>, name: &str, netns: &Netns, links: Vec<String>) {
    if links.is_empty() {
        return;
    }
    let links_of = |spot: &mut Spot| {
        let known = spot.links.get_or_insert_default();
        for link in &links {
            if !known.contains(link) {
                known.push(link.clone());
            }
        }
    };
    match spots.iter_mut().find(|spot| spot.name == name) {
        Some(spot) => links_of(spot),
        None => spots.push(Spot { name: name.to_owned(), netns: netns.clone(), links: Some(links) }),
    }
}

fn all(holds: &Snapshot) -> Vec<String> {
    holds.links.iter().map(|link| link.name.clone()).collect()
}

pub(super) async fn dump(netns: Netns) -> Result<Snapshot> {
    blocking(move || Rtnl::new(&netns)?.dump()).await
}

/// The link that leads to an address, and the next hop if it is not the address itself: the longest prefix wins (RFC 1812 §5.2.4.3).
pub(super) fn route(holds: &Snapshot, to: IpAddr) -> Option<(String, Option<IpAddr>)> {
    let fits = |route: &&kernel::rtnl::Route| match route.to {
        Some(net) => net.contains(&to),
        None => to.is_ipv4(),
    };
    let found =
        holds.routes.iter().filter(fits).max_by_key(|route| route.to.map_or(0, |net| net.prefix_len()))?;
    let link = holds.by_index(found.dev?)?;
    Some((link.name.clone(), found.gateway))
}

/// The address that a place sends from to another.
fn source(holds: &Snapshot, to: IpAddr) -> Option<IpAddr> {
    let (link, _) = route(holds, to)?;
    let its = holds.addresses_of(&link);
    its.into_iter().map(|net| net.addr()).find(|ip| ip.is_ipv4() == to.is_ipv4())
}
