//! The engine of one host: it follows the store, keeps the kernel in agreement with it, and does what is asked.

mod follow;
mod join;
mod keyring;
mod names;
mod show;
mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;

use crate::datapath::{Datapath, MissCounts, Pass, Report, Resolution};
use crate::discovery::Membership;
use crate::error::{Cause, Result};
use crate::gate::Gate;
use crate::host::HostEnv;
use crate::id::{EndpointId, NetworkId};
use crate::inspect::Asked;
use crate::kv::{Kv, keys};
use crate::ledger::View;
use crate::model::{Endpoint, Held, Vni};
use crate::witness::Witness;

use names::NameServers;

pub use join::{EndpointInfo, JoinOptions};
pub use show::NetworkSummary;

/// How long a query blocks that waits for stale endpoints to go.
const SWEEP: Duration = Duration::from_secs(5);

/// What is chosen for an engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// TTL of the session that holds this host's key. It ends at latest after twice that time.
    pub session_ttl: Duration,
    /// How long the endpoints of a host that is gone are kept in the store.
    pub peer_grace: Duration,
    /// How long an encrypted network's old key is kept when nobody sends by it any more: longer than a packet is under way.
    pub key_grace: Duration,
    /// How often the kernel is looked at, and mended.
    pub mend: Duration,
    /// How peers get into the kernel.
    pub resolution: Resolution,
    /// The host's name servers: they are asked for names that no container has.
    pub nameservers: Vec<Ipv4Addr>,
    /// Ids and names are drawn from it.
    pub seed: u64,
    /// Who hears what it does of its own accord.
    pub witness: Witness,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            // Consul allows no less.
            session_ttl: Duration::from_secs(10),
            peer_grace: Duration::from_secs(20),
            key_grace: Duration::from_secs(2),
            mend: Duration::from_secs(2),
            resolution: Resolution::Store,
            nameservers: Vec::new(),
            seed: 0,
            witness: Witness::default(),
        }
    }
}

/// An engine. Clones are handles to one; with the last of them its tasks end. The kernel keeps what they made: only
/// verbs remove something, so that an engine can die and another take over.
#[derive(Debug, Clone)]
pub struct Engine {
    core: Arc<Core>,
    tasks: Arc<Tasks>,
}

/// The tasks of an engine; they end with it.
#[derive(Debug)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// What the handles and the tasks share.
#[derive(Debug)]
struct Core {
    env: HostEnv,
    vtep: Ipv4Addr,
    kv: Kv,
    config: Config,
    membership: Arc<Membership>,
    /// Locked by threads that may block, for as long as the kernel takes. None once the engine was ended.
    datapath: Arc<Mutex<Option<Datapath>>>,
    ended: AtomicBool,
    /// Whether it does not follow the store for now.
    held: watch::Sender<bool>,
    /// Closed while the engine is paused.
    gate: Gate,
    /// One transaction of this engine at a time: it would only get in its own way.
    turn: Semaphore,
    drawn: Mutex<Drawn>,
    applied: watch::Sender<Applied>,
    names: Arc<NameServers>,
}

/// What this engine draws, and has to remember.
#[derive(Debug)]
struct Drawn {
    rng: fastrand::Rng,
    last_vni: Option<Vni>,
    /// The addresses that were asked for, which `inspect` shows.
    asked: BTreeMap<EndpointId, Asked>,
    /// Endpoints that are being crossed out: that they are missing is as it should be.
    leaving: BTreeSet<EndpointId>,
}

/// How far the kernel follows the store.
#[derive(Debug, Clone, Default)]
struct Applied {
    /// The index up to which all is as it should be.
    index: u64,
    view: Arc<View>,
    /// What is not, now.
    faults: Vec<String>,
    /// This host's endpoints, in the kernel or in these documents.
    mine: Arc<BTreeMap<EndpointId, Endpoint>>,
    /// The session that held this host's key in these documents.
    session: Option<String>,
    /// What the kernel has of encrypted networks' keys.
    held: Arc<BTreeMap<NetworkId, Held>>,
}

