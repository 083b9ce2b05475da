//! A host that crashes is gone, silently and alone.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "crash/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::Lab;
use harness::lab::{Echoed, Run};
use harness::topology::{self, Topology};
use kernel::packet::Tap;
use kernel::{Canary, Netns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the kernel may take to free namespaces.
const FREED: Duration = Duration::from_secs(10);
/// Where the process that `peer_of_a_connection` is connects to.
const CONNECT: &str = "CRASH_TEST_CONNECT";

const LAB: &str = r#"
schema = 1
name = "crash"
kv = { host = "consul", persist = true }
host = [
  { name = "consul", ip = "10.0.0.5", engine = false },
  { name = "docker0", ip = "10.0.0.10" },
  { name = "docker1", ip = "10.0.0.11" },
]
network = [{ name = "demonet", on = "docker0", subnet = "192.168.0.0/24" }]
container = [
  { name = "C0", on = "docker0", networks = ["demonet"], command = ["sleep", "3600"] },
  { name = "C1", on = "docker1", networks = ["demonet"], command = ["sleep", "3600"] },
  { name = "C2", on = "docker0", networks = ["demonet"], command = ["sleep", "3600"] },
]
"#;

fn topology() -> Topology {
    topology::parse("crash.toml", LAB).map_err(|report| report.plain()).unwrap()
}

fn run<T>(body: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Threads that have nothing to do end at once, so that they can be counted.
    runtime.worker_threads(2).enable_all().thread_keep_alive(Duration::from_millis(1));
    runtime.build().unwrap().block_on(body)
}

async fn answers(lab: &Lab, from: &str, to: &str) -> bool {
    let address = lab.address(from, to).unwrap_or(Ipv4Addr::UNSPECIFIED);
    reaches(lab, from, address).await
}

async fn reaches(lab: &Lab, from: &str, to: Ipv4Addr) -> bool {
    let mut echoes = lab.echoes(&lab.place(from).unwrap(), to, 1, Duration::ZERO).unwrap();
    matches!(echoes.recv().await, Some(Ok(Echoed::Answered(_))))
}

/// Kills the init of a host's or container's machine, as people do.
async fn kill_init(lab: &Lab, place: &str) {
    let pid = lab.place(place).unwrap().machine().await.unwrap().pid();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// Waits until an event says so.
async fn wait_event(lab: &Lab, what: &str, text: &str) {
    let mut from = 0;
    let heard = async {
        loop {
            let (events, next) = lab.events().follow(from).await;
            if events.iter().any(|event| event.what == what && event.text == text) {
                return;
            }
            from = next;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
}

/// A canary in each namespace of the lab.
fn canaries(lab: &Lab) -> BTreeMap<u64, Canary> {
    let canary = |netns: &Netns| (netns.inode().unwrap(), Canary::new(&[netns]).unwrap());
    lab.namespaces().iter().map(canary).collect()
}

/// What the lab holds no longer is freed, and what it holds is not. How many were freed.
fn freed(lab: &Lab, canaries: BTreeMap<u64, Canary>) -> usize {
    let held: Vec<u64> = lab.namespaces().iter().map(|netns| netns.inode().unwrap()).collect();
    let (kept, gone): (Vec<_>, Vec<_>) = canaries.into_iter().partition(|(inode, _)| held.contains(inode));
    for (inode, canary) in &gone {
        assert!(canary.wait(FREED).unwrap(), "namespace {inode} is still held");
    }
    for (inode, canary) in kept {
        assert!(!canary.wait(Duration::ZERO).unwrap(), "namespace {inode} is gone");
    }
    gone.len()
}

#[kernel::isolate]
fn a_host_whose_init_is_killed_is_gone_and_the_others_go_on() {
    run(async {
        let lab = Lab::up(topology()).await.unwrap();
        let c1 = lab.address("C0", "C1").unwrap();
        assert!(answers(&lab, "docker0", "docker1").await && reaches(&lab, "C0", c1).await);
        let canaries = canaries(&lab);

        let place = lab.place("C1").unwrap();
        let mut echoes = lab.echoes(&place, c1, u32::MAX, Duration::from_millis(1)).unwrap();
        drop(place);
        assert!(matches!(echoes.recv().await, Some(Ok(Echoed::Answered(_)))));
        kill_init(&lab, "docker1").await;
        wait_event(&lab, "crash", "host docker1 is down").await;
        // Whoever asks from there is told.
        let error = loop {
            match echoes.recv().await.unwrap() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "host docker1 is down");

        assert!(!answers(&lab, "docker0", "docker1").await);
        assert!(!reaches(&lab, "C0", c1).await);
        for (from, to) in [("docker0", "consul"), ("consul", "docker0"), ("C0", "C2")] {
            assert!(answers(&lab, from, to).await, "{from} to {to}");
        }
        let report = lab.report().await.unwrap();
        let states: Vec<_> =
            report.hosts.iter().map(|host| (host.name.as_str(), host.state.as_str())).collect();
        assert_eq!(states, [("consul", "up"), ("docker0", "up"), ("docker1", "down")]);
        let states: Vec<_> = report.containers.iter().map(|c| (c.name.as_str(), c.state.as_str())).collect();
        assert_eq!(states, [("C0", "running"), ("C1", "lost"), ("C2", "running")]);
        for place in ["docker1", "C1"] {
            let error = match lab.place(place) {
                Ok(place) => place.machine().await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.to_string(), "host docker1 is down", "{place}");
        }
        assert_eq!(lab.crash("docker1").unwrap_err().to_string(), "host docker1 is down");
        // The host, its overlay, its container.
        assert_eq!(freed(&lab, canaries), 3);
        // The others work: a network, a container, its way to another.
        let run = Run {
            on: "docker0".into(),
            name: Some("C3".into()),
            networks: vec!["demonet".into()],
            ..Run::default()
        };
        lab.run(run).await.unwrap();
        assert!(answers(&lab, "C0", "C3").await);
        let crashes = lab.events().since(0).0.into_iter().filter(|event| event.what == "crash").count();
        assert_eq!(crashes, 1);
    });
}

#[kernel::isolate]
fn the_hosts_store_may_crash_too() {
    run(async {
        let lab = Lab::up(topology()).await.unwrap();
        let canaries = canaries(&lab);
        lab.crash("consul").unwrap();
        assert_eq!(freed(&lab, canaries), 1);
        let report = lab.report().await.unwrap();
        assert_eq!(report.networks_unknown.as_deref(), Some("host consul is down"));
        assert_eq!(report.hosts[0].state, "down");
        assert!(report.containers.iter().all(|container| container.state == "running"));
        assert!(!answers(&lab, "docker0", "consul").await);
        // What the engines have programmed stays.
        assert!(answers(&lab, "C0", "C1").await);
    });
}

#[kernel::isolate]
fn a_store_that_is_back_is_followed_although_the_old_one_said_no_goodbye() {
    run(async {
        let lab = Lab::up(topology()).await.unwrap();
        lab.crash("consul").unwrap();
        lab.restart("consul").await.unwrap();
        // Each engine has a query at the old one, that blocks for 15 s.
        let run = Run {
            on: "docker0".into(),
            name: Some("C3".into()),
            networks: vec!["demonet".into()],
            ..Run::default()
        };
        tokio::time::timeout(Duration::from_secs(10), lab.run(run)).await.unwrap().unwrap();
        assert!(answers(&lab, "C1", "C3").await);
    });
}

#[kernel::isolate]
fn a_container_whose_init_is_killed_loses_its_processes_only() {
    run(async {
        let lab = Lab::up(topology()).await.unwrap();
        let canaries = canaries(&lab);
        let host = lab.place("docker0").unwrap().machine().await.unwrap();
        let mut other = host.spawn(|| Command::new("/bin/sleep").arg("3600").spawn()).unwrap().unwrap();
        let machine = lab.place("C0").unwrap().machine().await.unwrap();
        kill(Pid::from_raw(machine.pid()), Signal::SIGKILL).unwrap();
        // Its processes die before it does.
        assert!(machine.wait_down(Duration::from_secs(10)).unwrap());
        let begun = Instant::now();
        loop {
            let report = lab.report().await.unwrap();
            let states: Vec<_> = report.containers.iter().map(|container| container.state.as_str()).collect();
            if states == ["exited (137)", "running", "running"] {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{states:?}");
            tokio::task::yield_now().await;
        }
        assert!(other.try_wait().unwrap().is_none());
        assert!(!host.wait_down(Duration::ZERO).unwrap());
        // Its networks stay, and it can be entered: a first process makes it a machine again.
        assert!(answers(&lab, "C1", "C0").await);
        let again = lab.place("C0").unwrap().machine().await.unwrap();
        assert!(again.spawn(|| Command::new("/bin/true").status()).unwrap().unwrap().success());
        assert_eq!(freed(&lab, canaries), 0);
        host.kill().unwrap();
        other.wait().unwrap();
    });
}

/// No test: a process on a host that holds a connection until it is killed.
#[test]
#[ignore = "started by other tests, on a host"]
fn peer_of_a_connection() {
    let Ok(address) = env::var(CONNECT) else { return };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"hello").unwrap();
    // Nothing comes, ever.
    let _ = stream.read(&mut [0]);
}

/// A connection from a process at `from` to a listener at `to`: the listener's side.
async fn connect(lab: &Lab, from: &str, to: &str, ip: Ipv4Addr) -> TcpStream {
    let address = SocketAddr::from((ip, 7777));
    let listener: TcpListener = lab.place(to).unwrap().netns().unwrap().listen(address).unwrap();
    let machine = lab.place(from).unwrap().machine().await.unwrap();
    let executable = env::current_exe().unwrap();
    let arguments = ["peer_of_a_connection", "--exact", "--ignored"];
    let spawn = move || {
        let mut command = Command::new(executable);
        command.args(arguments).env(CONNECT, address.to_string()).stdout(Stdio::null()).spawn()
    };
    let mut child = machine.spawn(spawn).unwrap().unwrap();
    // Reaped when it dies.
    std::thread::spawn(move || child.wait());
    listener.set_nonblocking(false).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).unwrap();
    stream
}

/// Nothing more came on a connection, not even its end.
fn is_silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn switch(lab: &Lab) -> Netns {
    lab.namespaces().into_iter().find(|netns| netns.name() == "switch").unwrap()
}

/// The ends of connections, of any layer, that the switch passed on for `hosts` while `patience` lasted.
fn goodbyes(tap: &Tap, hosts: &[Ipv4Addr], patience: Duration) -> Vec<wire::Segment> {
    let mut heard = Vec::new();
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(frame) = tap.next(left).unwrap() else { return heard };
        let segment = wire::tcp(&frame.bytes);
        heard.extend(segment.filter(|s| frame.outgoing && s.is_end() && hosts.contains(&s.source)));
    }
}

#[kernel::isolate]
fn a_crash_says_goodbye_to_nobody() {
    run(async {
        let lab = Lab::up(topology()).await.unwrap();
        let (c0, c1) = (lab.address("C1", "C0").unwrap(), lab.address("C0", "C1").unwrap());
        let host = lab.address("docker0", "docker1").unwrap();
        let peers = [
            connect(&lab, "docker1", "docker0", lab.address("docker1", "docker0").unwrap()).await,
            connect(&lab, "C1", "C0", c0).await,
        ];
        // The positive control: an orderly end is seen, inside the tunnel too.
        let tap = Tap::new(&switch(&lab)).unwrap();
        let third = connect(&lab, "C1", "C2", lab.address("C1", "C2").unwrap()).await;
        drop(third);
        let heard = goodbyes(&tap, &[lab.address("C1", "C2").unwrap()], Duration::from_millis(200));
        assert!(!heard.is_empty());

        let tap = Tap::new(&switch(&lab)).unwrap();
        let begun = Instant::now();
        lab.crash("docker1").unwrap();
        let took = begun.elapsed();
        let heard = goodbyes(&tap, &[host, c1], Duration::from_millis(500));
        assert!(heard.is_empty(), "{heard:?}");
        assert!(peers.iter().all(is_silent));
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

#[kernel::isolate]
fn the_engine_and_the_store_of_a_host_whose_init_is_killed_say_goodbye_to_nobody() {
    run(async {
        for victim in ["docker1", "consul"] {
            let lab = Lab::up(topology()).await.unwrap();
            let host = lab.address("docker0", victim).unwrap();
            // Its machine is there from now on.
            let _ = lab.place(victim).unwrap().machine().await.unwrap();
            let tap = Tap::new(&switch(&lab)).unwrap();
            kill_init(&lab, victim).await;
            wait_event(&lab, "crash", &format!("host {victim} is down")).await;
            let heard = goodbyes(&tap, &[host], Duration::from_millis(500));
            assert!(heard.is_empty(), "{heard:?}");
        }
    });
}

/// Descriptors and threads of this process.
fn held() -> (usize, usize) {
    let count = |path| fs::read_dir(path).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[kernel::isolate]
fn labs_and_crashes_leave_no_descriptor_and_no_thread() {
    run(async {
        let (_, threads) = held();
        // Once before, for what is made once and kept.
        drop(Lab::up(topology()).await.unwrap());
        wait_held(usize::MAX, threads).await;
        let (descriptors, _) = held();
        for round in 0..30 {
            let lab = Lab::up(topology()).await.unwrap();
            let run = Run { on: "docker1".into(), networks: vec!["demonet".into()], ..Run::default() };
            match round % 3 {
                0 => lab.crash("docker1").unwrap(),
                1 => {
                    kill_init(&lab, "docker0").await;
                    wait_event(&lab, "crash", "host docker0 is down").await;
                }
                // While something is being built there.
                _ => {
                    let building = tokio::spawn({
                        let lab = lab.clone();
                        async move { lab.run(run).await }
                    });
                    tokio::task::yield_now().await;
                    lab.crash("docker1").unwrap();
                    if let Err(error) = building.await.unwrap() {
                        assert!(!error.to_string().is_empty());
                    }
                }
            }
        }
        wait_held(descriptors, threads).await;
    });
}

/// Waits until no more are held: tasks and threads end behind our backs.
async fn wait_held(descriptors: usize, threads: usize) {
    let begun = Instant::now();
    while held().0 > descriptors || held().1 > threads {
        assert!(begun.elapsed() < FREED, "{descriptors} and {threads} before, {:?} now: {}", held(), names());
        tokio::task::yield_now().await;
    }
}

/// The threads of this process, and what its descriptors are.
fn names() -> String {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let threads: Vec<String> =
        threads.filter_map(|t| fs::read_to_string(t.path().join("comm")).ok()).collect();
    let fds = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let fds: Vec<_> = fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    format!("{threads:?} {fds:?}")
}
