//! What an engine finds that takes over from another on the same host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kernel::rtnl::Link;
use kernel::{Batch, Result, Rtnl, Snapshot};

use super::attach::{Attached, connect};
use super::converge::Datapath;
use super::gwbridge::Outside;
use super::leg::{HangsOn, Leg};
use super::sandbox::Overlay;
use crate::docker;
use crate::host::{ContainerRef, Sandbox};
use crate::id::{EndpointId, NetworkId};
use crate::ledger::View;

/// The loopback's index: the kernel makes it first.
const LOOPBACK: u32 = 1;

impl Datapath {
    /// Recognises what is there by names, indexes and addresses. What it does not recognise is taken away.
    pub(super) fn adopt(&mut self, view: &View) -> Result<()> {
        let host = self.rtnl.dump()?;
        self.counters.beyond(&host);
        self.adopt_bridge(&host)?;
        for container in self.sandboxes.containers() {
            let have = Rtnl::new(&container.netns)?.dump()?;
            self.counters.beyond(&have);
            self.counters.beyond_interfaces(container.sandbox, &have);
            self.adopt_outside(&host, &have, &container);
        }
        // Now that the published ports are known.
        self.gateway.mend_rules()?;
        for (name, _) in self.sandboxes.list() {
            let Some(Sandbox::Overlay(netns)) = self.sandboxes.get(&name) else { continue };
            let known = view.networks.keys().find_map(|id| Some((*id, id.epoch_of(&name)?)));
            let whole = Overlay::found(&name, &netns)?;
            match (known, whole) {
                (Some((network, epoch)), Some((mut overlay, have))) => {
                    self.listen(&mut overlay, network);
                    self.resolved.insert(network, overlay.known());
                    self.counters.beyond(&have);
                    self.counters.beyond_epoch(network, epoch);
                    self.overlays.insert(network, overlay);
                    self.adopt_endpoints(view, network, &have)?;
                    self.discard_links(network, &have)?;
                    if !self.attached.values().any(|attached| attached.endpoint.network == network) {
                        self.drop_overlay(network)?;
                    }
                }
                (_, Some((overlay, _))) => {
                    overlay.dismantle()?;
                    self.sandboxes.remove(&name);
                }
                (_, None) => drop(self.sandboxes.remove(&name)),
            }
        }
        self.discard_outsides(&host)
    }

    /// Takes away what is in an overlay's namespace and neither of a subnet that is whole nor an endpoint's: the pairs of those
    /// that were crossed out while no engine was here, a bridge without its vxlan device.
    fn discard_links(&self, network: NetworkId, have: &Snapshot) -> Result<()> {
        let Some(overlay) = self.overlays.get(&network) else { return Ok(()) };
        let ports = self.attached.values().filter_map(|attached| match attached.leg.hangs_on {
            HangsOn::Port(index, _) => Some(index),
            HangsOn::Tunnel => None,
        });
        let segments = overlay.segments.values().flat_map(|segment| [segment.bridge, segment.vxlan]);
        let known: BTreeSet<u32> = ports.chain(segments).chain([LOOPBACK]).collect();
        remove_all(&overlay.rtnl, have.links.iter().filter(|link| !known.contains(&link.index)))
    }

