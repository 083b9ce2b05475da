//! Our traffic against `iperf3` and `sockperf`, in turns, on the same two hosts: a table. Not a criterion bench: what matters is
//! whether both see the same. Whichever of the two is not installed is left out, and this is said.
//!
//! It fails if figures that should agree differ by more than a tenth.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::path::Path as File;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::{enter, median};
use harness::layers::Machine;
use harness::topology::Topology;
use harness::traffic::{Cpus, Datagrams, Path, Protocol, Span, Stop, Streams, Traffic, Trips};
use harness::{Host, Lab, Process, Ready};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Rounds in turns, and how long each run is counted in them.
const ROUNDS: usize = 7;
const LASTS: Duration = Duration::from_secs(1);
/// What `sockperf` warms up, its default.
const WARM_UP: Duration = Duration::from_millis(400);
/// How far figures may differ that should agree.
const TOLERANCE: f64 = 0.1;
/// Ports of the others' servers; iperf3's own, and sockperf's.
const IPERF: u16 = 5201;
const SOCKPERF: u16 = 11_111;

/// Whether figures agreed so far.
static AGREE: AtomicBool = AtomicBool::new(true);

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        // Seconds are the least that the others can do.
        return ExitCode::SUCCESS;
    }
    enter(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        compare(&runtime.expect("a runtime can be built"));
        let agree = AGREE.load(Ordering::Relaxed);
        assert!(agree, "some figures differ by more than a tenth that should agree");
    })
}

struct Ground<'a> {
    runtime: &'a Runtime,
    from: Host,
    to: Host,
    path: Path,
}

fn compare(runtime: &Runtime) {
    let topology = Topology::builder().seed(7).plain_hosts(["a", "b"]).build().expect("the names are right");
    let lab = runtime.block_on(Lab::up(topology)).expect("the lab comes up");
    let host = |name: &str| lab.host(name).expect("it is there");
    let netns = |name: &str| host(name).netns().expect("it is up");
    let path = Path::new(netns("a"), netns("b"), host("b").ip());
    let ground = Ground { runtime, from: host("a"), to: host("b"), path };
    println!(
        "{}; host to host, underlay of MTU 1500; medians of {ROUNDS} rounds in turns, of figures and of ratios\n",
        Machine::here()
    );
    println!("| what | ours | theirs | ours / theirs | |");
    println!("|---|--:|--:|--:|---|");
    if installed("iperf3") {
        ground.streams(1);
        ground.streams(4);
        ground.rate();
        ground.flat_out();
    }
    if installed("sockperf") {
        ground.trips(Protocol::Udp, 64);
        ground.trips(Protocol::Udp, 1400);
        ground.trips(Protocol::Tcp, 64);
    }
}

