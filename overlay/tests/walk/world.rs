//! The walk's lab, its containers, and the model beside it; a step is done to both.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use overlay::kv::memory::Reach;
use overlay::kv::{Kv, keys};
use overlay::ledger::View;
use overlay::model::Publish;
use overlay::{Config, ContainerRef, CreateNetwork, Engine, JoinOptions, Resolution, Witness};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::model::{Model, Outcome};
use super::steps::{CONTAINERS, HOSTS, Plan, Step, Verb};
use crate::lab::{self, Lab};

/// Longer than elsewhere, so that a host that is only slow is not given up: the walk ends sessions by hand.
const TTL: Duration = Duration::from_secs(2);
/// A verb that has the store takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the verbs of an engine say that was killed.
const ENDED: &str = "the engine has ended";

pub struct World {
    pub lab: Lab,
    pub model: Model,
    pub containers: Vec<ContainerRef>,
    /// Verbs that wait for a store that says nothing.
    waiting: Vec<(Verb, JoinHandle<Outcome>)>,
    /// Since when a host has had no engine, or none with a store.
    away: [Option<Instant>; HOSTS],
    /// What the engines said.
    pub said: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub async fn new(resolution: Resolution) -> World {
        let said = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let hear = |host: u8| {
            let said = Arc::clone(&said);
            Witness::new(move |sentence| {
                let at = start.elapsed().as_millis();
                said.lock().unwrap().push(format!("{at:>7} ms  docker{host}: {sentence}"));
            })
        };
        let config = |host| Config {
            resolution,
            session_ttl: TTL,
            witness: hear(host),
            ..lab::config(u64::from(host))
        };
        let mut lab = Lab::of(u8::try_from(HOSTS).unwrap(), config).await;
        let containers = (0..CONTAINERS).map(|number| fresh(&mut lab, number)).collect();
        World { lab, model: Model::new(), containers, waiting: Vec::new(), away: [None; HOSTS], said }
    }

    pub fn kv(&self) -> Kv {
        Kv::Memory(self.lab.store.clone())
    }

    pub async fn view(&self) -> View {
        View::read(&self.kv().list(keys::ALL).await.unwrap())
    }

    /// Does a step, or nothing where there is nothing to do it to.
    pub async fn step(&mut self, step: &Step) -> Result<(), String> {
        for host in 0..HOSTS {
            self.model.hosts[host].given_up |= self.away[host].is_some_and(|since| since.elapsed() > TTL);
        }
        match step {
            Step::Ask(verb) => self.ask(verb).await?,
            Step::Both(one, other) => self.both(one, other).await?,
            Step::KillDuring(verb, after) => self.kill_during(verb, Duration::from_micros(*after)).await?,
            Step::Kill(host) => self.kill(*host),
            Step::Start(host) => self.start(*host).await?,
            Step::Cut(host, reach) => {
                self.lab.hosts[*host].line.set(*reach);
                self.model.hosts[*host].has_store = false;
            }
            Step::Heal(host) => self.heal(*host),
            Step::LoseAnswer(host, after) => {
                self.lab.hosts[*host].line.lose_answer(*after);
                self.model.hosts[*host].shaky = true;
            }
            Step::LoseKey(host) => {
                self.kv().delete(&self.key(*host)).await.unwrap();
                self.model.hosts[*host].given_up = true;
            }
            Step::LoseSession(host) => self.lose_session(*host).await,
            Step::GiveUp(host) => self.give_up(*host).await?,
            Step::Vanish(container) => self.vanish(*container),
            Step::Crash(host) => self.crash(*host),
            Step::Wipe => {
                self.kv().delete_tree(keys::ALL).await.unwrap();
                self.model.wipe();
                (0..CONTAINERS).for_each(|container| self.vanish(container));
            }
            Step::Break(host, damage, nth) => damage.done_to(self, *host, *nth),
        }
        for (host, away) in self.away.iter_mut().enumerate() {
            let known = self.model.hosts[host];
            *away = if known.runs && known.has_store { None } else { away.or_else(|| Some(Instant::now())) };
        }
        Ok(())
    }

    /// The engine that a verb is for, if there is one and it may be asked.
    fn engine_for(&self, verb: &Verb) -> Option<Engine> {
        if let Verb::Join { container, .. } = verb
            && self.model.networks_of(*container) >= 2
        {
            return None;
        }
        self.lab.hosts[verb.host()].engine.clone()
    }

