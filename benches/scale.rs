//! What labs cost, and how that grows: a table. Not a criterion bench: the figures are the result, not their change.
//!
//! `scale [plain|engines|peers|large]… [--svg=FILE]`, and numbers of hosts instead of those that are taken otherwise; for `large` of
//! hosts and of containers. The plot is of what was asked for, and has the slopes.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use benches::cost::{Cost, Memory, threads};
use benches::growth::{Panel, Series, draw};
use benches::topologies::{engines, plain};
use benches::{Freed, enter, runtime};
use harness::Lab;
use harness::lab::Run;
use harness::topology::Topology;
use kernel::Netns;
use kernel::icmp::{Echo, Pinger};
use tokio::runtime::Runtime;

/// How long an echo is waited for, and how often it is asked for. The kernel's table of neighbours is one for the machine, with room for
/// 1,024 that were learned (`net.ipv4.neigh.default.gc_thresh3`), and those of the last five seconds are not taken out again
/// (`neigh_forced_gc`). A pair takes up to four, so that there are pauses.
const PATIENCE: Duration = Duration::from_millis(200);
const TRIES: usize = 60;
/// How many hosts are asked whether they reach who has joined: as many as that table has room for.
const LOOKING: usize = 50;
/// How long a lab is looked at that has nothing to do.
const IDLE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    let wants = |part: &str| {
        let named = asked.iter().any(|word| word.parse::<usize>().is_err());
        !named || asked.iter().any(|word| word == part)
    };
    let numbers: Vec<usize> = asked.iter().filter_map(|word| word.parse().ok()).collect();
    let sizes = |usual: &[usize]| if numbers.is_empty() { usual.to_vec() } else { numbers.clone() };
    let svg = std::env::args().find_map(|argument| argument.strip_prefix("--svg=").map(str::to_owned));
    enter(|| {
        let runtime = runtime();
        let mut growth = Growth::default();
        if small {
            growth.rows("plain hosts", &[2], 1, &runtime, plain);
            growth.rows("engines, a container each", &[2], 1, &runtime, |hosts| engines(hosts, 1));
            growth.peers(&[2], &runtime);
            large(2, 4, Duration::from_millis(100), &runtime);
            return;
        }
        if wants("plain") {
            growth.rows(
                "plain hosts",
                &sizes(&[1, 2, 10, 50, 100, 200, 500, 1000, 2000]),
                5,
                &runtime,
                plain,
            );
        }
        if wants("engines") {
            let sizes = sizes(&[1, 2, 10, 50, 100, 200]);
            growth.rows("engines", &sizes, 3, &runtime, |hosts| engines(hosts, 0));
            growth.rows("engines, a container each", &sizes, 3, &runtime, |hosts| engines(hosts, 1));
        }
        if wants("peers") {
            growth.peers(&sizes(&[10, 50, 100, 200, 500, 1000]), &runtime);
        }
        if wants("large") {
            let (hosts, containers) =
                if let [hosts, containers] = numbers[..] { (hosts, containers) } else { (200, 1000) };
            large(hosts, containers, IDLE, &runtime);
        }
        if let Some(svg) = svg {
            std::fs::write(svg, growth.draw()).expect("the plot can be written");
        }
    })
}

/// What grew, as far as it was measured.
#[derive(Default)]
struct Growth {
    /// Seconds until labs are up, by hosts.
    up: Vec<Series>,
    /// Megabytes of the kernel that they hold, by hosts.
    memory: Vec<Series>,
    /// Milliseconds until a container has joined, by those that are there.
    join: Vec<Series>,
}

impl Growth {
    fn draw(self) -> String {
        let panel = |heading: &str, across: &str, series| Panel {
            heading: heading.to_owned(),
            across: across.to_owned(),
            series,
        };
        let panels = [
            panel("Seconds until a lab is up", "hosts", self.up),
            panel("Megabytes that the kernel holds for it", "hosts", self.memory),
            panel("Milliseconds a container", "containers on two hosts", self.join),
        ];
        let measured = panels.into_iter().filter(|panel| !panel.series.is_empty());
        draw("How costs grow (slopes from 50 on; thin lines are linear)", &measured.collect::<Vec<_>>())
    }

