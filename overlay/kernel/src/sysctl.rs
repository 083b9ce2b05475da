//! Kernel settings of a network namespace.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::detached;
use crate::error::{Context, Result};
use crate::netns::{Inside, Netns};

impl Netns {
    /// Writes `/proc/sys/net/<key>`, for instance `ipv4/ip_forward`. That tree follows the thread, so it is
    /// the namespace's own.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.set_sysctls(&[(key, value)])
    }

    /// Writes several, in order.
    pub fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<()> {
        let owned: Vec<(String, String)> =
            settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let name = self.name().to_owned();
        self.run(move || {
            let tree = Tree::mounted()?;
            owned.iter().try_for_each(|(key, value)| tree.write(&name, key, value))
        })?
    }

    /// Reads `/proc/sys/net/<key>`.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let (key, name) = (key.to_owned(), self.name().to_owned());
        self.run(move || {
            let path = PathBuf::from("/proc/sys/net").join(&key);
            let read = fs::read_to_string(path).doing("read", format_args!("net/{key} in {name}"))?;
            Ok(read.trim_end().to_owned())
        })?
    }
}

impl Inside<'_> {
    /// As [`Netns::set_sysctls`].
    pub fn set_sysctls(self, settings: &[(&str, &str)]) -> Result<()> {
        settings.iter().try_for_each(|(key, value)| self.tree().write(self.name(), key, value))
    }
}

/// The tree of settings, in some procfs.
///
/// In one procfs the directories of all namespaces have one name in one place, and so one chain of the kernel's table of names, through
/// which each access goes (`proc_sys_compare`): where there are thousands of namespaces, each pays for all that were there before.
#[derive(Debug)]
pub(crate) struct Tree(OwnedFd);

impl Tree {
    /// For many namespaces, one of its own: to let go of it takes the kernel milliseconds (an RCU grace period), which is worth it then.
    /// Where none can be made, the one that is mounted does as well.
    pub(crate) fn own() -> Result<Tree> {
        detached::root(c"proc").map(Tree).or_else(|_| Tree::mounted())
    }

    /// The one that is mounted.
    pub(crate) fn mounted() -> Result<Tree> {
        File::open("/proc").map(|proc| Tree(proc.into())).doing("open", "/proc")
    }

    fn write(&self, namespace: &str, key: &str, value: &str) -> Result<()> {
        let (path, flags) = (format!("sys/net/{key}"), OFlag::O_WRONLY | OFlag::O_CLOEXEC);
        let opened = openat(&self.0, path.as_str(), flags, Mode::empty()).map_err(io::Error::from);
        let written = opened.and_then(|file| File::from(file).write_all(value.as_bytes()));
        written.doing("set", format_args!("net/{key} to {value} in {namespace}"))
    }
}
