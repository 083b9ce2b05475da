//! What impaired wires do, held against what they were asked for, and what they cost: a table, measured with datagrams and
//! streams whose times are taken in one process, by one clock. Not a criterion bench: the figures are the result, not their
//! change, and each comparison is made in turns, so that its ratio holds while the machine drifts.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use benches::{enter, median};
use harness::Lab;
use harness::fault::{Fault, Filter, Impairment, Pick, Protocol, Queue, Rate, Way};
use harness::topology::Topology;
use harness::traffic::{Path, Span, Stop, Streams, Traffic, Trips};
use tokio::runtime::Runtime;

/// How long the receiver waits for the next datagram before it takes what is missing for lost.
const QUIET: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    enter(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        table(&runtime.expect("a runtime can be built"), if small { 200 } else { 10_000 });
    })
}

/// Two plain hosts, and sockets on them.
struct Wire<'a> {
    runtime: &'a Runtime,
    lab: Lab,
    from: UdpSocket,
    to: UdpSocket,
}

/// A datagram's number, and when it came.
type Arrivals = Vec<(u64, Instant)>;

fn table(runtime: &Runtime, count: u64) {
    let topology = Topology::builder().seed(7).plain_hosts(["a", "b"]).build().expect("the names are right");
    let lab = runtime.block_on(Lab::up(topology)).expect("the lab comes up");
    let bind = |host: &str, port: u16| {
        let host = lab.host(host).expect("it is there");
        host.run(move || UdpSocket::bind(("0.0.0.0", port))).expect("it is up").expect("a socket can be made")
    };
    let (from, to) = (bind("a", 0), bind("b", 7000));
    let address = SocketAddr::from((lab.host("b").expect("it is there").ip(), 7000));
    from.connect(address).expect("it can be addressed");
    to.set_read_timeout(Some(QUIET)).expect("a socket has a timeout");
    let wire = Wire { runtime, lab, from, to };
    println!("{:<44} {:<36} seen", "asked", "of");
    wire.delays(count / 5);
    wire.shares(count);
    wire.rate(count);
    wire.order(count);
    drop(wire);
    throughput(runtime, count);
}

/// Streams between hosts, and between containers, over a bare wire, over one that is asked for a delay of nothing, and over one
/// that is spliced and does nothing, in turns.
fn throughput(runtime: &Runtime, count: u64) {
    let builder = Topology::builder().seed(7).hosts(["a", "b"]).network("demonet", "192.168.0.0/24");
    let builder = builder.container("ca", "a", ["demonet"]).container("cb", "b", ["demonet"]);
    let topology = builder.build().expect("the names are right");
    let lab = runtime.block_on(Lab::up(topology)).expect("the lab comes up");
    let (rounds, lasts) = if count < 1000 { (1, 20) } else { (15, 200) };
    let lasts = Duration::from_millis(lasts);
    let spliced = Impairment { delay: Duration::from_nanos(1), ..Impairment::default() };
    let impaired = |impairment: &Impairment| {
        let (host, impairment) = ("a".parse().expect("a name"), Box::new(impairment.clone()));
        runtime
            .block_on(lab.inject(Fault::Wire { host, way: Way::Both, impairment }))
            .expect("a wire can be impaired")
    };
    for (what, from, to) in [("TCP, host to host", "a", "b"), ("TCP, container to container", "ca", "cb")] {
        let (mut bare, mut asked, mut wire) = (Vec::new(), Vec::new(), Vec::new());
        let path = path(&lab, from, to);
        for _ in 0..rounds {
            bare.push(stream(&path, lasts));
            for (impairment, seen) in [(Impairment::default(), &mut asked), (spliced.clone(), &mut wire)] {
                let guard = impaired(&impairment);
                seen.push(stream(&path, lasts));
                runtime.block_on(guard.heal()).expect("a wire can be healed");
            }
        }
        let (bare, asked, wire) =
            (median(bare.into_iter()), median(asked.into_iter()), median(wire.into_iter()));
        let share = |seen: f64| format!("{seen:.2}, {:.0}% of bare", seen / bare * 100.0);
        say(what, "bare, Gbit/s", &format!("{bare:.2}"));
        say(what, "delay 0 ms", &share(asked));
        say(what, "wire in user space, 1 ns", &share(wire));
    }
    for (what, from, to) in
        [("UDP round trip, host to host", "a", "b"), ("UDP round trip, container to container", "ca", "cb")]
    {
        let (mut bare, mut wire) = (Vec::new(), Vec::new());
        let path = path(&lab, from, to);
        for _ in 0..rounds {
            bare.push(round_trip(&path, lasts));
            let guard = impaired(&spliced);
            wire.push(round_trip(&path, lasts));
            runtime.block_on(guard.heal()).expect("a wire can be healed");
        }
        let (bare, wire) = (median(bare.into_iter()), median(wire.into_iter()));
        say(what, "bare, µs", &format!("{bare:.0}"));
        say(what, "wire in user space, 1 ns", &format!("{wire:.0}"));
    }
}

