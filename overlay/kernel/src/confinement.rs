//! What keeps this process from what a lab takes: a container's engine, capabilities, seccomp, AppArmor, a masked `/proc`;
//! and what would have to be said to that engine instead.

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::getuid;
use serde::Serialize;

use crate::caps::{Cap, Caps, names};

/// Who has started the container that this process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Docker, which leaves `/.dockerenv`.
    Docker,
    /// Podman, which leaves `/run/.containerenv`.
    Podman,
    /// Somebody who sets `container`, as systemd's container interface has it.
    Other,
}

/// What this process is kept in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Who has started its container; `None`: it is in none that can be recognised.
    pub engine: Option<Engine>,
    /// Its user.
    pub uid: u32,
    /// What it may do.
    pub caps: Caps,
    /// What it could be allowed to do.
    pub bounding: Caps,
    /// Whether it is in a user namespace already.
    pub user_namespace: bool,
    /// Whether its system calls are filtered.
    pub seccomp: bool,
    /// The AppArmor profile that it is confined by.
    pub apparmor: Option<String>,
    /// What something is mounted over, or has been made read-only, below `/proc`.
    pub masked: Vec<String>,
}

impl Confinement {
    /// That of the calling process.
    pub fn here() -> io::Result<Confinement> {
        let engine = if Path::new("/run/.containerenv").exists() {
            Some(Engine::Podman)
        } else if Path::new("/.dockerenv").exists() {
            Some(Engine::Docker)
        } else {
            std::env::var_os("container").map(|_| Engine::Other)
        };
        // Without AppArmor there is no such file, or it cannot be read.
        let profile = fs::read_to_string("/proc/self/attr/apparmor/current")
            .or_else(|_| fs::read_to_string("/proc/self/attr/current"));
        Ok(read(&Files {
            engine,
            uid: getuid().as_raw(),
            status: &fs::read_to_string("/proc/self/status")?,
            uid_map: &fs::read_to_string("/proc/self/uid_map")?,
            mounts: &fs::read_to_string("/proc/self/mountinfo")?,
            profile: &profile.unwrap_or_default(),
        }))
    }

    /// What to change so that a lab can be entered; nothing if none of this is in the way.
    pub fn advice(&self) -> Option<String> {
        let Some(engine) = self.engine else { return self.advice_to_the_machine() };
        let (direct, rootless) = (self.direct(), self.rootless(engine));
        if direct.is_empty() {
            return None;
        }
        let mut ways = vec![direct.join(" "), rootless.join(" "), "--privileged".to_owned()];
        if rootless.is_empty() {
            ways.remove(1);
        } else if rootless.iter().all(|flag| direct.contains(flag)) {
            ways.remove(0);
        }
        let (ways, words) = match engine {
            Engine::Docker | Engine::Podman => (ways, "start it with"),
            // Kubernetes and others say it in words of their own.
            Engine::Other => (ways, "start it with what Docker calls"),
        };
        Some(format!("this container forbids it; {words} {}", ways.join(", or ")))
    }

    /// The flags that are missing for a lab without a user namespace of its own.
    fn direct(&self) -> Vec<String> {
        let mut flags: Vec<String> = self.caps.missing().map(|cap| format!("--cap-add {cap}")).collect();
        // What a container is given are the capabilities of its root.
        if !flags.is_empty() && self.uid != 0 && self.bounding.suffice() {
            flags = vec!["--user 0".to_owned()];
        }
        // What is masked was mounted by an engine of the same user namespace, if there is one, and so binds none of us.
        flags.extend(self.unconfined());
        flags
    }

    /// The flags that are missing for a lab with one.
    fn rootless(&self, engine: Engine) -> Vec<String> {
        let mut flags = Vec::new();
        if self.uid == 0 && !self.caps.has(Cap::Setfcap) {
            flags.push("--user 1000".to_owned());
        }
        // The engines' own filters admit to namespaces whom they give this capability.
        if self.seccomp && !self.bounding.has(Cap::SysAdmin) {
            flags.push("--security-opt seccomp=unconfined".to_owned());
        }
        flags.extend(self.unconfined());
        if !self.masked.is_empty() {
            flags.push(unmasked(engine).to_owned());
        }
        flags
    }

    fn unconfined(&self) -> Option<String> {
        self.apparmor.as_ref().map(|_| "--security-opt apparmor=unconfined".to_owned())
    }

    /// What may be in the way where there is no container.
    fn advice_to_the_machine(&self) -> Option<String> {
        if self.caps.suffice() {
            return None;
        }
        Some(if self.uid == 0 && !self.caps.has(Cap::Setfcap) {
            "root without CAP_SETFCAP cannot map itself: give it the capabilities that a lab takes, or CAP_SETFCAP, \
             or be another user"
                .to_owned()
        } else if self.masked.is_empty() {
            "are user namespaces off? See /proc/sys/user/max_user_namespaces, kernel.unprivileged_userns_clone and \
             kernel.apparmor_restrict_unprivileged_userns, or be root"
                .to_owned()
        } else {
            format!("{} is masked, and the kernel then forbids a new /proc", self.masked[0])
        })
    }
}

/// What the engine is told so that it masks nothing.
fn unmasked(engine: Engine) -> &'static str {
    match engine {
        Engine::Podman => "--security-opt unmask=ALL",
        Engine::Docker | Engine::Other => "--security-opt systempaths=unconfined",
    }
}

