//! Hosts that race for the same documents: what one of them has seen may be old when it writes, and what it hears of its
//! writing may be nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;

use super::tests::{Scene, asked};
use super::{Joining, View, create, join, leave, reclaim, remove};
use crate::id::NetworkId;
use crate::kv::TxnOp;
use crate::model::Endpoint;

/// The network that all of them are on. Five addresses are to be had.
const SUBNET: &str = "10.200.0.0/29";

/// The addresses that are asked for by number.
fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200, 0, last)
}

/// What a host is asked to do.
#[derive(Debug, Clone)]
enum Verb {
    /// A container joins, with that address or any.
    Join(Option<u8>),
    /// One of its containers leaves.
    Leave(usize),
    /// One that has left is written down again, as by a host that others gave up and that is back.
    Reclaim(usize),
    /// A network of any subnet.
    Create,
    /// One of its own.
    Remove(usize),
}

/// A host's turn.
#[derive(Debug, Clone)]
enum Turn {
    /// It is asked for something, unless it is at something.
    Ask(Verb),
    /// It looks at the documents, and decides.
    Look,
    /// What it has decided is tried. `true`: it hears how that went.
    Commit(bool),
    /// What it has decided never reaches the store, and it does not hear so.
    Lose,
}

fn turn() -> impl Strategy<Value = Turn> {
    let verb = prop_oneof![
        4 => prop::option::of(2_u8..7).prop_map(Verb::Join),
        3 => (0_usize..8).prop_map(Verb::Leave),
        1 => (0_usize..8).prop_map(Verb::Reclaim),
        1 => Just(Verb::Create),
        1 => (0_usize..8).prop_map(Verb::Remove),
    ];
    prop_oneof![
        3 => verb.prop_map(Turn::Ask),
        3 => Just(Turn::Look),
        4 => prop::bool::weighted(0.8).prop_map(Turn::Commit),
        1 => Just(Turn::Lose),
    ]
}

/// What a host is at.
#[derive(Debug)]
enum Task {
    Join(Box<Joining>),
    Leave(Endpoint),
    Reclaim(Endpoint),
    Create(NetworkId, String),
    Remove(NetworkId),
}

/// A host: what it is at, what it has decided, and what it has.
#[derive(Debug, Default)]
struct Host {
    task: Option<Task>,
    decided: Option<Vec<TxnOp>>,
    has: Vec<Endpoint>,
    had: Vec<Endpoint>,
    networks: Vec<NetworkId>,
}

fn pick<T>(all: &mut Vec<T>, number: usize) -> Option<T> {
    if all.is_empty() { None } else { Some(all.remove(number % all.len())) }
}

impl Host {
    fn ask(&mut self, verb: &Verb, scene: &mut Scene, name: String) {
        if self.task.is_some() {
            return;
        }
        self.task = match *verb {
            Verb::Join(last) => Some(Task::Join(Box::new(scene.who(&name, last.map(address))))),
            Verb::Leave(number) => pick(&mut self.has, number).map(Task::Leave),
            Verb::Reclaim(number) => pick(&mut self.had, number).map(Task::Reclaim),
            Verb::Create => Some(Task::Create(scene.draw(), name)),
            Verb::Remove(number) => pick(&mut self.networks, number).map(Task::Remove),
        };
    }

    /// Decides from what there is now, as engines do: what is there already is done. What is refused is given up.
    fn look(&mut self, view: &View, network: NetworkId) {
        self.decided = None;
        let Some(task) = &self.task else { return };
        let there = |endpoint| view.endpoints.get(&network).and_then(|all| all.get(&endpoint));
        let decided = match task {
            Task::Join(who) if there(who.id).is_some() => Some(vec![]),
            Task::Join(who) => match join(view, network, who) {
                Ok((_, ops)) => Some(ops),
                Err(why) => {
                    let mut taken = view.endpoints_of(network).map(|endpoint| endpoint.address.addr());
                    let rightly = match who.ip {
                        Some(ip) => taken.any(|other| other == ip),
                        None => taken.count() == 5,
                    };
                    assert!(rightly, "refused for nothing: {why}");
                    None
                }
            },
            Task::Leave(endpoint) => Some(leave(view, network, endpoint.id).unwrap_or_default()),
            Task::Reclaim(endpoint) if there(endpoint.id).is_some() => Some(vec![]),
            Task::Reclaim(endpoint) => reclaim(view, endpoint, "veth94f8360").ok(),
            Task::Create(id, _) if view.networks.contains_key(id) => Some(vec![]),
            Task::Create(id, name) => create(view, &asked(name, ""), *id, String::new(), &[]).ok(),
            Task::Remove(id) => {
                Some(view.networks.get(id).map_or(vec![], |found| remove(view, &found.value).unwrap()))
            }
        };
        match decided {
            Some(ops) if ops.is_empty() => self.done(view, network),
            Some(ops) => self.decided = Some(ops),
            None => self.task = None,
        }
    }