    async fn ask(&mut self, verb: &Verb) -> Result<(), String> {
        let Some(engine) = self.engine_for(verb) else { return Ok(()) };
        let asked = self.asks(engine, verb);
        self.answered(verb, asked).await
    }

    async fn answered(&mut self, verb: &Verb, mut asked: JoinHandle<Outcome>) -> Result<(), String> {
        if self.lab.hosts[verb.host()].line.reach() == Reach::Silent {
            self.model.note(verb, &Outcome::Unknown);
            self.waiting.push((verb.clone(), asked));
            return Ok(());
        }
        let outcome = timeout(PATIENCE, &mut asked).await.map_err(|_| "it does not end".to_owned())?;
        let outcome = outcome.map_err(|error| error.to_string())?;
        if !self.model.explains(verb, &outcome) {
            return Err(format!("{verb}: {outcome:?}"));
        }
        self.model.note(verb, &outcome);
        Ok(())
    }

    /// Two verbs at once: what comes of them is what would come of one after the other.
    async fn both(&mut self, one: &Verb, other: &Verb) -> Result<(), String> {
        let silent = |verb: &Verb| self.lab.hosts[verb.host()].line.reach() == Reach::Silent;
        let (Some(first), Some(second), false) =
            (self.engine_for(one), self.engine_for(other), silent(one) || silent(other))
        else {
            self.ask(one).await?;
            return self.ask(other).await;
        };
        let first = self.asks(first, one);
        let second = self.asks(second, other);
        let ends = async { (first.await, second.await) };
        let (first, second) = timeout(PATIENCE, ends).await.map_err(|_| "they do not end".to_owned())?;
        let outcomes =
            [(one, first.map_err(|e| e.to_string())?), (other, second.map_err(|e| e.to_string())?)];
        for order in [[0, 1], [1, 0]] {
            let mut model = self.model.clone();
            let explained = order.iter().all(|place| {
                let (verb, outcome) = &outcomes[*place];
                let explained = model.explains(verb, outcome);
                model.note(verb, outcome);
                explained
            });
            if explained {
                self.model = model;
                return Ok(());
            }
        }
        Err(format!("no order explains {outcomes:?}"))
    }

    async fn kill_during(&mut self, verb: &Verb, after: Duration) -> Result<(), String> {
        let Some(engine) = self.engine_for(verb) else { return Ok(()) };
        let asked = self.asks(engine, verb);
        // A random moment, not a wait.
        tokio::time::sleep(after).await;
        self.kill(verb.host());
        self.answered(verb, asked).await
    }

    fn kill(&mut self, host: usize) {
        let Some(engine) = self.lab.hosts[host].engine.take() else { return };
        engine.abort();
        let known = &mut self.model.hosts[host];
        (known.runs, known.forgot) = (false, true);
    }

