//! Clients that are slow, greedy or gone in the middle: they are cut off, hold no more than their share, and nobody else waits.

use crate::wire::{self, ask, ask_from};
use crate::{SOON, Stub, soon};
use harness::consul::Limits;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Long enough for who is not slow.
const WITHIN: Duration = Duration::from_millis(300);

fn impatient() -> Stub {
    Stub::bearing(Limits { head_within: WITHIN, body_within: WITHIN, ..Limits::default() })
}

/// Sends byte after byte for ever, and reads until the store hangs up.
async fn trickle(store: SocketAddr, start: &str, byte: u8) -> Vec<u8> {
    let (mut reader, mut writer) = TcpStream::connect(store).await.unwrap().into_split();
    writer.write_all(start.as_bytes()).await.unwrap();
    let drip = tokio::spawn(async move {
        while writer.write_all(&[byte]).await.is_ok() {
            tokio::time::sleep(WITHIN / 20).await;
        }
    });
    let mut received = Vec::new();
    // Hung up by a reset if a byte was on its way.
    drop(reader.read_to_end(&mut received).await);
    drip.abort();
    received
}

#[tokio::test]
async fn heads_and_bodies_that_trickle_are_cut_off_and_nobody_else_waits() {
    let stub = impatient();
    let head = "GET /v1/kv/a HTTP/1.1\r\nHost: c\r\nX-Slow: ";
    let body = "PUT /v1/kv/slow HTTP/1.1\r\nHost: c\r\nContent-Length: 500000\r\n\r\n";
    let mut slow = JoinSet::new();
    for _ in 0..50 {
        slow.spawn(trickle(stub.addr, head, b'x'));
        slow.spawn(trickle(stub.addr, body, b'x'));
    }
    for turn in 0..100 {
        let reply = timeout(SOON, ask(stub.addr, "PUT", "/v1/kv/a", turn.to_string().as_bytes())).await;
        assert_eq!(reply.unwrap().text(), "true");
    }
    let ends = timeout(2 * SOON, slow.join_all()).await.expect("they are cut off");
    assert_eq!(ends.len(), 100);
    assert_eq!(stub.get("kv/slow").await.status, 404, "half a value is none");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_by_408() {
    let stub = impatient();
    let request = "PUT /v1/kv/slow HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\nhal";
    let reply = timeout(SOON, wire::send(stub.addr, request.as_bytes())).await.unwrap().remove(0);
    assert_eq!((reply.status, reply.header("connection")), (408, Some("close")));
    assert_eq!(reply.text(), "Request body did not come within 300ms.");
}

#[tokio::test]
async fn one_address_has_two_hundred_connections_and_others_theirs() {
    let stub = Stub::new();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(stub.addr).await.unwrap());
    }
    let refused = timeout(SOON, wire::send(stub.addr, b"")).await.unwrap();
    assert_eq!(refused[0].status, 429);
    assert_eq!(
        refused[0].text(),
        "Your IP is issuing too many concurrent connections, please rate limit your calls\r\n"
    );
    let other = Ipv4Addr::new(127, 0, 0, 2);
    assert_eq!(ask_from(other, stub.addr, "/v1/status/leader").await.status, 200);
    held.pop();
    // The store learns that it has gone when it next looks.
    while timeout(SOON, wire::send(stub.addr, b"GET / HTTP/1.0\r\n\r\n"))
        .await
        .unwrap()
        .first()
        .map(|reply| reply.status)
        != Some(301)
    {}
}

#[tokio::test]
async fn heads_end_at_64_kibibytes_and_at_a_hundred_headers() {
    let stub = Stub::new();
    let long = "k".repeat(60_000);
    assert_eq!(stub.put(&format!("kv/{long}"), "v").await.text(), "true");
    assert_eq!(stub.get(&format!("kv/{long}?raw")).await.text(), "v");
    let head = |lines: &str| format!("GET /v1/kv/a HTTP/1.1\r\nHost: c\r\n{lines}Connection: close\r\n\r\n");
    for (lines, status) in [
        (format!("X: {}\r\n", "x".repeat(66_000)), 431),
        ("X: y\r\n".repeat(200), 431),
        ("X: y\r\n".repeat(90), 404),
    ] {
        let replies = timeout(SOON, wire::send(stub.addr, head(&lines).as_bytes())).await.unwrap();
        assert_eq!(replies.first().map(|reply| reply.status), Some(status), "{} bytes", lines.len());
    }
    assert_eq!(stub.get(&format!("kv/{}", "k".repeat(66_000))).await.status, 431);
}