    /// Bringing up and taking down labs of several sizes, some times each: medians.
    fn rows(
        &mut self,
        what: &str,
        sizes: &[usize],
        times: usize,
        runtime: &Runtime,
        topology: impl Fn(usize) -> Topology,
    ) {
        println!(
            "{what:<26} {:>9} {:>9} {:>8} {:>8} | {:>9} {:>8} {:>9} | {:>9} | {:>9} {:>9}",
            "up", "fastest", "a host", "CPU", "down", "CPU", "freed", "in a row", "process", "kernel"
        );
        let (mut ups_by, mut held_by_size) = (Vec::new(), Vec::new());
        for &size in sizes {
            let topology = topology(size);
            let up = || runtime.block_on(Lab::up(topology.clone())).expect("the lab comes up");
            let times = if size > 500 { times.min(3) } else { times };
            let (mut ups, mut downs, mut freed, mut held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            // What the first of all brings about in process and kernel is no lab's.
            Freed::by(up()).wait();
            for _ in 0..times {
                let before = Memory::now();
                let (lab, cost) = Cost::of(up);
                ups.push(cost);
                held.push(Memory::now() - before);
                let freeing = Freed::watch(&lab);
                let ((), cost) = Cost::of(|| drop(lab));
                downs.push(cost);
                freed.push(freeing.wait());
            }
            let mut row = Vec::new();
            for _ in 0..times {
                let (lab, cost) = Cost::of(up);
                row.push(cost.wall);
                let freeing = Freed::watch(&lab);
                drop(lab);
                // Only the last is waited for.
                if row.len() == times {
                    freeing.wait();
                }
            }
            let (wall, cpu) =
                (median(ups.iter().map(|cost| cost.wall)), median(ups.iter().map(|cost| cost.cpu)));
            let held_by = |of: fn(&Memory) -> i32| mb(median(held.iter().map(of)));
            ups_by.push((number(size), wall.as_secs_f64()));
            held_by_size.push((number(size), held_by(|memory| memory.kernel)));
            println!(
                "{size:>26} {:>9.1?} {:>9.1?} {:>8.2?} {:>8.1?} | {:>9.1?} {:>8.1?} {:>9.1?} | {:>9.1?} | {:>6.1} MB {:>6.1} MB",
                wall,
                ups.iter().map(|cost| cost.wall).min().unwrap_or_default(),
                wall / u32::try_from(size).expect("few"),
                cpu,
                median(downs.iter().map(|cost| cost.wall)),
                median(downs.iter().map(|cost| cost.cpu)),
                median(freed.iter().copied()),
                median(row.iter().copied()),
                held_by(|memory| memory.process),
                held_by(|memory| memory.kernel),
            );
        }
        self.up.push(Series { name: what.to_owned(), points: ups_by });
        self.memory.push(Series { name: what.to_owned(), points: held_by_size });
    }

    /// A container that joins, until every engine has it, and leaves, where there are so many on two hosts already.
    fn peers(&mut self, sizes: &[usize], runtime: &Runtime) {
        println!("{:<26} {:>9} {:>9} {:>9}", "containers on two hosts", "up", "a join", "a leave");
        let (mut joins_by, mut leaves_by) = (Vec::new(), Vec::new());
        for &size in sizes {
            let topology = benches::topologies::spread(2, size);
            let (lab, up) = Cost::of(|| runtime.block_on(Lab::up(topology)).expect("the lab comes up"));
            let (mut joins, mut leaves) = (Vec::new(), Vec::new());
            for number in 0..5 {
                let name = format!("new{number}");
                let begun = Instant::now();
                runtime.block_on(lab.run(one(&name, "h0"))).expect("it joins");
                joins.push(begun.elapsed());
                let begun = Instant::now();
                runtime.block_on(lab.remove_container(&name)).expect("it leaves");
                leaves.push(begun.elapsed());
            }
            let (join, leave) = (median(joins.iter().copied()), median(leaves.iter().copied()));
            println!("{size:>26} {:>9.1?} {join:>9.1?} {leave:>9.1?}", up.wall);
            joins_by.push((number(size), join.as_secs_f64() * 1e3));
            leaves_by.push((number(size), leave.as_secs_f64() * 1e3));
            Freed::by(lab).wait();
        }
        self.join.push(Series { name: "joins".to_owned(), points: joins_by });
        self.join.push(Series { name: "leaves".to_owned(), points: leaves_by });
    }
}

/// One lab that is large.
fn large(hosts: usize, containers: usize, idle: Duration, runtime: &Runtime) {
    println!("{hosts} hosts with engines, {containers} containers on one overlay");
    let before = Memory::now();
    let topology = benches::topologies::spread(hosts, containers);
    let (lab, up) = Cost::of(|| runtime.block_on(Lab::up(topology)).expect("the lab comes up"));
    for (part, took) in &lab.timings().0 {
        println!("  {part:<56} {took:>10.1?}");
    }
    println!("  {:<56} {:>10.1?}, CPU {:.1?}", "up", up.wall, up.cpu);
    let held = Memory::now() - before;
    println!("  {:<56} {:.1} MB, {:.1} MB", "memory: process, kernel", mb(held.process), mb(held.kernel));

    // Each container asks one that is drawn, and is asked by one.
    let begun = Instant::now();
    let netns =
        |number: usize| lab.place(&format!("c{number}")).and_then(|place| place.netns()).expect("it is up");
    let mut to: Vec<usize> = (0..containers).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut to);
    let pairs: Vec<(usize, usize)> = (0..containers).zip(to).filter(|(from, to)| from != to).collect();
    let (asked, mut first, mut answered) = (pairs.len(), 0, 0);
    for (from, to) in pairs {
        let address = lab.address(&format!("c{from}"), &format!("c{to}")).expect("it has an address");
        let tries = (0..TRIES).find(|_| reaches(&netns(from), address));
        answered += usize::from(tries.is_some());
        first += usize::from(tries == Some(0));
    }
    println!(
        "  {:<56} {answered} of {asked}, {first} at the first try, all in {:.1?}",
        "pairs drawn by chance, answered",
        begun.elapsed()
    );

