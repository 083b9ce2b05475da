//! What the benches share: a place of their own, and a quiet kernel.

use std::process::{Command, ExitCode};
use std::time::Duration;

use harness::Lab;
use kernel::Canary;
use kernel::entry::{Inner, Life, inside};

/// How long the kernel may take to free a lab.
const FREED: Duration = Duration::from_secs(30);

/// Runs `bench` inside namespaces of its own, by starting this executable again.
pub fn enter(bench: impl FnOnce()) -> ExitCode {
    if inside() {
        bench();
        return ExitCode::SUCCESS;
    }
    let run = || -> Result<bool, Box<dyn std::error::Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1));
        Ok(Inner::spawn(command, Life::Attached, None)?.wait()?.success())
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends a lab and waits until the kernel has freed it: whatever is timed next finds the kernel quiet.
///
/// # Panics
/// If the kernel takes longer than half a minute.
pub fn end_quietly(lab: Lab) {
    let namespaces = lab.namespaces();
    let canary = Canary::new(&namespaces.iter().collect::<Vec<_>>()).expect("a canary can be planted");
    drop(namespaces);
    drop(lab);
    assert!(canary.wait(FREED).expect("a canary can be watched"), "the kernel did not free the lab");
}
