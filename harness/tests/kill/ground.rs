//! Where labs are started: a directory for their state, and what `lab` says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{GONE, PATIENCE, list, processes, wait_gone};

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

    /// Runs `lab`, which is to print JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    #[track_caller]
    pub(crate) fn up(&self) {
        self.done(&["up", Self::FILE]);
    }

    #[track_caller]
    pub(crate) fn down(&self) {
        self.done(&["down"]);
        wait_gone("an orderly down");
        assert!(self.labs().is_empty());
    }

    /// Names and states, as `lab ls` has them.
    #[track_caller]
    pub(crate) fn labs(&self) -> Vec<(String, String)> {
        let said = self.json(&["ls", "--json"]);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        said["labs"].as_array().unwrap().iter().map(|lab| (text(&lab["name"]), text(&lab["state"]))).collect()
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
}