impl Engine {
    /// Starts an engine on a host, on the current runtime. The store need not be there yet.
    pub fn start(env: HostEnv, kv: Kv, config: Config) -> Result<Engine> {
        let vtep = keys::host_of(env.advertise).ok_or(Cause::Advertise(env.advertise))?;
        // Hosts that were given one seed draw differently.
        let seed = config.seed ^ u64::from(u32::from(vtep)) << 32;
        let mut rng = fastrand::Rng::with_seed(seed);
        let (tell, told) = mpsc::unbounded_channel();
        let misses = (config.resolution, tell);
        let datapath = Datapath::new(&env.netns, &env.sandboxes, vtep, &env.underlay, rng.fork(), misses)?;
        let bell = datapath.bell()?;
        let (applied, gate) = (watch::Sender::default(), Gate::default());
        let names = Arc::new(NameServers {
            env: env.clone(),
            vtep,
            upstreams: config.nameservers.clone(),
            seed,
            gate: gate.clone(),
            witness: config.witness.clone(),
            applied: applied.clone(),
            running: Mutex::default(),
        });
        let core = Arc::new(Core {
            vtep,
            membership: Membership::new(kv.clone(), env.advertise, config.session_ttl),
            kv,
            config,
            env,
            datapath: Arc::new(Mutex::new(Some(datapath))),
            ended: AtomicBool::new(false),
            held: watch::Sender::default(),
            gate,
            turn: Semaphore::new(1),
            drawn: Mutex::new(Drawn {
                rng,
                last_vni: None,
                asked: BTreeMap::new(),
                leaving: BTreeSet::new(),
            }),
            applied,
            names,
        });
        let gate = core.gate.clone();
        let keep = Arc::clone(&core.membership).keep();
        let member = tokio::spawn(async move { gate.run(keep).await });
        let gate = core.gate.clone();
        let following = Arc::clone(&core).follow(told, bell);
        let follow = tokio::spawn(async move { gate.run(following).await });
        let tasks = Arc::new(Tasks(vec![member.abort_handle(), follow.abort_handle()]));
        Ok(Engine { core, tasks })
    }

    /// Ends the engine now, whoever else has a handle: its tasks end, its descriptors are closed, its verbs fail.
    /// Nothing is removed from kernel or store.
    pub fn abort(&self) {
        self.core.ended.store(true, Ordering::Relaxed);
        self.tasks.0.iter().for_each(AbortHandle::abort);
        drop(self.core.datapath.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Whoever starts them does so with the datapath.
        self.core.names.end();
    }

    /// Stops it as SIGSTOP stops a process: it renews and follows nothing, its verbs wait, its sockets stay open.
    pub fn pause(&self) {
        self.core.gate.close();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.core.gate.open();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.core.gate.is_closed()
    }

    /// Lets it follow the store no more, or again; its own verbs go on. What happens meanwhile is seen at once in the end: where a
    /// thousand containers join, one after another, no engine need hear of each of them.
    pub fn hold(&self, held: bool) {
        self.core.held.send_replace(held);
    }

    /// Waits until no endpoint of this host is in the store that no container here has: what an earlier life of the host has
    /// left there is crossed out, and its addresses are free.
    pub async fn swept(&self) -> Result<()> {
        let mut index = 0;
        loop {
            let listing = self.core.kv.watch(keys::ALL, index, SWEEP).await?;
            index = listing.index;
            let view = View::read(&listing);
            if !view.endpoints_on(self.core.vtep).any(|endpoint| self.core.is_stale(&view, endpoint)) {
                return Ok(());
            }
        }
    }

    /// Waits until the host is registered and has followed the store once.
    pub async fn ready(&self) -> Result<()> {
        let mut standing = self.core.membership.standing();
        standing.wait_for(|standing| standing.registered).await.map_err(|_| Cause::Ended)?;
        self.converged(1).await
    }

    /// The store's index now. An engine that has [converged](Engine::converged) to it has seen all that was done before.
    pub async fn store_index(&self) -> Result<u64> {
        Ok(self.core.kv.list(keys::ALL).await?.index)
    }

    /// Waits until the kernel agrees with the store as it was at this index, or later: the peers are programmed.
    pub async fn converged(&self, index: u64) -> Result<()> {
        let mut applied = self.core.applied.subscribe();
        applied.wait_for(|applied| applied.index >= index).await.map_err(|_| Cause::Ended)?;
        Ok(())
    }

    /// What keeps the kernel from agreeing with the store, now.
    pub fn faults(&self) -> Vec<String> {
        self.core.applied.borrow().faults.clone()
    }

    /// What the kernel has missed so far, and what came of it.
    pub async fn misses(&self) -> Result<MissCounts> {
        self.core.with_datapath(|datapath| datapath.misses()).await
    }

    /// The host that the engine is on.
    pub fn host(&self) -> &HostEnv {
        &self.core.env
    }
}

impl Core {
    /// Reads all documents of the store.
    async fn look(&self) -> Result<Arc<View>> {
        self.gate.pass().await;
        loop {
            let known = self.seen();
            let view = View::since(&known, &self.kv.list(keys::ALL).await?);
            // If somebody noticed meanwhile that the store began anew, this may be of either life.
            if self.seen().life <= view.life {
                return Ok(Arc::new(view));
            }
        }
    }

