//! How long until hosts know of one another's containers: a table. Not a criterion bench: the figures are the result, not their
//! change.
//!
//! Times end with an answered echo request, or when a kernel's table no longer has an entry, so that they are what a
//! container would see.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use benches::enter;
use harness::Lab;
use harness::lab::Run;
use harness::topology::{Resolution, Topology};
use kernel::Netns;
use kernel::icmp::{Echo, Pinger};
use tokio::runtime::Runtime;

/// How many hosts look on.
const HOSTS: usize = 10;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);
/// After that something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    enter(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        println!("{:<58} {:>6} {:>10} {:>10} {:>10}", "", "times", "median", "p99", "max");
        joined(&runtime, if small { 1 } else { 30 });
        missed(&runtime, if small { 1 } else { 30 });
        if !small {
            killed(&runtime, 3);
        }
    })
}

/// Hosts h0, h1, … with a container each on one network: c0, c1, …
fn lab(runtime: &Runtime, hosts: usize, resolution: Resolution) -> Lab {
    let mut builder = Topology::builder().resolution(resolution).plain_hosts(["consul"]);
    for number in 0..hosts {
        builder = builder.hosts([format!("h{number}").as_str()]);
    }
    builder = builder.network("net", "192.168.0.0/24");
    for number in 0..hosts {
        builder = builder.container(&format!("c{number}"), &format!("h{number}"), ["net"]);
    }
    let topology = builder.build().expect("the names are right");
    runtime.block_on(Lab::up(topology)).expect("the lab comes up")
}

fn netns(lab: &Lab, name: &str) -> Netns {
    lab.place(name).expect("it is there").netns().expect("it is up")
}

/// A new container on the first host; its address.
fn run(runtime: &Runtime, lab: &Lab, name: &str) -> Ipv4Addr {
    let run = Run {
        name: Some(name.to_owned()),
        on: "h0".to_owned(),
        networks: vec!["net".to_owned()],
        ..Run::default()
    };
    runtime.block_on(lab.run(run)).expect("it joins");
    lab.address("c1", name).expect("it has an address")
}

/// When an echo request from there is answered for the first time.
fn answered(from: &Netns, to: Ipv4Addr) -> Instant {
    let mut pinger = Pinger::new(from, to).expect("a socket can be made");
    let begun = Instant::now();
    while !matches!(pinger.ping(PAUSE).expect("it can be sent"), Echo::Reply(_)) {
        assert!(begun.elapsed() < PATIENCE, "it is never answered");
    }
    Instant::now()
}

/// From the end of the join to the first answer, on each of ten hosts.
fn joined(runtime: &Runtime, times: usize) {
    let lab = lab(runtime, HOSTS, Resolution::Store);
    let hosts: Vec<Netns> = (0..HOSTS).map(|number| netns(&lab, &format!("c{number}"))).collect();
    let mut all = Vec::new();
    for number in 0..times {
        let name = format!("new{number}");
        let to = run(runtime, &lab, &name);
        let begun = Instant::now();
        let looking = hosts.iter().map(|from| {
            let from = from.clone();
            thread::spawn(move || answered(&from, to).saturating_duration_since(begun))
        });
        let looking: Vec<_> = looking.collect();
        all.extend(looking.into_iter().map(|host| host.join().expect("it does not panic")));
        runtime.block_on(lab.remove_container(&name)).expect("it leaves");
    }
    say("joined, until it answers each of 10 hosts", all);
}

/// The first echo request to a peer that nobody has asked for before.
fn missed(runtime: &Runtime, times: usize) {
    let lab = lab(runtime, 2, Resolution::OnMiss);
    let from = netns(&lab, "c1");
    let mut all = Vec::new();
    for number in 0..times {
        let name = format!("new{number}");
        let to = run(runtime, &lab, &name);
        // Not how fast the store is heard, but how fast a miss is answered: all engines have followed when they are compared.
        let checked = runtime.block_on(lab.check(false)).expect("it can be looked at");
        assert!(checked.findings.is_empty(), "{checked:?}");
        let begun = Instant::now();
        all.push(answered(&from, to).saturating_duration_since(begun));
        runtime.block_on(lab.remove_container(&name)).expect("it leaves");
    }
    say("the first echo through an answered miss, there and back", all);
}

/// From the crash of a host until its container is in no table of another any more.
fn killed(runtime: &Runtime, times: usize) {
    let mut all = Vec::new();
    for _ in 0..times {
        let lab = lab(runtime, 3, Resolution::Store);
        let gone = lab.address("c0", "c1").expect("it has an address");
        let knows = || {
            let held = runtime.block_on(lab.inspect(Some("h0"))).expect("it can be looked at").namespaces;
            let known = held.iter().flat_map(|namespace| &namespace.holds.neighbours);
            known.filter(|entry| entry.permanent).any(|entry| entry.ip == gone)
        };
        assert!(knows(), "it is known at first");
        let begun = Instant::now();
        runtime.block_on(lab.host("h1").expect("it is there").crash()).expect("it crashes").forget();
        while knows() {
            assert!(begun.elapsed() < PATIENCE, "it is never forgotten");
            thread::sleep(PAUSE);
        }
        all.push(begun.elapsed());
    }
    say("a host killed, until its peers have forgotten it (TTL 10 s)", all);
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!("{what:<58} {:>6} {:>10.1?} {:>10.1?} {:>10.1?}", times.len(), at(50), at(99), at(100));
}
