//! Hosts on which nothing runs for a while.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Lab;
use crate::error::{Error, Kind, Result};
use crate::host::Host;

/// How often processes are looked for that were started while others were being stopped. A fork bomb is not waited for.
const ROUNDS: usize = 100;

impl Lab {
    /// Stops all that runs on a host and in its containers: processes by SIGSTOP, its engine and its store at the next point
    /// where they wait. Sockets stay open. Its kernel goes on: a namespace is not a machine, and answers pings.
    pub(super) async fn pause(&self, host: &str) -> Result<()> {
        let host = Arc::clone(self.known_host(host)?);
        let alive = host.alive()?;
        alive.gate.close();
        if let Some(engine) = alive.engine() {
            engine.pause();
        }
        let machines = self.pid_namespaces(&host).await;
        let mut stopped = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<i32> =
                processes(&machines).into_iter().filter(|pid| !stopped.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                send(pid, Signal::SIGSTOP)?;
                stopped.insert(pid);
            }
        }
        Ok(())
    }

    /// Lets all that runs on a host go on. On one that went down meanwhile nothing is to be done.
    pub(super) async fn resume(&self, host: &str) -> Result<()> {
        let host = Arc::clone(self.known_host(host)?);
        let Ok(alive) = host.alive() else { return Ok(()) };
        for pid in processes(&self.pid_namespaces(&host).await) {
            send(pid, Signal::SIGCONT)?;
        }
        alive.gate.open();
        if let Some(engine) = alive.engine() {
            engine.resume();
        }
        self.settle().await
    }

    /// The PID namespaces of a host's machine and of those of its containers.
    async fn pid_namespaces(&self, host: &Arc<Host>) -> BTreeSet<PathBuf> {
        let mut inits: Vec<i32> = host.pid().into_iter().collect();
        for container in self.containers().iter().filter(|container| Arc::ptr_eq(&container.host, host)) {
            inits.extend(container.made_machine().await.map(|machine| machine.pid()));
        }
        inits.into_iter().filter_map(pid_namespace).collect()
    }
}

/// What `/proc` calls a process's PID namespace.
fn pid_namespace(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// The processes in these namespaces and in those nested in them.
fn processes(namespaces: &BTreeSet<PathBuf>) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut found: BTreeSet<i32> = BTreeSet::new();
    loop {
        let more = all.iter().copied().filter(|pid| !found.contains(pid)).filter(|pid| {
            let ours = pid_namespace(*pid).is_some_and(|namespace| namespaces.contains(&namespace));
            ours || parent(*pid).is_some_and(|parent| found.contains(&parent))
        });
        let more: Vec<i32> = more.collect();
        if more.is_empty() {
            return found.into_iter().collect();
        }
        found.extend(more);
    }
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// That it has ended is fine.
fn send(pid: i32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => {
            Err(Error::new(Kind::Machine, format_args!("cannot send {signal} to process {pid}: {errno}")))
        }
    }
}
