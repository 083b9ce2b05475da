//! What a lab requires of the machine and the machine has not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernel::probe::try_one;

use super::exec::{lookup, runs};
use super::plain;
use crate::process::PATH;
use crate::topology::{Needed, Requires};

/// The first thing that is required and not there, in words. Programs of a certain version are run to say theirs.
pub(crate) fn lacking(requires: &Requires) -> Option<String> {
    if requires.root && !is_root() {
        return Some("this takes root, and not only in a user namespace".to_owned());
    }
    requires.programs.iter().find_map(|needed| lacks(needed).err())
}

/// The same from inside of a lab's namespaces, where its kernel can be tried, too.
pub(crate) fn lacking_inside(requires: &Requires) -> Option<String> {
    let lacks = |feature: &String| {
        let tried = try_one(feature)?;
        tried.err().map(|why| format!("this takes {feature}: {why}"))
    };
    lacking(requires).or_else(|| requires.kernel.iter().find_map(lacks))
}

/// Whether a lab of this process has no user namespace of its own.
fn is_root() -> bool {
    let may = kernel::caps::Caps::effective().is_ok_and(kernel::caps::Caps::suffice);
    may && !kernel::entry::rootless()
}

fn lacks(needed: &Needed) -> Result<(), String> {
    let name = &needed.name;
    let path = find(name).ok_or_else(|| format!("this machine has no `{name}`"))?;
    let Some(version) = &needed.version else { return Ok(()) };
    let mut command = Command::new(path);
    command.arg("--version").env_clear().env("PATH", PATH).stdin(Stdio::null());
    let output =
        command.output().map_err(|why| format!("`{name} --version` cannot be run: {}", plain(&why)))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.contains(version) {
        return Ok(());
    }
    let first = printed.lines().next().unwrap_or("nothing").trim();
    Err(format!("`{name} --version` says {first:?}, and not {:?}", version.trim()))
}

fn find(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        Some(PathBuf::from(name)).filter(|path| runs(Path::new(path)))
    } else {
        lookup(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_said_in_words() {
        let of = |name: &str, version: Option<&str>| {
            let needed = Needed { name: name.into(), version: version.map(str::to_owned) };
            lacking(&Requires { programs: vec![needed], ..Requires::default() })
        };
        assert_eq!(of("sh", None), None);
        assert_eq!(of("/bin/sh", None), None);
        assert_eq!(of("no-such-tool", None), Some("this machine has no `no-such-tool`".into()));
        assert_eq!(of("/bin/no-such-tool", None), Some("this machine has no `/bin/no-such-tool`".into()));
        // `env` prints `env (GNU coreutils) 9.1`, or whatever else it is, but hardly that.
        let other = of("env", Some(" 0.0.1")).unwrap_or_default();
        assert!(
            other.starts_with("`env --version` says ") && other.ends_with(", and not \"0.0.1\""),
            "{other}"
        );
    }
}
