//! What should exist, as far as it can be said without looking. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use overlay::ledger::View;
use overlay::model::Endpoint;

use super::steps::{Asked, CONTAINERS, HOSTS, NETWORKS, Plan, Verb};

/// What is known of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Sure,
    /// Somebody was asked to make or to remove it, and nobody knows what came of it.
    Open,
    /// It goes by itself.
    Leaving,
}

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// What it is; more than one: it is one of these.
    pub plans: Vec<Plan>,
    pub standing: Standing,
    /// By container.
    pub seats: BTreeMap<usize, Seat>,
}

/// A container's place on a network.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    pub ip: Option<Ipv4Addr>,
    pub standing: Standing,
}

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Host {
    /// Whether an engine runs there.
    pub runs: bool,
    /// Whether it has the store.
    pub has_store: bool,
    /// Since all was settled last, no engine was there, or none that had the store, for so long that others may have crossed
    /// out its endpoints.
    pub given_up: bool,
    /// Since then, an engine was killed there: the next one knows only what the store says.
    pub forgot: bool,
    /// Since then, an answer of the store's may have been lost on the way there.
    pub shaky: bool,
}

/// What a verb has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Done,
    Refused,
    Either,
}

/// What a verb did answer.
#[derive(Debug, Clone)]
pub enum Outcome {
    Done(Option<Ipv4Addr>),
    /// Why, for people.
    Refused(#[expect(dead_code, reason = "it is shown")] String),
    /// The store was out of reach, or the engine was killed, while it was done.
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub networks: BTreeMap<usize, Network>,
    pub hosts: [Host; HOSTS],
}

impl Model {
    pub fn new() -> Model {
        let (runs, has_store) = (true, true);
        let host = Host { runs, has_store, given_up: false, forgot: false, shaky: false };
        Model { networks: BTreeMap::new(), hosts: [host; HOSTS] }
    }

    /// Whether a verb may have been answered so.
    pub fn explains(&self, verb: &Verb, outcome: &Outcome) -> bool {
        let host = self.hosts[verb.host()];
        match (self.expect(verb), outcome) {
            (_, Outcome::Unknown) => !host.runs || !host.has_store || host.shaky,
            (expect, Outcome::Done(_)) => expect != Expect::Refused && host.has_store,
            (expect, Outcome::Refused(_)) => expect != Expect::Done,
        }
    }

    /// What a verb has to answer, on a host that has an engine and the store.
    fn expect(&self, verb: &Verb) -> Expect {
        match verb {
            Verb::Create { network, plan, .. } => self.expect_create(*network, plan),
            Verb::Remove { network, .. } => match self.networks.get(network) {
                None => Expect::Refused,
                Some(found) if found.standing != Standing::Sure => Expect::Either,
                Some(found) if found.seats.is_empty() => Expect::Done,
                Some(found) if found.seats.iter().any(|(id, seat)| self.is_certain(*id, *seat)) => {
                    Expect::Refused
                }
                Some(_) => Expect::Either,
            },
            Verb::Join { container, network, ip } => self.expect_join(*container, *network, *ip),
            Verb::Leave { container, network } => {
                let Some(found) = self.networks.get(network) else { return Expect::Refused };
                match found.seats.get(container) {
                    // The container's namespace is another by now.
                    None => Expect::Refused,
                    Some(seat) if self.is_certain(*container, *seat) => Expect::Done,
                    Some(_) => Expect::Either,
                }
            }
        }
    }

    fn expect_create(&self, network: usize, plan: &Plan) -> Expect {
        let overlaps = |other: &Network| {
            other.plans.iter().flat_map(|plan| &plan.subnets).any(|net| plan.subnets.contains(net))
        };
        let in_the_way = |(name, other): &(&usize, &Network)| **name == network || overlaps(other);
        let mut all = self.networks.iter().filter(in_the_way).map(|(_, other)| other).peekable();
        if all.peek().is_none() {
            Expect::Done
        } else if all.any(|other| other.standing == Standing::Sure) {
            Expect::Refused
        } else {
            Expect::Either
        }
    }

