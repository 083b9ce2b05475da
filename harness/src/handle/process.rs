//! A process that was started on a host or in a container.

use std::fmt;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::error::Result;
use crate::lab::Lab;
use crate::process::{self, Line, Log, State};

/// Lines shown of a process that failed.
const LAST_WORDS: usize = 10;

/// A process on a host or in a container. Dropping it kills it, unless it was [forgotten](Process::forget); so does its
/// host's end.
#[derive(Debug)]
#[must_use = "dropping it kills the process"]
pub struct Process {
    lab: Lab,
    command: String,
    started: Arc<process::Process>,
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it printed to its standard error.
    pub stderr: String,
}

impl Process {
    pub(super) fn new(lab: Lab, command: String, started: process::Process) -> Process {
        Process { lab, command, started: Arc::new(started) }
    }

    /// What was started.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its pid, in the lab's PID namespace; on its own machine it has another.
    pub fn pid(&self) -> u32 {
        self.started.pid
    }

    /// Whether it runs, or how it ended.
    pub fn state(&self) -> State {
        self.started.state()
    }

    /// Waits for its end; its exit status, 128 and the signal's number if a signal ended it.
    pub async fn wait(&self) -> i32 {
        self.started.wait().await
    }

    /// Sends it a signal. That it has ended is fine.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.started.signal(signal)
    }

    /// Kills it and waits for its end.
    pub async fn kill(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait().await;
        Ok(())
    }

    /// The lines that it has printed so far; of very many, the last megabyte.
    pub fn lines(&self) -> Vec<Line> {
        self.started.log.since(0).0
    }

    /// What it prints, to be followed.
    pub fn log(&self) -> Log {
        self.started.log.clone()
    }

    /// Leaves it running until its host, its container or the lab ends.
    pub fn forget(self) {
        self.lab.keep(self.started);
    }

    /// What was started, for whoever keeps it otherwise.
    pub(crate) fn into_started(self) -> Arc<process::Process> {
        self.started
    }

    /// Its last lines, for an error; begins with a line break, unless there are none.
    pub(super) fn last_words(&self) -> String {
        let lines = self.lines();
        let last = lines.iter().skip(lines.len().saturating_sub(LAST_WORDS));
        last.flat_map(|line| ["\n    ", line.text.as_str()]).collect()
    }
}

/// `status 1`, and the last line that it printed, if there is one.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        let last = self.stderr.lines().last().or_else(|| self.stdout.lines().last());
        last.map_or(Ok(()), |line| write!(f, ": {line}"))
    }
}
