//! `lab kv`: the store from the command line.

use crate::console::Console;
use crate::stream::Stream;

#[test]
fn keys_are_written_read_listed_and_removed() {
    let console = Console::with_two_hosts();
    let kv = |args: &[&str]| console.lab([&["kv"], args].concat());
    assert_eq!(kv(&["put", "a/b", "one two"]).done(), "");
    assert_eq!(kv(&["put", "a/c", "-3"]).done(), "");
    kv(&["put", "b", ""]).done();
    assert_eq!(kv(&["get", "a/b"]).done(), "one two\n");
    assert_eq!(kv(&["get", "a/c"]).done(), "-3\n");
    assert_eq!(kv(&["get", "b"]).done(), "\n");
    assert_eq!(kv(&["ls", "a/"]).done(), "a/b\na/c\n");
    assert_eq!(kv(&["tree", "a"]).done(), "a/\n  b\n  c\n");
    assert_eq!(
        kv(&["get", "a/b", "--json"]).done(),
        "{\n  \"version\": 1,\n  \"key\": \"a/b\",\n  \"value\": \"one two\"\n}\n"
    );
    assert_eq!(
        kv(&["ls", "a/", "--json"]).done(),
        "{\n  \"version\": 1,\n  \"keys\": [\n    \"a/b\",\n    \"a/c\"\n  ]\n}\n"
    );
    assert_eq!(kv(&["rm", "a/b"]).done(), "");
    assert_eq!(kv(&["get", "a/b"]).failed(1), "lab: the store has no key a/b\n");
    kv(&["rm", "--recurse", "a/"]).done();
    assert_eq!(kv(&["ls", "a/"]).done(), "");
}

#[test]
fn the_store_has_dockers_keys() {
    let console = Console::with_two_hosts();
    let keys = console.lab(["kv", "tree"]).done();
    insta::with_settings!({ filters => [("[0-9a-f]{64}", "<id>")] }, {
        insta::assert_snapshot!("kv-tree", keys);
    });
    assert_eq!(console.lab(["kv", "get", "docker/nodes/10.0.0.10:2376"]).done(), "10.0.0.10:2376\n");
}

#[test]
fn watch_prints_each_change() {
    let console = Console::with_two_hosts();
    let mut watch = Stream::start(console.command(["kv", "watch", "w/"]));
    // A watch says what changes from its beginning on; when that is, only a first change shows.
    let begun = std::time::Instant::now();
    let mut number = 0;
    while watch.silent() {
        assert!(begun.elapsed() < crate::console::LIMIT);
        number += 1;
        console.lab(["kv", "put", "w/begin", &number.to_string()]).done();
    }
    watch.see(" w/begin = ");
    console.lab(["kv", "put", "elsewhere", "1"]).done();
    console.lab(["kv", "put", "w/a", "first"]).done();
    watch.see(" w/a = first\n");
    console.lab(["kv", "put", "w/a", "second"]).done();
    watch.see(" w/a = second\n");
    console.lab(["kv", "rm", "w/a"]).done();
    watch.see(" w/a is gone\n");
    console.lab(["down"]).done();
    watch.see("lab two-host went down\n");
    assert_eq!(watch.end().0, 0);
}

#[test]
fn a_trace_shows_who_asked_for_what_and_follows() {
    let console = Console::with_two_hosts();
    let trace = |args: &[&str]| console.lab([&["kv", "trace"], args].concat()).done();
    console.lab(["kv", "put", "mine", "1"]).done();
    let shown = trace(&["--key", "mine"]);
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(shown.contains("Z  consul PUT /v1/kv/mine?flags="), "{shown}");
    assert!(shown.contains(" 200, ") && shown.ends_with(" ms\n"), "{shown}");
    let by_docker1 = trace(&["--host", "docker1", "--writes"]);
    assert!(by_docker1.contains("docker1 PUT /v1/txn 200, "), "{by_docker1}");
    assert!(by_docker1.lines().all(|line| line.contains("  docker1 PUT ")), "{by_docker1}");
    assert_eq!(trace(&["--not-key", "docker/*", "--writes", "--host", "docker0"]), "");
    let json = trace(&["--key", "mine", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&line["version"], &line["host"], &line["method"]),
        (&1.into(), &"consul".into(), &"PUT".into())
    );
    assert_eq!((&line["key"], &line["status"]), (&"mine".into(), &200.into()));
    assert!(line["took_us"].is_u64() && line["at"].is_string());
    assert!(!console.lab(["events"]).done().contains("/v1/kv/mine"));
    assert!(console.lab(["events", "--kv"]).done().contains("store      consul PUT /v1/kv/mine?flags="));

    let mut follow = Stream::start(console.command(["kv", "trace", "-f", "--key", "later"]));
    let mut events = Stream::start(console.command(["events", "-f", "--kv"]));
    console.lab(["kv", "put", "later", "1"]).done();
    console.lab(["kv", "get", "later"]).done();
    follow.see(" PUT /v1/kv/later?").see(" GET /v1/kv/later?");
    events.see(" GET /v1/kv/later?");
    console.lab(["fault", "kv", "delay", "1ms"]).done();
    events.see("the store answers 1ms late");
    console.lab(["down"]).done();
    assert_eq!((follow.end().0, events.end().0), (0, 0));
}
