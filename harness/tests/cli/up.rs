//! `lab up` and `lab down`.

use std::fs;
use std::fs::File;

use nix::sys::signal::Signal;

use crate::console::{Console, repository};
use crate::stream::Stream;

#[test]
fn up_shows_what_there_is_and_again_has_nothing_to_do() {
    let console = Console::new();
    let shown = console.lab(["up", "scenarios/two-host.toml"]).done();
    insta::with_settings!({ filters => [("[0-9a-f]{12}", "<id>        ")] }, {
        insta::assert_snapshot!("up", shown);
    });
    let again = console.lab(["up", "scenarios/two-host.toml"]).done();
    assert_eq!(again, "lab two-host is up already; nothing to do\n");
    let json: serde_json::Value =
        serde_json::from_str(&console.lab(["up", "scenarios/two-host.toml", "--json"]).done()).unwrap();
    assert_eq!((&json["version"], &json["name"]), (&1.into(), &"two-host".into()));
    assert_eq!(console.lab(["down"]).done(), "lab two-host is down\n");
    assert_eq!(console.lab(["ls"]).done().lines().count(), 1);
}

#[test]
fn a_lab_is_ready_when_up_returns() {
    let console = Console::with_two_hosts();
    let ping = console.lab(["ping", "C1", "192.168.0.100", "-c", "1"]).done();
    assert!(ping.contains("1 sent, 1 answered, 0% loss"), "{ping}");
}

#[test]
fn up_with_a_changed_file_says_what_differs_and_what_to_do() {
    let console = Console::with_two_hosts();
    let text = fs::read_to_string(repository().join("scenarios/two-host.toml")).unwrap();
    let file = console.place("two-host.toml");
    let file = file.to_str().unwrap();
    let changed = text.replace("10.0.0.11", "10.0.0.12") + "\n[[container]]\nname = \"C2\"\n";
    fs::write(
        file,
        changed.replace("name = \"consul\"", "name = \"kv\"").replace("host = \"consul\"", "host = \"kv\""),
    )
    .unwrap();
    let complaint = console.lab(["up", file]).failed(1);
    let from = repository().join("scenarios/two-host.toml");
    assert_eq!(
        complaint,
        format!(
            "lab: lab two-host is up, built from {}: host kv (10.0.0.5) is new, host docker1 (10.0.0.12) is new, \
             host consul (10.0.0.5) is not in it, host docker1 (10.0.0.11) is not in it, \
             container C2 on docker0 is new; `lab down two-host` first, or `lab up --replace`\n",
            from.display()
        )
    );
    // Nothing has happened to the lab.
    console.lab(["ping", "C1", "C0", "-c", "1"]).done();
    let shown = console.lab(["up", "--replace", file]).done();
    assert!(shown.contains("10.0.0.12"), "{shown}");
    // The same file with other words in it.
    fs::write(file, changed.clone() + "# a remark\n").unwrap();
    console.lab(["up", file, "--replace"]).done();
    fs::write(file, changed + "# another remark\n").unwrap();
    let complaint = console.lab(["up", file]).failed(1);
    assert!(complaint.contains("built from another version of"), "{complaint}");
    assert!(complaint.contains("settings or steps differ"), "{complaint}");
}

#[test]
fn a_lab_may_be_called_otherwise_than_its_file_says() {
    let console = Console::new();
    console.lab(["up", "scenarios/two-host.toml", "--name", "nine"]).done();
    assert!(console.lab(["ls"]).done().contains("\nnine "));
    assert_eq!(
        console.lab(["down", "two-host"]).failed(2),
        "lab: no lab is named `two-host`; there is `nine`\n"
    );
    for name in ["..", "a/b", "", "-x"] {
        let complaint = console.lab(["up", "scenarios/two-host.toml", &format!("--name={name}")]).failed(2);
        assert!(complaint.starts_with(&format!("lab: a lab cannot be called `{name}`: ")), "{complaint}");
    }
    let complaint = console.lab(["up", "scenarios/two-host.toml", "--lab", "nine"]).failed(2);
    assert_eq!(complaint, "lab: --lab picks a lab that is up; --name says how a new one is called\n");
}

