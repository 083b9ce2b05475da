//! Bringing labs up and taking them down, by the clock and by the processors' time; and what an engine is asked to do.
//!
//! Each iteration is a lab of its own, on a kernel that has freed the one before; that is waited for untimed. `scale` has the rest: labs
//! one after another, memory, and how all that grows.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::cost::Cost;
use benches::topologies::{engines, plain, spread};
use benches::{Freed, enter, runtime};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use harness::Lab;
use harness::lab::{Echoed, Run};
use harness::topology::Topology;
use overlay::CreateNetwork;
use overlay::ipam::PoolRequest;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    // A pass that takes no figures need not be large.
    let small = std::env::args().any(|argument| argument == "--test");
    enter(|| {
        let mut criterion = Criterion::default().configure_from_args();
        labs(&mut criterion, small);
        verbs(&mut criterion, small);
        criterion.final_summary();
    })
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
    group
}

/// What is measured of it.
type Figure = fn(&Cost) -> Duration;

fn labs(criterion: &mut Criterion, small: bool) {
    let runtime = runtime();
    let mut kinds: Vec<(String, Topology)> = Vec::new();
    for hosts in if small { vec![2] } else { vec![1, 2, 10, 50, 100, 1000] } {
        kinds.push((format!("{hosts} plain hosts"), plain(hosts)));
    }
    for hosts in if small { vec![2] } else { vec![1, 2, 10, 100] } {
        kinds.push((format!("{hosts} hosts with engines"), engines(hosts, 0)));
        kinds.push((format!("{hosts} hosts with engines and a container each"), engines(hosts, 1)));
    }
    let figures: [(&str, Figure); 2] = [("", |cost| cost.wall), (", CPU", |cost| cost.cpu)];
    for (suffix, figure) in figures {
        let mut group = group(criterion, &format!("bringup{suffix}"));
        group.bench_function("two hosts, to the first answer", |bencher| {
            bencher.iter_custom(|times| {
                each(times, || {
                    let (lab, cost) = Cost::of(|| runtime.block_on(two_hosts()));
                    Freed::by(lab).wait();
                    figure(&cost)
                })
            });
        });
        for (name, topology) in &kinds {
            group.bench_function(name.as_str(), |bencher| {
                bencher.iter_custom(|times| {
                    each(times, || {
                        let (lab, cost) = Cost::of(|| up(&runtime, topology));
                        Freed::by(lab).wait();
                        figure(&cost)
                    })
                });
            });
        }
        group.finish();
    }
    for (suffix, figure) in figures {
        let mut group = group(criterion, &format!("teardown{suffix}"));
        for (name, topology) in &kinds {
            group.bench_function(name.as_str(), |bencher| {
                bencher.iter_custom(|times| {
                    each(times, || {
                        let lab = up(&runtime, topology);
                        let freed = Freed::watch(&lab);
                        let ((), cost) = Cost::of(|| drop(lab));
                        freed.wait();
                        figure(&cost)
                    })
                });
            });
        }
        group.finish();
    }
}

/// What an engine is asked to do, on labs that stay.
fn verbs(criterion: &mut Criterion, small: bool) {
    let runtime = runtime();
    let mut group = group(criterion, "engine");
    let lab = up(&runtime, &spread(2, 1));
    let mut number = 0_u32;
    group.bench_function("create and remove a network", |bencher| {
        bencher.iter_custom(|times| {
            each(times, || {
                number += 1;
                let (name, subnet) =
                    (format!("n{number}"), format!("10.{}.{}.0/24", 64 + number / 250, number % 250));
                let pool = PoolRequest { subnet: Some(subnet), ..PoolRequest::default() };
                let request =
                    CreateNetwork { name: name.clone(), pools: vec![pool], ..CreateNetwork::default() };
                timed(|| {
                    runtime.block_on(lab.create_network("h0", request)).expect("it is created");
                    runtime.block_on(lab.remove_network("h0", &name)).expect("it is removed");
                })
            })
        });
    });
    Freed::by(lab).wait();

    let crowds: &[(usize, usize)] = if small { &[(2, 2)] } else { &[(2, 2), (2, 1000), (100, 100)] };
    for &(hosts, containers) in crowds {
        let lab = up(&runtime, &spread(hosts, containers));
        let join = || {
            let run = Run {
                name: Some("new".into()),
                on: "h0".into(),
                networks: vec!["net".into()],
                ..Run::default()
            };
            timed(|| drop(runtime.block_on(lab.run(run)).expect("it joins")))
        };
        let leave = || timed(|| runtime.block_on(lab.remove_container("new")).expect("it leaves"));
        let of = format!("of {containers} endpoints, until all {hosts} hosts know");
        group.bench_function(format!("join a network {of}"), |bencher| {
            bencher.iter_custom(|times| each(times, || (join(), leave()).0));
        });
        group.bench_function(format!("leave a network {of}"), |bencher| {
            bencher.iter_custom(|times| each(times, || (join(), leave()).1));
        });
        Freed::by(lab).wait();
    }
    group.finish();
}

fn up(runtime: &Runtime, topology: &Topology) -> Lab {
    runtime.block_on(Lab::up(topology.clone())).expect("the lab comes up")
}

/// What `times` of them take together.
fn each(times: u64, mut one: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| one()).sum()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// The article's lab; `up` returns when C1 reaches C0, and here that is seen.
async fn two_hosts() -> Lab {
    let lab = Lab::up(Topology::two_hosts()).await.expect("the lab comes up");
    let (from, to) =
        (lab.place("C1").expect("C1 is there"), lab.address("C1", "C0").expect("C0 has an address"));
    let mut echoes = lab.echoes(&from, to, 1, Duration::ZERO).expect("a socket can be made");
    let first = echoes.recv().await.expect("an echo has an end").expect("an echo can be sent");
    assert!(matches!(first, Echoed::Answered(_)), "the first echo was not answered");
    lab
}