    fn expect_join(&self, container: usize, network: usize, ip: Option<Asked>) -> Expect {
        let Some(found) = self.networks.get(&network) else { return Expect::Refused };
        if found.standing != Standing::Sure {
            return Expect::Either;
        }
        let wanted = ip.map(|ip| found.address(ip));
        let in_the_way = |id: usize, seat: &Seat| {
            id == container || wanted.is_some() && (seat.ip.is_none() || seat.ip == wanted)
        };
        let mut all = found.seats.iter().filter(|(id, seat)| in_the_way(**id, seat)).peekable();
        if all.peek().is_none() {
            Expect::Done
        } else if all.any(|(id, seat)| self.is_certain(*id, *seat)) {
            Expect::Refused
        } else {
            Expect::Either
        }
    }

    /// Whether an endpoint is there for certain.
    fn is_certain(&self, container: usize, seat: Seat) -> bool {
        seat.standing == Standing::Sure && !self.hosts[container % HOSTS].given_up
    }

    /// On how many networks a container is or may be.
    pub fn networks_of(&self, container: usize) -> usize {
        self.networks.values().filter(|network| network.seats.contains_key(&container)).count()
    }

    /// Takes note of what came of a verb.
    pub fn note(&mut self, verb: &Verb, outcome: &Outcome) {
        match (verb, outcome) {
            (_, Outcome::Refused(_)) => {}
            (Verb::Create { network, plan, .. }, Outcome::Done(_)) => {
                let made =
                    Network { plans: vec![plan.clone()], standing: Standing::Sure, seats: BTreeMap::new() };
                self.networks.insert(*network, made);
            }
            (Verb::Create { network, plan, .. }, Outcome::Unknown) => {
                let none = || Network { plans: Vec::new(), standing: Standing::Open, seats: BTreeMap::new() };
                let found = self.networks.entry(*network).or_insert_with(none);
                // Where there is one for certain, there cannot be another.
                if found.standing != Standing::Sure {
                    found.plans.push(plan.clone());
                }
            }
            (Verb::Remove { network, .. }, Outcome::Done(_)) => drop(self.networks.remove(network)),
            (Verb::Remove { network, .. }, Outcome::Unknown) => {
                self.networks.entry(*network).and_modify(|found| found.standing = Standing::Open);
            }
            (Verb::Join { container, network, .. }, outcome) => {
                let Some(found) = self.networks.get_mut(network) else { return };
                let seat = match outcome {
                    Outcome::Done(ip) => Seat { ip: *ip, standing: Standing::Sure },
                    // Unless it is there: then it is not by this.
                    _ if found.seats.get(container).is_some_and(|seat| seat.standing == Standing::Sure) => {
                        return;
                    }
                    _ => Seat { ip: None, standing: Standing::Open },
                };
                found.seats.insert(*container, seat);
            }
            (Verb::Leave { container, network }, Outcome::Done(_)) => {
                self.networks.entry(*network).and_modify(|found| {
                    found.seats.remove(container);
                });
            }
            (Verb::Leave { container, network }, Outcome::Unknown) => {
                let Some(found) = self.networks.get_mut(network) else { return };
                found.seats.entry(*container).and_modify(|seat| seat.standing = Standing::Open);
            }
        }
    }

    /// A container's namespace went.
    pub fn vanish(&mut self, container: usize) {
        for network in self.networks.values_mut() {
            network.seats.entry(container).and_modify(|seat| seat.standing = Standing::Leaving);
        }
    }

    /// The store lost all. What is on its way to it may be done nevertheless.
    pub fn wipe(&mut self) {
        self.networks.values_mut().for_each(|network| network.standing = Standing::Open);
        self.hosts.iter_mut().for_each(|host| host.given_up = true);
    }

