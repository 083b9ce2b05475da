//! The name servers of this host's containers: one in each that is on some network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::Netns;
use tokio::sync::watch;

use super::Applied;
use crate::dns::{Server, Service, Upstream, Zone};
use crate::docker;
use crate::gate::Gate;
use crate::host::{ContainerRef, HostEnv};
use crate::id::{EndpointId, SandboxId};
use crate::model::Endpoint;
use crate::witness::Witness;

/// The name servers, and what they are started with.
#[derive(Debug)]
pub(super) struct NameServers {
    pub(super) env: HostEnv,
    pub(super) vtep: Ipv4Addr,
    /// The host's own.
    pub(super) upstreams: Vec<Ipv4Addr>,
    pub(super) seed: u64,
    pub(super) gate: Gate,
    pub(super) witness: Witness,
    pub(super) applied: watch::Sender<Applied>,
    pub(super) running: Mutex<Running>,
}

/// Those that run, and the containers in which one cannot.
#[derive(Debug, Default)]
pub(super) struct Running {
    servers: BTreeMap<SandboxId, Server>,
    failed: BTreeSet<SandboxId>,
}

impl NameServers {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one in each container that has an endpoint in the kernel, and ends the others. In a container in which something
    /// else has the port, it is tried again each time; that is no reason to hold anything else up.
    pub(super) fn agree(&self, mine: &BTreeMap<EndpointId, Endpoint>) {
        let here: BTreeSet<SandboxId> = mine.values().filter_map(|endpoint| endpoint.sandbox).collect();
        let mut running = self.running();
        running.servers.retain(|sandbox, server| here.contains(sandbox) && !server.is_over());
        running.failed.retain(|sandbox| here.contains(sandbox));
        for sandbox in here {
            if running.servers.contains_key(&sandbox) {
                continue;
            }
            let Some(container) = self.env.sandboxes.container(sandbox) else { continue };
            match self.start(&container) {
                Ok(server) => {
                    running.failed.remove(&sandbox);
                    running.servers.insert(sandbox, server);
                }
                Err(error) if running.failed.insert(sandbox) => {
                    let name = &container.name;
                    tracing::warn!(host = self.env.name, container = name, %error, "no name server");
                    self.witness.say(format_args!("container {name} has no name server: {error}"));
                }
                Err(_) => {}
            }
        }
    }

    fn start(&self, container: &ContainerRef) -> kernel::Result<Server> {
        let (sandbox, vtep, applied) = (container.sandbox, self.vtep, self.applied.clone());
        let names = move || {
            let applied = applied.borrow();
            let its = applied.mine.values().filter(|endpoint| endpoint.sandbox == Some(sandbox));
            Zone::of(Arc::clone(&applied.view), vtep, its.map(|endpoint| endpoint.network))
        };
        // Of the sandbox's id, so that containers draw differently.
        let seed = self.seed
            ^ format!("{sandbox:#}").bytes().fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(byte));
        let service = Service { names, upstreams: self.upstreams(container), seed, gate: self.gate.clone() };
        Server::start(&container.netns, docker::NAME_SERVER, service)
    }

    /// The container's own servers are asked from where it is. So are the host's, but for those on its loopback, which nobody
    /// else reaches (20.10: `HostLoopback`).
    fn upstreams(&self, container: &ContainerRef) -> Vec<Upstream> {
        let asked = |server: &Ipv4Addr, from: &Netns| Upstream { server: *server, from: from.clone() };
        if !container.dns.is_empty() {
            return container.dns.iter().map(|server| asked(server, &container.netns)).collect();
        }
        let of_host =
            |server: &Ipv4Addr| if server.is_loopback() { &self.env.netns } else { &container.netns };
        self.upstreams.iter().map(|server| asked(server, of_host(server))).collect()
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        self.running().servers.clear();
    }
}
