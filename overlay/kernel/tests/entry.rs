//! The re-execution cannot lie.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kernel::entry::{Inner, Life};
use kernel::{Netns, Rtnl};

#[kernel::isolate]
fn the_body_runs_as_pid_2_in_fresh_namespaces() {
    assert_eq!(std::process::id(), 2);
    assert!(kernel::entry::inside());
    let links = Rtnl::here().unwrap().links().unwrap();
    assert_eq!(links.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["lo"]);
    assert!(links[0].up);
    // Port 80 is free here, whatever the machine runs.
    std::net::TcpListener::bind("127.0.0.1:80").unwrap();
}

#[kernel::isolate]
#[should_panic(expected = "on purpose")]
fn a_panic_comes_through_with_its_message() {
    panic!("this is done on purpose");
}

#[kernel::isolate]
fn a_body_may_return_a_result() -> kernel::Result<()> {
    Netns::new("one")?.run(|| ())
}

#[kernel::isolate]
#[should_panic(expected = "no such thing")]
fn an_error_that_is_returned_is_a_failure() -> Result<(), String> {
    Err("no such thing".into())
}

#[test]
#[should_panic(expected = "never ran inside the lab")]
fn a_name_that_does_not_exist_is_no_success() {
    kernel::entry::Trial::new("entry", "no_such_test").run(|| ());
}

#[test]
fn a_name_that_does_not_exist_is_no_panic_either() {
    kernel::entry::Trial::new("entry", "no_such_test").panicking().run(|| ());
}

/// Set for the process that is to ask to stay.
const STAY: &str = "ENTRY_TEST_STAY";

/// No test: a lab that asks to stay, and then does.
#[test]
#[ignore = "started by other tests"]
fn asks_to_stay() {
    if env::var_os(STAY).is_none() {
        return;
    }
    kernel::entry::report("hello").unwrap();
    if kernel::entry::detach().is_ok() {
        loop {
            thread::park();
        }
    }
}

fn stay(life: Life) -> Inner {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["asks_to_stay", "--exact", "--ignored"]).env(STAY, "1").stdout(Stdio::null());
    Inner::spawn(command, life, None).unwrap()
}

/// Processes beside this one and the init above it.
fn others() -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok())).count()
        - 2
}

#[track_caller]
fn wait_alone() {
    let begun = Instant::now();
    // Whoever is dead and not waited for by this process is reaped by the init above.
    while others() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} processes are left", others());
    }
}

#[kernel::isolate]
fn a_lab_stays_only_if_that_was_granted() {
    // Asked, not granted: whoever started it is gone before it could answer.
    let mut inner = stay(Life::Detachable);
    let lines = BufReader::new(inner.line()).lines().map_while(Result::ok).take(2).collect::<Vec<_>>();
    assert_eq!(lines, ["hello", "may the lab stay?"]);
    inner.child().kill().unwrap_or_default();
    inner.wait().unwrap();
    wait_alone();
    let inner = stay(Life::Detachable);
    let lines = BufReader::new(inner.line()).lines().map_while(Result::ok).take(2).count();
    assert_eq!(lines, 2);
    inner.end().unwrap();
    wait_alone();
}

#[kernel::isolate]
fn a_lab_that_may_stay_outlives_its_line() {
    let mut said = Vec::new();
    let mut inner = stay(Life::Detachable).wait_detached(|line| said.push(line.to_owned())).unwrap();
    assert_eq!(said, ["hello"]);
    inner.line().shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(others(), 3);
    inner.child().kill().unwrap();
    inner.wait().unwrap();
    wait_alone();
}

#[kernel::isolate]
fn a_lab_in_the_foreground_never_outlives_its_line() {
    let inner = stay(Life::Attached).wait_detached(|_| ()).unwrap();
    assert_eq!(others(), 3);
    inner.end().unwrap();
    wait_alone();
}
