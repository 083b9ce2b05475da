//! Tests that do what tests should not, when they are asked to.

#![expect(clippy::should_panic_without_expect, reason = "that is what is tested")]

use std::env;
use std::process::{Command, abort, exit};
use std::thread;

/// The variable that asks. Without it these tests behave, so that running the ignored ones hurts nobody.
pub(crate) const ASK: &str = "KERNEL_TESTS_MISBEHAVE";
/// What the process says that a hanging test leaves behind.
pub(crate) const STUBBORN: &str = "stubborn-child-of-a-hanging-test";

fn asked() -> bool {
    env::var_os(ASK).is_some()
}

fn hang() {
    loop {
        thread::park();
    }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn panics() {
    assert!(!asked(), "a panic on purpose");
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
#[expect(clippy::print_stdout, reason = "that is the test")]
fn prints() {
    println!("said on stdout");
    eprintln!("said on stderr");
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
#[expect(clippy::print_stdout, reason = "that is the test")]
fn prints_and_panics() {
    println!("said on stdout");
    eprintln!("said on stderr");
    assert!(!asked(), "a panic on purpose");
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn returns_an_error() -> Result<(), String> {
    if asked() { Err("no such thing".into()) } else { Ok(()) }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn aborts() {
    if asked() {
        eprintln!("about to abort");
        abort();
    }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn kills_itself() {
    if asked() {
        Command::new("/bin/sh").args(["-c", "kill -9 2"]).status().unwrap();
        loop {
            thread::park();
        }
    }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn leaves() {
    if asked() {
        exit(0);
    }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn leaves_by_another_thread() {
    if asked() {
        thread::spawn(|| exit(0)).join().unwrap();
    }
}

#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn hangs() {
    if asked() {
        eprintln!("about to hang");
        let script = "trap '' TERM HUP INT; while :; do sleep 9; done";
        let mut child = Command::new("/bin/sh").args(["-c", script, STUBBORN]).spawn().unwrap();
        child.wait().unwrap();
        hang();
    }
}

#[kernel::isolate]
#[should_panic(expected = "on purpose")]
#[ignore = "run by the tests of verdicts"]
fn panics_as_it_should() {
    panic!("a panic on purpose");
}

#[kernel::isolate]
#[should_panic(expected = "on purpose")]
#[ignore = "run by the tests of verdicts"]
fn panics_otherwise() {
    panic!("{}", if asked() { "a panic by accident" } else { "a panic on purpose" });
}

// Here the attribute stands before ours.
#[should_panic]
#[kernel::isolate]
#[ignore = "run by the tests of verdicts"]
fn should_panic_and_returns() {
    assert!(asked());
}

#[kernel::isolate]
#[should_panic]
#[ignore = "run by the tests of verdicts"]
fn should_panic_and_aborts() {
    assert!(asked());
    abort();
}

#[kernel::isolate]
#[should_panic]
#[ignore = "run by the tests of verdicts"]
fn should_panic_and_leaves() {
    assert!(asked());
    exit(0);
}

#[kernel::isolate]
#[should_panic]
#[ignore = "run by the tests of verdicts"]
fn should_panic_and_hangs() {
    assert!(asked());
    hang();
}
