//! One connection to a server: a request out, an answer in, byte by byte.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A connection that is used again and again.
pub(crate) struct Client {
    stream: TcpStream,
    /// What came and was not asked for yet.
    buffer: Vec<u8>,
}

impl Client {
    /// Connects from one of the addresses of the loopback device: none may have more than 200 connections to a Consul.
    pub(crate) async fn connect(server: SocketAddr, number: usize) -> Client {
        let last = u8::try_from(number / 100 % 200).expect("small") + 1;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), 0)).expect("an address");
        let stream = socket.connect(server).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Client { stream, buffer: Vec::with_capacity(4096) }
    }

    pub(crate) async fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the server reads");
    }

    /// The answer: head and body. Anything but 200 ends the bench.
    pub(crate) async fn answer(&mut self) -> String {
        loop {
            if let Some(end) = whole(&self.buffer) {
                let rest = self.buffer.split_off(end);
                let answer = std::mem::replace(&mut self.buffer, rest);
                let answer = String::from_utf8(answer).expect("text");
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                return answer;
            }
            self.more().await;
        }
    }

    /// Reads until what was streamed since contains a text, and forgets that.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.buffer.windows(text.len()).any(|window| window == text.as_bytes()) {
            self.more().await;
        }
        self.buffer.clear();
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> String {
        self.send(request).await;
        self.answer().await
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
        assert!(read > 0, "the server hung up after {:?}", String::from_utf8_lossy(&self.buffer));
    }
}

/// Where the answer ends, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}

/// The number behind a name in an answer: `"ModifyIndex":5`, `x-consul-index: 5` or `"mod_revision":"5"`.
pub(crate) fn number(answer: &str, name: &str) -> Option<u64> {
    let behind = &answer[answer.find(name)? + name.len()..];
    let digits = behind.trim_start_matches(['"', ':', ' ']);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}
