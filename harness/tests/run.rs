//! `lab run` as a person or a CI server has it: exit codes, JSON, JUnit, the failure bundle, an end by signal.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::capture::pcapng::{Block, Reader};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A lab that takes a moment only.
const HOST: &str = "[[host]]\nname = \"h0\"\nengine = false\n";

fn lab(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.current_dir(folder).env("TMPDIR", folder).env_remove("LAB_SEED").env_remove("LAB_REQUIRE");
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_WORKSPACE");
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
        (&["--keep", "holds.toml"], 0),
    ] {
        let output = lab(folder.path()).arg("run").args(files).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{files:?}: {}", text(&output));
    }
}

#[test]
fn what_the_machine_lacks_something_for_is_skipped_before_anything_is_built() {
    let needs = "[requires]\nprograms = [\"sh\", \"no-such-tool\"]\n";
    let folder = folder(&[("holds.toml", HOLDS)]);
    fs::write(folder.path().join("needs.toml"), format!("{needs}{HOST}{FAILS}")).unwrap();
    let run = |args: &[&str], require: &str| {
        let output = lab(folder.path()).arg("run").args(args).env("LAB_REQUIRE", require).output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = run(&["needs.toml"], "");
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "needs.toml\n  skip  this machine has no `no-such-tool`\n  skipped, in 0us\n")
    );
    let (code, said) = run(&["needs.toml", "holds.toml", "--junit", "report.xml"], "");
    assert_eq!(code, Some(0));
    assert!(said.contains("skipped     needs.toml\n2 files: 1 held, 1 skipped, in "), "{said}");
    let xml = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(xml.contains("<skipped message=\"this machine has no `no-such-tool`\"/>"), "{xml}");
    let (_, said) = run(&["--json", "needs.toml"], "");
    let end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((end["verdict"].as_str(), end["counts"]["left"].as_u64()), (Some("skipped"), Some(1)));
    let (code, said) = run(&["needs.toml"], "1");
    assert_eq!(code, Some(2));
    assert!(said.contains("this machine has no `no-such-tool` (LAB_REQUIRE is set"), "{said}");
    let up = lab(folder.path())
        .args(["up", "needs.toml"])
        .env("LAB_STATE", folder.path().join("labs"))
        .output()
        .unwrap();
    assert_ne!(up.status.code(), Some(0));
    assert!(text(&up).contains("this machine has no `no-such-tool`"), "{}", text(&up));
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
    for file in [
        "run.txt",
        "run.jsonl",
        "scenario.toml",
        "lab.json",
        "inspect.json",
        "events.jsonl",
        "timeline.txt",
        "timeline.svg",
        "counters.txt",
        "sockets.txt",
        "summary.txt",
        "faults.jsonl",
    ] {
        assert!(Path::new(bundle).join(file).is_file(), "{file}");
    }
    let inspect: Value =
        serde_json::from_str(&fs::read_to_string(Path::new(bundle).join("inspect.json")).unwrap()).unwrap();
    assert_eq!(inspect["version"], 1);
    let xml = fs::read_to_string(folder.path().join("j.xml")).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{xml}");
}

/// A story with everything: a network, a fault that is healed and one that is not, and a step that fails beneath both.
const STORY: &str = r#"
[record]
netlink = true
packets = "all"
[[host]]
name = "docker0"
[[host]]
name = "docker1"
[[network]]
name = "demonet"
subnet = "192.168.0.0/24"
[[container]]
name = "C0"
on = "docker0"
networks = ["demonet"]
[[container]]
name = "C1"
on = "docker1"
networks = ["demonet"]
[[step]]
name = "containers reach each other"
ping = { from = "C1", to = "C0", count = 3 }
within = "5s"
[[step]]
name = "the wire of docker0 is slow and loses"
fault = { wire = { host = "docker0", up = { delay = "20ms", loss = { every = 2 }, only = { protocol = "icmp" } } } }
as = "slow"
[[step]]
name = "so that pings take their time"
ping = { from = "C0", to = "docker1", count = 4 }
expect = { loss = ">0%" }
[[step]]
name = "hosts are cut off from each other, while a container comes"
parallel = [
  { fault = { partition = { cut = ["docker0", "docker1"] } }, as = "cut" },
  { container.run = { name = "C2", on = "docker1", networks = ["demonet"] } },
]
[[step]]
name = "the wire is well again"
heal = "slow"
[[step]]
name = "and C1 reaches C0, which it does not"
ping = { from = "C1", to = "C0", count = 2 }
[[step]]
name = "a step that is never played"
wait = "1s"
"#;

