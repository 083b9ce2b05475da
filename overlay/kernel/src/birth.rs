//! The birth of a machine's pid 1: what runs between fork and readiness.
//!
//! The process that forks has many threads, so in the child nothing may be allocated and no lock
//! taken: only system calls on values prepared before. Hence the list of [`Step`]s.

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;

use crate::cgroup::MYSELF;

/// One step of the birth.
pub(crate) enum Step {
    /// `sethostname`.
    Hostname(CString),
    /// Enters a control group, which is then the root of those that can be seen.
    Cgroup { door: OwnedFd },
    /// Nothing that is mounted from here on shows elsewhere.
    PrivateMounts,
    /// A file system without a device. Where the kernel lets it be mounted read-only alone, so it is: `/sys` in a user
    /// namespace below one whose own is read-only, as an unprivileged container's is.
    Mount { kind: CString, at: CString, data: CString },
    /// `mkdir`, mode 755.
    Directory(CString),
    /// A symbolic link.
    Link { to: CString, at: CString },
    /// A file with that content, mode 644.
    File { at: CString, content: Vec<u8> },
    /// Puts a file over another; left out where there is no other.
    Bind { from: CString, at: CString },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Hostname(_) => f.write_str("setting its hostname"),
            Step::Cgroup { .. } => f.write_str("entering its control group"),
            Step::PrivateMounts => f.write_str("making its mounts private"),
            Step::Mount { at, .. } | Step::Bind { at, .. } => write!(f, "mounting {}", at.to_string_lossy()),
            Step::Directory(at) | Step::Link { at, .. } | Step::File { at, .. } => {
                write!(f, "making {}", at.to_string_lossy())
            }
        }
    }
}

/// What the newborn says: the step that failed and why, or that none did.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    step: i32,
    errno: i32,
}

/// In place of a step: all went well; the namespaces could not be made.
const NONE: i32 = -1;
const NAMESPACES: i32 = -2;

impl Report {
    pub(crate) const SIZE: usize = 8;

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (step, errno) = bytes.split_at_mut(4);
        step.copy_from_slice(&self.step.to_ne_bytes());
        errno.copy_from_slice(&self.errno.to_ne_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::SIZE]) -> Report {
        let number = |half: &[u8]| half.try_into().map_or(0, i32::from_ne_bytes);
        let (step, errno) = bytes.split_at(4);
        Report { step: number(step), errno: number(errno) }
    }

    /// The number of the step that failed, `usize::MAX` for the namespaces, and why.
    pub(crate) fn result(self) -> Result<(), (usize, io::Error)> {
        match self.step {
            NONE => Ok(()),
            step => {
                Err((usize::try_from(step).unwrap_or(usize::MAX), io::Error::from_raw_os_error(self.errno)))
            }
        }
    }
}

/// Forks pid 1 of new PID, mount and UTS namespaces. It reports on `socket`.
///
/// A PID namespace cannot be unshared by a thread that has joined another one for its children, so
/// there is a process in between, which is in that other one; it ends at once.
pub(crate) fn fork(steps: &[Step], socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let socket = socket.as_raw_fd();
    let between = split()?;
    if between == 0 {
        #[expect(unsafe_code, reason = "only system calls are allowed here")]
        // SAFETY: plain numbers. The child has one thread.
        let made = unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWPID) };
        let child = if made == 0 { split() } else { Err(Errno::last()) };
        match child {
            Ok(0) => live(steps, socket),
            Ok(_) => quit(0),
            Err(errno) => {
                say(socket, Report { step: NAMESPACES, errno: errno as i32 });
                quit(1)
            }
        }
    }
    #[expect(
        unsafe_code,
        reason = "nix's waitpid would do, but this is the one place that must not be interrupted"
    )]
    // SAFETY: a null pointer means that the status is not wanted.
    while unsafe { libc::waitpid(between, std::ptr::null_mut(), 0) } == -1 && Errno::last() == Errno::EINTR {}
    Ok(())
}

/// `fork` without glibc's handlers, which take locks that another thread may hold.
fn split() -> Result<libc::pid_t, Errno> {
    #[expect(unsafe_code, reason = "clone has no safe form")]
    // SAFETY: no flag but the exit signal, so this is fork. The caller keeps to system calls in the child.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    Errno::result(pid).map(|pid| libc::pid_t::try_from(pid).unwrap_or(-1))
}

fn quit(code: i32) -> ! {
    #[expect(unsafe_code, reason = "_exit has no safe form")]
    // SAFETY: ends the process without running anything.
    unsafe {
        libc::_exit(code)
    }
}

fn say(socket: RawFd, report: Report) {
    let bytes = report.to_bytes();
    #[expect(unsafe_code, reason = "only system calls are allowed here")]
    // SAFETY: the buffer is a live local of that length.
    unsafe {
        libc::write(socket, bytes.as_ptr().cast(), bytes.len())
    };
}

