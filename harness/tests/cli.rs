//! The command line, driven as people drive it: each test runs the real `lab` with a state directory of its own.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/capture.rs"]
mod capture;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/console.rs"]
mod console;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/docker.rs"]
mod docker;
#[path = "cli/exec.rs"]
mod exec;
#[path = "cli/fault.rs"]
mod fault;
#[path = "cli/graph.rs"]
mod graph;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/inspected.rs"]
mod inspected;
#[path = "cli/kv.rs"]
mod kv;
#[path = "cli/machine.rs"]
mod machine;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[path = "cli/several.rs"]
mod several;
#[path = "cli/show.rs"]
mod show;
#[path = "cli/state.rs"]
mod state;
#[path = "cli/stream.rs"]
mod stream;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/ui.rs"]
mod ui;
#[path = "cli/up.rs"]
mod up;
#[path = "cli/user.rs"]
mod user;
#[path = "cli/verdicts.rs"]
mod verdicts;
