//! `lab exec`, `lab shell`: a command of any kind, run by this process itself in the namespaces of a host or container.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness::control::Request;
use harness::{Error, Kind};
use kernel::Admission;
use kernel::enter::Group;
use nix::unistd::{getpgrp, getpid};

use crate::args;
use crate::choose::Scope;

pub(crate) fn exec(scope: &Scope, args: &args::Exec) -> anyhow::Result<ExitCode> {
    let (hostname, admission) = enter(scope, &args.target)?;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]).env("HOSTNAME", hostname).env("PATH", path());
    admission.admit(&mut command);
    // Started by a shell with jobs, and nothing beside it: as a shell would, so that it may be one with jobs itself.
    let alone = getpgrp() == getpid() && io::stdin().is_terminal() && io::stdout().is_terminal();
    run(command, if alone || args.tty { Group::Own } else { Group::Shared })
}

pub(crate) fn shell(scope: &Scope, args: &args::Shell) -> anyhow::Result<ExitCode> {
    let (hostname, admission) = enter(scope, &args.target)?;
    let shell = env::var_os("SHELL").filter(|shell| Path::new(shell).exists());
    let mut command = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()));
    // Shells that do not read it from their own files show it as it is.
    command.env("HOSTNAME", &hostname).env("PS1", format!("{hostname}:\\w# ")).env("PATH", path());
    admission.admit(&mut command);
    run(command, Group::Own)
}

/// The caller's, and behind it where administrators' programs are, of which ordinary users know nothing on Debian: whoever is in a lab is one.
fn path() -> OsString {
    let known = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut all: Vec<PathBuf> = env::split_paths(&known).collect();
    for place in ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from) {
        if !all.contains(&place) {
            all.push(place);
        }
    }
    // One that cannot be joined has a colon in it, and so could not have been split.
    env::join_paths(all).unwrap_or(known)
}

/// Joins the target's machine; its hostname, and what lets programs into its control group.
fn enter(scope: &Scope, target: &str) -> anyhow::Result<(String, Admission)> {
    let answer = scope.client()?.ask(&Request::Enter { target: target.to_owned() })?;
    let broken =
        || Error::new(Kind::Machine, format_args!("cannot enter {target}: the lab's answer lacks something"));
    let mut fds = answer.fds.into_iter();
    let init = fds.next().ok_or_else(broken)?;
    let admission = Admission::by(fds.next());
    let hostname = answer.value["hostname"].as_str().ok_or_else(broken)?;
    let rootless = answer.value["rootless"].as_bool().ok_or_else(broken)?;
    kernel::enter::join(init.as_fd(), rootless, &admission).map_err(Error::from)?;
    Ok((hostname.to_owned(), admission))
}

fn run(command: Command, group: Group) -> anyhow::Result<ExitCode> {
    let code = kernel::enter::run(command, group)?;
    // A wait status has eight bits.
    Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}
