//! The whole datapath of a host, from the store's documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use kernel::rtnl::Link;
use kernel::{Batch, Netns, Result, Rtnl, Snapshot};

use super::announce::Macs;
use super::attach::{Attached, Refused};
use super::calm::Ears;
use super::counters::Counters;
use super::encryption::Encryption;
use super::gwbridge::{Gateway, Outside};
use super::leg::HangsOn;
use super::miss::{MissCounts, Resolution, Tell};
use super::plan::Tables;
use super::sandbox::Overlay;
use crate::host::Sandboxes;
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::ledger::{Moment, View};
use crate::model::{Endpoint, Network};

/// What an engine has in the kernel of its host, and the connections to it.
///
/// All of it is synchronous. It is level-triggered: `converge` makes of whatever is there what the documents say.
#[derive(Debug)]
pub(crate) struct Datapath {
    pub(super) host: Netns,
    pub(super) rtnl: Rtnl,
    pub(super) sandboxes: Sandboxes,
    pub(super) vtep: Ipv4Addr,
    pub(super) rng: fastrand::Rng,
    pub(super) counters: Counters,
    pub(super) overlays: BTreeMap<NetworkId, Overlay>,
    pub(super) attached: BTreeMap<EndpointId, Attached>,
    pub(super) gateway: Gateway,
    pub(super) encryption: Encryption,
    /// Connections to the containers that are attached.
    pub(super) inside: BTreeMap<SandboxId, Rtnl>,
    /// How peers get into the kernel, and where it is told what the kernel misses.
    resolution: Resolution,
    pub(super) tell: Tell,
    /// The peers that were missed and made known, by network.
    pub(super) resolved: BTreeMap<NetworkId, BTreeSet<IpAddr>>,
    pub(super) misses: MissCounts,
    /// What came of the documents that were last applied.
    pub(super) last: Report,
    pub(super) ears: Ears,
    /// What an earlier engine left has been looked at.
    adopted: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// When the documents were so that the kernel now agrees with.
    pub(crate) moment: Moment,
    /// Endpoints that could not be put into the kernel, and why.
    pub(crate) failed: BTreeMap<EndpointId, Refused>,
    /// Anything else that went wrong.
    pub(crate) faults: Vec<String>,
}

/// How the documents came, and so how far the kernel is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// A change: what is known of the kernel is taken for true, unless something fails.
    Change,
    /// Nothing came: the kernel is looked at, and what somebody changed in it is mended.
    Mend,
}

impl Datapath {
    /// Connects to the host's kernel.
    pub(crate) fn new(
        host: &Netns,
        sandboxes: &Sandboxes,
        vtep: Ipv4Addr,
        underlay: &[Ipv4Net],
        rng: fastrand::Rng,
        (resolution, tell): (Resolution, Tell),
    ) -> Result<Datapath> {
        let rtnl = Rtnl::new(host)?;
        // As a daemon does when it starts, whatever it is going to be asked for (20.10: `setup_ip_forwarding.go`).
        host.set_sysctl("ipv4/ip_forward", "1")?;
        Ok(Datapath {
            host: host.clone(),
            rtnl,
            sandboxes: sandboxes.clone(),
            vtep,
            rng,
            counters: Counters::new(),
            overlays: BTreeMap::new(),
            attached: BTreeMap::new(),
            gateway: Gateway::new(host, underlay),
            encryption: Encryption::new(host, vtep),
            inside: BTreeMap::new(),
            resolution,
            tell,
            resolved: BTreeMap::new(),
            misses: MissCounts::default(),
            last: Report::default(),
            ears: Ears::new()?,
            adopted: false,
        })
    }

