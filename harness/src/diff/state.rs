//! All that a lab's kernels hold, object by object.

use std::collections::BTreeMap;

use kernel::Snapshot;
use kernel::rtnl::{Address, FdbEntry, Link, Neighbour, Route};
use serde::{Deserialize, Serialize};

use super::object::{Kind, Object, Value};
use crate::lab::{Held, Inspection, MissReport, WireReport};

/// What a lab's kernels held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What there is. Some objects are there more than once, as a MAC that is behind several VTEPs.
    pub(super) objects: BTreeMap<Object, Vec<Entry>>,
    /// The rules of each chain, by namespace and name, in order.
    pub(super) chains: BTreeMap<(String, String), Vec<String>>,
}

/// What is said of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// How it is, by what that is called.
    pub fields: BTreeMap<String, Value>,
    /// What it has counted.
    pub counts: BTreeMap<String, u64>,
    /// Nobody made it: a kernel has learned it from traffic.
    pub learned: bool,
}

/// What a kernel tells of something: of `true` that it is so, of `false` and `None` nothing.
trait Said {
    fn said(self) -> Option<Value>;
}

impl Said for bool {
    fn said(self) -> Option<Value> {
        self.then_some(Value::Flag(true))
    }
}

impl Said for Option<u32> {
    fn said(self) -> Option<Value> {
        self.map(|number| Value::Number(number.into()))
    }
}

impl Said for Option<String> {
    fn said(self) -> Option<Value> {
        self.map(Value::Text)
    }
}

impl Entry {
    fn with(mut self, name: &str, value: impl Said) -> Entry {
        self.fields.extend(value.said().map(|value| (name.to_owned(), value)));
        self
    }

    fn counting<'a>(mut self, counts: impl IntoIterator<Item = (&'a str, u64)>) -> Entry {
        self.counts.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count)));
        self
    }
}

impl State {
    /// Adds an object. The same one again is there twice.
    pub fn insert(&mut self, object: Object, entry: Entry) {
        let entries = self.objects.entry(object).or_default();
        let at = entries.partition_point(|other| *other <= entry);
        entries.insert(at, entry);
    }

    /// Adds a rule at the end of its chain; `line` as `lab inspect` shows it: `docker forward: counter drop`.
    pub fn insert_rule(&mut self, namespace: &str, line: &str, entry: Entry) {
        let name = line.to_owned();
        self.insert(Object { namespace: namespace.to_owned(), kind: Kind::Rule, name }, entry);
        let (chain, rule) = line.split_once(": ").unwrap_or((line, ""));
        self.chains.entry((namespace.to_owned(), chain.to_owned())).or_default().push(rule.to_owned());
    }

