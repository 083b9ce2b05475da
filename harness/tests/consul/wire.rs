//! HTTP by hand: what is sent and what comes back, byte by byte.

use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An answer as it came.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let start: String = text.chars().take(400).collect();
        write!(f, "{} {start:?} (index {:?})", self.status, self.index())
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn index(&self) -> Option<u64> {
        self.header("X-Consul-Index")?.parse().ok()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Asks on a connection of its own.
pub(crate) async fn ask(store: SocketAddr, method: &str, target: &str, body: &[u8]) -> Reply {
    ask_with(store, method, target, "", body).await
}

/// The same with more lines in the head.
pub(crate) async fn ask_with(
    store: SocketAddr,
    method: &str,
    target: &str,
    lines: &str,
    body: &[u8],
) -> Reply {
    let mut replies = send(store, &request(method, target, lines, body)).await;
    assert_eq!(replies.len(), 1, "{method} {target}");
    replies.remove(0)
}

/// A request that is the only one of its connection, with more lines in its head.
pub(crate) fn request(method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let length = if method == "PUT" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: consul:8500\r\nConnection: close\r\n{lines}{length}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Reads on a connection of its own, from an address of this machine.
pub(crate) async fn ask_from(from: Ipv4Addr, store: SocketAddr, target: &str) -> Reply {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.into(), 0)).expect("an address of loopback");
    let stream = socket.connect(store).await.expect("the store listens");
    exchange(stream, &request("GET", target, "", b"")).await.remove(0)
}

pub(crate) async fn modify_index(store: SocketAddr, key: &str) -> Option<u64> {
    ask(store, "GET", &format!("/v1/kv/{key}"), b"").await.json()?.pointer("/0/ModifyIndex")?.as_u64()
}

/// Sends bytes and reads answers until the store closes the connection.
pub(crate) async fn send(store: SocketAddr, bytes: &[u8]) -> Vec<Reply> {
    exchange(TcpStream::connect(store).await.expect("the store listens"), bytes).await
}

/// The same on a connection that is there.
pub(crate) async fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<Reply> {
    // A refused body may end in a reset while we still write.
    drop(stream.write_all(bytes).await);
    let mut received = Vec::new();
    drop(stream.read_to_end(&mut received).await);
    let is_head = bytes.starts_with(b"HEAD");
    let mut replies = Vec::new();
    let mut rest = received.as_slice();
    while !rest.is_empty() {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = lines.filter_map(header).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let length: usize = if is_head { 0 } else { length };
        reply.body = rest[end..end + length].to_vec();
        rest = &rest[end + length..];
        if status != 100 {
            replies.push(reply);
        }
    }
    replies
}