    /// Makes the kernel agree with the documents. Older ones than before are passed over: what is reported then is
    /// what came of the newer.
    pub(crate) fn converge(&mut self, view: &View, pass: Pass) -> &Report {
        if view.moment() >= self.last.moment {
            self.last = self.agree(view, pass);
            // What was taken for true may not be: somebody has broken it since.
            let refused = |why: &Refused| matches!(why, Refused::Join(_));
            if pass == Pass::Change && self.last.failed.values().any(refused) {
                self.last = self.agree(view, Pass::Mend);
            }
        }
        &self.last
    }

    fn agree(&mut self, view: &View, pass: Pass) -> Report {
        let mut report = Report { moment: view.moment(), ..Report::default() };
        let takes_over = !std::mem::replace(&mut self.adopted, true);
        if takes_over {
            report.take("take over what is there", self.adopt(view));
            report.take("take over what encrypts", self.encryption.adopt());
        }
        if pass == Pass::Mend {
            self.ears.look();
            self.mend(&mut report);
            report.take("mend what encrypts", self.encryption.mend());
            let (sandboxes, overlays) = (&self.sandboxes, &self.overlays);
            self.counters.keep(
                |sandbox| sandboxes.container(sandbox).is_some(),
                |network| view.networks.contains_key(&network) || overlays.contains_key(&network),
            );
        }

        let mine = self.mine(view);
        for id in self.gone(view, &mine) {
            let sandbox = self.attached.get(&id).map(|attached| attached.sandbox);
            report.take("take an endpoint away", self.detach(id));
            // With the way outside its ports are gone, and not only until it is mended.
            if let Some(sandbox) = sandbox.filter(|sandbox| !self.gateway.outsides.contains_key(sandbox)) {
                self.sandboxes.note_bindings(sandbox, Vec::new());
            }
        }
        for (id, endpoint) in mine {
            if let Some(attached) = self.attached.get_mut(&id) {
                // It may have another name by now.
                if attached.endpoint.name != endpoint.name {
                    attached.endpoint = endpoint.clone();
                }
            } else if let Err(why) = self.put_in(view, endpoint) {
                report.failed.insert(id, why);
            }
        }
        if takes_over {
            self.discard_bindings();
        }
        self.note_known(view);
        let known = self.overlays.keys().filter_map(|id| view.networks.get(id));
        for found in known.collect::<Vec<_>>() {
            self.program(view, &found.value.network, &mut report);
        }
        let overlays = &self.overlays;
        report.take("encrypt no more", self.encryption.keep(|id| overlays.contains_key(&id)));
        self.prick_up_ears();
        report
    }

    /// All subnets of a network that have been joined anywhere, with their peers: also those that no container here is in, since
    /// it is here that packets to them are routed.
    pub(super) fn program(&mut self, view: &View, network: &Network, report: &mut Report) {
        let mut peers = view.peers(network.id, self.vtep);
        // Also of those that were not missed here: who has talked to the one before sends to its MAC, and asks for none.
        let v6 = peers.iter().filter(|(ip, _)| ip.is_ipv6());
        let macs: Macs = v6.map(|(ip, peer)| (*ip, peer.mac)).collect();
        if self.resolution == Resolution::OnMiss {
            let resolved = self.resolved.entry(network.id).or_default();
            // One that goes is missed again when it comes back.
            resolved.retain(|ip| peers.contains_key(ip));
            peers.retain(|ip, _| resolved.contains(ip));
        }
        if let Err(error) = self.encrypt(view, network) {
            // What is new would leave in clear.
            return report.take("encrypt a network", Err(error));
        }
        for subnet in network.subnets.iter().filter(|subnet| subnet.vni.is_some()) {
            report.take("build a subnet", self.extend(network, subnet));
            let Some(overlay) = self.overlays.get_mut(&network.id) else { continue };
            let Some(segment) = overlay.segments.get_mut(&subnet.v4.net) else { continue };
            report.take("address a bridge", segment.address(&overlay.netns, &overlay.rtnl, subnet));
            let within = peers.iter().filter(|(ip, _)| subnet.contains(**ip));
            let want = Tables::of(&within.map(|(ip, peer)| (*ip, *peer)).collect());
            report.take("program the peers", segment.program(&overlay.netns, &overlay.rtnl, want));
        }
        self.announce_moved(network, macs);
    }

