//! `lab exec`: a command somewhere in a lab is as one that is not.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::console::{Console, finish};
use crate::stream::Stream;

#[test]
fn the_exit_code_is_the_commands() {
    let console = Console::with_two_hosts();
    for code in [0, 1, 7, 125, 255] {
        let said = console.lab(["exec", "C0", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (code, "", ""));
    }
    // Without a terminal's `--`, and with options of its own.
    assert_eq!(console.lab(["exec", "docker0", "sh", "-c", "exit 3"]).code, 3);
    let killed = console.lab(["exec", "docker0", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.code, 128 + 15, "{killed:?}");
}

#[test]
fn a_command_that_cannot_be_started_has_dockers_code() {
    let console = Console::with_two_hosts();
    let script = console.place("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    for (command, code, complaint) in [
        ("no-such-command", 127, "lab: no-such-command: No such file or directory\n"),
        ("/no/such/command", 127, "lab: /no/such/command: No such file or directory\n"),
        (script.to_str().unwrap(), 126, "Permission denied\n"),
        ("/", 126, "lab: /: Permission denied\n"),
    ] {
        let said = console.lab(["exec", "C0", command]).failed(code);
        assert!(said.ends_with(complaint), "{said}");
    }
}

#[test]
fn what_is_no_target_is_said_with_lab_s_own_code() {
    let console = Console::new();
    let complaint = console.lab(["exec", "C0", "true"]).failed(125);
    assert_eq!(complaint, "lab: no lab is up; `lab up FILE` builds one\n");
    console.lab(["up", "scenarios/two-host.toml"]).done();
    let complaint = console.lab(["exec", "C9", "true"]).failed(125);
    assert_eq!(
        complaint,
        "lab: no host or container is named `C9`; there is `consul`, `docker0`, `docker1`, `C0`, `C1`\n"
    );
    let complaint = console.lab(["exec", "host:C0", "true"]).failed(125);
    assert_eq!(complaint, "lab: no host is named `C0`; there is `consul`, `docker0`, `docker1`\n");
    let complaint = console.lab(["--lab", "nine", "exec", "C0", "true"]).failed(125);
    assert_eq!(complaint, "lab: no lab is named `nine`; there is `two-host`\n");
    // A command line that makes no sense is no outcome of the command either.
    assert!(console.lab(["exec", "C0"]).failed(125).contains("Usage: lab exec"));
    assert!(console.lab(["shell"]).failed(125).contains("Usage: lab shell"));
}

#[test]
fn a_name_that_a_host_and_a_container_have_needs_a_word_more() {
    let console = Console::new();
    let file = console.place("twins.toml");
    let text = "[[host]]\nname = \"web\"\n[[container]]\nname = \"web\"\non = \"web\"\ncommand = [\"sleep\", \"9\"]\n";
    fs::write(&file, text).unwrap();
    console.lab(["up", file.to_str().unwrap()]).done();
    let complaint = console.lab(["exec", "web", "true"]).failed(125);
    assert_eq!(complaint, "lab: `web` is a host and a container; say `host:web` or `container:web`\n");
    let namespace = |target| console.lab(["exec", target, "readlink", "/proc/self/ns/net"]).done();
    assert_ne!(namespace("host:web"), namespace("container:web"));
}

#[test]
fn the_command_sees_the_machine_that_it_runs_on() {
    let console = Console::with_two_hosts();
    for target in ["docker0", "C0", "consul"] {
        assert_eq!(console.lab(["exec", target, "hostname"]).done(), format!("{target}\n"));
        assert_eq!(
            console.lab(["exec", target, "--", "sh", "-c", "echo $HOSTNAME"]).done(),
            format!("{target}\n")
        );
    }
    let hosts = console.lab(["exec", "docker1", "cat", "/etc/hosts"]).done();
    assert!(hosts.lines().any(|line| line.split_whitespace().eq(["10.0.0.5", "consul"])), "{hosts}");
    // Its processes are the target's: its own pid 1, and nobody of the machine.
    let processes = console.lab(["exec", "C0", "--", "sh", "-c", "cd /proc && echo [0-9]*"]).done();
    assert!(processes.split_whitespace().count() <= 4, "{processes}");
}

#[test]
fn the_command_has_the_callers_input_files_and_environment() {
    let console = Console::with_two_hosts();
    let input = "all of it\n".repeat(100_000);
    let said = finish(console.command(["exec", "C0", "cat"]), &input);
    assert_eq!((said.code, said.out.len()), (0, input.len()));
    let mut command =
        console.command(["exec", "C0", "--", "sh", "-c", "pwd; cat file; echo $COLOUR; echo so >&2"]);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "content\n").unwrap();
    command.current_dir(directory.path()).env("COLOUR", "red");
    let said = finish(command, "");
    let place = fs::canonicalize(directory.path()).unwrap();
    assert_eq!(said.out, format!("{}\ncontent\nred\n", place.display()));
    assert_eq!(said.err, "so\n");
}

#[test]
fn administrators_programs_are_found_whoever_asks() {
    let console = Console::with_two_hosts();
    let of = |path: &str| {
        let mut command = console.command(["exec", "docker0", "--", "sh", "-c", "echo $PATH"]);
        command.env("PATH", path);
        finish(command, "").done()
    };
    assert_eq!(of("/usr/bin:/bin"), "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n");
    assert_eq!(of("/sbin:/usr/bin"), "/sbin:/usr/bin:/usr/local/sbin:/usr/sbin\n");
}

#[test]
fn signals_reach_the_command() {
    let console = Console::with_two_hosts();
    let script = "trap 'echo heard; exit 9' USR1 TERM INT HUP; echo ready; while :; do sleep 0.02; done";
    for signal in [Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut running = Stream::start(console.command(["exec", "C0", "--", "sh", "-c", script]));
        running.see("ready\n").send(signal).see("heard\n");
        assert_eq!(running.end().0, 9, "{signal}");
    }
}

#[test]
fn the_command_ends_with_a_lab_exec_that_is_killed() {
    let console = Console::with_two_hosts();
    let script = "echo \"pid $$.\"; exec sleep 1000";
    let mut running = Stream::start(console.command(["exec", "C0", "--", "sh", "-c", script]));
    running.see("pid ");
    let processes =
        || console.lab(["exec", "C0", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).done();
    assert!(processes().contains("sleep 1000"));
    running.send(Signal::SIGKILL);
    let begun = Instant::now();
    while processes().contains("sleep 1000") {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still there");
    }
}

#[test]
fn output_that_nobody_reads_ends_the_command_as_it_would_at_home() {
    let console = Console::with_two_hosts();
    let mut command = console.command(["exec", "C0", "yes"]);
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn a_command_is_in_the_control_groups_of_its_host() {
    let console = Console::new();
    let file = console.place("groups.toml");
    fs::write(&file, "[requires]\nroot = true\n[[host]]\nname = \"h0\"\nengine = false\ncgroups = true\n")
        .unwrap();
    let up = console.lab(["up", file.to_str().unwrap()]);
    if up.code != 0 {
        assert!(up.err.contains("takes root") || up.err.contains("no cgroup v2"), "{up:?}");
        eprintln!("skipped: {}", up.err);
        return;
    }
    let seen = console
        .lab(["exec", "h0", "--", "sh", "-c", "grep ^0: /proc/self/cgroup; ls -d /sys/fs/cgroup/*/"])
        .done();
    assert_eq!(seen, "0::/init\n/sys/fs/cgroup/init/\n");
}
