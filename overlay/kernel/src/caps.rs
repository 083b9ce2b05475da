//! The capabilities of this process.

use std::fs;
use std::io;

/// `CAP_NET_BROADCAST`, `linux/capability.h`.
const NET_BROADCAST: u32 = 11;
/// `CAP_NET_ADMIN`, `linux/capability.h`.
const NET_ADMIN: u32 = 12;
/// `CAP_SYS_ADMIN`, `linux/capability.h`.
const SYS_ADMIN: u32 = 21;
/// `CAP_SETFCAP`, `linux/capability.h`.
const SETFCAP: u32 = 31;

/// The effective capabilities that decide how a lab is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability, which one has or has not")]
pub struct Caps {
    /// May hear what is told in other namespaces.
    pub net_broadcast: bool,
    /// May configure networks.
    pub net_admin: bool,
    /// May make namespaces and mounts.
    pub sys_admin: bool,
    /// May map uid 0 into a user namespace while being uid 0 (Linux 5.12).
    pub setfcap: bool,
}

impl Caps {
    /// Those of the calling process, from `/proc/self/status`.
    pub fn effective() -> io::Result<Caps> {
        let status = fs::read_to_string("/proc/self/status")?;
        let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
        let bits = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let bits = bits.ok_or_else(|| io::Error::other("no CapEff line"))?;
        let has = |bit: u32| bits & (1 << bit) != 0;
        Ok(Caps {
            net_broadcast: has(NET_BROADCAST),
            net_admin: has(NET_ADMIN),
            sys_admin: has(SYS_ADMIN),
            setfcap: has(SETFCAP),
        })
    }
}
