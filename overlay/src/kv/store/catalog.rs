//! The catalog: nodes, the services on them, and how they are.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The one health check that every agent has (Consul, `structs.SerfCheckID`).
pub const SERF_HEALTH: &str = "serfHealth";
/// Consul's server port: a server registers itself as the service `consul` on it.
pub const SERVER_PORT: u16 = 8300;
/// That service.
pub const CONSUL: &str = "consul";

/// How something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Well.
    Passing,
    /// Not quite.
    Warning,
    /// Not: also before it was ever heard of.
    #[default]
    Critical,
}

impl Health {
    /// As it is written in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Passing => "passing",
            Health::Warning => "warning",
            Health::Critical => "critical",
        }
    }

    /// What a word in the API means.
    pub fn parse(word: &str) -> Option<Health> {
        [Health::Passing, Health::Warning, Health::Critical]
            .into_iter()
            .find(|health| health.as_str() == word)
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, in the form of a UUID; empty for one that is registered without.
    pub id: String,
    /// Where it is, whatever its registrar takes for an address.
    pub address: String,
    /// Free text by name.
    pub meta: BTreeMap<String, String>,
    /// Its services by id.
    pub services: BTreeMap<String, Service>,
    /// Its checks by id.
    pub checks: BTreeMap<String, Check>,
    /// Index of the write that made it.
    pub create_index: u64,
    /// Index of the last write that changed it, not counting services and checks.
    pub modify_index: u64,
}

/// A service on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it is called; several may be called so.
    pub name: String,
    /// Words to pick it by.
    pub tags: Vec<String>,
    /// Where it is, if not at its node's address.
    pub address: String,
    /// Its port; 0: none.
    pub port: u16,
    /// Free text by name.
    pub meta: BTreeMap<String, String>,
    /// Whether others than its agent may change its tags.
    pub enable_tag_override: bool,
    /// Index of the write that made it.
    pub create_index: u64,
    /// Index of the last write that changed it.
    pub modify_index: u64,
}

/// A check of a node or of a service on it. Nothing is run: a check says what it was last told, or that its TTL is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// How it is.
    pub status: Health,
    /// Free text.
    pub notes: String,
    /// What was last told.
    pub output: String,
    /// The service it is of; empty for one of the node.
    pub service: String,
    /// How long it stays well without being told again.
    pub ttl: Option<Duration>,
    /// Index of the write that made it.
    pub create_index: u64,
    /// Index of the last write that changed it.
    pub modify_index: u64,
}

/// What is registered in one go.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The node's name.
    pub node: String,
    /// Its id, address and free text; without, they stay as they are.
    pub about: Option<(String, String, BTreeMap<String, String>)>,
    /// Services by id.
    pub services: Vec<(String, Service)>,
    /// Checks by id.
    pub checks: Vec<(String, Check)>,
}

/// What is taken out of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// A node, with all on it.
    Node,
    /// A service by id, with its checks.
    Service(String),
    /// A check by id.
    Check(String),
}

/// All nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    nodes: BTreeMap<String, Node>,
    /// Index of the last change.
    index: u64,
    /// When TTLs are over, by node and check.
    #[serde(skip)]
    due: BTreeMap<(String, String), Duration>,
    #[serde(skip)]
    touched: bool,
}

impl Catalog {
    /// A catalog with the store's own node in it, which is well.
    pub(super) fn new(node: &str, address: IpAddr, at: u64) -> Catalog {
        let serf = Check {
            name: "Serf Health Status".to_owned(),
            status: Health::Passing,
            output: "Agent alive and reachable".to_owned(),
            create_index: at,
            modify_index: at,
            ..Check::default()
        };
        let consul = Service {
            name: CONSUL.to_owned(),
            port: SERVER_PORT,
            create_index: at,
            modify_index: at,
            ..Service::default()
        };
        let own = Node {
            id: id_of(node),
            address: address.to_string(),
            meta: BTreeMap::new(),
            services: BTreeMap::from([(CONSUL.to_owned(), consul)]),
            checks: BTreeMap::from([(SERF_HEALTH.to_owned(), serf)]),
            create_index: at,
            modify_index: at,
        };
        Catalog {
            nodes: BTreeMap::from([(node.to_owned(), own)]),
            index: at,
            due: BTreeMap::new(),
            touched: false,
        }
    }

