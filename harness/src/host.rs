//! A simulated host: a network namespace from the start, a machine with its first process.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use kernel::{Machine, Netns, Setup};
use overlay::kv::Kv;
use overlay::{Engine, Gate, Sandboxes};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;

use crate::error::{Error, Kind, Result};
use crate::topology;

/// A host of a lab, up or down.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) spec: topology::Host,
    setup: Setup,
    /// Who is told when the init of the host's machine has died.
    died: mpsc::UnboundedSender<Death>,
    alive: Mutex<Option<Arc<Alive>>>,
}

/// The init of a host's machine has died.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) host: String,
    /// Which life of the host that was: it may have begun another one meanwhile.
    pub(crate) life: Weak<Alive>,
}

/// All that a host holds while it is up. When the last handle goes, so does the host.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) netns: Netns,
    /// The namespaces of its overlays and containers.
    pub(crate) sandboxes: Sandboxes,
    engine: Mutex<Option<Engine>>,
    /// Closed while the host is paused.
    pub(crate) gate: Gate,
    /// By how many milliseconds the clocks are off for new processes.
    clock: AtomicI64,
    machine: OnceCell<Arc<Machine>>,
    /// Held while the machine's names are brought up to date.
    pinning: Mutex<()>,
    /// What the harness itself serves on this host: the store. It ends with the host.
    pub(crate) services: Mutex<JoinSet<()>>,
    /// The store as seen from here, if it is here.
    pub(crate) store: OnceLock<Kv>,
}

impl Host {
    /// A host that is up, on a namespace that is plugged in already.
    pub(crate) fn new(
        spec: topology::Host,
        netns: Netns,
        hosts: String,
        nameserver: Option<Ipv4Addr>,
        died: mpsc::UnboundedSender<Death>,
    ) -> Host {
        let hostname = spec.name.to_string();
        let resolv = nameserver.map_or_else(
            || "# Names are in /etc/hosts.\n".to_owned(),
            |server| format!("# The names of this lab are in /etc/hosts.\nnameserver {server}\n"),
        );
        let (volatile, cgroups) = (spec.volatile.clone(), spec.cgroups);
        let setup = Setup { hostname, hosts, resolv, volatile, cgroups };
        Host { spec, setup, died, alive: Mutex::new(Some(Alive::new(netns))) }
    }

    /// Begins another life of a host that is down, on a new namespace that is plugged in already.
    pub(crate) fn revive(&self, netns: Netns) {
        *self.slot() = Some(Alive::new(netns));
    }

    pub(crate) fn name(&self) -> &str {
        self.spec.name.as_str()
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.spec.ip
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Alive>>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it holds, if it is up.
    pub(crate) fn alive(&self) -> Result<Arc<Alive>> {
        self.slot().clone().ok_or_else(|| Error::down(self.name()))
    }

    /// Its engine. That none runs there is an error.
    pub(crate) fn engine(&self) -> Result<Engine> {
        let engine = self.alive()?.engine();
        engine.ok_or_else(|| Error::new(Kind::Input, format_args!("no engine runs on host {}", self.name())))
    }

    /// Its machine, made now if this is its first process.
    pub(crate) async fn machine(&self) -> Result<Arc<Machine>> {
        let alive = self.alive()?;
        let made = alive.machine.get_or_try_init(|| async {
            let (netns, setup) = (alive.netns.clone(), self.setup.clone());
            let machine = blocking(move || Machine::start(&netns, None, &setup)).await?;
            let machine = Arc::new(machine);
            alive.set_clocks_of(&machine)?;
            self.watch(&machine, &alive)?;
            Ok::<_, Error>(machine)
        });
        let machine = Arc::clone(made.await?);
        // A crash in between has not seen the machine.
        if !self.lives(&alive) {
            machine.kill()?;
            return Err(Error::down(self.name()));
        }
        alive.pin(&machine)?;
        Ok(machine)
    }

    /// Whether that life of it is the one it has now.
    pub(crate) fn lives(&self, life: &Arc<Alive>) -> bool {
        self.slot().as_ref().is_some_and(|now| Arc::ptr_eq(now, life))
    }

    /// Tells when the machine's init dies: people do `kill -9` it.
    fn watch(&self, machine: &Machine, life: &Arc<Alive>) -> Result<()> {
        let (death, died) = (machine.death()?, self.died.clone());
        let said = Death { host: self.name().to_owned(), life: Arc::downgrade(life) };
        tokio::spawn(async move {
            death.await;
            let _ = died.send(said);
        });
        Ok(())
    }

    /// Brings the names of its namespaces up to date on its machine, if it has one.
    pub(crate) fn pin(&self) -> Result<()> {
        let alive = self.alive()?;
        match alive.machine.get() {
            Some(machine) => alive.pin(machine),
            None => Ok(()),
        }
    }

    /// The host is gone: kills what runs on it, without a word to anybody. What it held is the caller's to drop. False if
    /// that life of it was over already.
    pub(crate) fn crash(&self, life: &Arc<Alive>) -> Result<bool> {
        {
            let mut slot = self.slot();
            if slot.take_if(|now| Arc::ptr_eq(now, life)).is_none() {
                return Ok(false);
            }
        }
        let killed = life.machine.get().map_or(Ok(()), |machine| machine.kill());
        life.services.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        if let Some(engine) = life.take_engine() {
            engine.abort();
        }
        killed?;
        Ok(true)
    }

    /// The network namespaces that its own programs have named: those of an engine that runs there, and of its containers.
    pub(crate) fn named(&self) -> Result<Vec<(String, Netns)>> {
        match self.alive()?.machine.get() {
            Some(machine) => Ok(machine.named()?),
            None => Ok(Vec::new()),
        }
    }

    /// The pid of its machine's init, as the supervisor sees it.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.alive().ok()?.machine.get().map(|machine| machine.pid())
    }
}

