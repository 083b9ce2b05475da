//! Bringing a lab up: switch, hosts, outside world, store, engines, networks, containers. Then it is ready.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use kernel::{Batch, Netns, Rtnl};
use overlay::id::{ContainerId, SandboxId};
use overlay::kv::Kv;
use overlay::{ContainerRef, Engine, HostEnv};
use tokio::sync::mpsc;

use super::recording::Moment;
use super::store::client;
use super::{Inner, Lab, Slot, Timings};
use crate::capture::Cuts;
use crate::consul::{Ills, Trace};
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::hand::ByHand;
use crate::host::{Death, Host, blocking};
use crate::probe::lacking_inside;
use crate::topology::{self, Topology};
use crate::underlay::{Fabric, Outside, Plug, Port};

/// The port that Docker's daemons advertise, as in the article: `--cluster-advertise=eth0:2376`.
const ADVERTISED_PORT: u16 = 2376;
/// How long engines may take to know each other's endpoints before `up` gives up.
pub(super) const READY: Duration = Duration::from_secs(30);
/// How long they are waited for while something is wrong in the lab on purpose: some may not hear of each other at all.
const HINDERED: Duration = Duration::from_secs(2);

/// Times the parts of a construction.
struct Clock {
    last: Instant,
    parts: Timings,
}

impl Clock {
    fn lap(&mut self, part: &str) {
        let now = Instant::now();
        self.parts.0.push((part.to_owned(), now - self.last));
        self.last = now;
    }
}

impl Lab {
    /// Builds the lab and returns when its containers can reach each other and its processes are ready. If anything fails, nothing
    /// is left: what was built so far is dropped. That the machine lacks what the topology requires is an error before that.
    pub async fn up(topology: Topology) -> Result<Lab> {
        if let Some(why) = lacking_inside(&topology.requires) {
            return Err(Error::new(Kind::Machine, why));
        }
        let mut clock = Clock { last: Instant::now(), parts: Timings::default() };
        let (died, deaths) = mpsc::unbounded_channel();
        let lab = lay_out(topology, died, &mut clock).await?;
        lab.open_store()?;
        clock.lap("store");
        let lab = Lab(Arc::new(lab));
        tokio::spawn(bury(Arc::downgrade(&lab.0), deaths));
        lab.start_recording(Moment::First).await?;
        lab.start_engines().await?;
        clock.lap("engines");
        for network in &lab.topology().networks {
            lab.create_network(network.on.as_str(), request(network)).await?;
        }
        clock.lap("networks");
        // Commands may talk to each other at once. Where there are none, it is enough that engines know of all containers in the end.
        let held = lab.topology().containers.iter().all(|container| container.command.is_empty());
        lab.hold_engines(held);
        for container in &lab.topology().containers {
            lab.run_container(container).await?;
        }
        lab.hold_engines(false);
        clock.lap("containers");
        lab.start_recording(Moment::Populated).await?;
        lab.settle().await?;
        clock.lap("settled");
        if !lab.topology().processes.is_empty() {
            lab.start_processes(None).await?;
            clock.lap("processes");
        }
        // Only now: a wire that loses frames would make a fact of readiness a matter of luck.
        if lab.topology().hosts.iter().any(|host| host.wire != topology::Wire::default()) {
            lab.conform().await?;
            clock.lap("wires");
        }
        if let Ok(mut timings) = lab.0.timings.lock() {
            *timings = clock.parts;
        }
        lab.events().say("up", format_args!("lab {} is up", lab.topology().name));
        Ok(lab)
    }

    async fn start_engines(&self) -> Result<()> {
        let engines: Vec<&Arc<Host>> = self.hosts().filter(|host| host.spec.engine).collect();
        for host in &engines {
            self.start_engine(host)?;
        }
        for host in engines {
            within(READY, host.engine()?.ready(), "an engine did not reach the store").await?;
        }
        Ok(())
    }

    fn hold_engines(&self, held: bool) {
        self.hosts().filter_map(|host| host.engine().ok()).for_each(|engine| engine.hold(held));
    }