/// From one to another.
fn path(lab: &Lab, from: &str, to: &str) -> Path {
    let netns = |name: &str| lab.place(name).expect("it is there").netns().expect("it is up");
    Path::new(netns(from), netns(to), lab.address(from, to).expect("it has an address"))
}

/// Gigabits a second of one stream.
fn stream(path: &Path, lasts: Duration) -> f64 {
    let carried = Streams::default().run(path, Span::of(lasts), &Stop::default());
    carried.expect("a stream can be opened").bits_per_second() / 1e9
}

/// The median round trip of a datagram, in microseconds.
fn round_trip(path: &Path, lasts: Duration) -> f64 {
    let answered = Trips::default().run(path, Span::of(lasts), &Stop::default());
    answered.expect("datagrams can be sent").latency.at(0.5).as_secs_f64() * 1e6
}

fn say(asked: &str, of: &str, seen: &str) {
    println!("{asked:<44} {of:<36} {seen}");
}

impl Wire<'_> {
    /// Sends numbered datagrams of that length while the wire from `a` is so, `pause` apart; when they left, and what came.
    fn send(
        &self,
        impairment: Option<Impairment>,
        count: u64,
        length: usize,
        pause: Duration,
    ) -> (Vec<Instant>, Arrivals) {
        let guard = impairment.map(|impairment| {
            let host = "a".parse().expect("a name");
            let impairment = Box::new(Impairment { only: Some(udp()), ..impairment });
            self.runtime
                .block_on(self.lab.inject(Fault::Wire { host, way: Way::Up, impairment }))
                .expect("a wire can be impaired")
        });
        let to = self.to.try_clone().expect("a socket can be cloned");
        let receiver = thread::spawn(move || {
            let (mut arrivals, mut buffer) = (Arrivals::new(), [0; 2048]);
            while let Ok(length) = to.recv(&mut buffer) {
                let number = buffer.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
                arrivals.extend(number.filter(|_| length >= 8).map(|number| (number, Instant::now())));
            }
            arrivals
        });
        let (mut left, mut datagram) = (Vec::new(), vec![0; length]);
        let begun = Instant::now();
        for number in 1..=count {
            let due = begun + pause * u32::try_from(number).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            datagram[..8].copy_from_slice(&number.to_be_bytes());
            left.push(Instant::now());
            self.from.send(&datagram).expect("a datagram can be sent");
        }
        let arrivals = receiver.join().expect("the receiver does not panic");
        if let Some(guard) = guard {
            self.runtime.block_on(guard.heal()).expect("a wire can be healed");
        }
        (left, arrivals)
    }

    fn delays(&self, count: u64) {
        let pause = Duration::from_millis(2);
        let transit = |impairment| {
            let (left, arrivals) = self.send(impairment, count, 64, pause);
            let mut times: Vec<Duration> = arrivals
                .iter()
                .filter_map(|(number, came)| {
                    let left = left.get(usize::try_from(number - 1).ok()?)?;
                    Some(came.saturating_duration_since(*left))
                })
                .collect();
            times.sort_unstable();
            times
        };
        let bare = transit(None);
        let bare = bare[bare.len() / 2];
        for asked in [Duration::from_millis(1), Duration::from_millis(10)] {
            let times = transit(Some(Impairment { delay: asked, ..Impairment::default() }));
            let mut errors: Vec<Duration> = times.iter().map(|time| time.abs_diff(asked + bare)).collect();
            errors.sort_unstable();
            let (median, p99) = (errors[errors.len() / 2], errors[errors.len() * 99 / 100]);
            say(
                &format!("delay {asked:?}"),
                &format!("{} datagrams, beyond the bare {bare:.0?}", times.len()),
                &format!("error {median:.0?} (median), {p99:.0?} (p99)"),
            );
        }
    }

    /// Datagrams that are lost: by chance, and every seventh.
    fn shares(&self, count: u64) {
        let lost = |loss| {
            let (_, arrivals) = self.send(
                Some(Impairment { loss, ..Impairment::default() }),
                count,
                64,
                Duration::from_micros(50),
            );
            let mut here = vec![false; usize::try_from(count).expect("few")];
            for (number, _) in &arrivals {
                here[usize::try_from(number - 1).expect("few")] = true;
            }
            (1..=count)
                .filter(|number| !here[usize::try_from(number - 1).expect("few")])
                .collect::<Vec<u64>>()
        };
        let chance = lost(Pick::Chance(0.3));
        #[expect(clippy::cast_precision_loss, reason = "it is small")]
        let sigma = (count as f64 * 0.3 * 0.7).sqrt();
        say(
            "loss 30%",
            &format!("{count}; 99.9%: {:.0} ± {:.0}", 0.3 * sigma * sigma / 0.21, 3.29 * sigma),
            &format!("{} lost", chance.len()),
        );
        let again = lost(Pick::Chance(0.3));
        say(
            "loss 30%, the same seed",
            &format!("{count}"),
            if again == chance { "the same ones" } else { "others" },
        );
        let seventh = lost(Pick::Every(7));
        let exact = seventh.iter().all(|number| number % 7 == 0) && seventh.len() as u64 == count / 7;
        say(
            "loss every=7",
            &format!("{count}"),
            &format!(
                "{} lost, {}",
                seventh.len(),
                if exact { "each seventh and no other" } else { "not those" }
            ),
        );
    }

    fn rate(&self, count: u64) {
        let rate = Rate { bits_per_second: 50_000_000, queue: Queue::Packets(1000) };
        // 1514 bytes in 242 µs: sent a little faster than the wire carries, so that its queue is never empty.
        let (length, count) = (1472, count / 2);
        let (_, arrivals) = self.send(
            Some(Impairment { rate: Some(rate), ..Impairment::default() }),
            count,
            length,
            Duration::from_micros(220),
        );
        // From the first that came to the last: the bits of all but the first.
        let (Some((_, first)), Some((_, last))) = (arrivals.first(), arrivals.last()) else { return };
        #[expect(clippy::cast_precision_loss, reason = "it is small")]
        let bits = (arrivals.len() - 1) as f64 * (length + 42) as f64 * 8.0;
        let seen = bits / last.duration_since(*first).as_secs_f64() / 1e6;
        say(
            "rate 50mbit",
            &format!("{} full frames", arrivals.len()),
            &format!("{seen:.2} Mbit/s ({:+.2}%)", (seen / 50.0 - 1.0) * 100.0),
        );
    }

    /// Duplicates and reordered datagrams: the same ones by the same seed, and those that were asked for.
    fn order(&self, count: u64) {
        let pause = Duration::from_micros(50);
        let copies = |duplicate| {
            let (_, arrivals) =
                self.send(Some(Impairment { duplicate, ..Impairment::default() }), count, 64, pause);
            let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
            for (number, _) in &arrivals {
                *seen.entry(*number).or_default() += 1;
            }
            seen.into_iter().filter(|(_, times)| *times == 2).map(|(number, _)| number).collect::<Vec<_>>()
        };
        let (once, again) = (copies(Pick::Chance(0.1)), copies(Pick::Chance(0.1)));
        say(
            "duplicate 10%, twice with one seed",
            &format!("{count} each"),
            &format!(
                "{} and {}, {}",
                once.len(),
                again.len(),
                if once == again { "the same ones" } else { "others" }
            ),
        );
        let early = |reorder| {
            let delay = Duration::from_millis(5);
            let (_, arrivals) =
                self.send(Some(Impairment { delay, reorder, ..Impairment::default() }), count, 64, pause);
            // Whoever comes before one that was sent earlier has overtaken it.
            let mut least = u64::MAX;
            let mut early: Vec<u64> = arrivals
                .iter()
                .rev()
                .filter_map(|(number, _)| {
                    let overtakes = *number > least;
                    least = least.min(*number);
                    overtakes.then_some(*number)
                })
                .collect();
            early.reverse();
            early
        };
        let hundredth = early(Pick::Every(100));
        let exact = hundredth.iter().all(|number| number % 100 == 0);
        // The last of them has nobody left to overtake.
        say(
            "reorder every=100",
            &format!("{count}"),
            &format!(
                "{} came early, {}",
                hundredth.len(),
                if exact { "each hundredth and no other" } else { "not those" }
            ),
        );
    }
}

fn udp() -> Filter {
    Filter { protocol: Some(Protocol::Udp), ..Filter::default() }
}
