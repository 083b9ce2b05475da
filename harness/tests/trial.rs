//! What `#[harness::test]` and `#[harness::isolate]` make of a function; and what they say of one that misbehaves.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "trial/misbehaving.rs"]
mod misbehaving;

use std::net::TcpListener;
use std::process::{Command, Output};

use harness::topology::Topology;
use harness::{Lab, expect};

#[harness::test(file = "scenarios/two-host.toml")]
async fn containers_reach_each_other(lab: Lab) -> harness::Result {
    let c0 = lab.container("C0")?;
    expect!(lab.container("C1")?.ping(c0.ip("demonet")?)).within("2s").await?;
    Ok(())
}

#[harness::test(topology = Topology::two_hosts(), seed = 3, limit = "40s")]
fn a_body_need_not_be_asynchronous(lab: Lab) {
    assert_eq!(lab.topology().seed, 3);
    assert_eq!(lab.host("docker0").unwrap().run(|| 1).unwrap(), 1);
}

#[harness::isolate]
fn port_80_is_free() {
    TcpListener::bind("127.0.0.1:80").unwrap();
}

#[harness::isolate]
async fn port_80_is_free_for_another_one_at_the_same_time() -> std::io::Result<()> {
    tokio::net::TcpListener::bind("127.0.0.1:80").await.map(drop)
}

#[harness::isolate]
#[should_panic(expected = "as it should")]
async fn it_panics_as_it_should() {
    panic!("as it should");
}

fn body() -> u8 {
    1
}

#[harness::isolate]
fn names_of_the_file_are_seen_in_the_body() {
    fn inside() -> u8 {
        body()
    }
    assert_eq!(inside(), 1);
}

/// Runs one of the ignored tests of `misbehaving`.
fn misbehave(name: &str, env: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&format!("misbehaving::{name}"), "--exact", "--ignored", "--nocapture"])
        .envs(env.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(text.contains("1 passed") || text.contains("1 failed"), "it was not run: {text}");
    (status.success(), text)
}

/// The directory that a failed test says it has left; it is removed.
fn kept(text: &str) -> Vec<String> {
    let path =
        text.lines().find_map(|line| line.strip_prefix("kept in     ")).unwrap_or_else(|| panic!("{text}"));
    let mut files: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    std::fs::remove_dir_all(path).unwrap();
    files.sort();
    files
}

#[test]
fn a_failed_test_shows_its_lab_and_how_to_run_it_again() {
    let (passed, text) = misbehave("fails", &[("LAB_SEED", "11")]);
    assert!(!passed);
    assert!(text.contains("no container is named `C7`; there is `C0`, `C1`"), "{text}");
    assert!(
        text.contains("hosts       consul 10.0.0.5 (up), docker0 10.0.0.10 (up), docker1 10.0.0.11 (up)"),
        "{text}"
    );
    assert!(text.contains("LAB_SEED=11 cargo test --features netns -- --exact misbehaving::fails"), "{text}");
    assert!(kept(&text).contains(&"inspect.json".to_owned()));
}

#[test]
fn a_test_whose_lab_requires_what_is_missing_is_skipped() {
    let (passed, text) = misbehave("needs_what_nobody_has", &[("LAB_REQUIRE", "")]);
    assert!(
        passed
            && text
                .contains("skipped: misbehaving::needs_what_nobody_has: this machine has no `no-such-tool`"),
        "{text}"
    );
    let (passed, text) = misbehave("needs_what_nobody_has", &[("LAB_REQUIRE", "1")]);
    assert!(
        !passed && text.contains("the lab could not be built: this machine has no `no-such-tool`"),
        "{text}"
    );
}

#[test]
fn a_panic_comes_through_with_its_place() {
    let (passed, text) = misbehave("panics", &[]);
    assert!(!passed);
    assert!(text.contains("tests/trial/misbehaving.rs:") && text.contains("at the disco"), "{text}");
    kept(&text);
}

#[test]
fn a_hang_is_ended_and_the_lab_shown() {
    let (passed, text) = misbehave("hangs", &[]);
    assert!(!passed);
    assert!(text.contains("the test hung: no end after 1 s; it was ended"), "{text}");
    assert!(text.contains("containers  C0 on docker0 (running)"), "{text}");
    kept(&text);
}

/// A test that leaves this behind is given some time to end it, and then fails.
fn leaks(name: &str, leak: &str) {
    let (passed, text) = misbehave(name, &[]);
    assert!(!passed, "{text}");
    assert!(text.contains("has left behind:") && text.contains(leak), "{text}");
}

#[test]
fn a_process_that_is_left_fails_the_test() {
    leaks("leaves_a_process", "\n    process ");
}

#[test]
fn a_thread_that_is_left_fails_the_test_unless_it_may() {
    leaks("leaves_a_thread", ", careless");
    assert!(misbehave("may_leave_a_thread", &[]).0);
}

#[test]
fn a_descriptor_that_is_left_fails_the_test() {
    leaks("leaves_a_descriptor", ", /dev/null");
}

#[test]
fn a_lab_that_is_left_fails_the_test() {
    leaks("leaves_a_lab", "\n    thread ");
}
