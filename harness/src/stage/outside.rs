//! The outer's half: starts the inner, tells it what to play, hears what happens.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use kernel::entry::{Inner, Life, Remains};

use super::{Order, Said, unplayed};
use crate::error::{Error, Kind, Result};
use crate::probe::lacking;
use crate::report::Bundle;
use crate::scenario::{Counts, RunEvent, Verdict};
use crate::topology::Topology;

/// What a scenario may take beyond its own time limit: construction, and the evidence of a failure.
const BEYOND: Duration = Duration::from_secs(90);

/// A scenario being played. Iterating waits for what happens; the last event is always an [`RunEvent::End`].
/// Dropping it ends the lab.
#[derive(Debug)]
pub struct Stage {
    inner: Option<Inner>,
    lines: BufReader<UnixStream>,
    begun: Instant,
    /// None: the lab is kept for as long as somebody wants.
    deadline: Option<Instant>,
    name: String,
    bundles: PathBuf,
    /// What is to be said before anything is heard.
    ahead: VecDeque<RunEvent>,
    over: bool,
}

/// How a lab that is kept can be asked.
#[derive(Debug)]
pub struct Keep {
    /// Where it is asked.
    pub listener: UnixListener,
    /// What is to be removed should all of it be killed.
    pub remains: Remains,
}

/// Ends a [`Stage`]'s lab from another thread.
#[derive(Debug)]
pub struct Stopper(UnixStream);

impl Stopper {
    /// Ends the lab; its [`Stage`] will say that it was broken off.
    pub fn stop(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Stage {
    /// Starts `command`, the current executable with what makes it call [`inside`](super::inside). The thread that calls
    /// this has to live as long as the lab. Should a step fail, what there was to see is left in a directory below `bundles`,
    /// and the lab itself is kept if there is a way to ask it.
    pub fn open(command: Command, order: &Order, bundles: PathBuf, keep: Option<&Keep>) -> Result<Stage> {
        // The file's mistakes are seen before anything is started.
        let topology = order.topology()?;
        if let Some(reason) = lacking(&topology.requires) {
            return Stage::unplayed(topology, order, reason);
        }
        let broken = |why: &dyn std::fmt::Display| {
            Error::new(Kind::Machine, format_args!("cannot start a lab for {}: {why}", order.path))
        };
        let inner = Inner::spawn(command, Life::Attached, keep.map(|keep| &keep.remains))?;
        let text = serde_json::to_string(order).map_err(|e| broken(&e))?;
        let lines = BufReader::new(inner.line().try_clone().map_err(|e| broken(&e))?);
        // Should it have died already, it has said why, which is heard below.
        let socket: Vec<_> = keep.iter().map(|keep| keep.listener.as_fd()).collect();
        let _ = inner.send(&text, &socket);
        let begun = Instant::now();
        Ok(Stage {
            inner: Some(inner),
            lines,
            begun,
            deadline: Some(begun + topology.timeout + BEYOND),
            name: topology.name,
            bundles,
            ahead: VecDeque::new(),
            over: false,
        })
    }

    /// Nothing is started: the machine lacks what is required.
    fn unplayed(topology: Topology, order: &Order, reason: String) -> Result<Stage> {
        let (nobody, lines) = UnixStream::pair().map_err(|e| Error::new(Kind::Machine, e))?;
        drop(nobody);
        let (verdict, counts) = unplayed(order, &topology, reason);
        let begin = RunEvent::Begin {
            name: topology.name.clone(),
            description: topology.description,
            seed: topology.seed,
            steps: topology.steps.len(),
        };
        let end = RunEvent::End { verdict, counts, took: Duration::ZERO };
        Ok(Stage {
            inner: None,
            lines: BufReader::new(lines),
            begun: Instant::now(),
            deadline: None,
            name: topology.name,
            bundles: PathBuf::new(),
            ahead: VecDeque::from([begin, end]),
            over: false,
        })
    }

    /// The pid of the lab's shepherd.
    pub fn pid(&self) -> u32 {
        self.inner.as_ref().map_or(0, Inner::pid)
    }

    /// What ends the lab early.
    pub fn stopper(&self) -> Result<Stopper> {
        let line = self.lines.get_ref().try_clone();
        line.map(Stopper).map_err(|e| Error::new(Kind::Machine, e))
    }

    /// The next line; nothing at the end.
    fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        loop {
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.lines.get_ref().set_read_timeout(left)?;
            match self.lines.read_until(b'\n', &mut line) {
                Ok(_) if line.last() == Some(&b'\n') => {
                    line.pop();
                    return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                }
                // Half a line is the last gasp of somebody killed.
                Ok(_) => return Ok(None),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    fn broken(&mut self, why: String) -> RunEvent {
        self.over = true;
        RunEvent::End {
            verdict: Verdict::Broken { why },
            counts: Counts::default(),
            took: self.begun.elapsed(),
        }
    }

    /// The line broke before the end was said.
    fn died(&mut self) -> RunEvent {
        let ended = self.inner.take().map(Inner::end);
        let why = match ended {
            Some(Ok(status)) => format!("the lab was ended before the scenario was over ({status})"),
            _ => "the lab was ended before the scenario was over".to_owned(),
        };
        self.broken(why)
    }

    fn keep(&self, bundle: &Bundle) -> RunEvent {
        let path = match bundle.write(&self.bundles, &self.name) {
            Ok(path) => path.display().to_string(),
            Err(why) => format!("none: {why}"),
        };
        RunEvent::Bundle { path }
    }
}

impl Iterator for Stage {
    type Item = RunEvent;

    fn next(&mut self) -> Option<RunEvent> {
        if self.over {
            return None;
        }
        if let Some(event) = self.ahead.pop_front() {
            self.over = matches!(event, RunEvent::End { .. });
            return Some(event);
        }
        Some(match self.hear() {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(Said::Event(event)) => {
                    if let RunEvent::End { .. } = event {
                        self.over = true;
                        // All of the lab is gone when this returns.
                        drop(self.inner.take().map(Inner::end));
                    }
                    if let RunEvent::Kept { .. } = event {
                        self.deadline = None;
                    }
                    event
                }
                Ok(Said::Bundle { bundle }) => self.keep(&bundle),
                Err(_) => match line.strip_prefix("error ") {
                    Some(why) => self.broken(why.to_owned()),
                    None => self.broken(format!("the lab said what makes no sense: {line}")),
                },
            },
            Ok(None) => self.died(),
            Err(why) if why.kind() == io::ErrorKind::TimedOut => {
                drop(self.inner.take().map(Inner::end));
                let limit = self.begun.elapsed().as_secs();
                self.broken(format!("the lab hung: no end after {limit} s; it was ended"))
            }
            Err(why) => self.broken(format!("the lab cannot be heard: {why}")),
        })
    }
}
