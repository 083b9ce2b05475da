//! State directories as they are found, labs that were killed, and what is no lab's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::console::{Console, Said, finish};

/// `lab ls` with that state directory.
fn ls_in(console: &Console, state: &Path) -> Said {
    let mut command = console.command(["ls"]);
    command.env("LAB_STATE", state);
    finish(command, "")
}

#[test]
fn a_directory_that_is_not_ours_alone_is_refused() {
    let console = Console::new();
    let wide = console.place("wide");
    fs::create_dir(&wide).unwrap();
    fs::set_permissions(&wide, fs::Permissions::from_mode(0o755)).unwrap();
    let said = ls_in(&console, &wide).failed(2);
    assert!(said.ends_with(": others may enter it; chmod 700 it, or set LAB_STATE\n"), "{said}");
    fs::set_permissions(&wide, fs::Permissions::from_mode(0o700)).unwrap();
    ls_in(&console, &wide).done();
    let link = console.place("link");
    std::os::unix::fs::symlink(&wide, &link).unwrap();
    assert!(ls_in(&console, &link).failed(2).ends_with(": it is not a directory\n"));
    let theirs = if nix::unistd::getuid().is_root() {
        std::os::unix::fs::chown(&wide, Some(65534), None).unwrap();
        wide
    } else {
        "/".into()
    };
    let said = ls_in(&console, &theirs).failed(2);
    assert!(said.ends_with(": it belongs to somebody else; set LAB_STATE\n"), "{said}");
}

#[test]
fn what_is_no_directory_is_said_so() {
    let console = Console::new();
    let file = console.place("file");
    fs::write(&file, "").unwrap();
    assert!(ls_in(&console, &file).failed(2).ends_with("/file: it is not a directory\n"));
    let said = ls_in(&console, &console.place("no/such")).failed(2);
    assert!(said.ends_with("/no/such: No such file or directory; LAB_STATE may name another\n"), "{said}");
}

#[test]
fn a_path_longer_than_a_sockets_will_do() {
    let console = Console::new();
    let state = console.place(&"x".repeat(200));
    let lab = |args: &[&str]| {
        let mut command = console.command(args);
        command.env("LAB_STATE", &state);
        finish(command, "")
    };
    lab(&["up", "scenarios/two-host.toml"]).done();
    lab(&["ping", "C0", "C1", "-c", "1"]).done();
    assert_eq!(lab(&["exec", "C0", "hostname"]).done(), "C0\n");
    lab(&["down"]).done();
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn files_that_cannot_be_read_are_said_so() {
    let console = Console::new();
    let binary = console.place("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    for (file, why) in [
        ("no-such.toml", "No such file or directory"),
        ("/", "Is a directory"),
        (binary.to_str().unwrap(), "stream did not contain valid UTF-8"),
    ] {
        assert_eq!(console.lab(["up", file]).failed(2), format!("lab: cannot read {file}: {why}\n"));
    }
}

#[test]
fn a_lab_that_was_killed_is_said_to_be_gone_and_can_be_cleared_away() {
    let console = Console::with_two_hosts();
    let listed: serde_json::Value = serde_json::from_str(&console.lab(["ls", "--json"]).done()).unwrap();
    let shepherd = i32::try_from(listed["labs"][0]["pid"].as_i64().unwrap()).unwrap();
    let process = kernel::Pidfd::open(shepherd).unwrap();
    kill(Pid::from_raw(shepherd), Signal::SIGKILL).unwrap();
    process.wait().unwrap();
    // The shepherd's death is the lab's; its lock goes with the last of it.
    let begun = std::time::Instant::now();
    while !console.lab(["ls"]).done().contains("gone") {
        assert!(begun.elapsed().as_secs() < 10);
    }
    let gone = "lab: lab two-host is gone: it was killed; `lab gc` removes what is left of it\n";
    assert_eq!(console.lab(["ps"]).failed(2), gone);
    assert_eq!(console.lab(["exec", "C0", "true"]).failed(125), gone);
    let listed: serde_json::Value = serde_json::from_str(&console.lab(["ls", "--json"]).done()).unwrap();
    assert_eq!(listed["labs"], serde_json::json!([{ "name": "two-host", "state": "gone" }]));
    assert_eq!(console.lab(["gc"]).done(), "removed what was left of lab two-host\n");
    assert_eq!(console.lab(["gc"]).done(), "nothing to remove\n");
    assert_eq!(fs::read_dir(console.state()).unwrap().count(), 0);
}

#[test]
fn nothing_is_removed_that_is_no_labs() {
    let console = Console::new();
    console.lab(["ls"]).done();
    let letter = console.state().join("Documents/letter");
    fs::create_dir(letter.parent().unwrap()).unwrap();
    fs::write(&letter, "dear").unwrap();
    assert_eq!(console.lab(["gc"]).done(), "nothing to remove\n");
    assert_eq!(console.lab(["down", "--all"]).done(), "no lab is up\n");
    console.lab(["down", "Documents"]).failed(2);
    let refused = console.lab(["up", "scenarios/two-host.toml", "--name", "Documents"]).failed(2);
    assert!(refused.ends_with("Documents: it is there, and is no lab's\n"), "{refused}");
    assert_eq!(fs::read_to_string(&letter).unwrap(), "dear");
    fs::remove_dir_all(letter.parent().unwrap()).unwrap();
}

#[test]
fn a_host_that_is_down_is_said_so() {
    let console = Console::with_two_hosts();
    // Its init, found as the process that reads 1 to itself below the lab's own.
    let pid = |text: &str| text.trim().parse::<i32>().unwrap();
    let inside = console.lab(["exec", "docker0", "--", "readlink", "/proc/1/ns/pid"]).done();
    let init = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).find(|process| {
        let namespace = fs::read_link(process.join("ns/pid"));
        let first = fs::read_to_string(process.join("status")).unwrap_or_default();
        let first = first
            .lines()
            .any(|line| line.starts_with("NSpid:") && line.split_whitespace().next_back() == Some("1"));
        first && namespace.is_ok_and(|link| link.to_string_lossy() == inside.trim())
    });
    let init = init.expect("an init of docker0");
    kill(Pid::from_raw(pid(init.file_name().unwrap().to_str().unwrap())), Signal::SIGKILL).unwrap();
    let begun = std::time::Instant::now();
    while !console.lab(["ps"]).out.contains("down") {
        assert!(begun.elapsed().as_secs() < 10);
    }
    assert_eq!(console.lab(["exec", "docker0", "true"]).failed(125), "lab: host docker0 is down\n");
    assert_eq!(console.lab(["exec", "C0", "true"]).failed(125), "lab: host docker0 is down\n");
    assert_eq!(console.lab(["ping", "docker0", "docker1"]).failed(1), "lab: host docker0 is down\n");
    console.lab(["exec", "C1", "true"]).done();
    assert_eq!(console.lab(["container", "ls"]).done().matches("lost").count(), 1);
}
