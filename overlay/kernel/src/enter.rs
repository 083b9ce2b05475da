//! A command of the caller's, run on a machine by the caller itself.
//!
//! The client joins the machine's namespaces and waits for its child, so that terminal, signals and
//! exit code are those of a local command. Only for a process with one thread: a user namespace can be
//! joined by no other.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, raise, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, getpgrp, getpid, setgid, setuid, tcgetpgrp, tcsetpgrp};

use crate::cgroup::Admission;
use crate::error::{Context, Error, Result};

/// Passed on to the command, when somebody sends them to us alone.
const FORWARDED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Heeded while the command runs: its end and stops, our own being continued, ^Z, and what would stop us when the terminal
/// changes hands.
const HEEDED: [Signal; 4] = [Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGTSTP, Signal::SIGTTOU];

/// A command could not be started: exit codes as a shell's and as Docker's.
pub const NOT_EXECUTABLE: i32 = 126;
/// See [`NOT_EXECUTABLE`].
pub const NOT_FOUND: i32 = 127;

/// Joins the machine whose init `init` is; `user` says that it has a user namespace of its own, `admission` what lets the
/// command into its control group. The working directory stays, where the machine has it.
pub fn join(init: BorrowedFd<'_>, user: bool, admission: &Admission) -> Result<()> {
    let here = env::current_dir();
    let mut namespaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    if user {
        namespaces |= CloneFlags::CLONE_NEWUSER;
    }
    if admission.door().is_some() {
        namespaces |= CloneFlags::CLONE_NEWCGROUP;
    }
    setns(init, namespaces).map_err(|errno| match errno {
        Errno::ESRCH => Error::other("enter", "the machine", "it is down"),
        errno => Error::new("enter", "the machine", errno),
    })?;
    if user {
        setgid(Gid::from_raw(0)).doing("become", "the lab's root")?;
        setuid(Uid::from_raw(0)).doing("become", "the lab's root")?;
    }
    let stay = here.and_then(env::set_current_dir);
    stay.or_else(|_| env::set_current_dir("/")).doing("enter", "the working directory")
}

/// Which process group the command is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Ours, so that the pipelines and scripts that we are a part of contain it, and what the terminal sends to a group
    /// it hears itself. The group's number reads 0 to it, since the group was not made in its PID namespace; not all
    /// shells with jobs can live with that (dash cannot).
    Shared,
    /// One of its own, which has the terminal while we would.
    Own,
}

/// Runs `command` to its end, as a shell would: its exit code, or 128 and its signal.
pub fn run(mut command: Command, group: Group) -> Result<i32> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut set = SigSet::empty();
    for signal in FORWARDED.into_iter().chain(HEEDED) {
        set.add(signal);
    }
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before)).doing("block", "signals")?;
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).doing("make", "a signalfd")?;
    // The one that shells do job control on, whatever our standard input is.
    let terminal = File::open("/dev/tty").ok();
    let ahead = terminal.as_ref().filter(|terminal| is_ours(terminal));
    let handed = ahead.filter(|_| group == Group::Own).map(File::try_clone).transpose();
    let handed = handed.doing("duplicate", "/dev/tty")?;
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if let Some(terminal) = &handed {
            tcsetpgrp(terminal, getpid())?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        Ok(())
    };
    if group == Group::Own {
        command.process_group(0);
    }
    #[expect(
        unsafe_code,
        reason = "the child has to take the terminal and restore the signals before it runs"
    )]
    // SAFETY: only system calls; nothing is allocated.
    unsafe {
        command.pre_exec(prepare);
    }
    let code = match command.spawn() {
        Ok(child) => {
            let child =
                Child { pid: Pid::from_raw(child.id().cast_signed()), group, terminal: terminal.as_ref() };
            child.attend(&signals).doing("wait for", name)
        }
        Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => {
            Err(Error::other("run", name, "the machine is down"))
        }
        Err(e) => Ok(refused(&name, &e)),
    };
    if let Some(terminal) = ahead {
        take_back(terminal);
    }
    code
}