/// Pid 1: the steps, the report, then nothing for ever.
fn live(steps: &[Step], socket: RawFd) -> ! {
    for (number, step) in (0..).zip(steps) {
        if let Err(errno) = step.take() {
            say(socket, Report { step: number, errno: errno as i32 });
            quit(1);
        }
    }
    #[expect(unsafe_code, reason = "only system calls are allowed here")]
    // SAFETY: plain numbers and a C string that lives for ever. Handlers of the parent make no sense here: every signal
    // goes back to its default, which pid 1 ignores; SIGCHLD ignored means that the kernel reaps.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_NAME, c"init".as_ptr());
    }
    say(socket, Report { step: NONE, errno: 0 });
    #[expect(unsafe_code, reason = "only system calls are allowed here")]
    // SAFETY: nothing below uses a descriptor. Holding one would keep namespaces and sockets of others alive.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0);
        loop {
            libc::pause();
        }
    }
}

impl Step {
    /// System calls only.
    fn take(&self) -> Result<(), Errno> {
        match self {
            Step::Hostname(name) => {
                #[expect(unsafe_code, reason = "only system calls are allowed here")]
                // SAFETY: pointer and length of a live string.
                let set = unsafe { libc::sethostname(name.as_ptr(), name.as_bytes().len()) };
                Errno::result(set).map(drop)
            }
            Step::Cgroup { door } => {
                #[expect(unsafe_code, reason = "only system calls are allowed here")]
                // SAFETY: a live buffer of that length, and plain numbers. This process has one thread.
                unsafe {
                    Errno::result(libc::write(door.as_raw_fd(), MYSELF.as_ptr().cast(), MYSELF.len()))?;
                    Errno::result(libc::unshare(libc::CLONE_NEWCGROUP)).map(drop)
                }
            }
            Step::PrivateMounts => mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None),
            Step::Mount { kind, at, data } => {
                let as_it_may =
                    |flags| mount(Some(kind), at, Some(kind), libc::MS_NOSUID | flags, Some(data));
                as_it_may(0).or_else(|errno| match errno {
                    Errno::EPERM => as_it_may(libc::MS_RDONLY).map_err(|_| errno),
                    errno => Err(errno),
                })
            }
            Step::Directory(at) => {
                #[expect(unsafe_code, reason = "only system calls are allowed here")]
                // SAFETY: a live C string.
                Errno::result(unsafe { libc::mkdir(at.as_ptr(), 0o755) }).map(drop)
            }
            Step::Link { to, at } => {
                #[expect(unsafe_code, reason = "only system calls are allowed here")]
                // SAFETY: live C strings.
                Errno::result(unsafe { libc::symlink(to.as_ptr(), at.as_ptr()) }).map(drop)
            }
            Step::File { at, content } => write(at, content),
            Step::Bind { from, at } => match mount(Some(from), at, None, libc::MS_BIND, None) {
                // A machine without that file needs none over it.
                Err(Errno::ENOENT) => Ok(()),
                done => done,
            },
        }
    }
}

fn mount(
    from: Option<&CStr>,
    at: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<(), Errno> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    #[expect(unsafe_code, reason = "only system calls are allowed here")]
    // SAFETY: live C strings or null, which mount allows for these three.
    let done = unsafe { libc::mount(pointer(from), at.as_ptr(), pointer(kind), flags, pointer(data).cast()) };
    Errno::result(done).map(drop)
}

fn write(at: &CStr, content: &[u8]) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "only system calls are allowed here")]
    // SAFETY: a live C string, a live buffer of that length, and a descriptor that is ours from open to close.
    unsafe {
        let fd =
            Errno::result(libc::open(at.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC, 0o644))?;
        let wrote = Errno::result(libc::write(fd, content.as_ptr().cast(), content.len()));
        libc::close(fd);
        wrote.map(drop)
    }
}

/// A detached copy of what `fd` refers to, to be put somewhere with [`attach_mount`].
pub(crate) fn clone_mount(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH.cast_unsigned();
    #[expect(unsafe_code, reason = "open_tree has no safe form")]
    // SAFETY: an open descriptor and a C string that lives for ever; the result is a new descriptor, ours alone.
    unsafe {
        let tree = Errno::result(libc::syscall(libc::SYS_open_tree, fd.as_raw_fd(), c"".as_ptr(), flags))?;
        Ok(OwnedFd::from_raw_fd(RawFd::try_from(tree).map_err(io::Error::other)?))
    }
}

/// Mounts a detached tree.
pub(crate) fn attach_mount(tree: BorrowedFd<'_>, at: &Path) -> io::Result<()> {
    let at = CString::new(at.as_os_str().as_encoded_bytes()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "move_mount has no safe form")]
    // SAFETY: an open descriptor and live C strings.
    let moved = unsafe {
        let (empty, here) = (c"".as_ptr(), libc::AT_FDCWD);
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            empty,
            here,
            at.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Ok(Errno::result(moved).map(drop)?)
}
