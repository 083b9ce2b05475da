//! The path between containers on two hosts, made here and by a real Docker Engine 20.10 on hosts of a lab, in turns: a table. Not a
//! criterion bench: what matters is how the one is to the other.
//!
//! It takes root and what `scenarios/real-docker.toml` requires; without Docker it says so and holds. It fails where a path that is made
//! here is worse than [`LEAST`] of Docker's by more than chance.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::fmt;
use std::path::Path as File;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::{enter, median, runtime};
use harness::lab::Run;
use harness::layers::Machine;
use harness::scenario::{Options, Verdict, play};
use harness::topology::{Topology, load};
use harness::traffic::{Cpus, Datagrams, Path, Protocol, Span, Stop, Streams, Traffic, Trips};
use harness::{Lab, Result};
use kernel::Netns;
use overlay::CreateNetwork;
use overlay::ipam::PoolRequest;
use tokio::runtime::Runtime;

/// Rounds in turns, and how long each run is counted in them: many and short, since the machine is another one a second later.
const ROUNDS: usize = 61;
const LASTS: Duration = Duration::from_millis(120);
/// No path may be worse than that share of Docker's, as far as the rounds can tell.
const LEAST: f64 = 0.97;
/// The address of Docker's C0, which its scenario chooses.
const C0: [u8; 4] = [192, 168, 0, 100];
/// How often verbs are timed.
const TIMES: usize = 5;

/// Whether no path was worse.
static HELD: AtomicBool = AtomicBool::new(true);

fn main() -> ExitCode {
    // As criterion: `--test` only sees whether it runs, and this takes minutes.
    let lacks = if std::env::args().any(|argument| argument == "--test") {
        Some("not asked for".to_owned())
    } else {
        lacking(&scenario())
    };
    if let Some(why) = lacks {
        println!("nothing was measured: {why}");
        return ExitCode::SUCCESS;
    }
    enter(|| {
        let runtime = runtime();
        compare(&runtime).expect("two labs come up");
        assert!(HELD.load(Ordering::Relaxed), "a path is worse than {LEAST} of Docker's");
    })
}

/// Where Docker is brought up, with two containers on an overlay.
fn scenario() -> Topology {
    let file = File::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/real-docker.toml");
    load(&file).expect("the file is right")
}

/// What the machine has not, of what the scenario requires.
fn lacking(scenario: &Topology) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("this takes root".to_owned());
    }
    let is_there =
        |name: &str| ["/usr/sbin", "/usr/bin"].iter().any(|folder| File::new(folder).join(name).exists());
    let mut programs = scenario.requires.programs.iter().map(|needed| needed.name.as_str());
    programs.find(|name| !is_there(name)).map(|name| format!("this machine has no `{name}`"))
}

fn compare(runtime: &Runtime) -> Result<()> {
    let docker = runtime.block_on(Lab::up(scenario()))?;
    let played = runtime.block_on(play(&docker, Options { require: false }, |_| {}));
    assert_eq!(played.verdict(), Verdict::Held, "Docker does not come up");
    let ours = Topology::builder().seed(7).hosts(["docker0", "docker1"]).network("demonet", "192.168.0.0/24");
    let ours = ours.container("C0", "docker0", ["demonet"]).container("C1", "docker1", ["demonet"]);
    let ours = runtime.block_on(Lab::up(ours.build().expect("the names are right")))?;

    let (c0, c1) = (sandbox(runtime, &docker, "docker0", "C0")?, sandbox(runtime, &docker, "docker1", "C1")?);
    let netns = |name: &str| ours.place(name).and_then(|place| place.netns());
    let paths = [
        Path::new(netns("C1")?, netns("C0")?, ours.address("C1", "C0")?),
        Path::new(c1, c0, C0),
        // The underlay of the same run, on which nothing else goes on.
        Path::new(netns("docker1")?, netns("docker0")?, ours.host("docker0")?.ip()),
    ];
    println!(
        "{}; C1 on docker1 to C0 on docker0, underlay of MTU 1500; medians of {ROUNDS} rounds in turns, of figures and of ratios (in brackets: where that median is, by 95 of 100)\n",
        Machine::here()
    );
    println!("| what | ours | Docker's | ours / Docker's | underlay | ours / underlay |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (count, name) in [(1, "TCP, 1 stream, Gbit/s"), (4, "TCP, 4 streams, Gbit/s")] {
        let streams = Streams { count, cpus: Cpus::Apart, ..Streams::default() };
        let carried = in_turns(&paths, streams);
        line(name, &carried, Better::More, |carried| carried.bits_per_second() / 1e9);
    }
    let delivered = in_turns(&paths, Datagrams { cpus: Cpus::Apart, ..Datagrams::flat_out(1400) });
    let (received, sent) = ("UDP of 1400 bytes flat out, received, Gbit/s", "what was sent, Gbit/s");
    line(received, &delivered, Better::More, |delivered| delivered.bits_per_second() / 1e9);
    line(sent, &delivered, Better::Whatever, |delivered| delivered.sent_bits_per_second() / 1e9);
    for (protocol, name) in [(Protocol::Udp, "UDP"), (Protocol::Tcp, "TCP")] {
        let answered = in_turns(&paths, Trips { protocol, size: 64, cpus: Cpus::Shared });
        for (share, of, better) in [(0.5, "p50", Better::Less), (0.99, "p99", Better::Whatever)] {
            let what = format!("{name} round trip of 64 bytes, {of}, µs");
            line(&what, &answered, better, |answered| answered.latency.at(share).as_secs_f64() * 1e6);
        }
    }
    verbs(runtime, &ours, &docker)
}

