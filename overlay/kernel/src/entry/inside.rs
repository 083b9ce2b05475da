//! The constructor: shepherd, init, and the way into `main`.

use std::env;
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getgid, getuid, sethostname, setsid};

use super::{DETACHED, ENTER, EXIT_ENTRY, Life, REMOVE};
use crate::caps::Caps;
use crate::error::{Context, Error, Result};
use crate::rtnl::{Batch, Rtnl};

/// The inner's end of the life line.
static LINE: OnceLock<UnixStream> = OnceLock::new();
/// Whether a user namespace was made.
static ROOTLESS: OnceLock<bool> = OnceLock::new();

/// The life line, when this process was started inside a lab.
pub fn line() -> Option<&'static UnixStream> {
    LINE.get()
}

/// Whether this process was started inside a lab.
pub fn inside() -> bool {
    line().is_some()
}

/// Whether the lab that this process is in has a user namespace of its own.
pub fn rootless() -> bool {
    ROOTLESS.get().copied().unwrap_or(false)
}

/// Lets the lab outlive the outer. The outer learns of it by [`super::Inner::wait_detached`].
pub fn detach() -> Result<()> {
    kill(Pid::from_raw(1), Signal::SIGUSR1).doing("detach", "the lab")
}

/// Run by the loader before `main`. `#[used]` keeps it in every binary that links this crate.
#[used]
#[unsafe(link_section = ".init_array")]
#[expect(unsafe_code, reason = "a function pointer in .init_array is how a constructor is declared")]
static CONSTRUCTOR: extern "C" fn() = constructor;

extern "C" fn constructor() {
    let Some(life) = env::var_os(ENTER) else { return };
    let life = if life == "attached" { Life::Attached } else { Life::Detachable };
    let remove = env::var_os(REMOVE).map(PathBuf::from);
    #[expect(unsafe_code, reason = "children must not enter a second time")]
    // SAFETY: before `main` no other thread exists that could read the environment.
    unsafe {
        env::remove_var(ENTER);
        env::remove_var(REMOVE);
    }
    if let Err(error) = enter(life, remove.as_deref()) {
        fail(&error);
    }
}

/// Says why on the life line, where the outer reads it, and on standard error.
fn fail(error: &Error) -> ! {
    #[expect(unsafe_code, reason = "descriptor 0 is the life line here")]
    // SAFETY: descriptor 0 is open (the outer made it our standard input) and stays so until the exit below.
    let line = unsafe { BorrowedFd::borrow_raw(0) };
    let _ = nix::unistd::write(line, format!("error {error}\n").as_bytes());
    let _ = writeln!(std::io::stderr(), "{error}");
    exit(EXIT_ENTRY)
}

/// Returns in the inner process only.
fn enter(life: Life, remove: Option<&Path>) -> Result<()> {
    let caps = Caps::effective().doing("read", "/proc/self/status")?;
    let rootless = !(caps.sys_admin && caps.net_admin);
    let (uid, gid) = (getuid(), getgid());
    if rootless {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID).doing("create", "a user namespace")?;
        fs::write("/proc/self/setgroups", "deny").doing("write", "/proc/self/setgroups")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).doing("write", "/proc/self/uid_map")?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")).doing("write", "/proc/self/gid_map")?;
    } else {
        unshare(CloneFlags::CLONE_NEWPID).doing("create", "a PID namespace")?;
    }
    match life {
        // After the change of credentials, which clears it.
        Life::Attached => prctl::set_pdeathsig(Signal::SIGKILL).doing("set", "the parent-death signal")?,
        // Out of the terminal's reach: ^C there is for the client.
        Life::Detachable => drop(setsid()),
    }
    let _ = ROOTLESS.set(rootless);
    match split()? {
        ForkResult::Parent { child } => shepherd(child, remove),
        ForkResult::Child => init(),
    }
}