    /// Compares with the store, which has settled; what was open is as it says.
    pub fn settle(&mut self, view: &View) -> Result<(), String> {
        let mut networks = BTreeMap::new();
        for name in 0..NETWORKS {
            let (there, known) = (view.find(&format!("n{name}")).ok(), self.networks.get(&name));
            let (found, known) = match (there, known) {
                (None, None) => continue,
                (None, Some(known)) if known.standing == Standing::Open => continue,
                (Some(found), Some(known)) => (found, known),
                (None, Some(_)) => return Err(format!("n{name} is not in the store")),
                (Some(_), None) => return Err(format!("n{name} is in the store, and should not be")),
            };
            let is = Plan {
                subnets: found
                    .network
                    .subnets
                    .iter()
                    .map(|subnet| subnet.v4.net.addr().octets()[1] - 60)
                    .collect(),
                internal: found.network.internal,
            };
            if !known.plans.contains(&is) {
                return Err(format!("n{name} is {is:?} in the store, not one of {:?}", known.plans));
            }
            let mut seats = BTreeMap::new();
            for container in 0..CONTAINERS {
                let named = |endpoint: &&Endpoint| endpoint.name == format!("C{container}");
                let there = view.endpoints_of(found.network.id).find(named);
                let there = there.map(|endpoint| endpoint.address.addr());
                let others: Vec<Ipv4Addr> =
                    view.endpoints_of(found.network.id).map(|other| other.address.addr()).collect();
                self.compare(known.seats.get(&container), there, container, &others)
                    .map_err(|why| format!("C{container} on n{name}: {why}"))?;
                seats.extend(there.map(|ip| (container, Seat { ip: Some(ip), standing: Standing::Sure })));
            }
            if seats.len() != view.endpoints_of(found.network.id).count() {
                return Err(format!("n{name} has endpoints in the store that are of no container"));
            }
            networks.insert(name, Network { plans: vec![is], standing: Standing::Sure, seats });
        }
        if networks.len() != view.networks.len() {
            return Err("there are networks in the store that nobody made".to_owned());
        }
        *self = Model { networks, ..Model::new() };
        Ok(())
    }

    fn compare(
        &self,
        known: Option<&Seat>,
        there: Option<Ipv4Addr>,
        container: usize,
        taken: &[Ipv4Addr],
    ) -> Result<(), String> {
        let host = self.hosts[container % HOSTS];
        match (known, there) {
            (None, Some(ip)) => Err(format!("it has {ip} in the store, and should not be there")),
            (Some(seat), Some(_)) if seat.standing == Standing::Leaving => Err("it did not go".to_owned()),
            (Some(seat), Some(ip))
                if seat.ip.is_some_and(|known| known != ip) && seat.standing == Standing::Sure =>
            {
                Err(format!("it has {ip} in the store, and had {:?}", seat.ip))
            }
            (Some(_), Some(_)) | (None, None) => Ok(()),
            (Some(seat), None) if seat.standing != Standing::Sure => Ok(()),
            // Crossed out, and taken meanwhile, or forgotten.
            (Some(seat), None) if host.given_up => {
                let lost = seat.ip.is_none_or(|ip| taken.contains(&ip));
                if lost || host.forgot { Ok(()) } else { Err("its host did not take it again".to_owned()) }
            }
            (Some(_), None) => Err("it is not in the store".to_owned()),
        }
    }

    /// Whether a container has a way outside.
    pub fn goes_out(&self, container: usize) -> bool {
        let mut its = self.networks.values().filter(|network| network.seats.contains_key(&container));
        its.any(|network| !network.plans[0].internal)
    }

    /// Who is on a network, with the address.
    pub fn members(&self, network: usize) -> impl Iterator<Item = (usize, Ipv4Addr)> {
        let seats = self.networks.get(&network).into_iter().flat_map(|network| &network.seats);
        seats.filter_map(|(container, seat)| Some((*container, seat.ip?)))
    }
}

impl Network {
    /// The address that is asked for, in full.
    pub fn address(&self, asked: Asked) -> Ipv4Addr {
        let subnets = &self.plans[0].subnets;
        Ipv4Addr::new(10, 60 + subnets[asked.subnet % subnets.len()], 0, asked.last)
    }
}
