//! Kernel settings of a network namespace.

use std::fs;
use std::path::PathBuf;

use crate::error::{Context, Result};
use crate::netns::Netns;

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
            owned.iter().try_for_each(|(key, value)| {
                fs::write(path(key), value).doing("set", format_args!("net/{key} to {value} in {name}"))
            })
        })?
    }

    /// Reads `/proc/sys/net/<key>`.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let (key, name) = (key.to_owned(), self.name().to_owned());
        self.run(move || {
            let read = fs::read_to_string(path(&key)).doing("read", format_args!("net/{key} in {name}"))?;
            Ok(read.trim_end().to_owned())
        })?
    }
}

fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(key)
}
