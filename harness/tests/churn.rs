//! Containers that come and go leave nothing: not in the process that their engines live in, not in the store, not in kernels.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::time::{Duration, Instant};

use harness::lab::Run;
use harness::topology::Topology;
use harness::{Lab, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How often a container comes and goes, in all; `LAB_CYCLES` says another number.
const CYCLES: usize = 60;

/// Before anything is counted it comes and goes as often, but no oftener than this: until then threads are started, connections
/// opened and memory taken that are used again. After so many, as much is kept of events and of the journal as ever will be.
const WARM: usize = 600;

/// By how much the memory in use may grow, in KiB. In few cycles what is kept of events and of the journal does, to a MiB each; in
/// more, what a store keeps of each key that is deleted for a quarter of an hour (Consul's tombstones), and what an allocator does
/// not give back.
const GROWTH: usize = 3 << 10;

/// How long threads and connections may take to end that have nothing to do any more.
const IDLE: Duration = Duration::from_secs(30);

fn two_hosts() -> Topology {
    let topology = Topology::builder().hosts(["a", "b"]).network("demonet", "192.168.0.0/24");
    topology.container("ca", "a", ["demonet"]).container("cb", "b", ["demonet"]).build().unwrap()
}

/// A container comes and goes.
async fn cycle(lab: &Lab, host: &str, number: usize) -> Result {
    let name = format!("x{host}{number}");
    let run =
        Run { name: Some(name.clone()), on: host.into(), networks: vec!["demonet".into()], ..Run::default() };
    lab.run(run).await?;
    lab.remove_container(&name).await
}

/// That many, on both hosts at once.
async fn churn(lab: &Lab, cycles: usize) -> Result {
    for number in 0..cycles / 2 {
        let (a, b) = tokio::join!(cycle(lab, "a", number), cycle(lab, "b", number));
        a.and(b)?;
    }
    Ok(())
}

/// What this process holds: descriptors, threads, and KiB of memory. The engines, the store and the lab live in it.
#[derive(Debug)]
struct Process {
    descriptors: usize,
    threads: usize,
    resident: usize,
}

impl Process {
    fn now() -> Process {
        let count = |folder| fs::read_dir(folder).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Process { descriptors: count("/proc/self/fd"), threads: count("/proc/self/task"), resident }
    }
}

/// All keys of the store and their values.
async fn store(lab: &Lab) -> BTreeMap<String, String> {
    let mut stream = lab.host("a").unwrap().connect("consul", 8500).await.unwrap();
    let request = b"GET /v1/kv/?recurse HTTP/1.1\r\nHost: consul\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let pairs: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let pairs = pairs.as_array().unwrap().iter();
    pairs.map(|pair| (pair["Key"].to_string(), pair["Value"].to_string())).collect()
}

/// The interfaces in all namespaces of the lab.
async fn links(lab: &Lab) -> BTreeMap<String, Vec<String>> {
    let held = lab.inspect(None).await.unwrap().namespaces.into_iter();
    held.map(|held| (held.name, held.holds.links.into_iter().map(|link| link.name).collect())).collect()
}

#[expect(clippy::print_stdout, reason = "a measurement, for those who look")]
fn report(what: &str) {
    println!("{what}");
}

#[harness::test(topology = two_hosts())]
async fn what_is_held_after_many_joins_and_leaves_is_what_was_held_before(lab: Lab) -> Result {
    let cycles = env::var("LAB_CYCLES").map_or(CYCLES, |text| text.parse().expect("a number of cycles"));
    churn(&lab, cycles.min(WARM)).await?;
    let (keys, interfaces, before) = (store(&lab).await, links(&lab).await, Process::now());

    churn(&lab, cycles).await?;
    assert_eq!(store(&lab).await, keys);
    assert_eq!(links(&lab).await, interfaces);
    let start = Instant::now();
    let after = loop {
        let now = Process::now();
        if now.descriptors <= before.descriptors && now.threads <= before.threads {
            break now;
        }
        assert!(
            start.elapsed() < IDLE,
            "after {cycles} cycles there are {now:?}, before there were {before:?}"
        );
        // That a thread has ended is told to nobody.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    report(&format!("after {cycles} joins and leaves: {after:?}, before: {before:?}"));
    assert!(after.resident <= before.resident + GROWTH, "memory grows: {after:?}, before {before:?}");
    assert_eq!(lab.check(false).await?.findings, [""; 0]);
    Ok(())
}