    /// Takes away the ways outside that no endpoint needs (any more), and what else is on the bridge.
    fn discard_outsides(&mut self, host: &Snapshot) -> Result<()> {
        let needs = |sandbox| self.attached.values().any(|other| other.sandbox == sandbox && other.outward);
        let outsides = std::mem::take(&mut self.gateway.outsides).into_iter();
        let (needed, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            outsides.partition(|(sandbox, _)| needs(*sandbox));
        self.gateway.outsides = needed;
        let is = |index, all: &BTreeMap<_, Outside>| all.values().any(|outside| outside.outer == index);
        let strange = |link: &&Link| {
            let on_bridge = link.master.is_some() && link.master == self.gateway.bridge;
            is(link.index, &others) || on_bridge && !is(link.index, &self.gateway.outsides)
        };
        remove_all(&self.rtnl, host.links.iter().filter(strange))?;
        // Or a container that is put there again would have its ports twice.
        for sandbox in others.keys() {
            self.gateway.ports.release(*sandbox);
        }
        self.gateway.mend_rules()
    }

    /// Notes that containers have no ports that have no way outside (any more).
    pub(super) fn discard_bindings(&self) {
        let containers = self.sandboxes.containers().into_iter().map(|container| container.sandbox);
        let inside = containers.filter(|sandbox| !self.gateway.outsides.contains_key(sandbox));
        inside.for_each(|sandbox| self.sandboxes.note_bindings(sandbox, Vec::new()));
    }

    fn adopt_bridge(&mut self, host: &Snapshot) -> Result<()> {
        if let Some(bridge) = host.link(docker::GWBRIDGE) {
            self.gateway.prepare()?;
            self.gateway.bridge = Some(bridge.index);
            self.note_gateway();
        }
        Ok(())
    }

    fn adopt_outside(&mut self, host: &Snapshot, have: &Snapshot, container: &ContainerRef) {
        let subnet = self.gateway.subnet();
        let found = have.addresses.iter().find_map(|address| match address.net.addr() {
            IpAddr::V4(ip) if subnet.contains(&ip) => Some((ip, have.by_index(address.dev)?)),
            _ => None,
        });
        let Some((ip, inner)) = found else { return };
        let outer = inner.peer.and_then(|index| host.by_index(index));
        let Some(outer) = outer.filter(|outer| outer.peer == Some(inner.index)) else { return };
        let outside = Outside {
            endpoint: EndpointId::random(&mut self.rng),
            ip,
            inner_name: inner.name.clone(),
            inner: inner.index,
            outer: outer.index,
            outer_name: outer.name.clone(),
        };
        self.gateway.outsides.insert(container.sandbox, outside);
        self.gateway.ports.adopt(container.sandbox, self.sandboxes.bindings(container.sandbox));
    }

    fn adopt_endpoints(&mut self, view: &View, network: NetworkId, have: &Snapshot) -> Result<()> {
        let known = view.networks.get(&network).map(|found| &found.value.network);
        let outward = known.is_some_and(|network| !network.internal);
        for endpoint in view.endpoints_on(self.vtep).filter(|endpoint| endpoint.network == network) {
            let Some(container) = endpoint.sandbox.and_then(|id| self.sandboxes.container(id)) else {
                continue;
            };
            let inside = connect(&mut self.inside, &container)?.dump()?;
            let address = inside.addresses.iter().find(|found| found.net.addr() == endpoint.address.addr());
            let Some(inner) = address.and_then(|address| inside.by_index(address.dev)) else { continue };
            let Some(end) = inner.peer.and_then(|index| have.by_index(index)) else { continue };
            let hangs_on = if end.peer == Some(inner.index) {
                HangsOn::Port(end.index, end.name.clone())
            } else if end.vxlan.is_some() && inner.is_macvlan_of(end.index) {
                HangsOn::Tunnel
            } else {
                continue;
            };
            let leg = Leg {
                inner: inner.index,
                inner_name: inner.name.clone(),
                hangs_on,
                beyond: known.map(|network| network.beyond(endpoint)).unwrap_or_default(),
            };
            let attached = Attached { endpoint: endpoint.clone(), sandbox: container.sandbox, outward, leg };
            self.attached.insert(endpoint.id, attached);
        }
        Ok(())
    }
}

fn remove_all<'a>(rtnl: &Rtnl, links: impl Iterator<Item = &'a Link>) -> Result<()> {
    let batch = links.fold(Batch::new(), |batch, link| batch.remove_link(link.index, &link.name));
    let failed = rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
    failed.map_or(Ok(()), Err)
}
