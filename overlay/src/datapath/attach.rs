//! A container that is put on a network, or taken off it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use kernel::{Batch, Error, Mac, Result, Rtnl};

use super::announce::{self, Macs};
use super::converge::Datapath;
use super::gwbridge::Outside;
use super::leg::{HangsOn, Leg};
use super::ports::BadPort;
use super::sandbox::{self, BRIDGE_INDEX, Overlay};
use crate::docker;
use crate::host::{ContainerRef, LocalNetwork};
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::model::{Build, Endpoint, Network, Subnet, Vni};

/// How long the kernel may take until links that were made carry frames; it is a matter of milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// An endpoint that is in the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    pub(crate) endpoint: Endpoint,
    /// The container it is of.
    pub(crate) sandbox: SandboxId,
    /// Whether the container needs a way outside for it: the network is not internal.
    pub(super) outward: bool,
    pub(super) leg: Leg,
}

/// Why an endpoint could not be put into the kernel. In Docker's words, as far as it has some.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refused {
    #[error("network sandbox join failed: {0}")]
    Join(String),
    #[error(
        "driver failed programming external connectivity on endpoint gateway_{sandbox} ({endpoint:#}): {why}"
    )]
    Port { sandbox: SandboxId, endpoint: EndpointId, why: BadPort },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Join(error.to_string())
    }
}

impl Attached {
    /// The interface's name in the container: `eth0`.
    pub(crate) fn interface(&self) -> &str {
        &self.leg.inner_name
    }
}

impl Datapath {
    /// Builds all that the endpoint needs and is not there: the overlay's namespace, the pair, the gateway bridge,
    /// the way outside. Of what fails nothing remains.
    pub(super) fn attach(
        &mut self,
        network: &Network,
        (subnet, vni): (&Subnet, Vni),
        endpoint: &Endpoint,
        container: &ContainerRef,
    ) -> Result<(), Refused> {
        let counters = self.counters.clone();
        let fresh = match self.overlays.get(&network.id) {
            Some(_) => {
                self.extend(network, subnet)?;
                None
            }
            // The indexes in the order in which Docker makes the links, so that they are the article's.
            None => Some(self.new_overlay(network, (subnet, vni))?),
        };
        let (inner, outer) = (self.counters.index(), self.counters.index());
        let inner_name = self.counters.interface(container.sandbox);
        let needs_outside = !network.internal && !self.gateway.outsides.contains_key(&container.sandbox);
        let bridge = match (needs_outside, self.gateway.bridge) {
            (true, None) => Some(self.counters.index()),
            _ => None,
        };
        let outside = if needs_outside { Some(self.new_outside(container)?) } else { None };

        let mut built = Built { fresh, bridge, outside, leg: None };
        let result = self.build(&mut built, network, subnet, endpoint, container, (inner, inner_name, outer));
        if result.is_ok() {
            self.keep(built, network, endpoint, container);
        } else {
            self.undo(&built, network.id, container);
            self.counters = counters;
            if self.attached.values().all(|other| other.sandbox != container.sandbox) {
                self.inside.remove(&container.sandbox);
            }
        }
        result
    }

