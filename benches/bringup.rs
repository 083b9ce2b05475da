//! Bringing labs up: the article's two hosts until the first answered ping, and plain hosts by the fifty.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{end_quietly, enter};
use criterion::{Criterion, SamplingMode};
use harness::Lab;
use harness::lab::Echoed;
use harness::topology::Topology;
use tokio::runtime::Runtime;

/// Plain hosts in one lab.
const PLAIN: usize = 50;

fn main() -> ExitCode {
    enter(|| {
        let mut criterion = Criterion::default().configure_from_args();
        bringup(&mut criterion);
        criterion.final_summary();
    })
}

fn bringup(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("bringup");
    // Each iteration is one lab, and waits for the kernel to free it, untimed.
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
    group.bench_function("two hosts, to the first answer", |bencher| {
        bencher.iter_custom(|times| timed(times, || runtime.block_on(two_hosts())));
    });
    let fifty = plain(PLAIN);
    group.bench_function(format!("{PLAIN} plain hosts"), |bencher| {
        bencher.iter_custom(|times| {
            timed(times, || runtime.block_on(Lab::up(fifty.clone())).expect("the lab comes up"))
        });
    });
    group.finish();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// The time of `times` labs, each on a quiet kernel.
fn timed(times: u64, build: impl Fn() -> Lab) -> Duration {
    let mut all = Duration::ZERO;
    for _ in 0..times {
        let begun = Instant::now();
        let lab = build();
        all += begun.elapsed();
        end_quietly(lab);
    }
    all
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

/// Hosts and nothing else: no engine, no store.
fn plain(count: usize) -> Topology {
    let mut text = String::from("schema = 1\nname = \"plain\"\n");
    for number in 0..count {
        text += "[[host]]\nengine = false\n";
        text += &["name = \"h", &number.to_string(), "\"\n"].concat();
    }
    harness::topology::parse("plain.toml", &text).expect("the file is right")
}
