//! A program to be started on a host or in a container.

use std::collections::BTreeMap;
use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use super::ready::Watch;
use super::spot::Spot;
use super::{Output, Process, Ready};
use crate::error::{Error, Kind, Result};
use crate::process::{self, Program, Stream};

/// How long a process may take to be ready, unless said.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program of the machine and how it is to be started: as [`std::process::Command`], on a host or in a container.
///
/// Its environment is `PATH`, `HOME`, `TERM`, `HOSTNAME`, a container's own, and what is said here. It reads nothing and its
/// output is kept, unless said otherwise.
#[derive(Clone, Debug)]
#[must_use = "nothing is started until it is spawned"]
pub struct Command {
    spot: Spot,
    /// The program and its arguments.
    line: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Option<String>,
    ready: Option<Ready>,
    within: Duration,
}

impl Command {
    pub(super) fn new(spot: Spot, program: &str) -> Command {
        let (env, stdin, ready) = (BTreeMap::new(), None, None);
        Command { spot, line: vec![program.to_owned()], env, stdin, ready, within: PATIENCE }
    }

    /// An argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Command {
        self.line.push(argument.into());
        self
    }

    /// Arguments.
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.line.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Command {
        self.env.insert(name.into(), value.into());
        self
    }

    /// What it reads from its standard input; then that is at its end.
    pub fn stdin(self, text: impl Into<String>) -> Command {
        Command { stdin: Some(text.into()), ..self }
    }

    /// The fact that it is ready by: [`Command::spawn`] returns when that is so.
    pub fn ready(self, ready: Ready) -> Command {
        Command { ready: Some(ready), ..self }
    }

    /// How long it may take to be ready; 10 s unless said.
    pub fn within(self, time: Duration) -> Command {
        Command { within: time, ..self }
    }

    /// Starts it, and waits until it is ready. If it ends before, or is not ready in time, it is killed, and the error says
    /// what it printed last.
    pub async fn spawn(self) -> Result<Process> {
        let place = self.spot.place()?;
        let machine = place.machine().await?;
        let watch = self.ready.as_ref().map(|ready| Watch::new(ready, &machine, &place)).transpose()?;
        let mut env = place.container().map(|container| container.spec.env.clone()).unwrap_or_default();
        env.extend(watch.iter().filter_map(Watch::env));
        env.extend(self.env);
        let program =
            Program { command: self.line.clone(), env, hostname: place.name().to_owned(), stdin: self.stdin };
        let started = process::Process::start(&machine, program, |_| ())?;
        let process = Process::new(self.spot.lab.clone(), self.line.join(" "), started);
        if let (Some(watch), Some(fact)) = (watch, self.ready) {
            let log = process.log();
            let mut seen = pin!(watch.wait(&log));
            tokio::select! {
                seen = &mut seen => seen?,
                status = process.wait() => tokio::select! {
                    biased;
                    // The last thing it did may have been to be ready.
                    seen = seen => seen?,
                    () = ready(()) => {
                        let why = format_args!("it ended with status {status} before {fact}");
                        return Err(unready(&process, why));
                    }
                },
                () = tokio::time::sleep(self.within) => {
                    let time = crate::topology::show_duration(self.within);
                    return Err(unready(&process, format_args!("it was not so within {time}: {fact}")));
                }
            }
        }
        Ok(process)
    }

    /// Starts it and waits for its end. If nobody waits any more, it is killed.
    pub async fn output(self) -> Result<Output> {
        let process = self.spawn().await?;
        let status = process.wait().await;
        let lines = process.lines();
        let text = |stream| {
            let its = lines.iter().filter(|line| line.stream == stream);
            its.flat_map(|line| [line.text.as_str(), "\n"]).collect()
        };
        Ok(Output { status, stdout: text(Stream::Stdout), stderr: text(Stream::Stderr) })
    }
}

fn unready(process: &Process, why: std::fmt::Arguments<'_>) -> Error {
    Error::new(
        Kind::Unmet,
        format_args!("`{}` is not ready: {why}{}", process.command(), process.last_words()),
    )
}