    pub(super) fn start_engine(&self, host: &Host) -> Result<()> {
        let alive = host.alive()?;
        let env = HostEnv {
            name: host.name().to_owned(),
            netns: alive.netns.clone(),
            advertise: SocketAddr::new(IpAddr::V4(host.ip()), ADVERTISED_PORT),
            sandboxes: alive.sandboxes.clone(),
            underlay: vec![self.topology().underlay.subnet],
        };
        let kv = self.kv_from(&alive.netns)?;
        let (journal, name) = (self.0.journal.clone(), host.name().to_owned());
        let witness =
            overlay::Witness::new(move |text| journal.say("engine", format_args!("{name}: {text}")));
        let seed = self.seed_of(host.name());
        let nameservers = self.topology().underlay.nameserver().into_iter().collect();
        let resolution = host.spec.resolution;
        let mut config =
            overlay::Config { nameservers, resolution, seed, witness, ..overlay::Config::default() };
        if let Some(topology::Kv::Stub { session_ttl_min, .. }) = &self.topology().kv {
            // A store that allows shorter sessions is one for labs in which hosts are to be given up sooner.
            config.session_ttl = *session_ttl_min;
            config.peer_grace = *session_ttl_min * 2;
        }
        alive.set_engine(Engine::start(env, kv, config)?);
        Ok(())
    }

    /// A client of the store whose sockets are made in `netns`: it goes over the underlay.
    pub(crate) fn kv_from(&self, netns: &Netns) -> Result<Kv> {
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else {
            return Err(Error::new(Kind::NoSuch, "this lab has no store"));
        };
        let store = self.topology().host(host.as_str()).map_or(Ipv4Addr::UNSPECIFIED, |host| host.ip);
        Ok(Kv::Consul(client(host.as_str(), store, netns)))
    }

    /// The lab's seed, made different for each name.
    pub(crate) fn seed_of(&self, name: &str) -> u64 {
        // FNV-1a, so that it is the same on every machine and in every build.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        name.bytes().fold(self.topology().seed ^ 0xcbf2_9ce4_8422_2325, mix)
    }

    /// Runs a container: its namespace, its networks, its command.
    pub(crate) async fn run_container(&self, spec: &topology::Container) -> Result<Arc<Container>> {
        let host = Arc::clone(self.known_host(spec.on.as_str())?);
        let this = self.new_container(spec).await?;
        let container = Arc::new(Container::new(spec.clone(), Arc::clone(&host), this));
        {
            // Looked and listed in one go, or two at once could both have the name. Listed before it is built, so that a
            // crash of its host in between takes it along.
            let mut slots = self.slots();
            if let Some(slot) = slots.iter().find(|slot| slot.name() == spec.name.as_str()) {
                return Err(taken(slot));
            }
            slots.push(Slot::Up(Arc::clone(&container)));
        }
        match self.start_container(&container).await {
            Ok(()) => Ok(container),
            Err(error) => {
                // What it failed for is what counts; of the container nothing may stay.
                let _ = self.take_off(&container).await;
                self.forget(&container);
                self.tell_container("destroy", &container);
                Err(error)
            }
        }
    }

    async fn start_container(&self, container: &Arc<Container>) -> Result<()> {
        self.tell_container("create", container);
        container.host.alive()?.sandboxes.insert_container(container.this.clone());
        for attachment in &container.spec.networks {
            let asked = overlay::JoinOptions {
                ip: attachment.ip,
                ip6: attachment.ip6,
                mac: attachment.mac,
                aliases: attachment.aliases.clone(),
                ..overlay::JoinOptions::default()
            };
            let info = self.join(container, attachment.network.as_str(), asked).await?;
            self.tell_endpoint("connect", container, &info);
        }
        container.host.pin()?;
        self.start_command(container).await
    }