    /// Notes what has come of it.
    fn done(&mut self, view: &View, network: NetworkId) {
        self.decided = None;
        let its = |id| view.endpoints[&network][&id].value.clone();
        match self.task.take() {
            Some(Task::Join(who)) => self.has.push(its(who.id)),
            Some(Task::Reclaim(endpoint)) => {
                assert_eq!(its(endpoint.id).address, endpoint.address);
                self.has.push(endpoint);
            }
            Some(Task::Leave(endpoint)) => self.had.push(endpoint),
            Some(Task::Create(id, _)) => self.networks.push(id),
            Some(Task::Remove(_)) | None => {}
        }
    }

    fn commit(&mut self, scene: &mut Scene, network: NetworkId, heard: bool) {
        let Some(ops) = self.decided.take() else { return };
        if scene.commit(ops) && heard {
            self.done(&scene.view(), network);
        }
    }

    /// Sees through what it is at, with nobody else about.
    fn finish(&mut self, scene: &mut Scene, network: NetworkId) {
        while self.task.is_some() {
            self.look(&scene.view(), network);
            if let Some(ops) = self.decided.take() {
                assert!(scene.commit(ops), "nobody else was faster");
            }
        }
    }
}

/// Nothing is handed out twice, and nothing is lost.
fn check(view: &View, network: NetworkId, hosts: &[Host]) -> Result<(), TestCaseError> {
    prop_assert_eq!(view.contradictions(), Vec::<String>::new());
    let taken: Vec<Ipv4Addr> = view.endpoints_of(network).map(|endpoint| endpoint.address.addr()).collect();
    prop_assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len(), "{:?}", taken);
    // The network's own address, the broadcast address, the gateway's, and those.
    let bits = &view.bitmaps[&SUBNET.parse().unwrap()].value;
    prop_assert_eq!(bits.len() - bits.free(), 3 + taken.len() as u64);
    prop_assert_eq!(view.counts[&network].value.count, taken.len() as u64);
    for endpoint in hosts.iter().flat_map(|host| &host.has) {
        let found = view.endpoints[&network].get(&endpoint.id).map(|stored| &stored.value);
        prop_assert_eq!(found, Some(endpoint), "it was told that it has it");
    }
    let subnets = view.networks.values().flat_map(|found| &found.value.network.subnets);
    let mut subnets: Vec<Ipv4Net> = subnets.map(|subnet| subnet.v4.net).collect();
    subnets.sort_unstable();
    for pair in subnets.windows(2) {
        prop_assert!(pair[0].broadcast() < pair[1].network(), "{:?}", pair);
    }
    let pools: BTreeSet<IpNet> = view.pools.iter().flat_map(|pools| pools.value.nets()).collect();
    prop_assert_eq!(pools, subnets.into_iter().map(IpNet::V4).collect());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_address_is_handed_out_twice_or_lost_however_hosts_race(
        turns in prop::collection::vec((0_usize..3, turn()), 1..120)
    ) {
        let mut scene = Scene::new();
        let network = scene.create(&asked("demonet", SUBNET)).unwrap();
        let mut hosts = [Host::default(), Host::default(), Host::default()];
        for (number, (who, turn)) in turns.into_iter().enumerate() {
            let host = &mut hosts[who];
            match turn {
                Turn::Ask(verb) => host.ask(&verb, &mut scene, format!("c{number}")),
                Turn::Look => host.look(&scene.view(), network),
                Turn::Commit(heard) => host.commit(&mut scene, network, heard),
                Turn::Lose => host.decided = None,
            }
            check(&scene.view(), network, &hosts)?;
        }
        for host in &mut hosts {
            host.finish(&mut scene, network);
            while !host.has.is_empty() {
                host.ask(&Verb::Leave(0), &mut scene, String::new());
                host.finish(&mut scene, network);
            }
        }
        check(&scene.view(), network, &hosts)?;
        prop_assert_eq!(scene.view().endpoints_of(network).count(), 0);
        scene.remove("demonet").unwrap();
        for host in &mut hosts {
            while !host.networks.is_empty() {
                host.ask(&Verb::Remove(0), &mut scene, String::new());
                host.finish(&mut scene, network);
            }
        }
        let view = scene.view();
        prop_assert!(view.networks.is_empty() && view.bitmaps.is_empty());
        prop_assert!(view.pools.unwrap().value.nets().next().is_none());
    }
}
