//! Hosts on an underlay, each with an engine, and containers on them: the ground that the tests stand on.
#![expect(dead_code, unreachable_pub, reason = "no test needs all of it, and none is a crate to others")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::icmp::{Echo, Pinger};
use kernel::{Batch, Mac, Netns, NewLink, Rtnl, Snapshot};
use overlay::dns::Resolv;
use overlay::id::{ContainerId, SandboxId};
use overlay::ipam::PoolRequest;
use overlay::kv::memory::{self, Line};
use overlay::kv::{Kv, store};
use overlay::{
    Config, ContainerRef, CreateNetwork, Engine, HostEnv, JoinOptions, Resolution, Sandboxes, Witness,
};

/// A lab: a store, a switch, and hosts at it.
pub struct Lab {
    pub store: memory::Shared,
    pub switch: Netns,
    pub hosts: Vec<Host>,
    rng: fastrand::Rng,
}

/// A host.
pub struct Host {
    pub env: HostEnv,
    pub engine: Option<Engine>,
    /// Its way to the store.
    pub line: Line,
    pub config: Config,
}

/// Short enough for a test to wait for.
pub fn config(seed: u64) -> Config {
    Config {
        session_ttl: Duration::from_millis(300),
        peer_grace: Duration::from_millis(300),
        mend: Duration::from_millis(50),
        seed,
        ..Config::default()
    }
}

/// Runs a lab's test on a runtime of its own.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce(Lab) -> F, hosts: u8) {
    run_with(Resolution::Store, test, hosts);
}

/// The same, with engines that learn of peers so.
pub fn run_with<F: Future<Output = ()>>(resolution: Resolution, test: impl FnOnce(Lab) -> F, hosts: u8) {
    run_set(|number| Config { resolution, ..config(u64::from(number)) }, test, hosts);
}

/// The same, with engines that are set so, by the host's number.
pub fn run_set<F: Future<Output = ()>>(
    config: impl Fn(u8) -> Config,
    test: impl FnOnce(Lab) -> F,
    hosts: u8,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move { test(Lab::of(hosts, config).await).await });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

impl Host {
    /// Lets somebody hear the engines that are started from now on.
    pub fn witness(&mut self, witness: Witness) {
        self.config.witness = witness;
    }
}

impl Lab {
    /// Hosts 10.0.0.10, .11 and so on, each with an engine that is ready and set so, by the host's number.
    pub async fn of(count: u8, config: impl Fn(u8) -> Config) -> Lab {
        let switch = Netns::new("switch").unwrap();
        let rtnl = Rtnl::new(&switch).unwrap();
        // Without a MAC of its own it would change it when a host goes.
        let mac = Some(Mac::of([10, 0, 0, 1].into()));
        let bridge = NewLink { index: 2, name: "sw0".into(), mac, ..NewLink::default() };
        let gateway = "10.0.0.1/24".parse().unwrap();
        rtnl.apply(&Batch::new().up(1, "lo").bridge(&bridge).address(2, gateway)).unwrap();
        let config_min =
            store::Config { session_ttl_min: Duration::from_millis(10), ..store::Config::default() };
        let store = memory::Shared::new(config_min);
        let mut lab = Lab { store, switch, hosts: Vec::new(), rng: fastrand::Rng::with_seed(1) };
        for number in 0..count {
            let env = plugged(&lab.switch, number);
            lab.hosts.push(Host { env, engine: None, line: Line::default(), config: config(number) });
            lab.start(usize::from(number)).await;
        }
        lab
    }

    /// All that is on a host goes, as in a power failure, and it is there again without an engine.
    pub fn crash(&mut self, host: usize) {
        if let Some(engine) = self.hosts[host].engine.take() {
            engine.abort();
        }
        let number = u8::try_from(host).unwrap();
        let port = Batch::new().remove_link(port_of(number), &format!("p{number}"));
        Rtnl::new(&self.switch).unwrap().apply(&port).unwrap();
        self.hosts[host].env = plugged(&self.switch, number);
    }

    /// Starts an engine on a host, another one than before.
    pub async fn start(&mut self, host: usize) {
        self.begin(host);
        self.engine(host).ready().await.unwrap();
    }

    /// Starts one, and does not wait until it is ready.
    pub fn begin(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.config.seed += 100;
        let kv = Kv::Memory(self.store.over(&host.line));
        host.engine = Some(Engine::start(host.env.clone(), kv, host.config.clone()).unwrap());
    }

    pub fn engine(&self, host: usize) -> &Engine {
        self.hosts[host].engine.as_ref().expect("it has one")
    }

    /// `demonet`, made on the first host.
    pub async fn demonet(&self) {
        self.engine(0).create_network(network("demonet", "192.168.0.0/24")).await.unwrap();
    }