    fn build(
        &mut self,
        built: &mut Built,
        network: &Network,
        subnet: &Subnet,
        endpoint: &Endpoint,
        container: &ContainerRef,
        (inner, inner_name, outer): (u32, String, u32),
    ) -> Result<(), Refused> {
        if let Some(outside) = &built.outside {
            let (sandbox, endpoint) = (container.sandbox, outside.endpoint);
            let had = self.sandboxes.bindings(sandbox);
            let taken = self.gateway.ports.take(sandbox, &container.publish, &had, &mut self.rng);
            taken.map_err(|why| Refused::Port { sandbox, endpoint, why })?;
        }
        if built.bridge.is_some() {
            self.gateway.prepare()?;
        }
        // At its first network. Later it would take away what the others have.
        if self.attached.values().all(|other| other.sandbox != container.sandbox) {
            sandbox::without_ipv6(&container.netns)?;
        }

        // From the overlay's namespace: bridge and leg. A MACVLAN needs the vxlan device first.
        let is_fresh = built.fresh.is_some();
        let overlay = match &mut built.fresh {
            Some(overlay) => overlay,
            None => self.overlays.get_mut(&network.id).expect("attach looked whether it is there"),
        };
        let outer_name = overlay.next_veth();
        let gone = || Error::other("plug", &inner_name, "its subnet is not there");
        let segment = overlay.segments.get_mut(&subnet.v4.net).ok_or_else(gone)?;
        let hangs_on = match segment.build {
            Build::Bridge => HangsOn::Port(outer, outer_name),
            Build::Macvlan => HangsOn::Tunnel,
        };
        let leg = Leg { inner, inner_name, hangs_on, beyond: network.beyond(endpoint) };
        let tunnel_first = is_fresh && segment.build == Build::Macvlan;
        if tunnel_first {
            self.rtnl.apply(&segment.tunnel(Batch::new(), &overlay.netns, network.mtu()))?;
        }
        let mut batch = Batch::new();
        if is_fresh {
            let mac = bridge_mac(&mut self.rng, network);
            batch = segment.inside(batch.up(1, "lo"), subnet, network.mtu(), mac);
        }
        batch = leg.outside(batch, segment, &container.netns, endpoint, network.mtu());
        built.leg = Some(leg.clone());
        overlay.rtnl.apply(&batch)?;

        // From the host: the vxlan device, the gateway bridge and its pair.
        let mut batch = Batch::new();
        if is_fresh && !tunnel_first {
            batch = segment.tunnel(batch, &overlay.netns, network.mtu());
        }
        if let Some(index) = built.bridge {
            batch = self.gateway.bridge(batch, index, draw_mac(&mut self.rng));
        }
        if let (Some(outside), Some(bridge)) = (&built.outside, built.bridge.or(self.gateway.bridge)) {
            let publishes = !container.publish.is_empty();
            batch = self.gateway.outside(batch, bridge, outside, &container.netns, publishes);
        }
        if !batch.is_empty() {
            self.rtnl.apply(&batch)?;
        }
        if is_fresh {
            segment.address(&overlay.netns, &overlay.rtnl, subnet)?;
        }

        // In the container.
        leg.with_ipv6(&container.netns, endpoint)?;
        let mut batch = leg.inside(Batch::new().up(1, "lo"), endpoint);
        if let Some(outside) = &built.outside {
            batch = self.gateway.inside(batch, outside);
        }
        let inside = connect(&mut self.inside, container)?;
        inside.apply(&batch)?;

        // Not before all of it carries frames is the container there.
        leg.plug(&overlay.rtnl, endpoint)?;
        inside.wait_running(leg.inner, &leg.inner_name, PATIENCE)?;
        if let Some(address) = endpoint.address6 {
            inside.wait_local(address.addr(), PATIENCE)?;
            // The others here may have talked to who had it before.
            let its = Macs::from([(address.addr().into(), endpoint.mac)]);
            if let Err(error) = announce::say(&container.netns, leg.inner, &leg.inner_name, &its) {
                tracing::debug!(host = self.host.name(), %error, "not announced: who wants to know has to ask");
            }
        }
        if let Some(outside) = &built.outside {
            self.rtnl.wait_running(outside.outer, &outside.outer_name, PATIENCE)?;
            inside.wait_running(outside.inner, &outside.inner_name, PATIENCE)?;
            if let Some(bridge) = built.bridge.or(self.gateway.bridge) {
                self.rtnl.wait_running(bridge, docker::GWBRIDGE, PATIENCE)?;
            }
            self.gateway.open_ports((container.sandbox, outside.ip))?;
        }
        Ok(())
    }

    fn keep(&mut self, built: Built, network: &Network, endpoint: &Endpoint, container: &ContainerRef) {
        if let Some(mut overlay) = built.fresh {
            self.listen(&mut overlay, network.id);
            self.sandboxes.insert(&overlay.name, overlay.netns.clone());
            self.overlays.insert(network.id, overlay);
        }
        if let Some(index) = built.bridge {
            self.gateway.bridge = Some(index);
            self.note_gateway();
        }
        if let Some(outside) = built.outside {
            self.gateway.outsides.insert(container.sandbox, outside);
            self.sandboxes.note_bindings(container.sandbox, self.gateway.ports.of(container.sandbox));
        }
        if let Some(leg) = built.leg {
            let outward = !network.internal;
            let attached = Attached { endpoint: endpoint.clone(), sandbox: container.sandbox, outward, leg };
            self.attached.insert(endpoint.id, attached);
        }
    }