/// Forks. Only called where the process has one thread.
fn split() -> Result<ForkResult> {
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: before `main` this process has a single thread, so the child may run any code.
    unsafe { fork() }.doing("fork", "the process")
}

fn shepherd(init: Pid, remove: Option<&Path>) -> ! {
    let _ = prctl::set_name(c"lab-shepherd");
    let code = loop {
        match waitpid(init, None) {
            Ok(WaitStatus::Exited(_, code)) => break code,
            Ok(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break EXIT_ENTRY,
        }
    };
    if let Some(directory) = remove {
        let _ = fs::remove_dir_all(directory);
    }
    // Not `exit`: the destructors of the program's own statics are not ours to run.
    quit(code)
}

fn quit(code: i32) -> ! {
    #[expect(unsafe_code, reason = "_exit has no safe form")]
    // SAFETY: ends the process without running anything.
    unsafe {
        libc::_exit(code)
    }
}

/// Pid 1. Returns in its child, pid 2.
fn init() -> Result<()> {
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
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None).doing("restore", "the signal mask")?;
            take_line()
        }
        ForkResult::Parent { child } => {
            let _ = prctl::set_name(c"lab-init");
            let signals =
                SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC).doing("make", "a signalfd")?;
            quit(watch(child, &signals))
        }
    }
}

fn private_mounts() -> Result<()> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .doing("make private", "/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, nothing).map_err(|errno| match errno {
        Errno::EPERM => Error::other(
            "mount",
            "/proc",
            "this container masks a part of /proc, and the kernel then forbids a new one; \
             start it with --privileged, or with systempaths=unconfined (Docker) or unmask=ALL (Podman)",
        ),
        errno => Error::new("mount", "/proc", errno),
    })?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755"))
        .doing("mount", "/run")
}

/// Keeps the life line, gives the inner an empty standard input.
fn take_line() -> Result<()> {
    let null = fs::File::open("/dev/null").doing("open", "/dev/null")?;
    #[expect(unsafe_code, reason = "descriptor 0 changes its meaning here, once")]
    // SAFETY: descriptor 0 is open and owned by nobody in Rust; the duplicate is new and ours alone.
    let line = unsafe {
        let kept = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3);
        Errno::result(kept).doing("keep", "the life line")?;
        Errno::result(libc::dup2(null.as_raw_fd(), 0)).doing("replace", "standard input")?;
        UnixStream::from(OwnedFd::from_raw_fd(kept))
    };
    let _ = LINE.set(line);
    Ok(())
}

/// Reaps until the inner ends or the life line breaks; the exit code of the lab.
fn watch(inner: Pid, signals: &SignalFd) -> i32 {
    close_from(3, signals.as_raw_fd());
    #[expect(unsafe_code, reason = "descriptor 0 is the life line here")]
    // SAFETY: open for the whole life of init.
    let line = unsafe { BorrowedFd::borrow_raw(0) };
    let mut attached = true;
    loop {
        use std::os::fd::AsFd;
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if attached {
            // A hang-up is reported without being asked for; data on the line is for the inner.
            fds.push(PollFd::new(line, PollFlags::empty()));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return EXIT_ENTRY,
        }
        let broken = fds.get(1).and_then(PollFd::revents).is_some_and(|events| !events.is_empty());
        drop(fds);
        if broken {
            return 128 + Signal::SIGKILL as i32;
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            if signal.ssi_signo == Signal::SIGUSR1 as u32 {
                attached = false;
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
    use std::os::fd::AsFd;
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

/// Closes every descriptor from `first` on but one: init lives as long as the lab and must hold nothing of it.
fn close_from(first: RawFd, keep: RawFd) {
    #[expect(unsafe_code, reason = "close_range has no safe form")]
    // SAFETY: nothing in this process uses the descriptors that are closed: it only polls 0 and `keep`.
    unsafe {
        if keep > first {
            libc::syscall(libc::SYS_close_range, first, keep - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, keep + 1, u32::MAX, 0);
    }
}