#[tokio::test]
async fn a_body_without_a_declared_length_ends_at_half_a_mebibyte_too() {
    let stub = Stub::new();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for (chunks, status) in [(8, 200), (9, 413), (40, 413)] {
        let request = format!(
            "PUT /v1/kv/ch HTTP/1.1\r\nHost: c\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(chunks)
        );
        let replies = timeout(SOON, wire::send(stub.addr, request.as_bytes())).await.unwrap();
        assert_eq!(replies.first().map(|reply| reply.status), Some(status), "{chunks} chunks");
    }
    assert_eq!(stub.get("kv/ch?raw").await.body.len(), 524_288);
}

#[tokio::test]
async fn a_thousand_requests_in_one_go_are_answered_in_order() {
    let stub = Stub::new();
    let pair = |turn: usize| {
        let length = turn.to_string().len();
        let put = format!("PUT /v1/kv/n HTTP/1.1\r\nHost: c\r\nContent-Length: {length}\r\n\r\n{turn}");
        put + "GET /v1/kv/n?raw HTTP/1.1\r\nHost: c\r\n\r\n"
    };
    let last = "GET /v1/kv/n?raw HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
    let requests: String = (0..500).map(pair).chain([last.to_owned()]).collect();
    let replies = timeout(SOON, wire::send(stub.addr, requests.as_bytes())).await.unwrap();
    assert_eq!(replies.len(), 1001);
    for (turn, pair) in replies.chunks_exact(2).enumerate() {
        assert_eq!((pair[0].text().as_str(), pair[1].text()), ("true", turn.to_string()));
    }
}

#[tokio::test]
async fn a_request_is_answered_though_of_the_next_only_the_start_has_come() {
    let stub = Stub::new();
    let mut stream = TcpStream::connect(stub.addr).await.unwrap();
    stream.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: c\r\n\r\nGET /v1/st").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"127.0.0.1:8300\"") {
        timeout(SOON, stream.read_buf(&mut answer)).await.expect("the first answer").unwrap();
    }
}

/// Answers are a thousand times as long as what is asked, so that a store that went on would hold gigabytes.
#[tokio::test]
async fn who_does_not_read_its_answers_is_not_asked_for_more() {
    let stub = Stub::new();
    stub.put("kv/large", &"x".repeat(100_000)).await;
    let request = "GET /v1/kv/large?raw HTTP/1.1\r\nHost: c\r\n\r\n";
    let requests = request.repeat(32 << 20 >> 5);
    let mut greedy = TcpStream::connect(stub.addr).await.unwrap();
    let all = timeout(Duration::from_secs(1), greedy.write_all(requests.as_bytes())).await;
    assert!(all.is_err(), "the store has read 32 MiB of requests whose answers nobody took");
    assert_eq!(timeout(SOON, stub.get("status/leader")).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_a_client_did_not_send_whole_is_not_written() {
    let stub = Stub::new();
    let abort = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(stub.addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.set_zero_linger().unwrap();
    };
    let head = |length| format!("PUT /v1/kv/half HTTP/1.1\r\nHost: c\r\nContent-Length: {length}\r\n\r\n");
    for _ in 0..100 {
        abort((head(100) + "only this").as_bytes()).await;
        abort(b"PUT /v1/kv/half HTTP/1.1\r\nHost").await;
        abort(b"PUT /v1/kv/half HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal").await;
        abort(b"").await;
    }
    assert_eq!(stub.get("kv/half").await.status, 404);
    // Whole, it may be written, or not: nobody waited for the answer.
    abort((head(5) + "whole").as_bytes()).await;
    assert!([404, 200].contains(&stub.get("kv/half").await.status));
}

#[tokio::test]
async fn a_body_that_is_refused_is_answered_before_it_has_ended() {
    let stub = Stub::new();
    let addr = stub.addr;
    // Ten times too large, and all of it sent.
    let body = vec![b'x'; 10 * 524_288];
    let sent = tokio::spawn(async move { ask(addr, "PUT", "/v1/kv/big", &body).await });
    assert_eq!(soon(sent).await.status, 413);
}