    /// Takes back what was built of an attachment that failed. What is not there needs no taking back.
    fn undo(&mut self, built: &Built, network: NetworkId, container: &ContainerRef) {
        let undone = |done: Result<()>| {
            if let Err(error) = done {
                tracing::warn!(host = self.host.name(), %error, "left behind after a failed join");
            }
        };
        let overlay = built.fresh.as_ref().or_else(|| self.overlays.get(&network));
        if let (Some(overlay), Some(leg)) = (overlay, &built.leg) {
            undone(Rtnl::new(&container.netns).and_then(|inside| leg.remove(&overlay.rtnl, Some(&inside))));
        }
        for segment in built.fresh.iter().flat_map(|overlay| overlay.segments.values()) {
            if let Some(overlay) = &built.fresh {
                undone(remove(&overlay.rtnl, segment.vxlan, &segment.vxlan_name));
            }
        }
        if let Some(outside) = &built.outside {
            undone(remove(&self.rtnl, outside.outer, &outside.outer_name));
        }
        if let Some(index) = built.bridge {
            undone(remove(&self.rtnl, index, docker::GWBRIDGE));
        }
        if built.outside.is_some() {
            undone(self.gateway.close_ports(container.sandbox));
        }
    }

    /// Takes an endpoint out of the kernel, and the overlay with its last one.
    pub(super) fn detach(&mut self, id: EndpointId) -> Result<()> {
        let Some(Attached { endpoint, sandbox, leg, .. }) = self.attached.get(&id).cloned() else {
            return Ok(());
        };
        if let Some(overlay) = self.overlays.get(&endpoint.network) {
            leg.remove(&overlay.rtnl, self.inside.get(&sandbox))?;
        }
        self.attached.remove(&id);
        let others = || self.attached.values().filter(|other| other.sandbox == sandbox);
        let needs_outside = others().any(|other| other.outward);
        if !needs_outside && let Some(outside) = self.gateway.outsides.get(&sandbox).cloned() {
            remove(&self.rtnl, outside.outer, &outside.outer_name)?;
            self.gateway.outsides.remove(&sandbox);
            self.gateway.close_ports(sandbox)?;
        }
        if others().next().is_none() {
            self.inside.remove(&sandbox);
        }
        if self.attached.values().all(|other| other.endpoint.network != endpoint.network) {
            self.drop_overlay(endpoint.network)?;
        }
        Ok(())
    }

    /// Lets go of an overlay's namespace.
    pub(super) fn drop_overlay(&mut self, network: NetworkId) -> Result<()> {
        if let Some(overlay) = self.overlays.get(&network) {
            overlay.dismantle()?;
            self.sandboxes.remove(&overlay.name);
            self.overlays.remove(&network);
            self.resolved.remove(&network);
        }
        Ok(())
    }

    /// Lets somebody hear what is missed in an overlay's namespace. Without, peers are programmed all the same.
    pub(super) fn listen(&self, overlay: &mut Overlay, network: NetworkId) {
        if let Err(error) = overlay.listen(network, &self.tell) {
            tracing::warn!(host = self.host.name(), %error, "nobody hears what is missed");
        }
    }

    /// A new namespace, and a subnet in it that is not made yet.
    fn new_overlay(&mut self, network: &Network, (subnet, vni): (&Subnet, Vni)) -> Result<Overlay> {
        let name = network.id.namespace(self.counters.epoch(network.id));
        let vxlan = self.counters.index();
        let mut overlay = Overlay::new(&name)?;
        let segment = overlay.next_segment(vni, network.build(), (BRIDGE_INDEX, vxlan));
        overlay.segments.insert(subnet.v4.net, segment);
        Ok(overlay)
    }

