//! The way to a store from a machine's loopback: who passes, and what then is as if they were beside the store.

use crate::wire::{Reply, send};
use crate::{Stub, soon};
use harness::live::Door;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A door, open until it is dropped.
struct Open {
    addr: SocketAddr,
    /// `/SECRET`
    prefix: String,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Open {
    async fn to(store: Result<SocketAddr, &'static str>) -> Open {
        let door = Door::open(0).await.unwrap();
        let url = door.url();
        let (authority, rest) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let prefix = format!("/{}", rest.strip_suffix('/').unwrap());
        let dial = move || async move {
            let store = store.map_err(str::to_owned)?;
            TcpStream::connect(store).await.map_err(|error| error.to_string())
        };
        Open { addr: authority.parse().unwrap(), prefix, server: tokio::spawn(door.serve(None, dial)) }
    }

    /// Asks as a browser does that was given the address.
    async fn ask(&self, method: &str, target: &str, body: &str) -> Reply {
        ask_at(self.addr, method, &format!("{}{target}", self.prefix), body).await
    }
}

async fn ask_at(addr: SocketAddr, method: &str, target: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    send(addr, head.as_bytes()).await.remove(0)
}

#[tokio::test]
async fn who_has_the_address_reads_writes_and_waits() {
    let stub = Stub::new();
    let door = Open::to(Ok(stub.addr)).await;
    assert_eq!(door.ask("PUT", "/v1/kv/a%2Fb?flags=7", "value").await.text(), "true");
    let read = door.ask("GET", "/v1/kv/a/b?raw", "").await;
    assert_eq!((read.text().as_str(), read.header("Content-Security-Policy")), ("value", Some("sandbox")));
    let index = read.index().unwrap();
    let (addr, target) = (door.addr, format!("{}/v1/kv/a/b?raw&wait=60s&index={index}", door.prefix));
    let blocked = tokio::spawn(async move { ask_at(addr, "GET", &target, "").await });
    crate::eventually(|| stub.store.blocked() > 0).await;
    stub.put("kv/a/b", "new").await;
    assert_eq!(soon(blocked).await.text(), "new");
    let page = door.ask("GET", "/ui/", "").await.text();
    assert!(page.contains(&format!("src=\"{}/ui/main.js\"", door.prefix)), "{page}");
}

#[tokio::test]
async fn a_browser_that_goes_away_leaves_nobody_waiting() {
    let stub = Stub::new();
    let door = Open::to(Ok(stub.addr)).await;
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let (addr, target) = (door.addr, format!("{}/v1/kv/a?wait=60s&index={index}", door.prefix));
    let blocked = tokio::spawn(async move { ask_at(addr, "GET", &target, "").await });
    crate::eventually(|| stub.store.blocked() > 0).await;
    blocked.abort();
    crate::eventually(|| stub.store.blocked() == 0).await;
}

#[tokio::test]
async fn a_redirection_stays_behind_the_door() {
    let stub = Stub::new();
    let door = Open::to(Ok(stub.addr)).await;
    let moved = door.ask("GET", "/", "").await;
    assert_eq!(
        (moved.status, moved.header("Location")),
        (301, Some(format!("{}/ui/", door.prefix).as_str()))
    );
}

#[tokio::test]
async fn who_does_not_have_the_address_learns_nothing_and_changes_nothing() {
    let stub = Stub::new();
    let door = Open::to(Ok(stub.addr)).await;
    let other = Open::to(Ok(stub.addr)).await;
    assert_ne!(door.prefix, other.prefix);
    for prefix in ["", "/00000000000000000000000000000000", other.prefix.as_str()] {
        for (method, target) in
            [("GET", "/ui/"), ("GET", "/v1/kv/?keys"), ("PUT", "/v1/kv/a"), ("OPTIONS", "/v1/txn")]
        {
            let reply = ask_at(door.addr, method, &format!("{prefix}{target}"), "").await;
            assert_eq!(reply.status, 404, "{method} {prefix}{target}");
            assert!(!reply.text().contains(&door.prefix[1..]), "{reply:?}");
        }
    }
    let evil = format!(
        "GET {}/v1/kv/?keys HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        door.prefix
    );
    assert_eq!(send(door.addr, evil.as_bytes()).await[0].status, 421);
    let by_page = format!(
        "PUT {}/v1/kv/a HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        door.prefix, door.addr
    );
    assert_eq!(send(door.addr, by_page.as_bytes()).await[0].status, 403);
    assert_eq!(stub.get("kv/a").await.status, 404);
}

#[tokio::test]
async fn a_store_that_is_not_there_is_said_to_be_so() {
    let door = Open::to(Err("host consul is down")).await;
    let reply = door.ask("GET", "/ui/", "").await;
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (502, "the store does not answer: host consul is down\n")
    );
}
