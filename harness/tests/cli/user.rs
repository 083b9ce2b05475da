//! `lab` without privileges: as an ordinary user, and where nothing is allowed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{getgid, getuid};

use crate::console::{Said, finish, missing, processes, repository, tool};
use crate::stream::Stream;

/// Who has nothing, on every machine.
const NOBODY: u32 = 65534;

/// A directory of an ordinary user, and `lab` as that user has it.
struct User {
    directory: tempfile::TempDir,
    uid: u32,
    gid: u32,
}

impl User {
    /// Whoever runs the test, unless that is root.
    fn new() -> User {
        let directory = tempfile::TempDir::with_prefix("lab-user-").unwrap();
        let root = getuid().is_root();
        let (uid, gid) = if root { (NOBODY, NOBODY) } else { (getuid().as_raw(), getgid().as_raw()) };
        // The binary may stand where only root can read.
        for (from, name) in [
            (Path::new(env!("CARGO_BIN_EXE_lab")), "lab"),
            (&repository().join("scenarios/two-host.toml"), "two-host.toml"),
        ] {
            let copy = directory.path().join(name);
            // Not written by this process: what another thread forks meanwhile would hold it open, and it could not be run.
            assert!(Command::new("cp").arg(from).arg(&copy).status().unwrap().success());
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        }
        if root {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        User { directory, uid, gid }
    }

    /// A command of that user.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.directory.path()).env("HOME", self.directory.path());
        command.env("LAB_STATE", self.directory.path().join("state")).env_remove("XDG_RUNTIME_DIR");
        if getuid().is_root() {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    fn lab(&self, args: &[&str]) -> Said {
        finish(self.command("./lab", args), "")
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let down = self.lab(&["down", "--all"]);
        if !std::thread::panicking() {
            assert_eq!(down.code, 0, "{down:?}");
            assert!(processes(&self.directory.path().join("state")).is_empty(), "processes are left");
        }
    }
}

#[test]
fn an_ordinary_user_has_a_lab_like_any_other() {
    let user = User::new();
    user.lab(&["up", "two-host.toml"]).done();
    assert!(user.lab(&["ls", "--json"]).done().contains("\"rootless\": true"));
    user.lab(&["ping", "C1", "192.168.0.100", "-c", "1"]).done();
    user.lab(&["ping", "C0", "8.8.8.8", "-c", "1"]).done();
    // There the user is root.
    assert_eq!(user.lab(&["exec", "C0", "--", "sh", "-c", "id -u; hostname; exit 7"]).out, "0\nC0\n");
    assert_eq!(user.lab(&["exec", "C0", "--", "sh", "-c", "exit 7"]).code, 7);
    assert_eq!(user.lab(&["exec", "C0", "no-such-command"]).code, 127);
    let set = "echo 1 > /proc/sys/net/ipv4/ip_forward";
    user.lab(&["exec", "docker1", "--", "sh", "-c", set]).done();
    assert!(user.lab(&["inspect", "docker0"]).done().contains("docker_gwbridge"));
    let mut shell = Stream::on_terminal(user.command("./lab", &["shell", "docker0"]));
    shell.key("stty size; echo I am `hostname`\r").see("24 80").see("I am docker0").key("exit 5\r");
    assert_eq!(shell.end().0, 5);
    user.lab(&["network", "create", "more"]).done();
    assert!(user.lab(&["doctor"]).done().contains("through a user namespace"));
    assert_eq!(user.lab(&["down", "--wait"]).done(), "lab two-host is down\n");
}

#[test]
fn labs_of_one_user_are_not_anothers() {
    let user = User::new();
    user.lab(&["up", "two-host.toml"]).done();
    if !getuid().is_root() {
        return missing("only root can be another user");
    }
    let mut other = user.command("./lab", &["ps"]);
    other.uid(0).gid(0);
    assert!(finish(other, "").failed(2).ends_with("it belongs to somebody else; set LAB_STATE\n"));
}

#[test]
fn a_file_that_may_not_be_read_is_said_so() {
    let user = User::new();
    let file = user.directory.path().join("two-host.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(
        user.lab(&["up", "two-host.toml"]).failed(2),
        "lab: cannot read two-host.toml: Permission denied\n"
    );
    assert!(!user.directory.path().join("state/two-host").exists());
}

#[test]
fn a_state_directory_that_cannot_be_made_is_said_so() {
    let user = User::new();
    let mut command = user.command("./lab", &["up", "two-host.toml"]);
    command.env("LAB_STATE", "/proc/lab");
    let said = finish(command, "").failed(2);
    assert!(said.starts_with("lab: cannot make the state directory /proc/lab: "), "{said}");
    assert!(said.ends_with("; LAB_STATE may name another\n"), "{said}");
}

/// Root without the capabilities, in a user namespace where none may be made: nothing is left to build a lab with.
#[test]
fn where_nothing_is_allowed_that_is_said_and_what_to_change() {
    if !(tool("unshare") && tool("setpriv")) {
        return;
    }
    let user = User::new();
    let locked = |verb: &str| {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                      exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin ./lab \"$@\"";
        let args = ["--user", "--map-root-user", "sh", "-c", script, "sh"];
        finish(user.command("unshare", &[&args[..], &verb.split(' ').collect::<Vec<_>>()].concat()), "")
    };
    let said = locked("up two-host.toml").failed(2);
    let why = "lab: cannot create a user namespace: No space left on device";
    assert!(said.starts_with(&format!("{why}; /proc/sys/user/max_user_namespaces is ")), "{said}");
    assert!(said.ends_with("; `lab doctor` says what to change\n"), "{said}");
    assert_eq!(fs::read_dir(user.directory.path().join("state")).unwrap().count(), 0, "something is left");
    let said = locked("doctor");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.out.contains("max_user_namespaces") && said.out.ends_with("this machine is not fit\n"),
        "{said:?}"
    );
}