impl Alive {
    fn new(netns: Netns) -> Arc<Alive> {
        Arc::new(Alive {
            netns,
            sandboxes: Sandboxes::new(),
            engine: Mutex::default(),
            gate: Gate::default(),
            clock: AtomicI64::default(),
            machine: OnceCell::new(),
            pinning: Mutex::default(),
            services: Mutex::default(),
            store: OnceLock::new(),
        })
    }

    fn engine_slot(&self) -> std::sync::MutexGuard<'_, Option<Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the harness serves there, for whoever ends it.
    pub(crate) fn take_services(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.services.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The engine that runs there, if one does.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.engine_slot().clone()
    }

    /// An engine runs there now.
    pub(crate) fn set_engine(&self, engine: Engine) {
        *self.engine_slot() = Some(engine);
    }

    /// No engine runs there any more; the one that did.
    pub(crate) fn take_engine(&self) -> Option<Engine> {
        self.engine_slot().take()
    }

    /// The clocks of processes to come are off by so many milliseconds.
    pub(crate) fn set_clock(&self, offset: i64) {
        self.clock.store(offset, Ordering::Relaxed);
    }

    /// Sets a machine's clocks as the host's are.
    pub(crate) fn set_clocks_of(&self, machine: &Machine) -> kernel::Result<()> {
        match self.clock.load(Ordering::Relaxed) {
            0 => Ok(()),
            offset => machine.set_clocks(offset),
        }
    }

    /// Makes `ip netns ls` on the machine list what the host has.
    fn pin(&self, machine: &Machine) -> Result<()> {
        // One at a time, or two would both give a name that was missing.
        let _turn = self.pinning.lock().unwrap_or_else(PoisonError::into_inner);
        let have = machine.pins();
        let want = self.sandboxes.list();
        let names: BTreeSet<&str> = want.iter().map(|(name, _)| name.as_str()).collect();
        for name in have.iter().filter(|name| !names.contains(name.as_str())) {
            machine.unpin(name)?;
        }
        for (name, netns) in want.iter().filter(|(name, _)| !have.contains(name)) {
            machine.pin(name, netns)?;
        }
        Ok(())
    }
}

/// Runs what blocks for a millisecond or more beside the runtime's own threads.
pub(crate) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> kernel::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(f).await {
        Ok(done) => Ok(done?),
        Err(gone) => Err(Error::new(Kind::Machine, gone)),
    }
}

/// A duplicate of a descriptor, for a client.
pub(crate) fn duplicate(fd: &impl AsFd) -> Result<std::os::fd::OwnedFd> {
    fd.as_fd().try_clone_to_owned().map_err(|e| Error::new(Kind::Machine, e))
}
