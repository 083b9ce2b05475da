//! Control groups of a machine's own, for programs that make more of them, as container engines do: cgroup v2
//! (cgroups(7), admin-guide/cgroup-v2.rst).
//!
//! All of a lab's are below one group, `lab-<inode of the lab's PID namespace>`, which is below that of whoever started it:
//!
//! ```text
//! lab-4026532888
//! └ docker0        what docker0 sees as /
//!   ├ init         what runs on docker0
//!   └ docker/…     what its programs make
//! ```
//!
//! A group is no process's: it stays when those in it have died. Hence whoever ends a machine removes its groups, and the
//! lab's shepherd, which outlives all of the lab, what is left. Should that be killed, the next one does it that has some, or
//! `lab gc`: the group of a lab that lives is locked (flock(2)), since not everybody can see whether somebody is in it.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::detached;
use crate::error::{Context, Error, Result};

/// What all labs' groups are called by.
const LAB: &str = "lab-";
/// Written into `cgroup.procs`, this is the writer.
pub(crate) const MYSELF: &[u8] = b"0";
/// How long processes that were killed may take to leave their group.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many groups of one name are tried: that of a machine's earlier life may be there still.
const NAMES: u32 = 1000;

/// A machine's control group. Dropping it removes it, and all below, as soon as nothing runs there.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// The path leads through it.
    _tree: Tree,
    /// Says that the lab lives.
    _lab: File,
}

impl Cgroup {
    /// A new group for a machine of this lab.
    pub(crate) fn new(machine: &str) -> Result<Cgroup> {
        let object = || format!("a control group of {machine}");
        let tree = Tree::mount().map_err(|why| match why.raw_os_error() {
            Some(libc::EPERM) => {
                Error::other("make", object(), "that takes root, and not only in a user namespace")
            }
            Some(libc::ENODEV) => Error::other("make", object(), "this kernel has no cgroup v2"),
            _ => Error::new("make", object(), why),
        })?;
        let lab = own().and_then(|own| Ok(tree.at(&own.join(lab_name()?))));
        let lab = lab.doing("make", object())?;
        if let Some(made) = MADE.get() {
            made.store(true, Ordering::Relaxed);
        }
        let held = hold(&lab).doing("make", object())?;
        let names = (0..NAMES).map(|number| match number {
            0 => lab.join(machine),
            _ => lab.join(format!("{machine}.{number}")),
        });
        for path in names {
            match fs::create_dir(&path) {
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    return made.doing("make", object()).map(|()| Cgroup { path, _tree: tree, _lab: held });
                }
            }
        }
        Err(Error::other("make", object(), "all of its names are taken"))
    }

    /// Where processes enter the group that is called so below this one, or this one itself. Whoever opens it decides who
    /// may be written there, not whoever writes.
    pub(crate) fn door(&self, below: &str) -> Result<OwnedFd> {
        let path = self.path.join(below).join("cgroup.procs");
        let opened = File::options().write(true).open(path);
        opened.map(OwnedFd::from).doing("open", format_args!("the control group {}", self.path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What cannot be removed now is the shepherd's; and so is the lab's own, where another machine may be being born.
        let _ = remove(&self.path);
    }
}

/// Lets programs that are about to be started into a machine's control group, if it has one.
#[derive(Clone, Debug)]
pub struct Admission(Option<Arc<OwnedFd>>);

impl Admission {
    /// By the door of the machine's group; of a machine that has none, by none.
    pub fn by(door: Option<OwnedFd>) -> Admission {
        Admission(door.map(Arc::new))
    }

    /// The door, for a process that is to start programs there itself.
    pub fn door(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|door| door.as_fd())
    }

    /// The program enters before it runs.
    pub fn admit(&self, command: &mut Command) {
        let Some(door) = self.0.clone() else { return };
        #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
        // SAFETY: one system call on a descriptor that the closure keeps open; nothing is allocated.
        unsafe {
            command.pre_exec(move || Ok(nix::unistd::write(door.as_fd(), MYSELF).map(drop)?));
        }
    }
}

/// Whether this lab has made a group. Its shepherd was forked before: it sees the same memory.
static MADE: OnceLock<&AtomicBool> = OnceLock::new();