fn installed(tool: &str) -> bool {
    let there =
        ["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|folder| File::new(folder).join(tool).exists());
    if !there {
        println!("| skipped: this machine has no `{tool}` | | | | |");
    }
    there
}

/// How figures are expected to be to each other.
enum Expected {
    /// Alike.
    Same,
    /// Otherwise, for that reason, by whatever.
    Differs(&'static str),
    /// Otherwise, for that reason, by no more than that share.
    Near(f64, &'static str),
}

/// A line of the table: the medians of both, and of their ratios.
fn line(what: &str, unit: &str, both: [Vec<f64>; 2], expected: &Expected) {
    // Of each round on its own: the machine is another one in the next.
    let ratio = median(both[0].iter().zip(&both[1]).map(|(ours, theirs)| ours / theirs));
    let [ours, theirs] = both.map(|figures| median(figures.into_iter()));
    let close = (ratio - 1.0).abs() <= TOLERANCE || (ours - theirs).abs() < f64::EPSILON;
    let verdict = match expected {
        _ if close => "within 10 %",
        Expected::Differs(why) => why,
        Expected::Near(share, why) if (ratio - 1.0).abs() <= *share => why,
        Expected::Same | Expected::Near(..) => {
            AGREE.store(false, Ordering::Relaxed);
            "DIFFERS"
        }
    };
    // Nothing of nothing is no ratio.
    let ratio = if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() };
    println!("| {what}, {unit} | {ours:.2} | {theirs:.2} | {ratio} | {verdict} |");
}

impl Ground<'_> {
    fn span() -> Span {
        Span { warm_up: WARM_UP, lasts: LASTS }
    }

    fn ours<T: Traffic>(&self, asked: &T) -> T::Found {
        asked.run(&self.path, Self::span(), &Stop::default()).expect("traffic can be sent")
    }

    /// What `iperf3` says at the end of a run with these arguments.
    fn iperf(&self, arguments: &[&str]) -> Value {
        let (port, ip) = (IPERF.to_string(), self.to.ip().to_string());
        self.runtime.block_on(async {
            let server = self.to.command("iperf3").args(["-s", "-1", "-p", &port]);
            let server: Process =
                server.ready(Ready::port(IPERF)).spawn().await.expect("a server can be started");
            let client = self.from.command("iperf3").args(["-c", &ip, "-p", &port, "-J", "-t", "1"]);
            // On two CPUs, as ours: where the kernel puts them it is chance whether one takes the other's time.
            let cpus = kernel::cpu::allowed().expect("there are some");
            let apart = match cpus[..] {
                [.., other, last] => format!("{last},{other}"),
                _ => "0,0".to_owned(),
            };
            let client = client.args(["-A", &apart]);
            let output =
                client.args(arguments.iter().copied()).output().await.expect("a client can be started");
            assert_eq!(output.status, 0, "{output}");
            server.wait().await;
            let said: Value = serde_json::from_str(&output.stdout).expect("it says JSON");
            said["end"].clone()
        })
    }

    fn streams(&self, count: u32) {
        let mut both = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            both[0].push(
                self.ours(&Streams { count, cpus: Cpus::Apart, ..Streams::default() }).bits_per_second()
                    / 1e9,
            );
            // Its warm-up is not counted either.
            let theirs = self.iperf(&["-O", "1", "-P", &count.to_string()]);
            both[1].push(number(&theirs["sum_received"]["bits_per_second"]) / 1e9);
        }
        let expected = if count == 1 {
            Expected::Same
        } else {
            Expected::Differs(
                "one thread carries all streams of iperf3 3.12, ours have one each at either end",
            )
        };
        line(&format!("TCP, {count} stream(s)"), "Gbit/s", both, &expected);
    }

    fn rate(&self) {
        let (mut rates, mut losses) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..ROUNDS {
            let ours = self.ours(&Datagrams { cpus: Cpus::Apart, ..Datagrams::at(1400, 200_000_000) });
            rates[0].push(ours.bits_per_second() / 1e6);
            losses[0].push(ours.loss() * 100.0);
            // Without `-O`, with which iperf3 3.12 counts datagrams of its warm-up as lost ones, more than all of them at times.
            let theirs = self.iperf(&["-u", "-b", "200M", "-l", "1400"]);
            rates[1].push(number(&theirs["sum"]["bits_per_second"]) / 1e6);
            losses[1].push(number(&theirs["sum"]["lost_percent"]));
        }
        line("UDP of 1400 bytes at 200 Mbit/s", "Mbit/s", rates, &Expected::Same);
        let reason =
            "iperf3's socket has the default room for datagrams that wait, ours as much as it may have";
        line("its loss", "%", losses, &Expected::Differs(reason));
    }

    fn flat_out(&self) {
        let mut both = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let ours = self.ours(&Datagrams { size: 1400, rate: None, offload: false, cpus: Cpus::Apart });
            both[0].push(ours.bits_per_second() / 1e9);
            let theirs = self.iperf(&["-u", "-b", "0", "-l", "1400"]);
            let (sent, lost) =
                (number(&theirs["sum"]["bits_per_second"]), number(&theirs["sum"]["lost_percent"]));
            both[1].push(sent * (1.0 - lost / 100.0) / 1e9);
        }
        let reason = "iperf3 makes a system call a datagram, ours one for 64";
        line("UDP of 1400 bytes flat out, received", "Gbit/s", both, &Expected::Differs(reason));
    }

    fn trips(&self, protocol: Protocol, size: u32) {
        let (mut medians, mut tails) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..ROUNDS {
            let ours = self.ours(&Trips { protocol, size, cpus: Cpus::Shared });
            medians[0].push(ours.latency.at(0.5).as_secs_f64() * 1e6);
            tails[0].push(ours.latency.at(0.99).as_secs_f64() * 1e6);
            let theirs = self.sockperf(protocol, size);
            medians[1].push(percentile(&theirs, "50.000"));
            tails[1].push(percentile(&theirs, "99.000"));
        }
        let what =
            format!("{protocol:?} round trip of {size} bytes").replace("Udp", "UDP").replace("Tcp", "TCP");
        let reason = "sockperf's ends are two processes, which change page tables at each message, with sockets that look up the way \
                      each time; ours are two threads, with one that is connected";
        line(&format!("{what}, p50"), "µs", medians, &Expected::Near(0.25, reason));
        let reason = "a tail of one second is one of the machine's interruptions";
        line(&format!("{what}, p99"), "µs", tails, &Expected::Differs(reason));
    }

    /// What `sockperf` prints of a second of ping-pong.
    fn sockperf(&self, protocol: Protocol, size: u32) -> String {
        let (port, ip, size) = (SOCKPERF.to_string(), self.to.ip().to_string(), size.to_string());
        let cpu = kernel::cpu::allowed().expect("there are some").pop().expect("at least one").to_string();
        let tcp: &[&str] = if protocol == Protocol::Tcp { &["--tcp"] } else { &[] };
        self.runtime.block_on(async {
            // On one CPU, as ours: whether another one is woken would else be chance, and most of what is seen.
            let pinned = ["-c", &cpu, "sockperf"];
            let server = self.to.command("taskset").args(pinned).args(["server", "-i", &ip, "-p", &port]);
            let server = server.args(tcp.iter().copied());
            let server = server.spawn().await.expect("a server can be started");
            let table = if protocol == Protocol::Tcp { "tcp" } else { "udp" };
            let bound = format!(":{SOCKPERF:04X} ");
            let there = || {
                let read =
                    self.to.run(move || std::fs::read_to_string(format!("/proc/thread-self/net/{table}")));
                read.expect("it is up").expect("it can be read").contains(&bound)
            };
            while !there() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let client = self.from.command("taskset").args(pinned);
            let client =
                client.args(["ping-pong", "-i", &ip, "-p", &port, "-t", "1", "-m", &size, "--full-rtt"]);
            let output = client.args(tcp.iter().copied()).output().await.expect("a client can be started");
            assert_eq!(output.status, 0, "{output}");
            server.kill().await.expect("it can be ended");
            server.wait().await;
            output.stdout
        })
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("iperf3 says a number there")
}

/// A percentile that `sockperf` has printed: `---> percentile 50.000 =    7.251`.
fn percentile(text: &str, which: &str) -> f64 {
    let line = text.lines().find(|line| line.contains(&format!("percentile {which}")));
    let value = line.and_then(|line| line.split('=').nth(1)).and_then(|value| value.trim().parse().ok());
    value.unwrap_or_else(|| panic!("sockperf says no percentile {which}: {text}"))
}