/// The namespace of one of Docker's containers.
fn sandbox(runtime: &Runtime, docker: &Lab, host: &str, container: &str) -> Result<Netns> {
    let format = "--format={{.NetworkSettings.SandboxID}}";
    let id = said(runtime, docker, host, &["inspect", format, container])?;
    let found = docker.host(host)?.named()?.into_iter().find(|(name, _)| id.starts_with(name.as_str()));
    Ok(found.unwrap_or_else(|| panic!("{container} has no namespace")).1)
}

/// What Docker's client prints on a host, where it has to succeed.
fn said(runtime: &Runtime, docker: &Lab, host: &str, arguments: &[&str]) -> Result<String> {
    let command = docker.host(host)?.command("/usr/bin/docker").args(arguments.iter().copied());
    let output = runtime.block_on(command.output())?;
    assert_eq!(output.status, 0, "docker {}: {output}", arguments.join(" "));
    Ok(output.stdout)
}

/// What came of one traffic on several paths, round by round.
fn in_turns<T: Traffic + Copy, const N: usize>(paths: &[Path; N], asked: T) -> [Vec<T::Found>; N] {
    let span = Span { warm_up: LASTS / 5, lasts: LASTS };
    let mut all = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        // Nobody is always behind the same one.
        for at in (0..N).map(|path| (path + round) % N) {
            all[at].push(asked.run(&paths[at], span, &Stop::default()).expect("traffic can be sent"));
        }
    }
    all
}

/// What is better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
    /// A tail of half a second is the machine's.
    Whatever,
}

/// A line of the table: the medians of a figure, and those of each round's ratios.
fn line<F>(what: &str, found: &[Vec<F>; 3], better: Better, figure: impl Fn(&F) -> f64) {
    let [ours, docker, underlay] = found.each_ref().map(|all| all.iter().map(&figure).collect::<Vec<f64>>());
    let ratio = |base: &[f64]| Middle::of(ours.iter().zip(base).map(|(ours, base)| ours / base).collect());
    let to_docker = ratio(&docker);
    let holds = match better {
        Better::More => to_docker.most >= LEAST,
        Better::Less => to_docker.least <= 1.0 / LEAST,
        Better::Whatever => true,
    };
    HELD.fetch_and(holds, Ordering::Relaxed);
    let [a, b, c] = [&ours, &docker, &underlay].map(|figures| median(figures.iter().copied()));
    let worse = if holds { "" } else { " WORSE" };
    println!("| {what} | {a:.2} | {b:.2} | {to_docker}{worse} | {c:.2} | {} |", ratio(&underlay));
}

/// The median of some figures, and between which two of them that of all there could be is, by 95 of 100: half of the figures are
/// beyond it, give or take the root of their number (the normal limit of the binomial distribution).
struct Middle {
    least: f64,
    value: f64,
    most: f64,
}

impl Middle {
    fn of(mut figures: Vec<f64>) -> Middle {
        figures.sort_by(f64::total_cmp);
        let (half, away) = (figures.len() / 2, figures.len().isqrt());
        let at = |rank: usize| figures[rank.min(figures.len() - 1)];
        Middle { least: at(half.saturating_sub(away)), value: at(half), most: at(half + away) }
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.value, self.least, self.most)
    }
}

/// What it takes to create a network, and to start a container on it.
fn verbs(runtime: &Runtime, ours: &Lab, docker: &Lab) -> Result<()> {
    let mut took = [const { Vec::new() }; 4];
    for number in 0..TIMES {
        let (network, container) = (format!("n{number}"), format!("c{number}"));
        let subnet = format!("10.99.{number}.0/24");
        let timed = |work: &mut dyn FnMut() -> Result<()>| -> Result<f64> {
            let begun = Instant::now();
            work()?;
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        };
        took[0].push(timed(&mut || {
            let pool = PoolRequest { subnet: Some(subnet.clone()), ..PoolRequest::default() };
            let request =
                CreateNetwork { name: network.clone(), pools: vec![pool], ..CreateNetwork::default() };
            runtime.block_on(ours.create_network("docker0", request)).map(drop)
        })?);
        took[1].push(timed(&mut || {
            let subnet = format!("--subnet={subnet}");
            said(runtime, docker, "docker0", &["network", "create", "-d", "overlay", &subnet, &network])
                .map(drop)
        })?);
        took[2].push(timed(&mut || {
            let run = Run {
                name: Some(container.clone()),
                on: "docker0".into(),
                networks: vec![network.clone()],
                ..Run::default()
            };
            runtime.block_on(ours.run(run)).map(drop)
        })?);
        took[3].push(timed(&mut || {
            let net = format!("--net={network}");
            said(runtime, docker, "docker0", &["run", "-d", &net, "busybox", "/bin/sleep", "600"]).map(drop)
        })?);
    }
    let [a, b, c, d] = took.map(|all| median(all.into_iter()));
    println!("\n| until it is done, ms | ours | Docker's, its client included |");
    println!("|---|--:|--:|");
    println!("| an overlay network is created | {a:.1} | {b:.1} |");
    println!("| a container is started on it | {c:.1} | {d:.1} |");
    Ok(())
}