#[test]
fn a_lab_in_the_foreground_ends_with_a_signal_and_says_so() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let console = Console::new();
        let mut lab = Stream::start(console.command(["up", "--foreground", "scenarios/two-host.toml"]));
        lab.see("lab two-host is up; ^C takes it down\n");
        console.lab(["ping", "C1", "C0", "-c", "1"]).done();
        lab.send(signal).see("lab two-host is down\n");
        assert_eq!(lab.end().0, 0);
        assert_eq!(fs::read_dir(console.state()).unwrap().count(), 0);
    }
}

#[test]
fn a_lab_in_the_foreground_ends_with_a_key() {
    let console = Console::new();
    let mut lab = Stream::on_terminal(console.command(["up", "--foreground", "scenarios/two-host.toml"]));
    lab.see("^C takes it down").key("\x03").see("lab two-host is down");
    assert_eq!(lab.end().0, 0);
    assert_eq!(fs::read_dir(console.state()).unwrap().count(), 0);
}

#[test]
fn a_lab_in_the_foreground_can_be_taken_down_from_elsewhere() {
    let console = Console::new();
    let mut lab = Stream::start(console.command(["up", "--foreground", "scenarios/two-host.toml"]));
    lab.see("^C takes it down");
    console.lab(["down"]).done();
    lab.see("lab two-host is down");
    assert_eq!(lab.end().0, 0);
}

#[test]
fn timings_say_where_the_time_went() {
    let console = Console::new();
    let shown = console.lab(["up", "--timings", "scenarios/two-host.toml"]).done();
    for part in ["underlay", "store", "engines", "networks", "containers", "command to prompt"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_lab_that_is_coming_up_already_is_not_built_twice() {
    let console = Console::new();
    console.lab(["ls"]).done();
    let home = console.state().join("two-host");
    fs::create_dir(&home).unwrap();
    // As a `lab up` holds it that has not finished.
    let state = serde_json::json!({
        "version": 1, "name": "two-host", "file": "/x.toml", "digest": "", "pid": 0, "boot": "",
        "since": "2026-01-01T00:00:00Z", "ready": false, "rootless": false,
    });
    fs::write(home.join("lab.json"), state.to_string()).unwrap();
    let held = File::open(home.join("lab.json")).unwrap();
    held.lock().unwrap();
    let complaint = console.lab(["up", "scenarios/two-host.toml"]).failed(1);
    assert_eq!(complaint, "lab: lab two-host is coming up already\n");
    assert!(console.lab(["ls"]).done().contains("coming up"));
    drop(held);
    // Whoever held it is dead.
    console.lab(["up", "scenarios/two-host.toml"]).done();
}

#[test]
fn down_names_what_it_takes_down() {
    let console = Console::new();
    assert_eq!(console.lab(["down"]).failed(2), "lab: no lab is up; `lab up FILE` builds one\n");
    assert_eq!(console.lab(["down", "--all"]).done(), "no lab is up\n");
    assert_eq!(console.lab(["down", "nine"]).failed(2), "lab: no lab is named `nine`; there is none\n");
    for name in ["a", "b", "c", "d"] {
        console.lab(["up", "scenarios/two-host.toml", "--name", name]).done();
    }
    assert_eq!(console.lab(["down", "b"]).done(), "lab b is down\n");
    assert_eq!(console.lab(["--lab", "c", "down"]).done(), "lab c is down\n");
    assert!(
        console.lab(["--lab", "a", "down", "d"]).failed(2).contains("either with --lab or by their names")
    );
    assert_eq!(console.lab(["down", "--all", "--wait"]).done(), "lab a is down\nlab d is down\n");
}

#[test]
fn a_lab_that_could_not_be_built_leaves_nothing() {
    let console = Console::new();
    let file = console.place("broken.toml");
    let text =
        "[[host]]\nname = \"h\"\n[[container]]\nname = \"C0\"\non = \"h\"\ncommand = [\"no-such-program\"]\n";
    fs::write(&file, text).unwrap();
    let complaint = console.lab(["up", file.to_str().unwrap()]).failed(2);
    assert_eq!(
        complaint,
        "lab: cannot start container C0: cannot run `no-such-program`: there is no such program\n"
    );
    assert_eq!(fs::read_dir(console.state()).unwrap().count(), 0);
}
