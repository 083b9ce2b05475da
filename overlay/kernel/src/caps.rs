//! The capabilities of this process.

use std::fmt;
use std::fs;
use std::io;

/// A capability that matters to labs; its number is that of `linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cap {
    /// Listens on ports below 1024, as the outside world's do.
    NetBindService = 10,
    /// Configures networks.
    NetAdmin = 12,
    /// Opens packet and ICMP sockets.
    NetRaw = 13,
    /// Joins mount namespaces (`setns(2)`).
    SysChroot = 18,
    /// Makes namespaces and mounts.
    SysAdmin = 21,
    /// Maps uid 0 into a user namespace while being uid 0 (Linux 5.12).
    Setfcap = 31,
}

/// What a lab takes that has no user namespace of its own.
pub const NEEDED: [Cap; 5] = [Cap::NetAdmin, Cap::SysAdmin, Cap::NetBindService, Cap::NetRaw, Cap::SysChroot];

/// As container engines name it: `NET_ADMIN`.
impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cap::NetBindService => "NET_BIND_SERVICE",
            Cap::NetAdmin => "NET_ADMIN",
            Cap::NetRaw => "NET_RAW",
            Cap::SysChroot => "SYS_CHROOT",
            Cap::SysAdmin => "SYS_ADMIN",
            Cap::Setfcap => "SETFCAP",
        })
    }
}

/// Several of them, in a sentence.
pub(crate) fn names(caps: &[Cap]) -> String {
    caps.iter().map(Cap::to_string).collect::<Vec<_>>().join(", ")
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps(u64);

impl Caps {
    /// Those that the calling process has, from `/proc/self/status`.
    pub fn effective() -> io::Result<Caps> {
        let status = fs::read_to_string("/proc/self/status")?;
        Caps::of(&status, "CapEff").ok_or_else(|| io::Error::other("no CapEff line"))
    }

    /// The set of that name in a `status` file of proc(5).
    pub(crate) fn of(status: &str, name: &str) -> Option<Caps> {
        let hex = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        u64::from_str_radix(hex.trim(), 16).ok().map(Caps)
    }

    /// Whether a capability is among them.
    pub fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u8) != 0
    }

    /// Whether a lab can be entered without a user namespace.
    pub fn suffice(self) -> bool {
        self.missing().next().is_none()
    }

    /// What they lack for that.
    pub fn missing(self) -> impl Iterator<Item = Cap> {
        NEEDED.into_iter().filter(move |cap| !self.has(*cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a container that was started by Docker without flags, and then with two capabilities more.
    const DOCKER: &str = "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n";
    const MORE: &str = "CapEff:\t00000000a82435fb\n";

    #[test]
    fn two_capabilities_are_what_a_plain_container_lacks() {
        let of = |status| Caps::of(status, "CapEff").expect("a set");
        assert_eq!(of(DOCKER).missing().collect::<Vec<_>>(), [Cap::NetAdmin, Cap::SysAdmin]);
        assert!(of(DOCKER).has(Cap::Setfcap) && !of(DOCKER).suffice());
        assert!(of(MORE).suffice());
        assert_eq!(Caps::of(DOCKER, "Cap"), None);
    }
}