    /// A container that is on no network yet.
    pub fn container(&mut self, name: &str) -> ContainerRef {
        ContainerRef {
            id: ContainerId::random(&mut self.rng),
            name: name.to_owned(),
            sandbox: SandboxId::random(&mut self.rng),
            netns: Netns::new(name).unwrap(),
            publish: Vec::new(),
            dns: Resolv::default(),
        }
    }

    /// A container on a host and on a network.
    pub async fn joined(
        &mut self,
        host: usize,
        name: &str,
        network: &str,
        ip: Option<[u8; 4]>,
    ) -> ContainerRef {
        let container = self.container(name);
        let options = JoinOptions { ip: ip.map(Into::into), ..JoinOptions::default() };
        self.engine(host).join(&container, network, options).await.unwrap();
        container
    }

    /// Waits until every engine has seen all that was done so far.
    pub async fn converged(&self) {
        for host in self.hosts.iter().filter_map(|host| host.engine.as_ref()) {
            let index = host.store_index().await.unwrap();
            let wait = tokio::time::timeout(Duration::from_secs(5), host.converged(index));
            wait.await
                .unwrap_or_else(|_| panic!("{} does not converge: {:?}", host.host().name, host.faults()))
                .unwrap();
        }
    }

    /// What the namespace of that name on a host holds.
    pub fn look(&self, host: usize, name: &str) -> Snapshot {
        look(
            self.hosts[host].env.sandboxes.get(name).unwrap_or_else(|| panic!("no namespace {name}")).netns(),
        )
    }

    /// The name of the only overlay namespace on a host.
    pub fn overlay(&self, host: usize) -> String {
        let all = self.hosts[host].env.sandboxes.list();
        let mut overlays = all.into_iter().map(|(name, _)| name).filter(|name| name.contains('-'));
        let name = overlays.next().expect("an overlay");
        assert_eq!(overlays.next(), None);
        name
    }
}

/// The index of a host's port at the switch.
fn port_of(number: u8) -> u32 {
    10 + u32::from(number)
}

/// A host that is at the switch, and has nothing else.
fn plugged(switch: &Netns, number: u8) -> HostEnv {
    let netns = Netns::new(&format!("docker{number}")).unwrap();
    let port =
        NewLink { index: port_of(number), name: format!("p{number}"), master: Some(2), ..NewLink::default() };
    let ip = Ipv4Addr::new(10, 0, 0, 10 + number);
    // One that comes back has the MAC that it had.
    let mac = Some(Mac::of(ip));
    let eth0 = NewLink { index: 2, name: "eth0".into(), mac, ..NewLink::default() };
    Rtnl::new(switch).unwrap().apply(&Batch::new().veth(&port, &eth0, Some(netns.as_fd()))).unwrap();
    let batch = Batch::new().up(1, "lo").up(2, "eth0").address(2, format!("{ip}/24").parse().unwrap());
    Rtnl::new(&netns).unwrap().apply(&batch.default_route(Ipv4Addr::new(10, 0, 0, 1), 2)).unwrap();
    HostEnv {
        name: format!("docker{number}"),
        netns,
        advertise: SocketAddr::from((ip, 2376)),
        sandboxes: Sandboxes::new(),
        underlay: vec!["10.0.0.0/24".parse().unwrap()],
    }
}

pub fn network(name: &str, subnet: &str) -> CreateNetwork {
    network_of(name, &[subnet])
}

/// A network of several subnets.
pub fn network_of(name: &str, subnets: &[&str]) -> CreateNetwork {
    let pool = |subnet: &&str| PoolRequest { subnet: Some((*subnet).to_owned()), ..PoolRequest::default() };
    let pools = subnets.iter().map(pool).collect();
    let ipv6 = subnets.iter().any(|subnet| subnet.contains(':'));
    CreateNetwork { name: name.to_owned(), pools, ipv6, ..CreateNetwork::default() }
}

pub fn look(netns: &Netns) -> Snapshot {
    Rtnl::new(netns).unwrap().dump().unwrap()
}

/// One echo request.
pub async fn ping(from: &Netns, to: impl Into<IpAddr>) -> Echo {
    let (from, to) = (from.clone(), to.into());
    let once = move || Pinger::new(&from, to).unwrap().ping(Duration::from_millis(300)).unwrap();
    tokio::task::spawn_blocking(once).await.unwrap()
}

pub async fn reaches(from: &Netns, to: impl Into<IpAddr>) -> bool {
    matches!(ping(from, to).await, Echo::Reply(_))
}

/// Waits until something holds, and says what did not after ten seconds.
pub async fn holds<F: Future<Output = bool>>(what: &str, mut fact: impl FnMut() -> F) {
    let start = Instant::now();
    while !fact().await {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: it never did");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
