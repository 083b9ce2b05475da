//! Pid 1 of a lab: makes its namespaces, starts the inner, reaps, and ends when nobody wants the lab any more.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, sethostname};

use super::inside::{quit, split, take_line};
use super::{DETACHED, EXIT_ENTRY, Life};
use crate::error::{Context, Result};
use crate::pidfd::Pidfd;
use crate::rtnl::{Batch, Rtnl};

/// What init says of itself when it was not the inner that ended.
const KILLED: i32 = 128 + Signal::SIGKILL as i32;

/// Pid 1. Returns in its child, pid 2.
pub(super) fn init(shepherd: Pidfd, life: Life) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).doing("set", "the parent-death signal")?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )
    .doing("create", "mount, network, UTS and IPC namespaces")?;
    sethostname("lab").doing("set", "the hostname")?;
    private_mounts()?;
    Rtnl::here()?.apply(&Batch::new().up(1, "lo"))?;

    let mut watched = SigSet::empty();
    watched.add(Signal::SIGCHLD);
    watched.add(Signal::SIGUSR1);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before))
        .doing("block", "SIGCHLD and SIGUSR1")?;
    match split()? {
        ForkResult::Child => {
            drop(shepherd);
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None).doing("restore", "the signal mask")?;
            take_line()
        }
        ForkResult::Parent { child } => {
            let _ = prctl::set_name(c"lab-init");
            let signals =
                SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC).doing("make", "a signalfd")?;
            quit(watch(child, &signals, &shepherd, life))
        }
    }
}

fn private_mounts() -> Result<()> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .doing("make private", "/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Where a part of /proc is masked, the kernel forbids a user namespace a new one.
    mount(Some("proc"), "/proc", Some("proc"), flags, nothing).doing("mount", "/proc")?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755"))
        .doing("mount", "/run")
}

/// Reaps until the inner ends, the shepherd ends or the life line breaks; the exit code of the lab.
fn watch(inner: Pid, signals: &SignalFd, shepherd: &Pidfd, life: Life) -> i32 {
    close_all_but([signals.as_raw_fd(), shepherd.as_fd().as_raw_fd()]);
    #[expect(unsafe_code, reason = "descriptor 0 is the life line here")]
    // SAFETY: open for the whole life of init.
    let line = unsafe { BorrowedFd::borrow_raw(0) };
    let mut attached = true;
    loop {
        // The shepherd's death is watched beside the parent-death signal: it may have died before that was set.
        let mut fds = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(shepherd.as_fd(), PollFlags::POLLIN),
        ];
        if attached {
            // A hang-up is reported without being asked for; data on the line is for the inner.
            fds.push(PollFd::new(line, PollFlags::empty()));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return EXIT_ENTRY,
        }
        let abandoned = fds[1..].iter().filter_map(PollFd::revents).any(|events| !events.is_empty());
        drop(fds);
        if abandoned {
            return KILLED;
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            if signal.ssi_signo == Signal::SIGUSR1 as u32 {
                attached = life == Life::Attached;
                let _ = nix::unistd::write(line, format!("{DETACHED}\n").as_bytes());
            }
            if signal.ssi_signo == Signal::SIGCHLD as u32
                && let Some(code) = reap(inner)
            {
                return code;
            }
            if !readable(signals) {
                break;
            }
        }
    }
}

fn readable(signals: &SignalFd) -> bool {
    poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|n| n > 0)
}

/// Collects every child that has ended; the exit code of `inner` if it is among them.
fn reap(inner: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == inner => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == inner => code = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}

/// Closes every descriptor but those and the standard ones: init lives as long as the lab and must hold nothing of it.
fn close_all_but(mut kept: [RawFd; 2]) {
    kept.sort_unstable();
    let mut first = 3;
    for keep in kept {
        if keep > first {
            close_range(first, keep.cast_unsigned() - 1);
        }
        first = keep + 1;
    }
    close_range(first, u32::MAX);
}

/// Closes the descriptors from `first` to `last`.
pub(super) fn close_range(first: RawFd, last: u32) {
    #[expect(unsafe_code, reason = "close_range has no safe form")]
    // SAFETY: the callers close what nobody in this process uses: what was inherited, and what init does not poll.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, last, 0);
    }
}
