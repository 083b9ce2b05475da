//! More hosts than a Linux bridge has ports: the switch is several bridges then, and nobody notices.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::time::Duration;

use ground::{comes_back, host, reaches, run};
use harness::Lab;
use harness::fault::{Fault, Filter, Impairment, Partition, Protocol, Way};
use harness::topology::Topology;

/// Three more than have room on one bridge: h1000 is the first on the second.
const HOSTS: usize = 1003;

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

#[kernel::isolate]
fn hosts_on_other_bridges_are_reached_cut_off_and_impaired_as_those_on_the_same() {
    if descriptors() < HOSTS + 500 {
        eprintln!("skipped: {HOSTS} hosts need a descriptor each, and this user may have {}", descriptors());
        return;
    }
    run(async {
        let names: Vec<String> = (0..HOSTS).map(|number| format!("h{number}")).collect();
        let hosts = names.iter().map(String::as_str);
        let topology = Topology::builder().subnet("10.0.0.0/20").plain_hosts(hosts).build().unwrap();
        let lab = Lab::up(topology).await.unwrap();
        for (from, to) in [("h0", "h999"), ("h0", "h1000"), ("h1000", "h1002"), ("h1002", "h500")] {
            assert!(reaches(&lab, from, to).await, "{from} to {to}");
        }

        let cut = lab.inject(Fault::Partition(Partition::Cut(host("h0"), host("h1000")))).await.unwrap();
        let silent = [("h0", "h1000"), ("h1000", "h0")];
        let others = [("h0", "h1001"), ("h1", "h1000"), ("h0", "h1"), ("h1000", "h1001")];
        for (from, to) in silent {
            assert!(!reaches(&lab, from, to).await, "{from} to {to} while they are cut off");
        }
        for (from, to) in others {
            assert!(reaches(&lab, from, to).await, "{from} to {to} while others are cut off");
        }
        assert!(lab.losses().await.unwrap()[&cut.id()].frames > 0);
        cut.heal().await.unwrap();
        comes_back(&lab, "h0", "h1000").await;

        // One way: what leaves the second bridge for the first, from that host alone.
        let only = Filter { protocol: Some(Protocol::Icmp), ..Filter::default() };
        let drop = Fault::Drop { only, from: Some(host("h1002")), to: Some(host("h3")), both: false };
        let drop = lab.inject(drop).await.unwrap();
        assert!(!reaches(&lab, "h3", "h1002").await && reaches(&lab, "h3", "h1001").await);
        assert!(reaches(&lab, "h4", "h1002").await);
        drop.heal().await.unwrap();
        assert!(reaches(&lab, "h3", "h1002").await);

        // A wire that is taken apart on the second bridge, and put together again.
        let impairment = Box::new(Impairment { delay: Duration::from_millis(1), ..Impairment::default() });
        let wire = Fault::Wire { host: host("h1001"), way: Way::Both, impairment };
        let wire = lab.inject(wire).await.unwrap();
        comes_back(&lab, "h7", "h1001").await;
        assert!(lab.wires().iter().any(|wire| wire.host == "h1001" && wire.up.observed.seen > 0));
        wire.heal().await.unwrap();
        comes_back(&lab, "h7", "h1001").await;

        let crash = lab.inject(Fault::Crash(host("h1002"))).await.unwrap();
        assert!(!reaches(&lab, "h8", "h1002").await);
        crash.heal().await.unwrap();
        comes_back(&lab, "h8", "h1002").await;
    });
}