    async fn start(&mut self, host: usize) -> Result<(), String> {
        if self.lab.hosts[host].engine.is_some() {
            return Ok(());
        }
        self.lab.begin(host);
        self.model.hosts[host].runs = true;
        if self.model.hosts[host].has_store {
            let ready = timeout(PATIENCE, self.lab.engine(host).ready()).await;
            let faults = self.lab.engine(host).faults();
            ready
                .map_err(|_| format!("docker{host} is not ready: {faults:?}"))?
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn heal(&mut self, host: usize) {
        self.lab.hosts[host].line.set(Reach::Whole);
        self.model.hosts[host].has_store = true;
    }

    fn key(&self, host: usize) -> String {
        keys::node(self.lab.hosts[host].env.advertise)
    }

    async fn lose_session(&mut self, host: usize) {
        let pair = self.kv().get(&self.key(host)).await.unwrap();
        if let Some(session) = pair.and_then(|pair| pair.session) {
            self.kv().session_destroy(&session).await.unwrap();
        }
        self.model.hosts[host].given_up = true;
    }

    async fn give_up(&mut self, host: usize) -> Result<(), String> {
        let here = |known: &super::model::Host| known.runs && known.has_store;
        if here(&self.model.hosts[host]) || !self.model.hosts.iter().any(here) {
            return Ok(());
        }
        self.lose_session(host).await;
        let vtep = keys::host_of(self.lab.hosts[host].env.advertise).unwrap();
        let start = Instant::now();
        while self.view().await.endpoints_on(vtep).next().is_some() {
            if start.elapsed() > PATIENCE {
                return Err(format!("the endpoints of docker{host} are never crossed out"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn crash(&mut self, host: usize) {
        self.kill(host);
        (host..CONTAINERS).step_by(HOSTS).for_each(|container| self.vanish(container));
        self.lab.crash(host);
    }

    fn vanish(&mut self, container: usize) {
        let fresh = fresh(&mut self.lab, container);
        let gone = std::mem::replace(&mut self.containers[container], fresh);
        self.lab.hosts[container % HOSTS].env.sandboxes.remove(&gone.sandbox.namespace());
        self.model.vanish(container);
    }

    /// All engines run and have the store, and nobody waits for an answer any more.
    pub async fn restore(&mut self) -> Result<(), String> {
        for host in 0..HOSTS {
            self.heal(host);
            self.start(host).await?;
        }
        self.away = [None; HOSTS];
        for (verb, asked) in std::mem::take(&mut self.waiting) {
            let ended = timeout(PATIENCE, asked).await;
            ended.map_err(|_| format!("{verb}: it does not end"))?.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Who is where, and what the kernels hold, for people.
    pub fn show(&self) -> String {
        let mut text = String::new();
        for (name, network) in &self.model.networks {
            writeln!(text, "n{name}: {network:?}").unwrap();
        }
        for host in &self.lab.hosts {
            let mut places = vec![(host.env.name.clone(), host.env.netns.clone())];
            places.extend(host.env.sandboxes.list());
            for (name, netns) in places {
                let have = lab::look(&netns);
                writeln!(text, "{} {name}", host.env.name).unwrap();
                for link in &have.links {
                    let (up, master, peer) = (link.up, link.master, link.peer);
                    let its: Vec<_> = have
                        .addresses
                        .iter()
                        .filter(|found| found.dev == link.index)
                        .map(|found| found.net)
                        .collect();
                    writeln!(
                        text,
                        "  {} {} up {up} master {master:?} peer {peer:?} {its:?}",
                        link.index, link.name
                    )
                    .unwrap();
                }
                have.neighbours.iter().for_each(|entry| writeln!(text, "  {entry:?}").unwrap());
                have.fdb.iter().for_each(|entry| writeln!(text, "  {entry:?}").unwrap());
            }
        }
        text
    }

    /// Asks an engine for something.
    fn asks(&self, engine: Engine, verb: &Verb) -> JoinHandle<Outcome> {
        let verb = verb.clone();
        let container = match verb {
            Verb::Join { container, .. } | Verb::Leave { container, .. } => container,
            Verb::Create { .. } | Verb::Remove { .. } => 0,
        };
        let container = self.containers[container].clone();
        let ip = match &verb {
            Verb::Join { network, ip: Some(ip), .. } => {
                self.model.networks.get(network).map(|network| network.address(*ip))
            }
            _ => None,
        };
        tokio::spawn(async move {
            let name = |network: usize| format!("n{network}");
            let done = match verb {
                Verb::Create { network, plan, .. } => {
                    engine.create_network(request(&name(network), &plan)).await.map(|_| None)
                }
                Verb::Remove { network, .. } => engine.remove_network(&name(network)).await.map(|_| None),
                Verb::Join { network, .. } => {
                    let options = JoinOptions { ip, ..JoinOptions::default() };
                    let info = engine.join(&container, &name(network), options).await;
                    info.map(|info| Some((info.address.addr(), info.address6.map(|net| net.addr()))))
                }
                Verb::Leave { network, .. } => engine.leave(&container, &name(network)).await.map(|_| None),
            };
            match done {
                Ok(addresses) => Outcome::Done(addresses),
                Err(error) if error.is_unreachable() || error.to_string() == ENDED => Outcome::Unknown,
                Err(error) => Outcome::Refused(error.to_string()),
            }
        })
    }
}

/// A container that is on no network. The first on each host publishes a port, the second one of several.
fn fresh(lab: &mut Lab, number: usize) -> ContainerRef {
    let publish = match number / HOSTS {
        0 => "8080:80",
        1 => "9000-9009:53/udp",
        _ => return lab.container(&format!("C{number}")),
    };
    ContainerRef { publish: Publish::parse(publish).unwrap(), ..lab.container(&format!("C{number}")) }
}

fn request(name: &str, plan: &Plan) -> CreateNetwork {
    let mut subnets: Vec<String> = plan.subnets.iter().map(|net| format!("10.{}.0.0/24", 60 + net)).collect();
    if plan.ipv6 {
        subnets.extend(plan.subnets.iter().map(|net| format!("fd00:{}::/64", 60 + net)));
    }
    let subnets: Vec<&str> = subnets.iter().map(String::as_str).collect();
    CreateNetwork { internal: plan.internal, ..lab::network_of(name, &subnets) }
}