/// In a few words: where it is, and what is restricted.
impl Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.engine {
            Some(Engine::Docker) => "in a container of Docker",
            Some(Engine::Podman) => "in a container of Podman",
            Some(Engine::Other) => "in a container",
            None => "in no container that can be recognised",
        })?;
        write!(f, ", as uid {}", self.uid)?;
        if self.user_namespace {
            f.write_str(" of a user namespace")?;
        }
        let missing: Vec<Cap> = self.caps.missing().collect();
        if !missing.is_empty() {
            write!(f, ", without {}", names(&missing))?;
        }
        if self.seccomp {
            f.write_str("; system calls are filtered")?;
        }
        if let Some(profile) = &self.apparmor {
            write!(f, "; confined by AppArmor's {profile}")?;
        }
        if !self.masked.is_empty() {
            f.write_str("; /proc is masked")?;
        }
        Ok(())
    }
}

/// What the kernel says of a process, unread.
struct Files<'a> {
    engine: Option<Engine>,
    uid: u32,
    status: &'a str,
    uid_map: &'a str,
    mounts: &'a str,
    profile: &'a str,
}

fn read(files: &Files<'_>) -> Confinement {
    let caps = |name| Caps::of(files.status, name).unwrap_or_default();
    let seccomp = files.status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    // The fifth field is where it is mounted, proc(5).
    let mounts = files.mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let masked = mounts.filter(|at| at.starts_with("/proc/") && *at != "/proc/sys/fs/binfmt_misc");
    let profile = files.profile.trim_end_matches(['\n', '\0']);
    Confinement {
        engine: files.engine,
        uid: files.uid,
        caps: caps("CapEff"),
        bounding: caps("CapBnd"),
        // That of the machine maps all of it onto itself, user_namespaces(7).
        user_namespace: !files.uid_map.split_whitespace().eq(["0", "0", "4294967295"]),
        // 0: none, 1: strict, 2: a filter, seccomp(2).
        seccomp: seccomp.is_some_and(|mode| mode.trim() != "0"),
        apparmor: (!profile.is_empty() && profile != "unconfined").then(|| profile.to_owned()),
        masked: masked.map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/proc/self/mountinfo` of a container as Docker 20.10 starts it, in part.
    const MASKED: &str = "118 117 0:43 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
        121 117 0:50 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n\
        71 118 0:43 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw\n\
        72 118 0:53 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n";
    const BARE: &str = "118 117 0:43 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n";
    const PLAIN: u64 = 0xa804_25fb;
    const BOTH: u64 = 0xa824_35fb;

    fn docker(uid: u32, caps: u64, bounding: u64, seccomp: bool, mounts: &str) -> Confinement {
        let seccomp = if seccomp { 2 } else { 0 };
        read(&Files {
            engine: Some(Engine::Docker),
            uid,
            status: &format!("CapEff:\t{caps:016x}\nCapBnd:\t{bounding:016x}\nSeccomp:\t{seccomp}\n"),
            uid_map: "         0          0 4294967295\n",
            mounts,
            profile: "",
        })
    }

    #[test]
    fn a_plain_container_is_told_which_flags_to_add() {
        let plain = docker(0, PLAIN, PLAIN, true, MASKED);
        assert_eq!(
            plain.to_string(),
            "in a container of Docker, as uid 0, without NET_ADMIN, SYS_ADMIN; system calls are filtered; /proc is masked"
        );
        assert_eq!(
            plain.advice().as_deref(),
            Some(
                "this container forbids it; start it with --cap-add NET_ADMIN --cap-add SYS_ADMIN, or \
                 --security-opt seccomp=unconfined --security-opt systempaths=unconfined, or --privileged"
            )
        );
    }

    #[test]
    fn two_capabilities_are_enough_for_root_whatever_is_masked() {
        assert_eq!(docker(0, BOTH, BOTH, true, MASKED).advice(), None);
        let apparmor = Confinement {
            apparmor: Some("docker-default (enforce)".into()),
            ..docker(0, BOTH, BOTH, true, MASKED)
        };
        let advice = apparmor.advice().unwrap_or_default();
        assert!(advice.contains("start it with --security-opt apparmor=unconfined, or "), "{advice}");
    }

    #[test]
    fn capabilities_that_another_user_does_not_get_are_roots() {
        let advice = docker(1000, 0, BOTH, true, MASKED).advice().unwrap_or_default();
        assert!(
            advice.ends_with("with --user 0, or --security-opt systempaths=unconfined, or --privileged"),
            "{advice}"
        );
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let masked = docker(1000, 0, PLAIN, false, MASKED).advice().unwrap_or_default();
        assert!(masked.contains(", or --security-opt systempaths=unconfined, or "), "{masked}");
        let bare = docker(0, 0, 0, false, BARE).advice().unwrap_or_default();
        assert!(bare.contains(", or --user 1000, or --privileged"), "{bare}");
    }

    #[test]
    fn podman_is_told_in_its_own_words() {
        let inside = Confinement {
            engine: Some(Engine::Podman),
            user_namespace: true,
            ..docker(0, BOTH, BOTH, true, MASKED)
        };
        assert_eq!(inside.advice(), None);
        // Podman 4 gives no NET_RAW.
        let status = format!("CapEff:\t{:016x}\n", BOTH & !(1 << Cap::NetRaw as u8));
        let given = Confinement { caps: Caps::of(&status, "CapEff").unwrap_or_default(), ..inside };
        assert_eq!(
            given.advice().as_deref(),
            Some(
                "this container forbids it; start it with --cap-add NET_RAW, or --security-opt unmask=ALL, or \
                 --privileged"
            )
        );
    }

    #[test]
    fn a_machine_is_no_container() {
        let machine = Confinement { engine: None, ..docker(1000, 0, BOTH, false, BARE) };
        assert!(machine.advice().is_some_and(|advice| advice.contains("max_user_namespaces")));
        assert!(machine.to_string().starts_with("in no container"));
        assert_eq!(Confinement { engine: None, ..docker(0, BOTH, BOTH, false, BARE) }.advice(), None);
    }
}
