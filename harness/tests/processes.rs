//! What runs on hosts for as long as they are up, and what hosts have for it: directories and control groups of their own.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use harness::Lab;
use harness::topology::parse;

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

async fn up(text: &str) -> harness::Result<Lab> {
    Lab::up(parse("x.toml", text).unwrap_or_else(|report| panic!("{report}"))).await
}

/// A host on which the second process ends at once unless the first is ready.
const TWO: &str = r#"
[[host]]
name = "h0"
engine = false
volatile = ["/var/lib"]

[[process]]
name = "first"
on = "h0"
command = ["sh", "-c", "echo $WORD; sleep 0.05; echo > /var/lib/there; sleep 1000"]
env = { WORD = "begun" }
ready = { file = "/var/lib/there" }

[[process]]
name = "second"
on = "h0"
command = ["sh", "-c", "test -e /var/lib/there && echo found && sleep 1000"]
ready = { line = "found" }
"#;

/// What the lab says of the processes of its first host.
async fn processes(lab: &Lab) -> Vec<String> {
    let report = lab.report().await.unwrap();
    report.hosts[0].processes.iter().map(|process| format!("{}: {}", process.name, process.state)).collect()
}

#[kernel::isolate]
fn a_process_is_started_when_those_before_it_are_ready_and_again_with_its_host() {
    run(async {
        let lab = up(TWO).await.unwrap();
        let both = ["first: running", "second: running"];
        assert_eq!(processes(&lab).await, both);
        assert!(!std::path::Path::new("/var/lib/there").exists(), "it is the host's own directory");
        lab.crash("h0").unwrap();
        lab.restart("h0").await.unwrap();
        assert_eq!(processes(&lab).await, both);
        // Two lives, and nothing is said of how the first one ended.
        let said: Vec<String> = lab.events().since(0).0.into_iter().map(|event| event.text).collect();
        let ready = said.iter().filter(|text| *text == "first on h0 is ready").count();
        assert_eq!(
            (ready, said.iter().filter(|text| text.contains("has ended")).count()),
            (2, 0),
            "{said:?}"
        );
    });
}

#[kernel::isolate]
fn a_process_that_ends_is_told_of() {
    run(async {
        let lab = up(&TWO.replace("echo found && sleep 1000", "echo found && exit 3")).await.unwrap();
        let mut from = 0;
        let limit = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let (events, next) = lab.events().follow(from).await;
                if events.iter().any(|event| event.text == "second on h0 has ended with status 3") {
                    return;
                }
                from = next;
            }
        });
        limit.await.unwrap();
        assert_eq!(processes(&lab).await, ["first: running", "second: exited (3)"]);
    });
}

#[kernel::isolate]
fn a_lab_whose_process_is_not_ready_is_not_built() {
    run(async {
        let begun = Instant::now();
        let why = up(&TWO.replace("echo found &&", "echo lost >&2; exit 7;")).await.unwrap_err().to_string();
        assert!(why.contains("is not ready: it ended with status 7 before a line with \"found\""), "{why}");
        assert!(why.ends_with("\n    lost") && begun.elapsed() < Duration::from_secs(5), "{why}");
        let why = up(&TWO.replace("/var/lib\"]", "/var/lib/nowhere\"]")).await.unwrap_err().to_string();
        assert!(why.contains("the machine h0: mounting /var/lib/nowhere"), "{why}");
    });
}

#[kernel::isolate]
fn namespaces_that_programs_of_a_host_name_are_seen_with_it() {
    run(async {
        let lab = up("[[host]]\nname = \"h0\"\nengine = false\n").await.unwrap();
        let host = lab.host("h0").unwrap();
        // As an engine that is not ours does, or `ip netns add`.
        let script = "touch /run/docker/netns/1-abc && unshare --net=/run/docker/netns/1-abc true";
        let made = host.exec(&["sh", "-c", script]).await.unwrap();
        if made.status != 0 {
            eprintln!("skipped: {made}");
            return;
        }
        let held = lab.inspect(Some("h0")).await.unwrap().namespaces;
        assert_eq!(held.iter().map(|held| held.name.as_str()).collect::<Vec<_>>(), ["h0", "h0/1-abc"]);
        assert!(held[1].holds.link("lo").is_some() && held[1].holds.link("eth0").is_none());
    });
}