    /// Makes a subnet in an overlay's namespace that is there, if it is not.
    pub(super) fn extend(&mut self, network: &Network, subnet: &Subnet) -> Result<()> {
        let (Some(overlay), Some(vni)) = (self.overlays.get_mut(&network.id), subnet.vni) else {
            return Ok(());
        };
        if overlay.segments.contains_key(&subnet.v4.net) {
            return Ok(());
        }
        let links = (self.counters.index(), self.counters.index());
        let mut segment = overlay.next_segment(vni, network.build(), links);
        let mac = bridge_mac(&mut self.rng, network);
        let inside = segment.inside(Batch::new(), subnet, network.mtu(), mac);
        let tunnel = segment.tunnel(Batch::new(), &overlay.netns, network.mtu());
        // A port needs its bridge first, a MACVLAN what it is of.
        let made = match segment.build {
            Build::Bridge => overlay.rtnl.apply(&inside).and_then(|()| self.rtnl.apply(&tunnel)),
            Build::Macvlan => self.rtnl.apply(&tunnel).and_then(|()| overlay.rtnl.apply(&inside)),
        };
        let made = made.and_then(|()| segment.address(&overlay.netns, &overlay.rtnl, subnet));
        if let Err(error) = made {
            // What went wrong is said; that it cannot be undone, too, would say less.
            let _ = remove(&overlay.rtnl, segment.vxlan, &segment.vxlan_name);
            let _ = remove(&overlay.rtnl, segment.bridge, &segment.bridge_name);
            return Err(error);
        }
        overlay.segments.insert(subnet.v4.net, segment);
        Ok(())
    }

    fn new_outside(&mut self, container: &ContainerRef) -> Result<Outside> {
        let full = || Error::other("allocate", "an address of docker_gwbridge", "none is left");
        Ok(Outside {
            endpoint: EndpointId::random(&mut self.rng),
            ip: self.gateway.free_ip().ok_or_else(full)?,
            inner: self.counters.index(),
            outer: self.counters.index(),
            inner_name: self.counters.interface(container.sandbox),
            outer_name: self.new_veth(),
        })
    }

    /// A name for a veth on the host that none has.
    fn new_veth(&mut self) -> String {
        loop {
            let name = draw_veth(&mut self.rng);
            if self.gateway.outsides.values().all(|outside| outside.outer_name != name) {
                return name;
            }
        }
    }

    /// Notes the gateway bridge as a network of this host.
    pub(super) fn note_gateway(&mut self) {
        let rng = &mut self.rng;
        let draw =
            || LocalNetwork { id: NetworkId::random(rng), created: jiff::Timestamp::now().to_string() };
        self.sandboxes.gateway_made(draw);
    }
}

/// What an attachment has made so far.
struct Built {
    fresh: Option<Overlay>,
    bridge: Option<u32>,
    outside: Option<Outside>,
    leg: Option<Leg>,
}

/// The connection to a container.
pub(super) fn connect<'a>(
    inside: &'a mut BTreeMap<SandboxId, Rtnl>,
    container: &ContainerRef,
) -> Result<&'a mut Rtnl> {
    Ok(match inside.entry(container.sandbox) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(Rtnl::new(&container.netns)?),
    })
}

pub(super) fn remove(rtnl: &Rtnl, index: u32, name: &str) -> Result<()> {
    match rtnl.apply(&Batch::new().remove_link(index, name)) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// A MAC for a bridge that containers send to, since it routes: theirs would be stale whenever a port comes or goes. Docker gives
/// none, also then.
fn bridge_mac(rng: &mut fastrand::Rng, network: &Network) -> Option<Mac> {
    (network.subnets.len() > 1).then(|| draw_mac(rng))
}

/// A MAC as Docker draws them for a bridge (20.10: `netutils.GenerateRandomMAC`).
fn draw_mac(rng: &mut fastrand::Rng) -> Mac {
    let [a, b, c, d] = rng.u32(..).to_le_bytes();
    Mac([0x02, 0x42, a, b, c, d])
}

/// A name as Docker draws them for a veth on the host.
pub(crate) fn draw_veth(rng: &mut fastrand::Rng) -> String {
    let digits = (0..docker::VETH_DIGITS).map(|_| rng.digit(16));
    docker::VETH_PREFIX.chars().chain(digits).collect()
}
