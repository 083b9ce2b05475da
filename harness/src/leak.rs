//! What a test leaves behind in its process: processes, threads, descriptors.
//!
//! Namespaces need no look of their own: one that is left is held by a descriptor, a thread or a process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks: threads and processes end when they end.
const PAUSE: Duration = Duration::from_millis(1);

const DESCRIPTOR: &str = "descriptor";

/// How the runtime calls its threads. They end with it, later than a lab.
const RUNTIME: &str = "tokio-rt-worker";

/// What was there before. Meant for a process inside a lab's own PID namespace, where every process is the test's.
#[derive(Clone, Debug)]
pub struct Leaks {
    before: Holdings,
}

/// What a process has: by number, in words.
#[derive(Clone, Debug, Default)]
struct Holdings {
    processes: BTreeMap<u64, String>,
    threads: BTreeMap<u64, String>,
    descriptors: BTreeMap<u64, String>,
}

impl Leaks {
    /// What is there now is nobody's leak.
    pub fn before() -> Leaks {
        Leaks { before: Holdings::now() }
    }

    /// What has come since and is still there when `patience` is over, a line each.
    pub fn after(&self, patience: Duration) -> Vec<String> {
        wait(patience, || Holdings::now().without(&self.before))
    }

    /// As [`Leaks::after`], while the runtime goes on: its own threads are left out.
    pub fn meanwhile(&self, patience: Duration) -> Vec<String> {
        let look = || {
            let mut now = Holdings::now();
            now.threads.retain(|_, name| name != RUNTIME);
            now.without(&self.before)
        };
        wait(patience, look)
    }

    /// Waits until no process is there that was not before, at most for `patience`.
    pub fn wait_processes(&self, patience: Duration) {
        wait(patience, || new(&processes(), &self.before.processes, "process"));
    }
}

/// Looks until nothing is left or `patience` is over; what is left.
fn wait(patience: Duration, look: impl Fn() -> Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + patience;
    loop {
        let left = look();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(PAUSE);
    }
}

impl Holdings {
    fn now() -> Holdings {
        // The directory that is being read is a descriptor, too, and gone by then.
        let target = |path: &Path| Some(fs::read_link(path).ok()?.display().to_string());
        Holdings {
            processes: processes(),
            threads: numbered("/proc/self/task", comm),
            descriptors: numbered("/proc/self/fd", target),
        }
    }

    fn without(&self, before: &Holdings) -> Vec<String> {
        [
            new(&self.processes, &before.processes, "process"),
            new(&self.threads, &before.threads, "thread"),
            new(&self.descriptors, &before.descriptors, DESCRIPTOR),
        ]
        .concat()
    }
}

fn processes() -> BTreeMap<u64, String> {
    numbered("/proc", comm)
}

fn comm(path: &Path) -> Option<String> {
    fs::read_to_string(path.join("comm")).ok().map(|name| name.trim().to_owned())
}

/// What is there now and was not before. A process or thread may have changed its name since, and numbers of theirs are not
/// used again within a test; those of descriptors are.
fn new(now: &BTreeMap<u64, String>, before: &BTreeMap<u64, String>, what: &str) -> Vec<String> {
    let is_new = |number: &u64, name: &String| match before.get(number) {
        None => true,
        Some(other) => what == DESCRIPTOR && other != name,
    };
    let new = now.iter().filter(|(number, name)| is_new(number, name));
    new.map(|(number, name)| format!("{what} {number}, {name}")).collect()
}

/// The entries of a directory that are numbers and can be described.
fn numbered(directory: &str, describe: impl Fn(&Path) -> Option<String>) -> BTreeMap<u64, String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect::<Vec<u64>>();
    let described = numbers.into_iter().filter_map(|number| {
        let path = Path::new(directory).join(number.to_string());
        Some((number, describe(&path)?))
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_descriptor_that_came_since_is_a_leak_until_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("left open");
        let leaks = Leaks::before();
        let file = fs::File::create(&path).unwrap();
        let ours = |leaks: Vec<String>| leaks.into_iter().any(|leak| leak.ends_with("left open"));
        assert!(ours(leaks.after(Duration::ZERO)));
        drop(file);
        assert!(!ours(leaks.after(Duration::ZERO)));
    }
}
