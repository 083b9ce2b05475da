//! A simulated container: a network namespace with endpoints; a machine of its own, nested in its host's, with its
//! first process.

use std::fmt::Write;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Machine, Netns, Setup};
use overlay::{ContainerRef, EndpointInfo, JoinOptions};
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};
use crate::host::{Host, blocking};
use crate::process::{Process, Program, State};
use crate::topology;

/// How long a process may take to end that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container of a lab.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) spec: topology::Container,
    pub(crate) host: Arc<Host>,
    /// What its engine knows it by; holds its namespace.
    pub(crate) this: ContainerRef,
    /// Docker's is the short id; its first name says more to people. It stays, whatever the container is called.
    pub(crate) hostname: String,
    state: Arc<Shared>,
}

/// What becomes of a container, whatever it is called.
#[derive(Debug, Default)]
struct Shared {
    /// Its networks, in the order in which it was put on them.
    joined: Mutex<Vec<Joined>>,
    running: tokio::sync::Mutex<Running>,
}

/// A network that a container was put on.
#[derive(Debug)]
struct Joined {
    info: EndpointInfo,
    /// What it asked for there.
    asked: JoinOptions,
}

#[derive(Debug, Default)]
struct Running {
    machine: Option<Arc<Machine>>,
    process: Option<Arc<Process>>,
}

impl Container {
    pub(crate) fn new(spec: topology::Container, host: Arc<Host>, this: ContainerRef) -> Container {
        let hostname = spec.name.to_string();
        Container { spec, host, this, hostname, state: Arc::default() }
    }

    /// The same container under another name, which is a given one.
    pub(crate) fn renamed(&self, name: topology::ContainerName) -> Container {
        let this = ContainerRef { name: name.to_string(), ..self.this.clone() };
        Container {
            spec: topology::Container { name, anonymous: false, ..self.spec.clone() },
            host: Arc::clone(&self.host),
            this,
            hostname: self.hostname.clone(),
            state: Arc::clone(&self.state),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.spec.name.as_str()
    }

    /// Its network namespace. That its host is down is an error.
    pub(crate) fn netns(&self) -> Result<Netns> {
        self.host.alive()?;
        Ok(self.this.netns.clone())
    }

    fn joined(&self) -> MutexGuard<'_, Vec<Joined>> {
        self.state.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it on a network.
    pub(crate) async fn connect(&self, network: &str, asked: JoinOptions) -> Result<EndpointInfo> {
        let asked = JoinOptions { anonymous: self.spec.anonymous, ..asked };
        let info = self.host.engine()?.join(&self.this, network, asked.clone()).await?;
        self.joined().push(Joined { info: info.clone(), asked });
        self.write_files().await?;
        Ok(info)
    }

    /// What it would have to be run with, to be again what it is now: on the same networks, with the same addresses.
    pub(crate) fn as_it_stands(&self) -> topology::Container {
        let mut spec = self.spec.clone();
        let attachment = |joined: &Joined| {
            Some(topology::Attachment {
                network: joined.info.network_name.parse().ok()?,
                ip: Some(joined.info.address.addr()),
                ip6: joined.info.address6.map(|net| net.addr()),
                mac: joined.asked.mac,
                aliases: joined.asked.aliases.clone(),
            })
        };
        spec.networks = self.joined().iter().filter_map(attachment).collect();
        spec
    }

    /// Takes it off a network; what it had there.
    pub(crate) async fn disconnect(&self, network: &str) -> Result<Option<EndpointInfo>> {
        let left = self.host.engine()?.leave(&self.this, network).await?;
        let had = {
            let mut joined = self.joined();
            let place = joined.iter().position(|joined| joined.info.network == left);
            place.map(|place| joined.remove(place).info)
        };
        self.write_files().await?;
        Ok(had)
    }

    /// Brings its files up to date with its networks, if it has a machine.
    async fn write_files(&self) -> Result<()> {
        let Some(machine) = self.made_machine().await else { return Ok(()) };
        let Setup { hosts, resolv, .. } = self.setup();
        let write = move || {
            let write =
                || fs::write("/etc/hosts", hosts).and_then(|()| fs::write("/etc/resolv.conf", resolv));
            machine.run(write)
        };
        let written = blocking(write).await?;
        written.map_err(|why| {
            Error::new(Kind::Machine, format_args!("cannot write the files of {}: {why}", self.name()))
        })
    }

    /// The networks that it is on, with what it has there.
    pub(crate) fn networks(&self) -> Vec<(String, EndpointInfo)> {
        self.joined().iter().map(|joined| (joined.info.network_name.clone(), joined.info.clone())).collect()
    }

    /// Its machine, made now if this is its first process, made anew if its init has been killed.
    pub(crate) async fn machine(&self) -> Result<Arc<Machine>> {
        let mut running = self.state.running.lock().await;
        if let Some(machine) = &running.machine
            && !machine.wait_down(Duration::ZERO)?
        {
            return Ok(Arc::clone(machine));
        }
        let host = self.host.machine().await?;
        let (netns, setup) = (self.this.netns.clone(), self.setup());
        let machine = Arc::new(blocking(move || Machine::start(&netns, Some(&host), &setup)).await?);
        self.host.alive()?.set_clocks_of(&machine)?;
        running.machine = Some(Arc::clone(&machine));
        Ok(machine)
    }

    /// Docker's files, `docker-overlay` reference: localhost in all its names, then the container itself.
    fn setup(&self) -> Setup {
        let mut hosts = String::from(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
             ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        );
        for (_, info) in self.networks() {
            // Writing to a string cannot fail.
            let _ = writeln!(hosts, "{}\t{}", info.address.addr(), self.hostname);
            if let Some(net) = info.address6 {
                let _ = writeln!(hosts, "{}\t{}", net.addr(), self.hostname);
            }
        }
        let resolv = if self.networks().is_empty() {
            "# On no network there is no name server.\n".to_owned()
        } else {
            self.spec.dns.text()
        };
        Setup { hostname: self.hostname.clone(), hosts, resolv, ..Setup::default() }
    }

    /// Starts its command, if it has one; `tell` is told when it runs and when it has ended.
    pub(crate) async fn start(&self, tell: impl Fn(State) + Send + 'static) -> Result<()> {
        if self.spec.command.is_empty() {
            return Ok(());
        }
        let machine = self.machine().await?;
        let program = Program {
            command: self.spec.command.clone(),
            env: self.spec.env.clone(),
            hostname: self.hostname.clone(),
            stdin: None,
        };
        let process = Process::start(&machine, program, tell).map_err(|error| {
            Error::new(Kind::Input, format_args!("cannot start container {}: {error}", self.name()))
        })?;
        self.state.running.lock().await.process = Some(Arc::new(process));
        Ok(())
    }

    /// Its machine, if something has run there.
    pub(crate) async fn made_machine(&self) -> Option<Arc<Machine>> {
        self.state.running.lock().await.machine.clone()
    }

    /// Its process, if it has a command.
    pub(crate) async fn process(&self) -> Option<Arc<Process>> {
        self.state.running.lock().await.process.clone()
    }

    /// Ends all that runs in it. Its namespace stays until its networks have been left.
    pub(crate) async fn stop(&self) {
        let Running { machine, process } = std::mem::take(&mut *self.state.running.lock().await);
        let ended = process.as_ref().map(|process| process.ended());
        drop((process, machine));
        if let Some(ended) = ended {
            // It was killed; one that the kernel does not let go of is not waited for.
            let _ = timeout(PATIENCE, ended).await;
        }
    }
}
