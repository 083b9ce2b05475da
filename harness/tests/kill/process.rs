//! All processes there are, and waiting for them to be none.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::linux::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernel::{Canary, Netns};

/// Bound on "nothing is left". It takes some milliseconds on a quiet machine; tests run on busy ones.
pub(crate) const GONE: Duration = Duration::from_secs(1);
/// Bound on everything that is no measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A process that is not of this test itself.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: String,
    seen: Instant,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

pub(crate) fn list(all: &[Process]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// All processes but this one and the init above it. What is dead and waits to be reaped counts.
pub(crate) fn processes() -> Vec<Process> {
    let own = std::process::id().cast_signed();
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != 1 && *pid != own).filter_map(Process::look).collect()
}

impl Process {
    fn look(pid: i32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything.
        let (start, end) = (stat.find('(')?, stat.rfind(')')?);
        Some(Process { pid, name: stat[start + 1..end].to_owned(), seen: Instant::now() })
    }

    /// The one process of that name.
    #[track_caller]
    pub(crate) fn named(name: &str) -> Process {
        let all = processes();
        let mut found = all.iter().filter(|process| process.name == name);
        match (found.next(), found.next()) {
            (Some(process), None) => process.clone(),
            _ => panic!("not one {name} among {}", list(&all)),
        }
    }

    /// The process that has that pid in the PID namespace of the one process called `init`.
    #[track_caller]
    pub(crate) fn inside(init: &str, pid: i64) -> Process {
        let pids = |process: &Process| -> Vec<i64> {
            let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
        };
        let depth = pids(&Process::named(init)).len() - 1;
        processes().into_iter().find(|process| pids(process).get(depth) == Some(&pid)).unwrap()
    }

    /// Waits for the first child of the first child…, so many times, of a client: shepherd, init, supervisor.
    #[track_caller]
    pub(crate) fn descendant(client: i32, generation: usize) -> Process {
        let begun = Instant::now();
        let mut pid = client;
        let mut found = None;
        for _ in 0..generation {
            let child = loop {
                let children =
                    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
                if let Some(child) = children.split(' ').next().and_then(|first| first.parse().ok()) {
                    break child;
                }
                assert!(begun.elapsed() < PATIENCE, "{pid} has no child");
            };
            pid = child;
            found = Process::look(pid);
        }
        found.expect("the process is there")
    }

    /// How long ago it was seen first.
    pub(crate) fn age(&self) -> Duration {
        self.seen.elapsed()
    }

    /// Its descriptors, by number, and what they are.
    pub(crate) fn descriptors(&self) -> Vec<(u32, String)> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return Vec::new() };
        let describe = |entry: fs::DirEntry| {
            let what = fs::read_link(entry.path()).ok()?.display().to_string();
            Some((entry.file_name().to_str()?.parse().ok()?, what))
        };
        let mut all: Vec<_> = entries.flatten().filter_map(describe).collect();
        all.sort_unstable();
        all
    }
}

/// `kill -9`.
pub(crate) fn kill(pid: i32) {
    signal("KILL", pid);
}

/// Sends a signal. That the process has ended already is fine.
pub(crate) fn signal(name: &str, pid: i32) {
    let signal = format!("SIG{name}").parse().unwrap();
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Some(signal)) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(errno) => panic!("cannot kill {pid}: {errno}"),
    }
}

/// Waits until no process is left but this one and the init above it; how long that took.
#[track_caller]
pub(crate) fn wait_gone(what: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let left = processes();
        if left.is_empty() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < GONE, "{what}: {} are left", list(&left));
    }
}

#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not {what}");
    }
}

#[track_caller]
pub(crate) fn wait_processes(what: &str, holds: impl Fn(&[Process]) -> bool) {
    let begun = Instant::now();
    while !holds(&processes()) {
        assert!(begun.elapsed() < PATIENCE, "{what}: {}", list(&processes()));
    }
}

/// Waits until the kernel has freed what earlier labs had: making namespaces waits for that, and nothing can kill a
/// process meanwhile.
pub(crate) fn wait_quiet() {
    let last = Netns::new("last in line").unwrap();
    let freed = Canary::new(&[&last]).unwrap();
    drop(last);
    assert!(freed.wait(PATIENCE).unwrap());
}

/// Watches every network namespace of the labs that are up.
pub(crate) fn canary() -> Canary {
    let mut found = BTreeMap::new();
    let own = fs::metadata("/proc/self/ns/net").unwrap().st_ino();
    for process in processes() {
        let of = PathBuf::from(format!("/proc/{}", process.pid));
        let mut paths = vec![of.join("ns/net")];
        let held = process.descriptors().into_iter().filter(|(_, what)| what.starts_with("net:["));
        paths.extend(held.map(|(number, _)| of.join(format!("fd/{number}"))));
        for file in paths.iter().filter_map(|path| File::open(path).ok()) {
            let inode = file.metadata().unwrap().st_ino();
            found.entry(inode).or_insert_with(|| Netns::from_fd("watched", file.into()));
        }
    }
    found.remove(&own);
    // The lab's own, the switch, the outside, three hosts, two sandboxes, two containers.
    assert!(found.len() >= 10, "{} namespaces", found.len());
    Canary::new(&found.values().collect::<Vec<_>>()).unwrap()
}

#[expect(clippy::print_stdout, reason = "a measurement, for those who look")]
pub(crate) fn report(what: &str, worst: Duration) {
    println!("{what}: {:.1} ms at worst", worst.as_secs_f64() * 1000.0);
}

/// A measurement made many times, and of what the longest was.
#[expect(clippy::print_stdout, reason = "a measurement, for those who look")]
pub(crate) fn spread(what: &str, mut times: Vec<(Duration, String)>) {
    times.sort_unstable();
    let ((middle, _), (last, whose)) = (&times[times.len() / 2], &times[times.len() - 1]);
    println!("{what}, {} times: {middle:.1?} (median), {last:.1?} (max: {whose})", times.len());
}