    /// Works on the kernel, on a thread that may block.
    async fn with_datapath<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Datapath) -> R + Send + 'static,
    ) -> Result<R> {
        let datapath = Arc::clone(&self.datapath);
        let work = move || datapath.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(f);
        let done = tokio::task::spawn_blocking(work).await.ok().flatten();
        done.ok_or_else(|| Cause::Ended.into())
    }

    /// Makes the kernel agree with the documents, and says how far it does.
    async fn settle(&self, view: Arc<View>, pass: Pass) -> Result<Report> {
        let view = self.reclaim(view).await?;
        let session = view.sessions.get(&self.vtep).cloned();
        let (applied, names, vtep) = (self.applied.clone(), Arc::clone(&self.names), self.vtep);
        let (name, witness) = (self.env.name.clone(), self.config.witness.clone());
        self.with_datapath(move |datapath| {
            let report = datapath.converge(&view, pass).clone();
            let failed = report.failed.values().map(ToString::to_string);
            let faults: Vec<String> = failed.chain(report.faults.iter().cloned()).collect();
            for fault in &faults {
                tracing::warn!(host = name, "{fault}");
                witness.say(fault);
            }
            let here = datapath.attached().map(|attached| (attached.endpoint.id, attached.endpoint.clone()));
            let here: BTreeMap<_, _> = here.collect();
            // Still under the lock, so that what is said last is what is true.
            applied.send_modify(|applied| {
                if report.moment.life != applied.view.life {
                    applied.index = 0;
                }
                if report.moment == view.moment() {
                    if applied.view.moment() != view.moment() {
                        let endpoints: usize = view.endpoints.values().map(BTreeMap::len).sum();
                        let (networks, nodes) = (view.networks.len(), view.nodes.len());
                        witness.say(format_args!(
                            "the kernel agrees with the store as of {}: {networks} networks, {endpoints} endpoints, {nodes} hosts", view.index
                        ));
                    }
                    applied.view = view;
                    applied.session = session;
                }
                if faults.is_empty() {
                    applied.index = report.moment.index;
                }
                applied.faults = faults;
                if *applied.held != *datapath.held() {
                    applied.held = Arc::new(datapath.held().clone());
                }
                // Also those that are being mended just now.
                let mine = here.values().chain(applied.view.endpoints_on(vtep));
                applied.mine = Arc::new(mine.map(|endpoint| (endpoint.id, endpoint.clone())).collect());
            });
            names.agree(&here, pass == Pass::Mend);
            report
        })
        .await
    }

    /// Draws an id that nobody has: an engine that starts again with its seed draws again what it drew before.
    fn draw<T>(&self, random: impl Fn(&mut fastrand::Rng) -> T, is_taken: impl Fn(&T) -> bool) -> T {
        let mut drawn = self.drawn();
        loop {
            let id = random(&mut drawn.rng);
            if !is_taken(&id) {
                return id;
            }
        }
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