    /// The endpoints that are to leave this kernel: they are not in the store any more, unless it has lost their network, or their
    /// container is gone.
    fn gone(&self, view: &View, mine: &BTreeMap<EndpointId, &Endpoint>) -> Vec<EndpointId> {
        let left = |attached: &&Attached| {
            !mine.contains_key(&attached.endpoint.id)
                && (!self.is_lost(view, attached.endpoint.network)
                    || self.sandboxes.container(attached.sandbox).is_none())
        };
        self.attached.values().filter(left).map(|attached| attached.endpoint.id).collect()
    }

    /// The endpoints that are to be in this kernel: of this host, with a sandbox that is here.
    fn mine<'a>(&self, view: &'a View) -> BTreeMap<EndpointId, &'a Endpoint> {
        let here = |id: SandboxId| self.sandboxes.container(id).is_some();
        let mine = view.endpoints_on(self.vtep).filter(|endpoint| endpoint.sandbox.is_some_and(here));
        mine.map(|endpoint| (endpoint.id, endpoint)).collect()
    }

    fn put_in(&mut self, view: &View, endpoint: &Endpoint) -> Result<(), Refused> {
        let refused = |why: &str| Refused::Join(why.to_owned());
        let found = view.networks.get(&endpoint.network);
        let network = found.ok_or_else(|| refused("its network is not in the store"))?.value.network.clone();
        let subnet = network
            .subnet_of(endpoint.address.addr())
            .ok_or_else(|| refused("its address is in none of its network's subnets"))?;
        let vni = subnet.vni.ok_or_else(|| refused("its network has no vxlan id"))?;
        let container = endpoint.sandbox.and_then(|id| self.sandboxes.container(id));
        let container = container.ok_or_else(|| refused("its container is gone"))?;
        self.encrypt(view, &network)?;
        self.attach(&network, (subnet, vni), endpoint, &container)
    }

    /// Looks at the kernel; what is broken there is taken apart, so that it is built again.
    fn mend(&mut self, report: &mut Report) {
        report.take("mend the rules", self.gateway.mend_rules());
        let broken = match self.broken() {
            Ok(broken) => broken,
            Err(error) => return report.take("look at the kernel", Err(error)),
        };
        for id in broken {
            tracing::info!(host = self.host.name(), endpoint = %id, "mending what somebody broke");
            let Some(Attached { endpoint, sandbox, .. }) = self.attached.get(&id).cloned() else { continue };
            report.take("take apart what is broken", self.detach(id));
            // What is built again gets the names that it had.
            if !self.overlays.contains_key(&endpoint.network) {
                self.counters.same_epoch(endpoint.network);
            }
            if self.attached.values().all(|other| other.sandbox != sandbox) {
                self.counters.forget(sandbox);
            }
        }
    }

    /// The endpoints of which something is missing in the kernel. What is only switched off is switched on.
    fn broken(&mut self) -> Result<BTreeSet<EndpointId>> {
        let host = self.rtnl.links()?;
        let bridge = self.gateway.bridge.filter(|index| host.iter().any(|link| link.index == *index));
        if self.gateway.bridge.is_some() && bridge.is_none() {
            self.gateway.bridge = None;
        }
        let ours =
            |index| bridge == Some(index) || self.gateway.outsides.values().any(|out| out.outer == index);
        switch_on(&self.rtnl, host.iter().filter(|link| ours(link.index)))?;
        let cut: BTreeSet<SandboxId> = self
            .gateway
            .outsides
            .iter()
            .filter(|(_, outside)| {
                !host
                    .iter()
                    .any(|link| link.index == outside.outer && bridge.is_some() && link.master == bridge)
            })
            .map(|(sandbox, _)| *sandbox)
            .collect();

        let mut broken = BTreeSet::new();
        for (network, overlay) in &mut self.overlays {
            let have = overlay.look()?;
            switch_on(&overlay.rtnl, have.iter().flat_map(|have| &have.links))?;
            for (id, attached) in
                self.attached.iter().filter(|(_, attached)| attached.endpoint.network == *network)
            {
                let segment =
                    overlay.segments.iter().find(|(net, _)| net.contains(&attached.endpoint.address.addr()));
                let plugged = have.as_ref().zip(segment).is_some_and(|(have, (_, segment))| {
                    match &attached.leg.hangs_on {
                        HangsOn::Port(index, _) => {
                            have.by_index(*index).is_some_and(|port| port.master == Some(segment.bridge))
                        }
                        // It ends with the vxlan device.
                        HangsOn::Tunnel => true,
                    }
                });
                if !plugged || (attached.outward && cut.contains(&attached.sandbox)) {
                    broken.insert(*id);
                }
            }
        }
        for (id, attached) in &self.attached {
            if !broken.contains(id) && !self.is_whole_inside(attached)? {
                broken.insert(*id);
            }
        }
        Ok(broken)
    }

    /// Whether the container's half is as it was made. A container that is gone is none to mend.
    fn is_whole_inside(&self, attached: &Attached) -> Result<bool> {
        let Some(inside) = self.inside.get(&attached.sandbox) else { return Ok(true) };
        let have = Snapshot {
            links: inside.links()?,
            addresses: inside.addresses()?,
            routes: inside.routes()?,
            ..Snapshot::default()
        };
        let dev = attached.leg.inner;
        let leads = |to: Option<IpNet>, index| {
            have.routes.iter().any(|route| route.to == to && route.dev == Some(index))
        };
        let addressed = attached.endpoint.addresses().all(|address| {
            let there = have.addresses.iter().any(|found| found.dev == dev && found.net == address);
            there && leads(Some(address.trunc()), dev)
        });
        let up = have.by_index(dev).is_some_and(|link| link.up);
        let outside = self.gateway.outsides.get(&attached.sandbox);
        let beyond = attached.leg.beyond.iter().all(|(net, _)| leads(Some(*net), dev));
        let out = !attached.outward || outside.is_some_and(|outside| leads(None, outside.inner));
        Ok(addressed && up && beyond && out)
    }

    /// The endpoints in the kernel.
    pub(crate) fn attached(&self) -> impl Iterator<Item = &Attached> {
        self.attached.values()
    }

    /// An endpoint in the kernel.
    pub(crate) fn endpoint(&self, id: EndpointId) -> Option<&Attached> {
        self.attached.get(&id)
    }

    /// A container's place on the gateway bridge.
    pub(crate) fn outside(&self, sandbox: SandboxId) -> Option<&Outside> {
        self.gateway.outsides.get(&sandbox)
    }

    /// The gateway bridge's subnet and its own address.
    pub(crate) fn gateway(&self) -> (Ipv4Net, Ipv4Addr) {
        (self.gateway.subnet(), self.gateway.address())
    }

    /// What the kernel has missed so far.
    pub(crate) fn misses(&self) -> MissCounts {
        self.misses
    }

    /// The name of the overlay's namespace, if it is there.
    pub(crate) fn overlay(&self, network: NetworkId) -> Option<&str> {
        self.overlays.get(&network).map(|overlay| overlay.name.as_str())
    }
}

/// Switches on what is off of these links.
fn switch_on<'a>(rtnl: &Rtnl, links: impl Iterator<Item = &'a Link>) -> Result<()> {
    let off = links.filter(|link| !link.up);
    let batch = off.fold(Batch::new(), |batch, link| batch.up(link.index, &link.name));
    let failed = rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
    failed.map_or(Ok(()), Err)
}

impl Report {
    pub(super) fn take(&mut self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            self.faults.push(format!("cannot {what}: {error}"));
        }
    }
}
