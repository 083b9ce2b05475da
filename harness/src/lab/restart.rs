//! Hosts and engines that come back.

use std::sync::Arc;

use nix::sys::signal::Signal;

use super::build::{READY, within};
use super::{Lab, Slot};
use crate::error::{Error, Kind, Result};
use crate::fault::Process;
use crate::host::Host;
use crate::process::State;
use crate::topology;
use crate::underlay::Plug;

impl Lab {
    /// Brings a host back that is down: new namespaces, with its name, address and MAC, on its port of the switch. The store holds
    /// what it has on disk, or nothing. A new engine registers, crosses out what the host's earlier life has left in the store, its
    /// processes are started again, and the containers that were lost are run again, with the addresses they had. Returns when the lab is ready again.
    ///
    /// Of a container that cannot come back, since another one has its address, the error says so, and there is an event; the
    /// others are back all the same. On a host that is up, only its lost containers are tried again.
    pub async fn restart(&self, host: &str) -> Result<()> {
        let host = Arc::clone(self.known_host(host)?);
        if host.alive().is_err() {
            self.plug_in(&host).await?;
            if let Some(topology::Kv::Stub { host: store, .. }) = &self.topology().kv
                && *store == *host.name()
            {
                self.0.open_store()?;
            }
            if host.spec.engine {
                self.start_engine(&host)?;
            }
            self.events().say("restart", format_args!("host {} is up again", host.name()));
            self.start_processes(Some(host.name())).await?;
        }
        if let Ok(engine) = host.engine() {
            within(READY, engine.ready(), "its engine did not reach the store").await?;
            within(READY, engine.swept(), "its engine could not clean up after its earlier life").await?;
        }
        self.recover(&host).await?;
        self.settle().await
    }

    /// A new life on the old port.
    async fn plug_in(&self, host: &Arc<Host>) -> Result<()> {
        let no_port = || Error::new(Kind::NoSuch, format_args!("host {} has no port", host.name()));
        let port = *self.0.ports.get(host.name()).ok_or_else(no_port)?;
        let topology = self.topology();
        let gateway = (!topology.underlay.internet.is_empty()).then_some(topology.underlay.gateway);
        let (known, believed) = (topology.acquainted(&host.spec), topology.believed());
        let plug = Plug { name: host.name().to_owned(), port, ip: host.ip(), gateway, known, believed };
        let lab = self.clone();
        let plugged = tokio::task::spawn_blocking(move || lab.0.fabric.replug(&plug)).await;
        host.revive(plugged.map_err(|e| Error::new(Kind::Machine, e))??);
        // What was wrong with its wire is wrong with the new one.
        self.conform().await
    }

    /// Runs a host's lost containers again. Goes on past what fails.
    async fn recover(&self, host: &Host) -> Result<()> {
        let slots = self.slots().clone();
        let lost = slots.into_iter().filter_map(|slot| match slot {
            Slot::Lost(spec) if *host.name() == *spec.on.as_str() => Some(spec),
            _ => None,
        });
        let mut failed = Vec::new();
        for spec in lost {
            self.drop_lost(spec.name.as_str());
            if let Err(why) = self.run_container(&spec).await {
                let said = format!("container {} did not come back: {why}", spec.name);
                self.events().say("restart", &said);
                failed.push(said);
                self.slots().push(Slot::Lost(spec));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(Error::new(Kind::Refused, failed.join("; "))) }
    }

    /// An engine dies without a word. What it made stays in the kernel.
    pub(super) fn stop_engine(&self, host: &str) -> Result<()> {
        let host = self.known_host(host)?;
        let engine = host.alive()?.take_engine();
        let none = || Error::new(Kind::Input, format_args!("no engine runs on host {}", host.name()));
        engine.ok_or_else(none)?.abort();
        Ok(())
    }

    /// Another engine takes over what is there. On a host that went down meanwhile, or has one again, nothing is to be done.
    pub(super) async fn revive_engine(&self, host: &str) -> Result<()> {
        let host = Arc::clone(self.known_host(host)?);
        match host.alive() {
            Ok(alive) if alive.engine().is_none() => {}
            _ => return Ok(()),
        }
        self.start_engine(&host)?;
        within(READY, host.engine()?.ready(), "the engine did not reach the store").await?;
        self.settle().await
    }

    /// Sends a container's command a signal.
    pub(super) async fn kill(&self, process: &Process) -> Result<()> {
        let container = self.known_container(process.container.as_str())?;
        let none =
            || Error::new(Kind::NoSuch, format_args!("container {} runs no command", container.name()));
        let running = container.process().await.ok_or_else(none)?;
        let signal = Signal::try_from(process.signal)
            .map_err(|_| Error::new(Kind::Input, format_args!("there is no signal {}", process.signal)))?;
        running.signal(signal)?;
        // Nothing survives this one; of the others nobody knows.
        if signal == Signal::SIGKILL {
            running.wait().await;
        }
        Ok(())
    }

    /// Starts a container's command again, if it has ended. A container that is gone, or lost with its host, is not concerned.
    pub(super) async fn run_again(&self, process: &Process) -> Result<()> {
        let Ok(container) = self.known_container(process.container.as_str()) else { return Ok(()) };
        match container.process().await.map(|process| process.state()) {
            Some(State::Exited(_)) => self.start_command(&container).await,
            _ => Ok(()),
        }
    }

    /// The clocks of processes that are started on a host and in its containers from now on.
    pub(super) async fn set_clocks(&self, host: &str, offset: i64) -> Result<()> {
        let host = Arc::clone(self.known_host(host)?);
        let alive = match (host.alive(), offset) {
            (Ok(alive), _) => alive,
            // Right again with its next life.
            (Err(_), 0) => return Ok(()),
            (Err(down), _) => return Err(down),
        };
        // Tried on the host's machine first: then it works on all.
        host.machine().await?.set_clocks(offset)?;
        alive.set_clock(offset);
        for container in self.containers().iter().filter(|container| Arc::ptr_eq(&container.host, &host)) {
            if let Some(machine) = container.made_machine().await {
                machine.set_clocks(offset)?;
            }
        }
        Ok(())
    }
}
