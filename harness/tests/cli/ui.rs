//! `lab ui`: the lab's page and its store's key browser at the loopback of the machine.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::console::Console;
use crate::stream::Stream;

/// Asks for an address as its browser does: the status line, and all that follows.
fn ask(url: &str, method: &str, body: &str) -> (String, String) {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (status, rest) = answer.split_once("\r\n").unwrap();
    (status.to_owned(), rest.to_owned())
}

/// Starts it; the address that it prints.
fn open(console: &Console, args: &[&str]) -> (Stream, String) {
    let mut stream = Stream::start(console.command([&["ui", "--json"], args].concat()));
    let line = stream.line();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["version"], 1);
    (stream, said["url"].as_str().unwrap().to_owned())
}

#[test]
fn the_key_browser_is_at_the_address_that_is_printed_and_nowhere_else() {
    let console = Console::with_two_hosts();
    let (stream, url) = open(&console, &[]);
    let (status, page) = ask(&format!("{url}ui/"), "GET", "");
    assert!(status.contains("200") && page.contains("<title>Keys</title>"), "{status} {page}");
    let store = url.as_str();
    assert!(ask(&format!("{store}v1/kv/from/browser"), "PUT", "hello").1.ends_with("true"));
    assert_eq!(console.lab(["kv", "get", "from/browser"]).done(), "hello\n");

    let at = url.split('/').take(3).collect::<Vec<_>>().join("/");
    assert!(ask(&format!("{at}/v1/kv/from/browser"), "DELETE", "").0.contains("404"));
    assert_eq!(console.lab(["kv", "get", "from/browser"]).done(), "hello\n");

    let port = at.rsplit_once(':').unwrap().1;
    let taken = console.lab(["ui", "--port", port]).failed(2);
    assert!(taken.starts_with(&format!("lab: cannot listen at port {port} of the loopback: ")), "{taken}");
    drop(stream);
    let (mut again, second) = open(&console, &["--port", port]);
    assert!(second.starts_with(&at) && second != url, "{second}");

    console.lab(["fault", "crash", "consul"]).done();
    let (status, why) = ask(&format!("{second}ui/"), "GET", "");
    assert!(
        status.contains("502") && why.ends_with("the store does not answer: host consul is down\n"),
        "{why}"
    );
    console.lab(["heal", "--all"]).done();
    assert!(ask(&format!("{second}ui/"), "GET", "").0.contains("200"));

    again.send(Signal::SIGINT);
    assert_eq!(again.end(), (0, String::new()));
}

#[test]
fn the_key_browser_ends_with_its_lab() {
    let console = Console::with_two_hosts();
    let mut stream = Stream::start(console.command(["ui"]));
    stream.see("http://127.0.0.1:").see("/\n");
    console.lab(["down"]).done();
    stream.see("lab two-host went down\n");
    assert_eq!(stream.end().0, 0);
}

#[test]
fn the_page_shows_what_the_commands_do() {
    let console = Console::with_two_hosts();
    let (_stream, url) = open(&console, &[]);
    let (status, page) = ask(&url, "GET", "");
    assert!(status.contains("200") && page.contains("<title>Lab</title>"), "{status} {page}");
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; ";
    assert!(page.contains(policy), "{page}");
    // Whatever the page loads is here.
    for file in page.split('"').filter(|word| word.contains("/lab/")) {
        let place = url.split('/').take(3).collect::<Vec<_>>().join("/");
        assert!(ask(&format!("{place}{file}"), "GET", "").0.contains("200"), "{file}");
    }
    let body = |target: &str, method: &str, words: &str| {
        let (status, answer) = ask(&format!("{url}lab/{target}"), method, words);
        (status.split(' ').nth(1).unwrap().to_owned(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    };
    let (status, svg) = body("graph.svg", "GET", "");
    assert_eq!((status.as_str(), svg), ("200", console.lab(["graph", "-f", "svg"]).done()));
    let bare = body("graph.svg?bare", "GET", "").1;
    assert!(bare.contains("<title>lab two-host</title>") && !bare.contains("<style>"), "{bare}");
    // Something passes, so that there is something to be counted.
    console.lab(["ping", "C1", "C0", "-c", "1"]).done();
    let look: Value = serde_json::from_str(&body("look", "GET", "").1).unwrap();
    assert_eq!((&look["name"], &look["store"]), (&"two-host".into(), &true.into()));
    assert!(look["counters"]["C0/eth0"][2].as_u64() > Some(0), "{look}");
    let room: Value = serde_json::from_str(&body("room?name=C0", "GET", "").1).unwrap();
    assert_eq!((&room["held"]["name"], room["counters"].as_array().unwrap().len()), (&"C0".into(), 3));
    for room in ["switch", "docker0"] {
        let held: Value = serde_json::from_str(&body(&format!("room?name={room}"), "GET", "").1).unwrap();
        assert_eq!(held["held"]["name"], room);
    }
    assert_eq!(body("room?name=nobody", "GET", "").0, "404");
    let events = body("events?from=0", "GET", "").1;
    assert!(events.contains("lab two-host is up"), "{events}");

    let (status, said) = body("fault", "POST", "partition cut docker0 docker1 --as bad");
    assert_eq!(status, "200", "{said}");
    assert!(console.lab(["fault", "ls"]).done().contains("docker0 and docker1 do not hear each other"));
    let (_, lost) = body("trace.svg?from=C1&to=C0", "POST", "");
    assert!(lost.contains("class=\"lost\"") && lost.contains("fault 1 took it in the switch"), "{lost}");
    let (status, why) = body("trace.svg?from=nobody&to=C0", "POST", "");
    assert!(
        status == "404" && why.starts_with("<error>no host or container is named `nobody`"),
        "{status} {why}"
    );
    assert_eq!(body("heal", "POST", "bad").0, "200");
    assert!(!console.lab(["fault", "ls"]).done().contains("hear each other"));
    assert_eq!(body("heal", "POST", "bad").0, "404");
    for (words, why) in [
        ("wire nobody --delay 5ms", "no host is named `nobody`"),
        ("make tea", "unrecognized subcommand"),
        ("ls", "this is no fault"),
        ("crash docker0; reboot", "unexpected argument"),
        ("--help", "unexpected argument"),
    ] {
        let (status, said) = body("fault", "POST", words);
        assert!(["400", "404"].contains(&status.as_str()) && said.contains(why), "{words}: {status} {said}");
    }
    assert_eq!(body("look", "DELETE", "").0, "405");
    assert_eq!(body("fault", "POST", &"x".repeat(70_000)).0, "413");
}

#[test]
fn a_lab_without_a_store_has_a_page_and_no_key_browser() {
    let console = Console::new();
    let file = console.place("bare.toml");
    std::fs::write(&file, "schema = 1\nname = \"bare\"\n[[host]]\nname = \"a\"\nengine = false\n").unwrap();
    console.lab(["up", file.to_str().unwrap()]).done();
    let (_stream, url) = open(&console, &[]);
    assert!(ask(&format!("{url}lab/graph.svg"), "GET", "").1.contains("data-host=\"a\""));
    assert!(ask(&format!("{url}lab/look"), "GET", "").1.contains("\"store\":false"));
    let (status, why) = ask(&format!("{url}ui/"), "GET", "");
    assert!(status.contains("502") && why.ends_with("this lab has no store\n"), "{status} {why}");
}