    /// The objects, in order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.keys()
    }

    /// Only what is in the namespaces that are so called, or below them: with `docker0` also `docker0/1-620dd59483`. All of
    /// it, if none is named.
    #[must_use]
    pub fn only(mut self, names: &[String]) -> State {
        let is_meant = |namespace: &str| {
            let below = |name: &String| namespace.strip_prefix(name.as_str());
            names.is_empty()
                || names.iter().filter_map(below).any(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.objects.retain(|object, _| is_meant(&object.namespace));
        self.chains.retain(|(namespace, _), _| is_meant(namespace));
        self
    }

    /// Adds a namespace and what netlink has told of it.
    pub(crate) fn hold_snapshot(&mut self, name: &str, holds: &Snapshot) {
        let object = |kind, called: String| Object { namespace: name.to_owned(), kind, name: called };
        self.insert(object(Kind::Namespace, String::new()), Entry::default());
        for link in &holds.links {
            self.insert(object(Kind::Link, link.name.clone()), of_link(link, holds));
        }
        for address in &holds.addresses {
            let (called, entry) = of_address(address, holds);
            self.insert(object(Kind::Address, called), entry);
        }
        for route in &holds.routes {
            let (called, entry) = of_route(route, holds);
            self.insert(object(Kind::Route, called), entry);
        }
        for neighbour in &holds.neighbours {
            let (called, entry) = of_neighbour(neighbour, holds);
            self.insert(object(Kind::Neighbour, called), entry);
        }
        for forwarding in holds.fdb.iter().filter(|entry| is_meant(entry)) {
            let (called, entry) = of_fdb(forwarding, holds);
            self.insert(object(Kind::Fdb, called), entry);
        }
    }

    fn hold(&mut self, Held { name, holds, settings, rules, counts, encryption }: &Held) {
        self.hold_snapshot(name, holds);
        let object = |kind, called: String| Object { namespace: name.clone(), kind, name: called };
        for (key, value) in settings {
            let entry = Entry::default().with("value", Some(value.clone()));
            self.insert(object(Kind::Setting, key.clone()), entry);
        }
        for (number, rule) in rules.iter().enumerate() {
            let tally = counts.get(number).copied().flatten();
            let entry = tally.map_or_else(Entry::default, |tally| {
                Entry::default().counting([("packets", tally.packets), ("bytes", tally.bytes)])
            });
            self.insert_rule(name, rule, entry);
        }
        for line in encryption {
            // A state ends with what it has done; a policy does nothing itself.
            let done = line.rsplit_once(": ").filter(|(_, done)| done.contains(" packets"));
            let (said, done) = done.unwrap_or((line, ""));
            // `12 packets, 3 forged`
            let counts = done.split(", ").filter_map(|part| {
                let (number, of) = part.split_once(' ')?;
                Some((of, number.parse().ok()?))
            });
            self.insert(object(Kind::Ipsec, said.to_owned()), Entry::default().counting(counts));
        }
    }
}

impl From<&Inspection> for State {
    fn from(inspection: &Inspection) -> State {
        let mut state = State::default();
        for held in &inspection.namespaces {
            state.hold(held);
        }
        for WireReport { host, backend, up, down } in &inspection.wires {
            let entry = Entry::default()
                .with("by", Some(backend.to_string()))
                .with("from it", Some(up.injected.to_string()))
                .with("to it", Some(down.injected.to_string()))
                .counting([("seen from it", up.observed.seen), ("passed from it", up.observed.passed)])
                .counting([("seen to it", down.observed.seen), ("passed to it", down.observed.passed)]);
            let object = Object { namespace: host.clone(), kind: Kind::Wire, name: String::new() };
            state.insert(object, entry);
        }
        for MissReport { host, addresses, macs, answered, strangers, overflows } in &inspection.misses {
            let entry = Entry::default()
                .counting([("addresses", *addresses), ("MACs", *macs), ("answered", *answered)])
                .counting([("strangers", *strangers), ("overflows", *overflows)]);
            let object = Object { namespace: host.clone(), kind: Kind::Misses, name: String::new() };
            state.insert(object, entry);
        }
        state
    }
}

/// A link by its name; one that is not there by its number.
pub(super) fn dev(index: u32, holds: &Snapshot) -> String {
    holds.by_index(index).map_or_else(|| index.to_string(), |link| link.name.clone())
}

/// Multicast entries are the kernel's own bookkeeping: the group bit is set.
pub(super) fn is_meant(entry: &FdbEntry) -> bool {
    entry.mac.0[0] & 1 == 0
}

pub(super) fn of_link(link: &Link, holds: &Snapshot) -> Entry {
    let port = link.port.clone().unwrap_or_default();
    let bridge = link.bridge.clone().unwrap_or_default();
    let vxlan = link.vxlan.as_ref();
    Entry::default()
        .with("kind", link.kind.clone())
        .with("mtu", Some(link.mtu))
        .with("address", link.mac.map(|mac| mac.to_string()))
        .with("master", link.master.map(|index| dev(index, holds)))
        .with("up", link.up)
        .with("carrier", link.carrier)
        .with("isolated", link.isolated)
        .with("hairpin", port.hairpin)
        .with("port-learning", port.learning)
        .with("flood", port.flood)
        .with("stp", bridge.stp)
        .with("vlan-filtering", bridge.vlan_filtering)
        .with("snooping", bridge.snooping)
        .with("id", vxlan.map(|vxlan| vxlan.vni))
        .with("dstport", vxlan.map(|vxlan| u32::from(vxlan.port)))
        .with("ageing", vxlan.map(|vxlan| vxlan.ageing))
        .with("proxy", vxlan.is_some_and(|vxlan| vxlan.proxy))
        .with("learning", vxlan.is_some_and(|vxlan| vxlan.learning))
        .with("l2miss", vxlan.is_some_and(|vxlan| vxlan.l2miss))
        .with("l3miss", vxlan.is_some_and(|vxlan| vxlan.l3miss))
}

pub(super) fn of_address(address: &Address, holds: &Snapshot) -> (String, Entry) {
    let called = format!("{} dev {}", address.net, dev(address.dev, holds));
    (called, Entry::default().with("broadcast", address.broadcast.map(|ip| ip.to_string())))
}

pub(super) fn of_route(route: &Route, holds: &Snapshot) -> (String, Entry) {
    let called = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
    let entry = Entry::default()
        .with("via", route.gateway.map(|ip| ip.to_string()))
        .with("dev", route.dev.map(|index| dev(index, holds)))
        .with("src", route.source.map(|ip| ip.to_string()));
    (called, entry)
}

pub(super) fn of_neighbour(neighbour: &Neighbour, holds: &Snapshot) -> (String, Entry) {
    let called = format!("{} dev {}", neighbour.ip, dev(neighbour.dev, holds));
    let entry = Entry::default()
        .with("at", neighbour.mac.map(|mac| mac.to_string()))
        .with("permanent", neighbour.permanent);
    (called, Entry { learned: !neighbour.permanent, ..entry })
}

pub(super) fn of_fdb(entry: &FdbEntry, holds: &Snapshot) -> (String, Entry) {
    let table = if entry.own { "self" } else { "master" };
    let called = format!("{} dev {} {table}", entry.mac, dev(entry.dev, holds));
    let said = Entry::default()
        .with("behind", entry.vtep.map(|ip| ip.to_string()))
        .with("permanent", entry.permanent);
    (called, Entry { learned: !entry.permanent, ..said })
}
