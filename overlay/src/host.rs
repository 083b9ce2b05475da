//! The host that an engine runs on, as the engine is given it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ipnet::Ipv4Net;
use kernel::Netns;
use tokio::sync::watch;

use crate::dns::Resolv;
use crate::id::{ContainerId, NetworkId, SandboxId};
use crate::model::{Binding, Publish};

/// What an engine is told of its host.
#[derive(Debug, Clone)]
pub struct HostEnv {
    /// The host's name, for messages.
    pub name: String,
    /// The host's own network namespace: the underlay side.
    pub netns: Netns,
    /// `--cluster-advertise`: the address by which other hosts know this one, and its tunnel's end.
    pub advertise: SocketAddr,
    /// The host's other namespaces.
    pub sandboxes: Sandboxes,
    /// Subnets that no overlay may overlap: the underlay's.
    pub underlay: Vec<Ipv4Net>,
}

/// A container, as far as networks go.
#[derive(Debug, Clone)]
pub struct ContainerRef {
    /// What it is.
    pub id: ContainerId,
    /// What people call it.
    pub name: String,
    /// Its sandbox's id.
    pub sandbox: SandboxId,
    /// Its network namespace.
    pub netns: Netns,
    /// The ports that its host gives away for it, while one of its networks leads outside.
    pub publish: Vec<Publish>,
    /// `--dns`, `--dns-search`, `--dns-option`: how it looks for names.
    pub dns: Resolv,
}

/// A namespace of the host.
#[derive(Debug, Clone)]
pub enum Sandbox {
    /// An overlay's, `1-620dd59483`, which an engine made.
    Overlay(Netns),
    /// A container's, `e4b8ecb7ae7c`.
    Container(ContainerRef),
}

impl Sandbox {
    /// The namespace.
    pub fn netns(&self) -> &Netns {
        match self {
            Sandbox::Overlay(netns) => netns,
            Sandbox::Container(container) => &container.netns,
        }
    }
}

/// The namespaces of a host by name, as `ip netns ls` would list them. Clones are the same list.
///
/// The host owns them and not the engine, so that an engine can die and another take over what the kernel has.
#[derive(Debug, Clone, Default)]
pub struct Sandboxes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    all: watch::Sender<BTreeMap<String, Sandbox>>,
    gateway: OnceLock<LocalNetwork>,
    bindings: Mutex<BTreeMap<SandboxId, Vec<Binding>>>,
}

/// What identifies the gateway bridge as a network of this host. It is not in the store, Docker keeps it on disk.
#[derive(Debug, Clone)]
pub(crate) struct LocalNetwork {
    pub(crate) id: NetworkId,
    pub(crate) created: String,
}

impl Sandboxes {
    /// An empty list.
    pub fn new() -> Sandboxes {
        Sandboxes::default()
    }

    /// Enters an overlay's namespace.
    pub fn insert(&self, name: &str, netns: Netns) {
        self.0.all.send_modify(|all| drop(all.insert(name.to_owned(), Sandbox::Overlay(netns))));
    }

    /// Enters an overlay's namespace, unless there is one of that name; whether it did.
    pub fn insert_new(&self, name: &str, netns: Netns) -> bool {
        self.0.all.send_if_modified(|all| match all.entry(name.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(Sandbox::Overlay(netns));
                true
            }
            Entry::Occupied(_) => false,
        })
    }

    /// Enters a container, under its sandbox's name. Joining does so too.
    pub fn insert_container(&self, container: ContainerRef) {
        let name = container.sandbox.namespace();
        self.0.all.send_if_modified(|all| all.insert(name, Sandbox::Container(container)).is_none());
    }

    /// The namespace of that name.
    pub fn get(&self, name: &str) -> Option<Sandbox> {
        self.0.all.borrow().get(name).cloned()
    }

    /// The container with that sandbox.
    pub fn container(&self, sandbox: SandboxId) -> Option<ContainerRef> {
        match self.0.all.borrow().get(&sandbox.namespace()) {
            Some(Sandbox::Container(container)) if container.sandbox == sandbox => Some(container.clone()),
            _ => None,
        }
    }

    /// Crosses a namespace out. The kernel frees it when nobody else holds it.
    pub fn remove(&self, name: &str) -> Option<Sandbox> {
        let mut gone = None;
        self.0.all.send_if_modified(|all| {
            gone = all.remove(name);
            gone.is_some()
        });
        gone
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<(String, Netns)> {
        self.0.all.borrow().iter().map(|(name, sandbox)| (name.clone(), sandbox.netns().clone())).collect()
    }

    /// The containers.
    pub fn containers(&self) -> Vec<ContainerRef> {
        let all = self.0.all.borrow();
        let containers = all.values().filter_map(|sandbox| match sandbox {
            Sandbox::Container(container) => Some(container.clone()),
            Sandbox::Overlay(_) => None,
        });
        containers.collect()
    }

    /// Follows the list.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<String, Sandbox>> {
        self.0.all.subscribe()
    }

    /// The gateway bridge, once it was made.
    pub(crate) fn gateway(&self) -> Option<&LocalNetwork> {
        self.0.gateway.get()
    }

    /// The ports that a container has published. The store knows only what was asked for; Docker keeps this on disk.
    pub fn bindings(&self, sandbox: SandboxId) -> Vec<Binding> {
        self.published().get(&sandbox).cloned().unwrap_or_default()
    }

    /// Notes which ports a container has published.
    pub(crate) fn note_bindings(&self, sandbox: SandboxId, bindings: Vec<Binding>) {
        match bindings[..] {
            [] => drop(self.published().remove(&sandbox)),
            _ => drop(self.published().insert(sandbox, bindings)),
        }
    }

    fn published(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Vec<Binding>>> {
        self.0.bindings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that there is a gateway bridge.
    pub(crate) fn gateway_made(&self, draw: impl FnOnce() -> LocalNetwork) {
        self.0.gateway.get_or_init(draw);
    }
}
