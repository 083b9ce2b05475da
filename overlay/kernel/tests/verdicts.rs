//! The re-execution cannot lie: whatever a test does, it is reported as what it is, by libtest alone and as nextest runs it.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "verdicts/misbehaving.rs"]
mod misbehaving;

use std::env;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// What came out of a test.
struct Told {
    passed: bool,
    /// Its standard output, then its standard error.
    text: String,
}

impl Told {
    fn times(&self, what: &str) -> usize {
        self.text.matches(what).count()
    }

    /// It failed, and for this reason.
    #[track_caller]
    fn failed(&self, why: &str) {
        assert!(!self.passed && self.text.contains(why), "{}", self.text);
    }
}

fn start(arguments: &[&str], ask: bool) -> Told {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(arguments)
        .env("LAB_TEST_TIMEOUT", "1")
        .env_remove(misbehaving::ASK)
        .env_remove("RUST_BACKTRACE");
    if ask {
        command.env(misbehaving::ASK, "1");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(0) || output.status.code() == Some(101),
        "{:?}: {text}",
        output.status
    );
    Told { passed: output.status.success(), text: text.into_owned() }
}

/// Runs that test of `misbehaving` with libtest's capture, and once more as nextest does. The verdicts have to agree.
fn told(name: &str) -> [Told; 2] {
    let path = format!("misbehaving::{name}");
    let captured = start(&[&path, "--exact", "--ignored"], true);
    let plain = start(&[&path, "--exact", "--ignored", "--nocapture"], true);
    for told in [&captured, &plain] {
        // The inner's own libtest keeps quiet, and the outer has run this one test.
        assert_eq!(told.times("running 1 test\n"), 1, "{}", told.text);
        assert_eq!(told.times("test result: "), 1, "{}", told.text);
        assert!(!told.text.contains("lab-trial"), "{}", told.text);
    }
    [captured, plain]
}

#[test]
fn an_ignored_test_is_not_run_unless_asked_for() {
    let told = start(&["misbehaving::panics", "--exact"], true);
    assert!(told.passed && told.text.contains("0 passed; 0 failed; 1 ignored"), "{}", told.text);
    let told = start(&["misbehaving::prints", "--exact", "--ignored"], true);
    assert!(told.passed && told.text.contains("1 passed; 0 failed; 0 ignored"), "{}", told.text);
}

#[test]
fn nobody_is_hurt_when_all_ignored_tests_are_run() {
    let told = start(&["misbehaving::", "--include-ignored"], false);
    assert!(told.passed, "{}", told.text);
}

#[test]
fn a_misspelt_test_runs_nothing_and_says_so() {
    let told = start(&["misbehaving::panic", "--exact", "--ignored"], true);
    assert!(told.passed && told.text.contains("running 0 tests"), "{}", told.text);
}

#[test]
fn a_panic_comes_through_once_with_its_place() {
    for told in told("panics") {
        told.failed("");
        assert_eq!(told.times("a panic on purpose"), 1, "{}", told.text);
        assert_eq!(told.times("misbehaving.rs:"), 1, "{}", told.text);
    }
}

#[test]
fn what_a_test_prints_comes_through_once_when_it_is_wanted() {
    let [captured, plain] = told("prints");
    assert!(captured.passed && plain.passed);
    assert_eq!(captured.times("said on"), 0, "{}", captured.text);
    assert_eq!((plain.times("said on stdout"), plain.times("said on stderr")), (1, 1), "{}", plain.text);
    for told in told("prints_and_panics") {
        told.failed("");
        assert_eq!((told.times("said on stdout"), told.times("said on stderr")), (1, 1), "{}", told.text);
    }
}

#[test]
fn an_error_that_is_returned_is_a_failure() {
    for told in told("returns_an_error") {
        told.failed("no such thing");
    }
}

#[test]
fn an_abort_is_reported_as_what_it_is() {
    for told in told("aborts") {
        told.failed("killed by SIGABRT");
        // What it printed before is kept.
        assert_eq!(told.times("about to abort"), 1, "{}", told.text);
    }
}

#[test]
fn a_test_that_kills_itself_is_reported_as_what_it_is() {
    for told in told("kills_itself") {
        told.failed("killed by SIGKILL");
    }
}

#[test]
fn leaving_early_with_success_is_no_success() {
    for told in told("leaves") {
        told.failed("exit code 0");
    }
}

#[test]
fn leaving_by_another_thread_with_success_is_no_success() {
    for told in told("leaves_by_another_thread") {
        told.failed("exit code 0");
    }
}

#[test]
fn a_hang_is_ended_with_all_that_it_started() {
    let begun = Instant::now();
    for told in told("hangs") {
        told.failed("the test hung: no end after 1 s");
        assert_eq!(told.times("about to hang"), 1, "{}", told.text);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    // It had started a process that ignores the polite signals.
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        assert!(!command.contains(misbehaving::STUBBORN), "{} is left: {command}", entry.path().display());
    }
}

#[test]
fn only_the_panic_that_is_expected_is_one() {
    for told in told("panics_as_it_should") {
        assert!(told.passed, "{}", told.text);
    }
    for told in told("panics_otherwise") {
        told.failed("panic did not contain expected string");
    }
    for name in [
        "should_panic_and_returns",
        "should_panic_and_aborts",
        "should_panic_and_leaves",
        "should_panic_and_hangs",
    ] {
        for told in told(name) {
            told.failed("test did not panic as expected");
        }
    }
}
