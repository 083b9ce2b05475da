//! `lab run` as a person or a CI server has it: exit codes, JSON, JUnit, the failure bundle, an end by signal.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A lab that takes a moment only.
const HOST: &str = "[[host]]\nname = \"h0\"\nengine = false\n";

fn lab(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.current_dir(folder).env("TMPDIR", folder).env_remove("LAB_SEED").env_remove("LAB_REQUIRE");
    command
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, steps) in files {
        fs::write(folder.path().join(name), format!("{HOST}{steps}")).unwrap();
    }
    folder
}

const HOLDS: &str = "[[step]]\nexec = { on = \"h0\", command = [\"true\"] }\n";
const FAILS: &str = "[[step]]\nexec = { on = \"h0\", command = [\"false\"] }\n";
const WRONG: &str = "[[step]]\nexec = { on = \"h1\", command = [\"true\"] }\n";
const HANGS: &str = "[[step]]\nexec = { on = \"h0\", command = [\"sleep\", \"50\"] }\n";

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_exit_code_says_who_is_at_fault() {
    let folder = folder(&[("holds.toml", HOLDS), ("fails.toml", FAILS), ("wrong.toml", WRONG)]);
    for (files, code) in [
        (&["holds.toml"][..], 0),
        (&["holds.toml", "fails.toml"], 1),
        (&["wrong.toml", "fails.toml"], 2),
        (&["none.toml"], 2),
        (&["--keep", "holds.toml"], 2),
    ] {
        let output = lab(folder.path()).arg("run").args(files).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{files:?}: {}", text(&output));
    }
}

#[test]
fn json_is_a_line_an_event_and_says_the_seed() {
    let folder = folder(&[("holds.toml", HOLDS)]);
    let output =
        lab(folder.path()).args(["run", "--json", "holds.toml"]).env("LAB_SEED", "9").output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["begin", "up", "step", "done", "end"]);
    assert!(lines.iter().all(|line| line["version"] == 1 && line["file"] == "holds.toml"));
    assert_eq!(lines[0]["seed"], 9);
    let bad = lab(folder.path()).args(["run", "holds.toml"]).env("LAB_SEED", "x").output().unwrap();
    assert_eq!(bad.status.code(), Some(2));
    assert!(text(&bad).contains("LAB_SEED is a number"), "{}", text(&bad));
}

#[test]
fn a_failure_leaves_a_bundle_and_a_line_to_play_it_again() {
    let folder = folder(&[("fails.toml", FAILS), ("holds.toml", HOLDS)]);
    let args = ["run", "--jobs", "2", "--junit", "j.xml", "fails.toml", "holds.toml"];
    let output = lab(folder.path()).args(args).output().unwrap();
    let text = text(&output);
    assert!(text.contains("LAB_SEED=0 lab run fails.toml"), "{text}");
    let bundle = text.lines().find_map(|line| line.trim().strip_prefix("see ")).unwrap().trim();
    for file in ["run.txt", "run.jsonl", "scenario.toml", "lab.json", "inspect.json", "events.jsonl"] {
        assert!(Path::new(bundle).join(file).is_file(), "{file}");
    }
    let inspect: Value =
        serde_json::from_str(&fs::read_to_string(Path::new(bundle).join("inspect.json")).unwrap()).unwrap();
    assert_eq!(inspect["version"], 1);
    let xml = fs::read_to_string(folder.path().join("j.xml")).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{xml}");
}

#[test]
fn an_interrupt_ends_the_labs_and_says_so() {
    let folder = folder(&[("hangs.toml", HANGS), ("holds.toml", HOLDS)]);
    let mut child = lab(folder.path())
        .args(["run", "--json", "hangs.toml", "holds.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"event\":\"step\"")));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output).contains("interrupted; the labs are down"), "{}", text(&output));
    assert!(lines.all(|line| !line.unwrap().contains("holds.toml")));
}