/// Says that the command could not be started, where a shell says it too; its exit code.
fn refused(name: &str, error: &io::Error) -> i32 {
    let mut missing = error.kind() == io::ErrorKind::NotFound;
    // A directory of the path that we may not look into is no reason to call the command forbidden.
    if error.kind() == io::ErrorKind::PermissionDenied && !name.contains('/') {
        let path = env::var_os("PATH").unwrap_or_default();
        missing = !env::split_paths(&path).any(|directory| directory.join(name).exists());
    }
    let why = if missing { io::Error::from(Errno::ENOENT).to_string() } else { error.to_string() };
    #[expect(clippy::print_stderr, reason = "where a shell says it too")]
    {
        eprintln!("lab: {name}: {}", why.split(" (os error").next().unwrap_or(&why));
    }
    if missing { NOT_FOUND } else { NOT_EXECUTABLE }
}

/// The command, while it runs.
struct Child<'a> {
    pid: Pid,
    group: Group,
    terminal: Option<&'a File>,
}

impl Child<'_> {
    /// Waits for its end; forwards signals. Where there may be a shell with jobs, stops when it is stopped and lets it go
    /// on afterwards.
    fn attend(&self, signals: &SignalFd) -> io::Result<i32> {
        loop {
            let Some(heard) = signals.read_signal()? else { continue };
            match Signal::try_from(heard.ssi_signo.cast_signed())? {
                Signal::SIGCHLD => {
                    match waitpid(self.pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
                        WaitStatus::Exited(_, code) => return Ok(code),
                        WaitStatus::Signaled(_, signal, _) => return Ok(128 + signal as i32),
                        WaitStatus::Stopped(..) => self.stop()?,
                        _ => {}
                    }
                }
                Signal::SIGCONT => self.go_on()?,
                // ^Z: the command has heard it, and stops or does not.
                Signal::SIGTSTP | Signal::SIGTTOU => {}
                // The terminal's went to the whole group; but of its end it tells the session's leader alone.
                signal
                    if self.group == Group::Shared
                        && heard.ssi_code == libc::SI_KERNEL
                        && signal != Signal::SIGHUP => {}
                signal => self.send(signal)?,
            }
        }
    }

    /// The shell is to see a job that has stopped. It has us continue, and we the command.
    fn stop(&self) -> io::Result<()> {
        let Some(terminal) = self.terminal else { return Ok(()) };
        if self.group == Group::Own && tcgetpgrp(terminal) == Ok(self.pid) {
            tcsetpgrp(terminal, getpgrp())?;
        }
        Ok(raise(Signal::SIGSTOP)?)
    }

    /// We were continued, in the foreground or not.
    fn go_on(&self) -> io::Result<()> {
        if let Some(terminal) = self.terminal.filter(|terminal| self.group == Group::Own && is_ours(terminal))
        {
            tcsetpgrp(terminal, self.pid)?;
        }
        self.send(Signal::SIGCONT)
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        let whom = match self.group {
            Group::Shared => self.pid,
            Group::Own => Pid::from_raw(-self.pid.as_raw()),
        };
        match kill(whom, signal) {
            // It has ended meanwhile, as its wait status will say.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Whether our group is in the foreground.
fn is_ours(terminal: &File) -> bool {
    tcgetpgrp(terminal) == Ok(getpgrp())
}

/// Brings the terminal back to our group, if it was left to one that is gone.
fn take_back(terminal: &File) {
    if let Ok(group) = tcgetpgrp(terminal)
        && kill(Pid::from_raw(-group.as_raw()), None) == Err(Errno::ESRCH)
    {
        // SIGTTOU is blocked, so this does not stop us. Without a terminal there is nothing to bring back.
        let _ = tcsetpgrp(terminal, getpgrp());
    }
}