    /// Puts a container on a network.
    pub(super) async fn join(
        &self,
        container: &Container,
        network: &str,
        asked: overlay::JoinOptions,
    ) -> Result<overlay::EndpointInfo> {
        let info = container.connect(network, asked).await?;
        if let Some(believed) = self.topology().believed() {
            let (netns, name) = (container.this.netns.clone(), info.interface.clone());
            let believe = move || {
                let rtnl = Rtnl::new(&netns)?;
                // Somebody may have taken it away already.
                let Some(link) = rtnl.links()?.into_iter().find(|link| link.name == name) else {
                    return Ok(());
                };
                rtnl.apply(&Batch::new().believe_neighbours(link.index, &name, believed))
            };
            blocking(believe).await?;
        }
        Ok(info)
    }

    /// An id, a sandbox and a namespace with nothing but its loopback.
    async fn new_container(&self, spec: &topology::Container) -> Result<ContainerRef> {
        let name = spec.name.as_str();
        // Counted, so that one that is run again under its old name is another.
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        let mut rng = fastrand::Rng::with_seed(self.seed_of(&format!("container {name} {number}")));
        let label = name.to_owned();
        let netns = blocking(move || {
            let netns = Netns::new(&label)?;
            Rtnl::new(&netns)?.apply(&Batch::new().up(1, "lo"))?;
            Ok(netns)
        });
        Ok(ContainerRef {
            id: ContainerId::random(&mut rng),
            name: name.to_owned(),
            sandbox: SandboxId::random(&mut rng),
            netns: netns.await?,
            publish: spec.publish.clone(),
            dns: spec.dns.clone(),
        })
    }

    /// Waits until every engine has done what the store asks for now: then containers reach each other.
    pub(crate) async fn settle(&self) -> Result<()> {
        if self.topology().kv.is_none() {
            return Ok(());
        }
        let engines = self.hosts().filter_map(|host| host.engine().ok());
        let engines: Vec<Engine> = engines.filter(|engine| !engine.is_paused()).collect();
        let hindered = !self.wanted_faults().is_empty();
        let settled = tokio::time::timeout(if hindered { HINDERED } else { READY }, agree(&engines)).await;
        match settled {
            Ok(Ok(())) => {}
            Ok(Err(error)) if !hindered => return Err(error),
            _ if hindered => self.events().say("fault", "not all engines know of it yet"),
            _ => {
                let late = format_args!("the engines did not agree within {} s", READY.as_secs());
                return Err(Error::new(Kind::Machine, late));
            }
        }
        // A network has its VNI from its first container on: a fault may have waited for it.
        if self.wanted_faults().iter().any(|active| active.fault.network().is_some()) {
            self.conform().await?;
        }
        Ok(())
    }
}

/// Waits until every engine has done what the store asks for now, as one of them says that it is.
async fn agree(engines: &[Engine]) -> Result<()> {
    let Some(first) = engines.first() else { return Ok(()) };
    let index = first.store_index().await?;
    for engine in engines {
        engine.converged(index).await?;
    }
    Ok(())
}

/// An engine's answer, if it comes in time.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = overlay::Result<T>>,
    otherwise: &str,
) -> Result<T> {
    let late = |_| Error::new(Kind::Machine, format_args!("{otherwise} within {} s", limit.as_secs()));
    Ok(tokio::time::timeout(limit, answer).await.map_err(late)??)
}

/// The name is another container's, in Docker's words.
pub(super) fn taken(slot: &Slot) -> Error {
    let by = match slot {
        Slot::Up(container) => format!("container \"{:#}\"", container.this.id),
        Slot::Lost(spec) => format!("a container that was lost with host {}", spec.on),
    };
    let name = slot.name();
    let said = format_args!(
        "Conflict. The container name \"/{name}\" is already in use by {by}. You have to remove (or rename) that \
         container to be able to reuse that name."
    );
    Error::new(Kind::Refused, said)
}

