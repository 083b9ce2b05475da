//! A store whose process is killed: what was acknowledged is there, and nothing half.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use overlay::kv::memory::Shared;
use overlay::kv::store::{Config, Op, Verb};

/// Names the directory in which a writer writes.
const WRITER: &str = "STORE_WRITER";

/// How often it is killed.
const KILLS: u32 = 40;

/// A pair of keys, written together.
const PAIR: [&str; 2] = ["left", "right"];

/// The number that a pair has, if it has one; half a transaction is none.
fn number(store: &Shared) -> Option<u64> {
    let read = |key: &str| store.with(|store| store.get(key.as_bytes()).map(|entry| entry.value.clone()));
    let [left, right] = PAIR.map(read);
    assert_eq!(left, right, "half a transaction was read back");
    left.map(|value| str::from_utf8(&value).unwrap().parse().unwrap())
}

/// The process that is killed: it counts on from what it finds, and says each number when it is on disk.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "that is how it says so")]
async fn writer() {
    let Some(directory) = env::var_os(WRITER) else { return };
    let store = Shared::open(Path::new(&directory), Config::default()).unwrap();
    let first = number(&store).unwrap_or(0);
    for next in first + 1.. {
        // Large enough that logs become snapshots on the way.
        let filling =
            Op { value: vec![b'x'; 50_000].into(), ..Op::new(Verb::Set, format!("filling{}", next % 5)) };
        let both = PAIR.map(|key| Op { value: next.to_string().into(), ..Op::new(Verb::Set, key) });
        let [left, right] = both;
        store.with(|store| store.txn(&[left, filling, right])).unwrap();
        store.durable().await.unwrap();
        println!("acknowledged {next}");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut acknowledged = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["writer", "--exact", "--nocapture"])
            .env(WRITER, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after some writes, in the midst of the next.
        let writes = rng.u64(1..40);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told =
            || lines.find_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse::<u64>().ok());
        for _ in 0..writes {
            let next = told().unwrap();
            assert_eq!(next, acknowledged + 1, "it goes on where it was");
            acknowledged = next;
        }
        std::thread::sleep(Duration::from_micros(rng.u64(0..3_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(next) = told() {
            acknowledged = next;
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let found = number(&Shared::open(directory.path(), Config::default()).unwrap()).unwrap();
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{found} after {acknowledged} were acknowledged"
        );
        acknowledged = found;
    }
}
