//! Where labs are started and killed: a directory for their state, and a look at all processes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::{Canary, Netns};

/// Bound on "nothing is left". It takes some milliseconds on a quiet machine; tests run on busy ones.
const GONE: Duration = Duration::from_secs(1);
/// Bound on everything that is no measurement.
const PATIENCE: Duration = Duration::from_secs(20);

/// A place for labs.
pub(crate) struct Ground {
    room: tempfile::TempDir,
    mounts: String,
}

impl Ground {
    /// What is brought up.
    pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/two-host.toml");

    pub(crate) fn new() -> Ground {
        // In memory, and gone with this test; what is measured here is no disk.
        let room = tempfile::tempdir_in("/run").unwrap();
        Ground { room, mounts: fs::read_to_string("/proc/self/mountinfo").unwrap() }
    }

    /// Where anything may be put.
    pub(crate) fn room(&self) -> &Path {
        self.room.path()
    }

    /// Others can read a temporary directory; the labs' own is made by `lab`, and is stricter.
    fn state(&self) -> PathBuf {
        self.room().join("labs")
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LAB_STATE", self.state());
        command
    }

    /// Starts `lab`, unheard.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_lab"));
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts `lab`, whose output is kept.
    pub(crate) fn start_heard(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_lab"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs `lab`, which is to succeed; what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.start_heard(arguments).wait_with_output().unwrap();
        assert!(output.status.success(), "lab {}: {output:?}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `lab`, which is to fail; what it complained.
    #[track_caller]
    pub(crate) fn failed(&self, arguments: &[&str]) -> String {
        let output = self.start_heard(arguments).wait_with_output().unwrap();
        assert!(!output.status.success(), "lab {}: {output:?}", arguments.join(" "));
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    pub(crate) fn up(&self) {
        self.done(&["up", Self::FILE]);
    }

    #[track_caller]
    pub(crate) fn down(&self) {
        self.done(&["down"]);
        self.wait_gone("an orderly down");
        assert!(self.labs().is_empty());
    }

    /// Names and states, as `lab ls` has them.
    #[track_caller]
    pub(crate) fn labs(&self) -> Vec<(String, String)> {
        let said: serde_json::Value = serde_json::from_str(&self.done(&["ls", "--json"])).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        said["labs"].as_array().unwrap().iter().map(|lab| (text(&lab["name"]), text(&lab["state"]))).collect()
    }

    /// Watches every network namespace of the labs that are up.
    pub(crate) fn canary(&self) -> Canary {
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

    /// Waits until no process is left but this one and the init above it; how long that took.
    #[track_caller]
    pub(crate) fn wait_gone(&self, what: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let left = processes();
            if left.is_empty() {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < GONE, "{what}: {} are left", list(&left));
        }
    }

    /// Waits until the kernel has freed what earlier labs had: making namespaces waits for that, and nothing can kill a
    /// process meanwhile.
    pub(crate) fn wait_quiet(&self) {
        let last = Netns::new("last in line").unwrap();
        let freed = Canary::new(&[&last]).unwrap();
        drop(last);
        assert!(freed.wait(PATIENCE).unwrap());
    }

    /// Waits until the lab answers (`None`), or nothing is left (how long that took). It answers once it has been let go;
    /// that it is up is written down a moment earlier, when it still dies with its client.
    #[track_caller]
    pub(crate) fn wait_up_or_gone(&self, what: &str) -> Option<Duration> {
        let begun = Instant::now();
        loop {
            let left = processes();
            if left.is_empty() {
                return Some(begun.elapsed());
            }
            if self.is_ready() && self.start(&["ps"]).wait().unwrap().success() {
                return None;
            }
            assert!(begun.elapsed() < GONE, "{what}: not up, yet {} are left", list(&left));
        }
    }

    #[track_caller]
    pub(crate) fn wait_processes(&self, what: &str, holds: impl Fn(&[Process]) -> bool) {
        let begun = Instant::now();
        while !holds(&processes()) {
            assert!(begun.elapsed() < PATIENCE, "{what}: {}", list(&processes()));
        }
    }

    /// Waits until `lab ls` says so of the one lab.
    #[track_caller]
    pub(crate) fn wait_state(&self, state: &str) {
        let begun = Instant::now();
        while !matches!(self.labs().as_slice(), [(_, said)] if said == state) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.labs());
        }
    }

    fn is_ready(&self) -> bool {
        let state = fs::read_to_string(self.state().join("two-host/lab.json")).unwrap_or_default();
        state.contains("\"ready\":true")
    }

    /// No mount and no listening socket is left.
    #[track_caller]
    pub(crate) fn nothing_open(&self) {
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), self.mounts);
        let sockets = fs::read_to_string("/proc/self/net/unix").unwrap();
        let ours = self.state().display().to_string();
        assert!(!sockets.contains(&ours), "{sockets}");
    }

    /// At most a dead lab is listed; removes it, and nothing is left.
    #[track_caller]
    pub(crate) fn tidy(&self, what: &str) {
        for (name, state) in self.labs() {
            assert_eq!(state, "gone", "{what}: {name}");
        }
        self.done(&["gc"]);
        assert_eq!(fs::read_dir(self.state()).unwrap().count(), 0, "{what}");
    }

    #[expect(clippy::print_stdout, reason = "a measurement, for those who look")]
    pub(crate) fn report(&self, what: &str, worst: Duration) {
        println!("{what}: {:.1} ms at worst", worst.as_secs_f64() * 1000.0);
    }
}

/// A process that is not of this test itself.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: String,
    parent: i32,
    seen: Instant,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

fn list(all: &[Process]) -> String {
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
        let parent = stat[end + 2..].split(' ').nth(1)?.parse().ok()?;
        Some(Process { pid, name: stat[start + 1..end].to_owned(), parent, seen: Instant::now() })
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
