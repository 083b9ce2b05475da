//! `lab ui`: the store's key browser at the loopback of the machine.

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
    let (status, page) = ask(&url, "GET", "");
    assert!(status.contains("200") && page.contains("<title>Keys</title>"), "{status} {page}");
    let store = url.strip_suffix("ui/").unwrap();
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
    let (status, why) = ask(&second, "GET", "");
    assert!(
        status.contains("502") && why.ends_with("the store does not answer: host consul is down\n"),
        "{why}"
    );
    console.lab(["heal", "--all"]).done();
    assert!(ask(&second, "GET", "").0.contains("200"));

    again.send(Signal::SIGINT);
    assert_eq!(again.end(), (0, String::new()));
}

#[test]
fn the_key_browser_ends_with_its_lab() {
    let console = Console::with_two_hosts();
    let mut stream = Stream::start(console.command(["ui"]));
    stream.see("http://127.0.0.1:").see("/ui/\n");
    console.lab(["down"]).done();
    stream.see("lab two-host went down\n");
    assert_eq!(stream.end().0, 0);
}

#[test]
fn a_lab_without_a_store_has_no_key_browser() {
    let console = Console::new();
    let file = console.place("bare.toml");
    std::fs::write(&file, "schema = 1\nname = \"bare\"\n[[host]]\nname = \"a\"\nengine = false\n").unwrap();
    console.lab(["up", file.to_str().unwrap()]).done();
    let complaint = console.lab(["ui"]).failed(2);
    assert_eq!(complaint, "lab: this lab has no store\n");
}