    let every = hosts.min(containers).div_ceil(LOOKING).max(1);
    let looking: Vec<_> = (0..hosts.min(containers)).step_by(every).map(netns).collect();
    let (mut joins, mut missing) = (Vec::new(), 0);
    for number in 0..5 {
        let name = format!("new{number}");
        let begun = Instant::now();
        runtime.block_on(lab.run(one(&name, "h0"))).expect("it joins");
        joins.push(begun.elapsed());
        let to = lab.address("c1", &name).expect("it has an address");
        missing += looking.iter().filter(|from| (0..TRIES).all(|_| !reaches(from, to))).count();
        runtime.block_on(lab.remove_container(&name)).expect("it leaves");
    }
    println!(
        "  {:<56} {:>10.1?}",
        "a join, until every engine has it (median)",
        median(joins.iter().copied())
    );
    let looks = 5 * looking.len();
    println!("  {:<56} {:>10}", "answered then", format!("{} of {looks}", looks - missing));

    // Engines look once more after the last change, and rest at latest ten seconds later (`Config::mend`): not idle yet.
    thread::sleep(Duration::from_secs(15).min(idle));
    let ((), rest) = Cost::of(|| thread::sleep(idle));
    println!(
        "  {:<56} {:>9.2} %",
        "CPU when idle, of a core",
        100.0 * rest.cpu.as_secs_f64() / rest.wall.as_secs_f64()
    );
    println!("  {:<56} {:>10}", "threads", threads());
    // They would keep their namespaces.
    drop(looking);
    let freeing = Freed::watch(&lab);
    let ((), down) = Cost::of(|| drop(lab));
    println!("  {:<56} {:>10.1?}, freed after {:.1?}", "down", down.wall, freeing.wait());
}

/// Whether an address answers one echo.
fn reaches(from: &Netns, to: Ipv4Addr) -> bool {
    let mut pinger = Pinger::new(from, to).expect("a socket can be made");
    matches!(pinger.ping(PATIENCE).expect("it can be sent"), Echo::Reply(_))
}

fn one(name: &str, on: &str) -> Run {
    Run { name: Some(name.to_owned()), on: on.to_owned(), networks: vec!["net".to_owned()], ..Run::default() }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("few"))
}

fn mb(kibibytes: i32) -> f64 {
    f64::from(kibibytes) / 1024.0
}

fn median<T: Ord + Copy + Default>(all: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}
