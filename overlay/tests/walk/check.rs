//! What has to hold once a walk has settled.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use kernel::Netns;
use kernel::icmp::{Echo, Pinger};
use kernel::nft::Nft;
use overlay::Resolution;
use overlay::kv::keys;
use overlay::ledger::View;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use super::kernel_agrees::Expected;
use super::steps::{HOSTS, NETWORKS};
use super::world::World;

/// How long it may take until all is as it should be: engines mend every 50 ms, and try a lost store every 500 ms.
const SETTLED: Duration = Duration::from_secs(15);
/// An answer takes less than a millisecond; this is for a busy machine.
const ANSWER: Duration = Duration::from_secs(2);
/// How long each of several requests is waited for, where peers are resolved on a miss: the frame whose MAC was missed is lost.
const ONE_OF_SEVERAL: Duration = Duration::from_millis(100);
/// How long nothing has to come. The pairs that do reach each other are the control.
const SILENCE: Duration = Duration::from_millis(100);
/// Threads for what blocks: pings, and the engines' work on kernels. They stay for some seconds.
pub const BLOCKING: usize = 64;
/// Threads in namespaces: of hosts, containers, overlays, those of a moment ago too.
const INSIDE: usize = 40;
/// How many of those that should not reach each other are tried.
const STRANGERS: usize = 6;

/// Descriptors and threads of this process.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    pub descriptors: usize,
    pub threads: usize,
}

impl Holdings {
    pub fn now() -> Holdings {
        let count = |path| std::fs::read_dir(path).unwrap().count();
        Holdings { descriptors: count("/proc/self/fd"), threads: count("/proc/self/task") }
    }
}