/// Has whoever is forked from here on share whether the lab has made a group.
pub(crate) fn share() -> io::Result<()> {
    let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    #[expect(unsafe_code, reason = "memory that is shared over a fork has no safe form")]
    // SAFETY: new memory that nobody unmaps, large enough and aligned to a page. It is zero, which is `false`.
    let made = unsafe {
        let at = libc::mmap(std::ptr::null_mut(), size_of::<AtomicBool>(), read_write, shared, -1, 0);
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        &*at.cast::<AtomicBool>()
    };
    let _ = MADE.set(made);
    Ok(())
}

/// What a lab's shepherd does in the end.
pub(crate) fn sweep() {
    // Looking for groups takes milliseconds; labs without are many.
    if MADE.get().is_some_and(|made| made.load(Ordering::Relaxed)) {
        let _ = gc();
    }
}

/// Removes what is left of labs that live no more. Takes root.
pub fn gc() -> Result<()> {
    let collected = Tree::mount().and_then(|tree| collect(&tree.at(&own()?)));
    collected.doing("remove", "control groups of labs that were killed")
}

/// What the group of this process's lab is called.
fn lab_name() -> io::Result<String> {
    Ok(format!("{LAB}{}", fs::metadata("/proc/self/ns/pid")?.st_ino()))
}

/// The group of a lab, made unless one of its machines has done so, and locked for as long as the file is open.
fn hold(lab: &Path) -> io::Result<File> {
    loop {
        fs::create_dir_all(lab)?;
        let held = File::open(lab).and_then(|held| held.lock_shared().map(|()| held));
        // Before it was locked, somebody may have taken it for a dead lab's, and removed it.
        match (held, fs::metadata(lab)) {
            (Ok(held), Ok(there)) if held.metadata()?.st_ino() == there.st_ino() => return Ok(held),
            (Err(why), _) | (_, Err(why)) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
    }
}

/// Removes the groups of labs that live no more.
fn collect(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(LAB.as_bytes())
            && let Ok(lab) = File::open(entry.path())
            && lab.try_lock().is_ok()
        {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The group of this process, as a path below the tree's root.
fn own() -> io::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    own_in(&text).ok_or_else(|| io::Error::other("this process is in no group of cgroup v2"))
}

/// The line of cgroup v2 is `0::/system.slice/x.service` (cgroups(7)).
fn own_in(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| line.strip_prefix("0::/")).map(PathBuf::from)
}

/// Kills what is in a group, waits until it has left, and removes it with all below.
fn remove(path: &Path) -> io::Result<()> {
    // Not there before Linux 5.14, and there is nothing to kill but what has escaped from its machine.
    let _ = fs::write(path.join("cgroup.kill"), "1");
    let removed = wait_empty(path, Instant::now() + PATIENCE).and_then(|()| remove_below(path));
    match removed {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Waits until nobody is in a group nor below: its `cgroup.events` says so, and wakes who polls it when that changes (cgroup-v2.rst,
/// "Un-populated Notification").
fn wait_empty(path: &Path, deadline: Instant) -> io::Result<()> {
    let mut events = File::open(path.join("cgroup.events"))?;
    let mut text = String::new();
    loop {
        text.clear();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if text.lines().any(|line| line == "populated 0") || left.is_zero() {
            return Ok(());
        }
        let patience = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], patience) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn remove_below(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// The tree of all control groups, mounted nowhere but held: a machine may have mounted it anywhere or not at all.
#[derive(Debug)]
struct Tree(OwnedFd);

impl Tree {
    fn mount() -> io::Result<Tree> {
        detached::root(c"cgroup2").map(Tree)
    }

    /// A path of the tree, as this process can open it while it holds the tree.
    fn at(&self, path: &Path) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_group_of_the_second_version() {
        let text = "8:pids:/a\n1:name=systemd:/init.scope\n0::/user.slice/x.scope\n";
        assert_eq!(own_in(text), Some(PathBuf::from("user.slice/x.scope")));
        assert_eq!(own_in("0::/\n"), Some(PathBuf::new()));
        assert_eq!(own_in("4:memory:/a\n"), None);
    }
}
