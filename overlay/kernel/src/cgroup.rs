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
//! lab's shepherd, which outlives all of the lab, what is left. Should that be killed, the next one does it, or [`gc`].

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};

/// `FSOPEN_CLOEXEC`, `FSCONFIG_CMD_CREATE`, `FSMOUNT_CLOEXEC`: `linux/mount.h`.
const OPEN_CLOEXEC: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;
const MOUNT_CLOEXEC: libc::c_uint = 1;

/// What all labs' groups are called by.
const LAB: &str = "lab-";
/// Written into `cgroup.procs`, this is the writer.
pub(crate) const MYSELF: &[u8] = b"0";
/// How long processes that were killed may take to leave their group, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);
/// How many groups of one name are tried: that of a machine's earlier life may be there still.
const NAMES: u32 = 1000;

/// A machine's control group. Dropping it removes it, and all below, as soon as nothing runs there.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// The path leads through it.
    _tree: Tree,
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
        let lab = own().and_then(|own| Ok(tree.at(&own.join(lab_name(Path::new("/proc/self/ns/pid"))?))));
        let lab = lab.doing("make", object())?;
        // Those of the lab's other machines are there, too.
        fs::create_dir_all(&lab).doing("make", object())?;
        let names = (0..NAMES).map(|number| match number {
            0 => lab.join(machine),
            _ => lab.join(format!("{machine}.{number}")),
        });
        for path in names {
            match fs::create_dir(&path) {
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.doing("make", object()).map(|()| Cgroup { path, _tree: tree }),
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
#[derive(Clone, Debug, Default)]
pub struct Admission(Option<Arc<OwnedFd>>);

impl Admission {
    pub(crate) fn by(door: OwnedFd) -> Admission {
        Admission(Some(Arc::new(door)))
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

/// Removes what is left of a lab of which nothing runs any more, by its name, and of labs whose shepherd was killed.
pub(crate) fn sweep(lab: &str) -> io::Result<()> {
    let tree = Tree::mount()?;
    let home = tree.at(&own()?);
    let path = home.join(lab);
    if path.exists() {
        remove(&path)?;
    }
    collect(&home)
}

/// Removes what is left of labs whose shepherd was killed: a lab's shepherd removes it otherwise. Takes root.
pub fn gc() -> Result<()> {
    let collected = Tree::mount().and_then(|tree| collect(&tree.at(&own()?)));
    collected.doing("remove", "control groups of labs that were killed")
}

/// What the group of a lab is called; `namespace` leads to its PID namespace.
pub(crate) fn lab_name(namespace: &Path) -> io::Result<String> {
    Ok(format!("{LAB}{}", fs::metadata(namespace)?.st_ino()))
}

/// Removes the groups of labs in whose PID namespace nobody is. One that somebody is in nevertheless stays: not everybody
/// can be seen from here.
fn collect(home: &Path) -> io::Result<()> {
    let entries = fs::read_dir(home)?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let labs: Vec<String> = names.filter(|name| name.starts_with(LAB)).collect();
    if labs.is_empty() {
        return Ok(());
    }
    let processes = fs::read_dir("/proc")?.flatten();
    let alive: Vec<String> =
        processes.filter_map(|process| lab_name(&process.path().join("ns/pid")).ok()).collect();
    for lab in labs.iter().filter(|lab| !alive.contains(lab)) {
        match remove_below(&home.join(lab)) {
            Err(why) if !matches!(why.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::NotFound) => {
                return Err(why);
            }
            _ => {}
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
    let deadline = Instant::now() + PATIENCE;
    loop {
        match remove_below(path) {
            Err(busy) if busy.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                sleep(PAUSE);
            }
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => return done,
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
        let kind: &CStr = c"cgroup2";
        #[expect(unsafe_code, reason = "the system calls that mount have no safe form")]
        // SAFETY: C strings that live for ever, null pointers where the command takes none, descriptors that are new and ours.
        unsafe {
            let opened = libc::syscall(libc::SYS_fsopen, kind.as_ptr(), OPEN_CLOEXEC);
            let context = owned(opened)?;
            let (fd, null) = (context.as_raw_fd(), std::ptr::null::<libc::c_char>());
            Errno::result(libc::syscall(libc::SYS_fsconfig, fd, CREATE, null, null, 0))?;
            owned(libc::syscall(libc::SYS_fsmount, fd, MOUNT_CLOEXEC, 0)).map(Tree)
        }
    }

    /// A path of the tree, as this process can open it while it holds the tree.
    fn at(&self, path: &Path) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(path)
    }
}

/// The new descriptor that a system call has returned.
#[expect(unsafe_code, reason = "a number becomes a descriptor")]
unsafe fn owned(returned: libc::c_long) -> io::Result<OwnedFd> {
    let fd = Errno::result(returned)?;
    // SAFETY: the caller says that it is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).map_err(io::Error::other)?) })
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