impl World {
    /// Waits until all is as the model says, and checks who reaches whom.
    pub async fn settle(&mut self, resolution: Resolution, rng: &mut fastrand::Rng) -> Result<(), String> {
        self.restore().await?;
        let start = Instant::now();
        let view = loop {
            match self.settled(resolution).await {
                Ok(view) => break view,
                Err(why) if start.elapsed() > SETTLED => return Err(format!("it does not settle: {why}")),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        self.model.settle(&view)?;
        self.check_pings(resolution, rng).await?;
        self.check_ports().await
    }

    /// Whether the port that a host publishes leads from outside to the container that has it, if that has a way outside.
    async fn check_ports(&self) -> Result<(), String> {
        for host in 0..HOSTS {
            let container = &self.containers[host];
            let at = |ip: Ipv4Addr, port| SocketAddr::from((ip, port));
            let server = container.netns.listen(at(Ipv4Addr::UNSPECIFIED, 80)).unwrap();
            let server = TcpListener::from_std(server).unwrap();
            let client = TcpSocket::from_std_stream(self.lab.switch.tcp().unwrap().into());
            let ip = keys::host_of(self.lab.hosts[host].env.advertise).unwrap();
            let due = self.model.goes_out(host);
            let patience = if due { ANSWER } else { SILENCE };
            let meet = async {
                let _stream = client.connect(at(ip, 8080)).await.ok()?;
                server.accept().await.ok()
            };
            let met = timeout(patience, meet).await.ok().flatten().is_some();
            if met != due {
                let said = if due { "leads nowhere" } else { "is open" };
                return Err(format!("port 8080 of docker{host} {said}"));
            }
        }
        Ok(())
    }

    /// Whether store and kernels are as the model says, all at one moment.
    async fn settled(&self, resolution: Resolution) -> Result<View, String> {
        let view = self.view().await;
        for host in &self.lab.hosts {
            let (name, engine) = (&host.env.name, host.engine.as_ref().ok_or("no engine")?);
            let seen = timeout(Duration::from_secs(1), engine.converged(view.index)).await;
            seen.map_err(|_| format!("{name} does not see {}", view.index))?
                .map_err(|error| error.to_string())?;
            let faults = engine.faults();
            if !faults.is_empty() {
                return Err(format!("{name} has faults: {faults:?}"));
            }
        }
        if view.nodes.len() != HOSTS {
            return Err(format!("only {:?} are registered", view.nodes));
        }
        let mut model = self.model.clone();
        model.settle(&view)?;
        let contradictions = view.contradictions();
        if !contradictions.is_empty() {
            return Err(contradictions.join("; "));
        }
        for (number, host) in self.lab.hosts.iter().enumerate() {
            let containers: Vec<_> = self.containers.iter().skip(number).step_by(HOSTS).collect();
            let expected = Expected { env: &host.env, view: &view, resolution };
            expected.check(&containers).map_err(|why| format!("{}: {why}", host.env.name))?;
            let tables = Nft::new(&host.env.netns).unwrap().tables().unwrap();
            if has_bridge(&host.env.netns) && tables != ["docker"] {
                return Err(format!("{} has the tables {tables:?}", host.env.name));
            }
        }
        for (number, container) in self.containers.iter().enumerate() {
            let published = self.lab.hosts[number % HOSTS].env.sandboxes.bindings(container.sandbox);
            let due = if model.goes_out(number) { container.publish.len() } else { 0 };
            if published.len() != due {
                return Err(format!("{} has published {published:?}, not {due} ports", container.name));
            }
        }
        if self.view().await.index == view.index { Ok(view) } else { Err("the store changes".to_owned()) }
    }

    async fn check_pings(&self, resolution: Resolution, rng: &mut fastrand::Rng) -> Result<(), String> {
        let mut pings = Vec::new();
        for network in 0..NETWORKS {
            for (from, _) in self.model.members(network) {
                let others = self.model.members(network).filter(|(to, _)| *to != from);
                others.for_each(|(_, ip)| pings.push((from, ip, true)));
            }
        }
        let mut strangers = Vec::new();
        for from in 0..self.containers.len() {
            let on = |network: &usize| self.model.members(*network).any(|(id, _)| id == from);
            for network in (0..NETWORKS).filter(|network| !on(network)) {
                strangers.extend(self.model.members(network).map(|(_, ip)| (from, ip, false)));
            }
            let out = self.model.goes_out(from);
            let gateway = (from, Ipv4Addr::new(10, 0, 0, 1), out);
            if out { pings.push(gateway) } else { strangers.push(gateway) }
        }
        rng.shuffle(&mut strangers);
        pings.extend(strangers.into_iter().take(STRANGERS));
        let sent: Vec<_> = pings
            .into_iter()
            .map(|(from, to, answered)| {
                let netns = self.containers[from].netns.clone();
                let patience = match (answered, resolution) {
                    (true, Resolution::OnMiss) => (ONE_OF_SEVERAL, ANSWER),
                    (true, Resolution::Store) => (ANSWER, ANSWER),
                    (false, _) => (SILENCE, SILENCE),
                };
                (from, to, answered, tokio::task::spawn_blocking(move || reaches(&netns, to, patience)))
            })
            .collect();
        let mut wrong = Vec::new();
        for (from, to, answered, reaches) in sent {
            if reaches.await.map_err(|error| error.to_string())? != answered {
                wrong.push(format!("C{from} {} {to}", if answered { "does not reach" } else { "reaches" }));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// Whether the process holds about what it held before anything was done; `each` endpoint may hold some descriptors.
    pub fn check_holdings(&self, before: Holdings) -> Result<(), String> {
        let endpoints: usize = (0..NETWORKS).map(|network| self.model.members(network).count()).sum();
        let now = Holdings::now();
        if now.descriptors > before.descriptors + 40 + 12 * endpoints
            || now.threads > before.threads + BLOCKING + INSIDE
        {
            return Err(format!("{now:?}, with {endpoints} endpoints; {before:?} before"));
        }
        Ok(())
    }
}

/// Whether a request is answered, each waited for so long, and all together.
fn reaches(from: &Netns, to: Ipv4Addr, (each, all): (Duration, Duration)) -> bool {
    let mut pinger = Pinger::new(from, to).unwrap();
    let start = Instant::now();
    loop {
        if matches!(pinger.ping(each).unwrap(), Echo::Reply(_)) {
            return true;
        }
        if start.elapsed() >= all {
            return false;
        }
    }
}

fn has_bridge(host: &Netns) -> bool {
    crate::lab::look(host).link("docker_gwbridge").is_some()
}