    /// Index of the last change.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// All services of that name, each with its node, its id and its checks: those of its node, too.
    pub fn instances<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        self.nodes().flat_map(move |(node_name, node)| {
            let its = node.services.iter().filter(move |(_, service)| service.name == name);
            its.map(move |(id, service)| Instance { node_name, node, id, service })
        })
    }

    /// When the next TTL is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.values().min().copied()
    }

    /// Lets TTLs be over.
    pub(super) fn expire(&mut self, now: Duration, at: u64) {
        for ((node, check), _) in self.due.extract_if(.., |_, due| *due <= now) {
            if let Some(check) = self.nodes.get_mut(&node).and_then(|node| node.checks.get_mut(&check)) {
                check.status = Health::Critical;
                "TTL expired".clone_into(&mut check.output);
                check.modify_index = at;
                (self.touched, self.index) = (true, at);
            }
        }
    }

    /// Starts the TTL of a check that has one, if it is not critical already.
    fn start(&mut self, now: Duration, node: &str, id: &str) {
        let check = self.nodes.get(node).and_then(|node| node.checks.get(id));
        let ttl = check.filter(|check| check.status != Health::Critical).and_then(|check| check.ttl);
        let key = (node.to_owned(), id.to_owned());
        match ttl {
            Some(ttl) => drop(self.due.insert(key, now + ttl)),
            None => drop(self.due.remove(&key)),
        }
    }

    /// Starts all TTLs, of a catalog that was written down.
    pub(super) fn start_all(&mut self, now: Duration) {
        let checks = |(name, node): (&String, &Node)| {
            node.checks.keys().map(|id| (name.clone(), id.clone())).collect::<Vec<_>>()
        };
        let all: Vec<(String, String)> = self.nodes.iter().flat_map(checks).collect();
        for (node, id) in all {
            self.start(now, &node, &id);
        }
    }

    /// Registers, or changes what is registered. What stays as it is keeps its index.
    pub(super) fn register(&mut self, now: Duration, at: u64, asked: Registration) {
        let Registration { node: name, about, services, checks } = asked;
        let mut touched = false;
        let node = self.nodes.entry(name.clone()).or_insert_with(|| {
            touched = true;
            Node {
                id: String::new(),
                address: String::new(),
                meta: BTreeMap::new(),
                services: BTreeMap::new(),
                checks: BTreeMap::new(),
                create_index: at,
                modify_index: at,
            }
        });
        if let Some(about) = about
            && about != (node.id.clone(), node.address.clone(), node.meta.clone())
        {
            (node.id, node.address, node.meta) = about;
            node.modify_index = at;
            touched = true;
        }
        for (id, mut service) in services {
            let old = node.services.get(&id);
            service.create_index = old.map_or(at, |old| old.create_index);
            service.modify_index = old.map_or(at, |old| old.modify_index);
            if old != Some(&service) {
                service.modify_index = at;
                node.services.insert(id, service);
                touched = true;
            }
        }
        let mut told = Vec::new();
        for (id, mut check) in checks {
            check.create_index = node.checks.get(&id).map_or(at, |old| old.create_index);
            check.modify_index = at;
            node.checks.insert(id.clone(), check);
            told.push(id);
        }
        touched |= !told.is_empty();
        for id in told {
            self.start(now, &name, &id);
        }
        self.touch(touched, at);
    }

    /// Takes something out; false if it was not there.
    pub(super) fn deregister(&mut self, at: u64, node: &str, what: &Registered) -> bool {
        let gone = match what {
            Registered::Node => self.nodes.remove(node).is_some(),
            Registered::Service(id) => self.nodes.get_mut(node).is_some_and(|node| {
                node.checks.retain(|_, check| check.service != *id);
                node.services.remove(id).is_some()
            }),
            Registered::Check(id) => {
                self.nodes.get_mut(node).is_some_and(|node| node.checks.remove(id).is_some())
            }
        };
        let nodes = &self.nodes;
        self.due
            .retain(|(node, check), _| nodes.get(node).is_some_and(|node| node.checks.contains_key(check)));
        self.touch(gone, at);
        gone
    }

    /// Tells a check how it is; its TTL starts anew. False if there is no such check.
    pub(super) fn tell(
        &mut self,
        now: Duration,
        at: u64,
        (node, id): (&str, &str),
        status: Health,
        output: &str,
    ) -> bool {
        let check = self.nodes.get_mut(node).and_then(|node| node.checks.get_mut(id));
        let Some(check) = check else { return false };
        let changed = check.status != status || check.output != output;
        if changed {
            check.status = status;
            output.clone_into(&mut check.output);
            check.modify_index = at;
        }
        self.touch(changed, at);
        self.start(now, node, id);
        true
    }

    fn touch(&mut self, changed: bool, at: u64) {
        if changed {
            self.touched = true;
            self.index = at;
        }
    }

    /// Whether it was changed since the last call.
    pub(super) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }
}

/// A service where it is.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// The name of its node.
    pub node_name: &'a str,
    /// Its node.
    pub node: &'a Node,
    /// Its id.
    pub id: &'a str,
    /// The service.
    pub service: &'a Service,
}

impl<'a> Instance<'a> {
    /// The checks on which it depends: its own and its node's.
    pub fn checks(&self) -> impl Iterator<Item = (&'a str, &'a Check)> + use<'a> {
        let id = self.id;
        let its =
            self.node.checks.iter().filter(move |(_, check)| check.service.is_empty() || check.service == id);
        its.map(|(id, check)| (id.as_str(), check))
    }

    /// How it is: as the worst of its checks.
    pub fn health(&self) -> Health {
        self.checks().map(|(_, check)| check.status).max().unwrap_or(Health::Passing)
    }
}

/// A node's id, made from its name (FNV-1a), so that the same store has the same.
fn id_of(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hex = format!("{hash:016x}");
    format!("{}-{}-{}-0000-000000000000", &hex[..8], &hex[8..12], &hex[12..])
}

impl Default for Catalog {
    fn default() -> Catalog {
        Catalog::new(CONSUL, IpAddr::V4(Ipv4Addr::LOCALHOST), 1)
    }
}
