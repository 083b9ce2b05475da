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
use nix::unistd::{Gid, Pid, Uid, getpgrp, setgid, setuid, tcgetpgrp, tcsetpgrp};

use crate::error::{Context, Error, Result};

/// Passed on to the command, when somebody sends them to us alone.
const FORWARDED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// A command could not be started: exit codes as a shell's and as Docker's.
pub const NOT_EXECUTABLE: i32 = 126;
/// See [`NOT_EXECUTABLE`].
pub const NOT_FOUND: i32 = 127;

/// Joins the machine whose init `init` is; `user` says that it has a user namespace of its own. The working directory
/// stays, where the machine has it.
pub fn join(init: BorrowedFd<'_>, user: bool) -> Result<()> {
    let here = env::current_dir();
    let mut namespaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    if user {
        namespaces |= CloneFlags::CLONE_NEWUSER;
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

/// Runs `command` to its end, as a shell would: its exit code, or 128 and its signal.
///
/// The command stays in our process group, so that pipelines and jobs of a shell contain it: what the terminal sends to
/// the group it hears itself. Its group's number reads 0 to it, as the group was not made in its PID namespace; shells
/// know that and make one of their own.
pub fn run(mut command: Command) -> Result<i32> {
    let name = command.get_program().to_string_lossy().into_owned();
    // The one that shells do job control on, whatever our standard input is.
    let terminal = File::open("/dev/tty").ok();
    let foreground = terminal.as_ref().is_some_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()));
    let mut set = SigSet::empty();
    for signal in FORWARDED.into_iter().chain([Signal::SIGCHLD, Signal::SIGTSTP, Signal::SIGTTOU]) {
        set.add(signal);
    }
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before)).doing("block", "signals")?;
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).doing("make", "a signalfd")?;
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        Ok(())
    };
    #[expect(unsafe_code, reason = "the child has to restore the signals before it runs")]
    // SAFETY: only system calls; nothing is allocated.
    unsafe {
        command.pre_exec(prepare);
    }
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id().cast_signed()),
        Err(e) => {
            if e.raw_os_error() == Some(libc::ENOMEM) {
                return Err(Error::other("run", name, "the machine is down"));
            }
            #[expect(clippy::print_stderr, reason = "where a shell says it too")]
            {
                let why = e.to_string();
                eprintln!("lab: {name}: {}", why.split(" (os error").next().unwrap_or(&why));
            }
            return Ok(if e.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE });
        }
    };
    let code = attend(child, &signals, terminal.is_some());
    if let Some(terminal) = terminal.filter(|_| foreground) {
        take_back(&terminal);
    }
    code.doing("wait for", name)
}

/// Waits for the child; forwards signals. Where there may be a shell with jobs, stops when the child is stopped and lets it
/// go on afterwards.
fn attend(child: Pid, signals: &SignalFd, jobs: bool) -> io::Result<i32> {
    loop {
        let Some(heard) = signals.read_signal()? else { continue };
        let signal = Signal::try_from(heard.ssi_signo.cast_signed())?;
        match signal {
            Signal::SIGCHLD => match waitpid(child, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
                WaitStatus::Exited(_, code) => return Ok(code),
                WaitStatus::Signaled(_, signal, _) => return Ok(128 + signal as i32),
                WaitStatus::Stopped(..) if jobs => {
                    // The shell is to see a job that has stopped; it has us continue, and we the child.
                    raise(Signal::SIGSTOP)?;
                    send(child, Signal::SIGCONT)?;
                }
                _ => {}
            },
            // ^Z: the child has heard it, and stops or does not.
            Signal::SIGTSTP | Signal::SIGTTOU => {}
            // The terminal's went to the whole group.
            _ if heard.ssi_code == libc::SI_KERNEL => {}
            signal => send(child, signal)?,
        }
    }
}

fn send(child: Pid, signal: Signal) -> io::Result<()> {
    match kill(child, signal) {
        // It has ended meanwhile, as its wait status will say.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Brings the terminal back to our group, if the command's own shell left it to a group that is gone: that shell knows no
/// number of ours.
fn take_back(terminal: &File) {
    if let Ok(group) = tcgetpgrp(terminal)
        && kill(Pid::from_raw(-group.as_raw()), None) == Err(Errno::ESRCH)
    {
        // SIGTTOU is blocked, so this does not stop us. Without a terminal there is nothing to bring back.
        let _ = tcsetpgrp(terminal, getpgrp());
    }
}
