//! A container that is put on a network, or taken off it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use kernel::{Batch, Error, Mac, Result, Rtnl};

use super::announce::{self, Macs};
use super::converge::Datapath;
use super::gwbridge::Outside;
use super::ports::BadPort;
use super::sandbox::{self, BRIDGE_INDEX, Overlay};
use super::veth::Pair;
use crate::docker;
use crate::host::{ContainerRef, LocalNetwork};
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::model::{Endpoint, Network, Subnet, Vni};

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
    pub(super) pair: Pair,
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
        &self.pair.inner_name
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
            None => Some(self.new_overlay(network.id, (subnet, vni))?),
        };
        let (inner, outer) = (self.counters.index(), self.counters.index());
        let inner_name = self.counters.interface(container.sandbox);
        let needs_outside = !network.internal && !self.gateway.outsides.contains_key(&container.sandbox);
        let bridge = match (needs_outside, self.gateway.bridge) {
            (true, None) => Some(self.counters.index()),
            _ => None,
        };
        let outside = if needs_outside { Some(self.new_outside(container)?) } else { None };

        let mut built = Built { fresh, bridge, outside, pair: None };
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

        // From the overlay's namespace: bridge and pair.
        let is_fresh = built.fresh.is_some();
        let overlay = match &mut built.fresh {
            Some(overlay) => overlay,
            None => self.overlays.get_mut(&network.id).expect("attach looked whether it is there"),
        };
        let outer_name = overlay.next_veth();
        let beyond = network.beyond(endpoint);
        let pair = Pair { inner, inner_name, outer, outer_name, beyond };
        let gone = || Error::other("plug", &pair.outer_name, "its subnet is not there");
        let segment = overlay.segments.get_mut(&subnet.v4.net).ok_or_else(gone)?;
        let mut batch = Batch::new();
        if is_fresh {
            let mac = bridge_mac(&mut self.rng, network);
            batch = segment.inside(batch.up(1, "lo"), subnet, network.mtu(), mac);
        }
        batch = pair.outside(batch, segment.bridge, &container.netns, endpoint, network.mtu());
        built.pair = Some(pair.clone());
        overlay.rtnl.apply(&batch)?;

        // From the host: the vxlan device, the gateway bridge and its pair.
        let mut batch = Batch::new();
        if is_fresh {
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
        pair.with_ipv6(&container.netns, endpoint)?;
        let mut batch = pair.inside(Batch::new().up(1, "lo"), endpoint);
        if let Some(outside) = &built.outside {
            batch = self.gateway.inside(batch, outside);
        }
        let inside = connect(&mut self.inside, container)?;
        inside.apply(&batch)?;

        // Not before both halves carry frames is the container there.
        overlay.rtnl.wait_running(pair.outer, &pair.outer_name, PATIENCE)?;
        // The bridge may have learned that it is elsewhere, behind the vxlan device: then what comes from there for an address
        // that has moved here would be dropped for minutes, until the container speaks first.
        overlay.rtnl.apply(&Batch::new().learn(pair.outer, endpoint.mac))?;
        inside.wait_running(pair.inner, &pair.inner_name, PATIENCE)?;
        if let Some(address) = endpoint.address6 {
            inside.wait_local(address.addr(), PATIENCE)?;
            // The others here may have talked to who had it before.
            let its = Macs::from([(address.addr().into(), endpoint.mac)]);
            if let Err(error) = announce::say(&container.netns, pair.inner, &pair.inner_name, &its) {
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
        if let Some(pair) = built.pair {
            let outward = !network.internal;
            let attached = Attached { endpoint: endpoint.clone(), sandbox: container.sandbox, outward, pair };
            self.attached.insert(endpoint.id, attached);
        }
    }

    /// Takes back what was built of an attachment that failed. What is not there needs no taking back.
    fn undo(&mut self, built: &Built, network: NetworkId, container: &ContainerRef) {
        let removed = |rtnl: &Rtnl, index: u32, name: &str| {
            for error in rtnl.apply_all(&Batch::new().remove_link(index, name)) {
                if !error.is_missing() {
                    tracing::warn!(host = self.host.name(), %error, "left behind after a failed join");
                }
            }
        };
        let overlay = built.fresh.as_ref().or_else(|| self.overlays.get(&network));
        if let (Some(overlay), Some(pair)) = (overlay, &built.pair) {
            removed(&overlay.rtnl, pair.outer, &pair.outer_name);
        }
        for segment in built.fresh.iter().flat_map(|overlay| overlay.segments.values()) {
            if let Some(overlay) = &built.fresh {
                removed(&overlay.rtnl, segment.vxlan, &segment.vxlan_name);
            }
        }
        if let Some(outside) = &built.outside {
            removed(&self.rtnl, outside.outer, &outside.outer_name);
        }
        if let Some(index) = built.bridge {
            removed(&self.rtnl, index, docker::GWBRIDGE);
        }
        if built.outside.is_some()
            && let Err(error) = self.gateway.close_ports(container.sandbox)
        {
            tracing::warn!(host = self.host.name(), %error, "left behind after a failed join");
        }
    }

    /// Takes an endpoint out of the kernel, and the overlay with its last one.
    pub(super) fn detach(&mut self, id: EndpointId) -> Result<()> {
        let Some(Attached { endpoint, sandbox, pair, .. }) = self.attached.get(&id).cloned() else {
            return Ok(());
        };
        if let Some(overlay) = self.overlays.get(&endpoint.network) {
            remove(&overlay.rtnl, pair.outer, &pair.outer_name)?;
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
    fn new_overlay(&mut self, network: NetworkId, (subnet, vni): (&Subnet, Vni)) -> Result<Overlay> {
        let name = network.namespace(self.counters.epoch(network));
        let vxlan = self.counters.index();
        let mut overlay = Overlay::new(&name)?;
        let segment = overlay.next_segment(vni, BRIDGE_INDEX, vxlan);
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
        let mut segment = overlay.next_segment(vni, self.counters.index(), self.counters.index());
        let mac = bridge_mac(&mut self.rng, network);
        overlay.rtnl.apply(&segment.inside(Batch::new(), subnet, network.mtu(), mac))?;
        let tunnel = segment.tunnel(Batch::new(), &overlay.netns, network.mtu());
        let made = self.rtnl.apply(&tunnel);
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
    pair: Option<Pair>,
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

fn remove(rtnl: &Rtnl, index: u32, name: &str) -> Result<()> {
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