/// Switch, hosts and outside world.
async fn lay_out(topology: Topology, died: mpsc::UnboundedSender<Death>, clock: &mut Clock) -> Result<Inner> {
    let underlay = topology.underlay.clone();
    let gateway = (!underlay.internet.is_empty()).then_some(underlay.gateway);
    let (specs, believed) = (topology.hosts.clone(), topology.believed());
    let mut plugs = Vec::new();
    for (number, spec) in (0..).zip(&specs) {
        let (name, known) = (spec.name.to_string(), topology.acquainted(spec));
        plugs.push(Plug { name, port: Port(number), ip: spec.ip, gateway, known, believed });
    }
    let ports: BTreeMap<String, Port> = plugs.iter().map(|plug| (plug.name.clone(), plug.port)).collect();
    if gateway.is_some() {
        let port = Port(u32::try_from(plugs.len()).unwrap_or(u32::MAX));
        let (name, known) = ("internet".to_owned(), Vec::new());
        plugs.push(Plug { name, port, ip: underlay.gateway, gateway: None, known, believed });
    }
    let built = tokio::task::spawn_blocking({
        let underlay = underlay.clone();
        move || Fabric::build(&underlay, &plugs)
    });
    let (fabric, mut namespaces) = built.await.map_err(|e| Error::new(Kind::Machine, e))??;
    // It was plugged in last.
    let outside = gateway.and_then(|_| namespaces.pop());
    let outside = outside.map(|netns| Outside::open(netns, &underlay)).transpose()?;
    clock.lap("underlay");

    let names = names_of(&specs);
    let hosts = specs.into_iter().zip(namespaces).map(|(spec, netns)| {
        let host = Host::new(spec, netns, names.clone(), underlay.nameserver(), died.clone());
        (host.name().to_owned(), Arc::new(host))
    });
    Ok(Inner {
        hosts: hosts.collect(),
        topology,
        containers: Mutex::default(),
        ports,
        fabric,
        outside,
        events: Events::default(),
        journal: Events::default(),
        trace: Trace::default(),
        hearing: Mutex::default(),
        recording: Mutex::default(),
        marks: Mutex::default(),
        timings: Mutex::default(),
        processes: Mutex::default(),
        left: Mutex::default(),
        started: AtomicU64::default(),
        store: Mutex::default(),
        ills: Ills::default(),
        disk: OnceLock::new(),
        faults: Mutex::default(),
        cuts: Cuts::default(),
        by_hand: ByHand::default(),
        injecting: tokio::sync::Mutex::default(),
        conforming: tokio::sync::Mutex::default(),
    })
}

/// The hosts' common `/etc/hosts`.
fn names_of(hosts: &[topology::Host]) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n");
    for host in hosts {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\t{}", host.ip, host.name);
    }
    text
}

/// The engine's request for a network of the file.
pub(crate) fn request(network: &topology::Network) -> overlay::CreateNetwork {
    let text = |(name, ip): (&String, &IpAddr)| (name.clone(), ip.to_string());
    let pool = |subnet: &topology::Subnet| overlay::ipam::PoolRequest {
        subnet: Some(subnet.subnet.to_string()),
        gateway: subnet.gateway.map(|ip| ip.to_string()),
        ip_range: subnet.ip_range.map(|range| range.to_string()),
        aux: subnet.aux.iter().map(text).collect(),
    };
    overlay::CreateNetwork {
        name: network.name.to_string(),
        pools: network.subnets.iter().map(pool).collect(),
        ipv6: network.ipv6,
        internal: network.internal,
        attachable: network.attachable,
        options: network.options.clone(),
        labels: network.labels.clone(),
    }
}

/// Hosts whose init has died are taken down, as a crash.
async fn bury(lab: std::sync::Weak<Inner>, mut deaths: mpsc::UnboundedReceiver<Death>) {
    while let Some(Death { host, life }) = deaths.recv().await {
        let Some(lab) = lab.upgrade() else { return };
        let (Some(host), Some(life)) = (lab.hosts.get(&host), life.upgrade()) else { continue };
        if let Err(error) = lab.crash(host, &life) {
            lab.events
                .say("crash", format_args!("host {} was not taken down in order: {error}", host.name()));
        }
    }
}
