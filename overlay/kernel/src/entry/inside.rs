//! The constructor: the shepherd, and the inner's way into `main`.

use std::env;
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getgid, getpid, getuid, setsid};

use super::init::{close_range, init};
use super::{ASKED, BESIDE, ENTER, EXIT_ENTRY, GRANTED, LOCK, Life, Remains, report};
use crate::caps::{NEEDED, names};
use crate::cgroup;
use crate::confinement::Confinement;
use crate::error::{Context, Error, Result};
use crate::pidfd::Pidfd;

/// The inner's end of the life line.
static LINE: OnceLock<UnixStream> = OnceLock::new();
/// What ends the lab when its shepherd is sent it: what remains is tidied up all the same. The last is what it is
/// sent when whoever started it has died.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
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

/// Asks the outer to let go, and returns when it has agreed: from then on the lab outlives it, if it was started so. The
/// outer agrees in [`super::Inner::wait_detached`]. That it is gone, and the lab with it, is an error.
pub fn detach() -> Result<()> {
    let Some(line) = line() else { return Err(Error::other("detach", "the lab", "this is none")) };
    report(ASKED).doing("ask", "whoever started the lab")?;
    let (answer, _) =
        crate::pass::receive_line(line.as_fd(), GRANTED.len()).doing("hear", "whoever started the lab")?;
    if answer != GRANTED {
        return Err(Error::other("detach", "the lab", "whoever started it does not want that"));
    }
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
    let remains = Remains::told();
    #[expect(unsafe_code, reason = "children must not enter a second time")]
    // SAFETY: before `main` no other thread exists that could read the environment.
    unsafe {
        env::remove_var(ENTER);
        env::remove_var(LOCK);
        env::remove_var(BESIDE);
    }
    // A lab holds nothing of whoever started it: a lock of the caller's shell would be held as long as the lab lives.
    close_range(3, u32::MAX);
    // Before there is a user namespace, in which we are root and may do everything.
    match Confinement::here().doing("read", "/proc/self") {
        Ok(kept) => {
            if let Err(error) = enter(life, remains.as_ref(), &kept) {
                fail(&error, kept.advice());
            }
        }
        Err(error) => fail(&error, None),
    }
}

/// Says why on the life line, or on standard error if nobody reads that any more. What is forbidden comes with what to do.
fn fail(error: &Error, advice: Option<String>) -> ! {
    let advice = if error.is_full() {
        Some(format!(
            "/proc/sys/user/max_user_namespaces is how many there may be; or be root, with {}",
            names(&NEEDED)
        ))
    } else {
        advice.filter(|_| error.is_forbidden())
    };
    let why = advice.map_or_else(|| error.to_string(), |advice| format!("{error}; {advice}"));
    #[expect(unsafe_code, reason = "descriptor 0 is the life line here")]
    // SAFETY: descriptor 0 is open (the outer made it our standard input) and stays so until the exit below.
    let line = unsafe { BorrowedFd::borrow_raw(0) };
    if nix::unistd::write(line, format!("error {why}\n").as_bytes()).is_err() {
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    exit(EXIT_ENTRY)
}

/// Returns in the inner process only.
fn enter(life: Life, remains: Option<&Remains>, kept: &Confinement) -> Result<()> {
    let rootless = !kept.caps.suffice();
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
        Life::Attached => prctl::set_pdeathsig(Signal::SIGTERM).doing("set", "the parent-death signal")?,
        // Out of the terminal's reach: ^C there is for the client.
        Life::Detachable => drop(setsid()),
    }
    let _ = ROOTLESS.set(rootless);
    cgroup::share().doing("map", "memory")?;
    let this = Pidfd::open(getpid().as_raw()).doing("open", "the shepherd")?;
    match split()? {
        ForkResult::Parent { child } => shepherd(child, remains),
        ForkResult::Child => init(this, life),
    }
}

/// Forks. Only called where the process has one thread.
pub(super) fn split() -> Result<ForkResult> {
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: before `main` this process has a single thread, so the child may run any code.
    unsafe { fork() }.doing("fork", "the process")
}

fn shepherd(init: Pid, remains: Option<&Remains>) -> ! {
    let _ = prctl::set_name(c"lab-shepherd");
    // The life line is init's to watch. What is on its way there may hold the lock of what is to be removed in the end.
    #[expect(unsafe_code, reason = "descriptor 0 has no owner in Rust")]
    // SAFETY: nothing in this process uses it; the child has a duplicate.
    unsafe {
        libc::close(0);
    }
    let code = attend(init);
    cgroup::sweep();
    if let Some(remains) = remains {
        let _ = remains.remove();
    }
    // Not `exit`: the destructors of the program's own statics are not ours to run.
    quit(code)
}

/// Waits for init's end, and brings it about when asked to end itself; init's exit code.
fn attend(init: Pid) -> i32 {
    let mut heeded: SigSet = ENDING.into_iter().collect();
    heeded.add(Signal::SIGCHLD);
    // What has come before was not blocked, and init ends with us.
    if heeded.thread_block().is_err() {
        return EXIT_ENTRY;
    }
    loop {
        match waitpid(init, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return EXIT_ENTRY,
        }
        if heeded.wait().is_ok_and(|signal| ENDING.contains(&signal)) {
            let _ = kill(init, Signal::SIGKILL);
        }
    }
}

pub(super) fn quit(code: i32) -> ! {
    #[expect(unsafe_code, reason = "_exit has no safe form")]
    // SAFETY: ends the process without running anything.
    unsafe {
        libc::_exit(code)
    }
}

/// Keeps the life line, gives the inner an empty standard input.
pub(super) fn take_line() -> Result<()> {
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
