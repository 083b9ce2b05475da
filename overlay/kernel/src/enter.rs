//! A command of the caller's, run on a machine by the caller itself.
//!
//! The client joins the machine's namespaces and waits for its child, so that terminal, signals and
//! exit code are those of a local command. Only for a process with one thread: a user namespace can be
//! joined by no other.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction, sigprocmask,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, getpgrp, getpid, setgid, setuid, tcsetpgrp};

use crate::error::{Context, Error, Result};

/// Passed on to the command. The terminal sends its own to the foreground process group, which is the command's.
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
pub fn run(mut command: Command) -> Result<i32> {
    let name = command.get_program().to_string_lossy().into_owned();
    let terminal = io::stdin().is_terminal();
    let mut set = SigSet::empty();
    for signal in FORWARDED.into_iter().chain([Signal::SIGCHLD, Signal::SIGCONT]) {
        set.add(signal);
    }
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before)).doing("block", "signals")?;
    // Handing the terminal over from the background would stop us.
    ignore(Signal::SIGTTOU).doing("ignore", "SIGTTOU")?;
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if terminal {
            tcsetpgrp(io::stdin(), getpid())?;
        }
        reset(Signal::SIGTTOU)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        Ok(())
    };
    command.process_group(0);
    #[expect(unsafe_code, reason = "the child has to take the terminal before it runs")]
    // SAFETY: only system calls; nothing is allocated.
    unsafe {
        command.pre_exec(prepare);
    }
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id().cast_signed()),
        Err(e) => {
            take_terminal(terminal);
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
    let code = attend(child, terminal, &set);
    take_terminal(terminal);
    code.doing("wait for", name)
}

/// Waits for the child; forwards signals; stops when it is stopped and lets it go on afterwards.
fn attend(child: Pid, terminal: bool, set: &SigSet) -> io::Result<i32> {
    loop {
        let signal = set.wait()?;
        match signal {
            Signal::SIGCHLD => match waitpid(child, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
                WaitStatus::Exited(_, code) => return Ok(code),
                WaitStatus::Signaled(_, signal, _) => return Ok(128 + signal as i32),
                WaitStatus::Stopped(..) if terminal => {
                    take_terminal(true);
                    raise(Signal::SIGSTOP)?;
                    // The shell has us continue, and so the child.
                    tcsetpgrp(io::stdin().as_fd(), child)?;
                    kill(Pid::from_raw(-child.as_raw()), Signal::SIGCONT)?;
                }
                _ => {}
            },
            Signal::SIGCONT => {}
            signal => match kill(Pid::from_raw(-child.as_raw()), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno.into()),
            },
        }
    }
}

fn take_terminal(terminal: bool) {
    if terminal {
        let _ = tcsetpgrp(io::stdin(), getpgrp());
    }
}

fn ignore(signal: Signal) -> nix::Result<()> {
    dispose(signal, SigHandler::SigIgn)
}

fn reset(signal: Signal) -> nix::Result<()> {
    dispose(signal, SigHandler::SigDfl)
}

fn dispose(signal: Signal, handler: SigHandler) -> nix::Result<()> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "sigaction may install handlers that run anywhere")]
    // SAFETY: no handler is installed, only "ignore" or "default".
    unsafe { sigaction(signal, &action) }.map(drop)
}
