//! Labs of any size.

use std::fmt::Write;

use harness::topology::{Topology, parse};

/// Hosts `h0`, `h1`, … and nothing else: no engine, no store.
pub fn plain(hosts: usize) -> Topology {
    file(hosts, false, 0)
}

/// Hosts with an engine each, and so many containers on each of them, all on one overlay, `net`.
pub fn engines(hosts: usize, each: usize) -> Topology {
    file(hosts, true, hosts * each)
}

/// Hosts with an engine each, and so many containers on them in turn, `c0`, `c1`, …, on one overlay, `net`.
pub fn spread(hosts: usize, containers: usize) -> Topology {
    file(hosts, true, containers)
}

fn file(hosts: usize, engine: bool, containers: usize) -> Topology {
    let mut text = String::from("schema = 1\nname = \"bench\"\n[underlay]\nsubnet = \"10.0.0.0/16\"\n");
    let mut add = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes it");
    if engine {
        add(format_args!("[[host]]\nname = \"consul\"\nengine = false"));
    }
    for host in 0..hosts {
        add(format_args!("[[host]]\nname = \"h{host}\"\nengine = {engine}"));
    }
    if engine {
        add(format_args!("[[network]]\nname = \"net\"\non = \"h0\"\nsubnet = \"192.168.0.0/16\""));
    }
    for container in 0..containers {
        let on = container % hosts;
        add(format_args!("[[container]]\nname = \"c{container}\"\non = \"h{on}\"\nnetworks = [\"net\"]"));
    }
    parse("bench.toml", &text).expect("the file is right")
}