#[test]
fn a_bundle_has_what_was_recorded_and_the_story_as_a_picture() {
    let folder = folder(&[("story.toml", STORY)]);
    let output = lab(folder.path()).args(["run", "--bundles", "seen", "story.toml"]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let bundle = fs::read_dir(folder.path().join("seen")).unwrap().next().unwrap().unwrap().path();
    let read = |name: &str| fs::read_to_string(bundle.join(name)).unwrap();
    let svg = read("timeline.svg");
    for words in
        [">6</text>", "FAILED  and C1 reaches C0", ">fault 2</text>", ">docker1</text>", ">kernels</text>"]
    {
        assert!(svg.contains(words), "{words} in {svg}");
    }
    assert!(!svg.contains("a step that is never played"));
    let told = read("netlink.jsonl");
    assert!(told.lines().all(|line| line.contains("\"what\":\"netlink\"")), "{told}");
    assert!(told.contains("\"object\":\"neighbour\""), "{told}");
    assert!(read("timeline.txt").contains(" netlink   docker0/"));
    let packets = fs::File::open(bundle.join("packets.pcapng")).unwrap();
    let blocks: Vec<Block> = Reader::new(BufReader::new(packets)).map(Result::unwrap).collect();
    let comments: Vec<&str> = blocks
        .iter()
        .filter_map(|block| if let Block::Packet(packet) = block { packet.comment.as_deref() } else { None })
        .collect();
    assert!(
        comments.contains(&"dropped by fault 1") && comments.contains(&"delayed 20ms by fault 1"),
        "{comments:?}"
    );
}

#[test]
fn shares_are_played_by_several_machines_each_file_once() {
    let files = ["a.toml", "b.toml", "c.toml"];
    let folder = folder(&files.map(|name| (name, HOLDS)));
    let share = |which: &str| {
        let output =
            lab(folder.path()).args(["run", "--json", "--shard", which]).args(files).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{which}: {}", text(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ended = lines.filter(|line| line["event"] == "end");
        (ended.map(|line| line["file"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), output.stderr)
    };
    let played = ["1/4", "2/4", "3/4", "4/4"].map(share);
    assert_eq!(played.clone().map(|(files, _)| files).concat(), files);
    assert_eq!(String::from_utf8_lossy(&played[3].1), "lab: share 4/4 has none of the 3 files\n");
    let none = lab(folder.path()).args(["run", "--shard", "5/4", "a.toml"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("which share of how many, as `1/4` to `4/4`"), "{}", text(&none));
}

#[test]
fn github_actions_is_told_where_a_step_failed() {
    let folder = folder(&[("holds.toml", HOLDS), ("fails.toml", FAILS), ("wrong.toml", WRONG)]);
    let root = folder.path().parent().unwrap();
    let below = folder.path().file_name().unwrap().to_str().unwrap();
    for jobs in ["1", "3"] {
        let args = ["run", "--jobs", jobs, "--bundles", "seen", "holds.toml", "fails.toml", "wrong.toml"];
        let mut command = lab(folder.path());
        command.args(args).env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", root);
        let said = text(&command.output().unwrap());
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("::error ")).collect();
        assert_eq!(errors.len(), 2, "{said}");
        // The fourth line is the step's heading, below the host.
        let step = format!("::error file={below}/fails.toml,line=4,title=false on h0::expected status 0, ");
        assert!(errors.iter().any(|error| error.starts_with(&step)), "{said}");
        let mistake = format!("::error file={below}/wrong.toml,line=5,title=not played to its end::");
        assert!(errors.iter().any(|error| error.starts_with(&mistake)), "{said}");
        let count = |begin: &str| said.lines().filter(|line| line.starts_with(begin)).count();
        assert_eq!(
            (count("::group::"), count("::stop-commands::"), count("::endgroup::")),
            (3, 3, 3),
            "{said}"
        );
    }
    let bundles = fs::read_dir(folder.path().join("seen")).unwrap();
    assert_eq!(bundles.count(), 2);
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

#[test]
fn a_lab_in_which_a_step_fails_can_be_kept_and_looked_at() {
    let folder = folder(&[("fails.toml", FAILS)]);
    let ask = |args: &[&str]| {
        lab(folder.path()).env("LAB_STATE", folder.path().join("labs")).args(args).output().unwrap()
    };
    for end in ["down", "interrupt"] {
        let mut child = lab(folder.path())
            .env("LAB_STATE", folder.path().join("labs"))
            .args(["run", "--keep", "fails.toml"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("`lab down fails`, or ^C, ends it")));
        assert_eq!(text(&ask(&["exec", "h0", "--", "hostname"])), "h0\n");
        let second = ask(&["run", "--keep", "fails.toml"]);
        assert_eq!(second.status.code(), Some(2));
        assert!(text(&second).contains("a lab fails is up already"), "{}", text(&second));
        if end == "down" {
            assert_eq!(text(&ask(&["down"])), "lab fails is down\n");
        } else {
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(if end == "down" { 1 } else { 130 }));
        assert_eq!(text(&ask(&["ls"])).lines().count(), 1, "nothing but the heading");
    }
}

#[test]
fn what_is_repeated_says_which_seeds_fail() {
    let folder = folder(&[("holds.toml", HOLDS)]);
    let repeat = |args: &[&str]| lab(folder.path()).arg("repeat").args(args).output().unwrap();
    let held = repeat(&["--times", "6", "--stress", "3", "holds.toml"]);
    assert_eq!(held.status.code(), Some(0), "{}", text(&held));
    assert!(text(&held).starts_with("6 of 6 held, 3 at a time, each in "), "{}", text(&held));
    // A seed that is a multiple of four fails.
    let script = "echo seed $LAB_SEED; test $((LAB_SEED % 4)) != 0";
    let command = ["--times", "9", "--stress", "2", "--", "sh", "-c", script];
    let failed = repeat(&command);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(said.starts_with("7 of 9 held, 2 at a time"), "{said}");
    assert!(
        said.ends_with(&format!("failed with seed 4, 8\nagain       LAB_SEED=4 sh -c '{script}'\n")),
        "{said}"
    );
    let json: Value = serde_json::from_slice(&repeat(&[&["--json"], &command[..]].concat()).stdout).unwrap();
    assert_eq!((json["runs"].as_u64(), json["failed"][1]["seed"].as_u64()), (Some(9), Some(8)));
    let log = fs::read_to_string(json["failed"][1]["log"].as_str().unwrap()).unwrap();
    assert_eq!(log, "seed 8\n");
    assert_eq!(repeat(&[]).status.code(), Some(2));
}
