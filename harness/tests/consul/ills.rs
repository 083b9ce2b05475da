//! A store that ails, for everybody or for one host: what its clients see of that, when it is over, and who does not notice.

use super::{A_WHILE, HOST_A, SOON, Stub, eventually, soon, wire};
use harness::fault::Ailment;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use wire::Reply;

/// So late that nobody waits for it.
const LATE: Ailment = Ailment::Delay(Duration::from_hours(1));

impl Stub {
    /// Asks as host a does: the answer, if there is one.
    async fn ask_from_a(&self, method: &str, target: &str, body: &str) -> Option<Reply> {
        let request = wire::request(method, &format!("/v1/{target}"), "", body.as_bytes());
        wire::exchange(self.connection(HOST_A).await, &request).await.pop()
    }

    async fn get_from_a(&self, target: &str) -> Reply {
        self.ask_from_a("GET", target, "").await.expect("an answer")
    }

    /// A query of host a that is certainly blocked when this returns.
    async fn blocked_from_a(&self, target: &str) -> JoinHandle<Vec<Reply>> {
        let (stream, before) = (self.connection(HOST_A).await, self.store.blocked());
        let request = wire::request("GET", &format!("/v1/{target}"), "", b"");
        let query = tokio::spawn(async move { wire::exchange(stream, &request).await });
        eventually(|| self.store.blocked() > before).await;
        query
    }

    async fn value(&self, key: &str) -> String {
        self.get(&format!("kv/{key}?raw")).await.text()
    }
}

#[tokio::test]
async fn a_late_answer_is_to_what_was_done_at_once() {
    let stub = Stub::new();
    let late = Duration::from_millis(300);
    stub.ail(&[(Ailment::Delay(late), Some("a"))]);
    let begun = Instant::now();
    let putting = stub.ask_from_a("PUT", "kv/k", "1");
    let (put, seen) = tokio::join!(putting, async {
        while stub.value("k").await != "1" {
            tokio::task::yield_now().await;
        }
        begun.elapsed()
    });
    assert_eq!(put.unwrap().text(), "true");
    assert!(begun.elapsed() >= late && seen < begun.elapsed(), "{seen:?}");
}

#[tokio::test]
async fn an_answer_is_late_no_more_when_that_is_healed() {
    let stub = Stub::new();
    stub.ail(&[(LATE, None)]);
    let addr = stub.addr;
    let asking = tokio::spawn(async move { wire::ask(addr, "PUT", "/v1/kv/k", b"1").await });
    eventually(|| stub.store.with(|store| store.get(b"k").is_some())).await;
    assert!(!asking.is_finished());
    stub.ail(&[]);
    assert_eq!(soon(asking).await.text(), "true");
}

#[tokio::test]
async fn errors_are_those_of_a_store_without_a_leader_and_nothing_is_done() {
    let stub = Stub::new();
    stub.put("kv/k", "1").await;
    let blocked = stub.blocked_from_a("kv/k?index=99").await;
    stub.ail(&[(Ailment::Error, Some("a"))]);
    let replies = soon(blocked).await;
    for reply in [
        replies[0].clone(),
        stub.ask_from_a("PUT", "kv/k", "2").await.unwrap(),
        stub.get_from_a("kv/k").await,
    ] {
        assert_eq!((reply.status, reply.text().as_str(), reply.index()), (500, "No cluster leader", None));
    }
    assert_eq!(stub.value("k").await, "1");
    stub.ail(&[]);
    assert_eq!(stub.get_from_a("kv/k?raw").await.text(), "1");
}

#[tokio::test]
async fn watches_are_dropped_and_nothing_else_is() {
    let stub = Stub::new();
    stub.put("kv/k", "1").await;
    let index = stub.get("kv/k").await.index().unwrap();
    let target = format!("kv/k?index={index}");
    let (theirs, other) = (stub.blocked_from_a(&target).await, stub.blocked(target.clone()).await);
    stub.ail(&[(Ailment::DropWatches, Some("a"))]);
    assert_eq!(soon(theirs).await.len(), 0, "it was answered");
    assert!(stub.ask_from_a("GET", &target, "").await.is_none(), "it was answered");
    assert_eq!(stub.get_from_a("kv/k?raw").await.text(), "1");
    stub.put("kv/k", "2").await;
    assert_eq!(soon(other).await.status, 200);
    stub.ail(&[]);
    assert_eq!(stub.get_from_a(&target).await.status, 200);
}

#[tokio::test]
async fn watches_sleep_until_that_is_healed_or_their_wait_is_over() {
    let stub = Stub::new();
    stub.put("kv/k", "1").await;
    let index = stub.get("kv/k").await.index().unwrap();
    let target = format!("kv/k?index={index}");
    let (theirs, other) = (stub.blocked_from_a(&target).await, stub.blocked(target.clone()).await);
    stub.ail(&[(Ailment::StallWatches, Some("a"))]);
    stub.put("kv/k", "2").await;
    let seen = soon(other).await.index().unwrap();
    assert!(seen > index);
    // They wait in vain, and are told then what there is.
    let waiting = Instant::now();
    let over = stub.get_from_a(&format!("{target}&wait=200ms")).await;
    assert!(waiting.elapsed() >= Duration::from_millis(200));
    assert_eq!(over.index(), Some(seen));
    assert!(!theirs.is_finished());
    stub.ail(&[]);
    assert_eq!(soon(theirs).await[0].index(), Some(seen));
}

#[tokio::test]
async fn a_stale_read_is_of_the_past_and_says_so() {
    let stub = Stub::new();
    stub.put("kv/k", "1").await;
    let index = stub.get("kv/k").await.index().unwrap();
    stub.ail(&[(Ailment::Stale, Some("a"))]);
    assert_eq!(stub.ask_from_a("PUT", "kv/k", "2").await.unwrap().text(), "true");
    assert_eq!(stub.value("k").await, "2", "writes are done, and others read them");
    let blocked = stub.connection(HOST_A).await;
    let request = wire::request("GET", &format!("/v1/kv/k?index={index}"), "", b"");
    let blocked = tokio::spawn(async move { wire::exchange(blocked, &request).await });
    let waiting = Instant::now();
    let stale = stub.get_from_a(&format!("kv/k?consistent&index={index}&wait=20ms")).await;
    let age: u128 = stale.header("X-Consul-LastContact").unwrap().parse().unwrap();
    assert!((20..=(waiting.elapsed() + SOON).as_millis()).contains(&age), "{age}");
    assert_eq!(stale.header("X-Consul-KnownLeader"), Some("false"));
    assert_eq!(stale.header("X-Consul-Effective-Consistency"), Some("stale"));
    assert_eq!(stale.index(), Some(index));
    assert_eq!(stale.json().unwrap()[0]["Value"], "MQ==");
    assert!(!blocked.is_finished());
    stub.ail(&[]);
    assert!(soon(blocked).await[0].index().unwrap() > index);
    let fresh = stub.get_from_a("kv/k").await;
    assert_eq!(fresh.json().unwrap()[0]["Value"], "Mg==");
    assert_eq!(
        (fresh.header("X-Consul-KnownLeader"), fresh.header("X-Consul-LastContact")),
        (Some("true"), Some("0"))
    );
}

#[tokio::test]
async fn who_is_refused_has_its_connections_reset() {
    let stub = Stub::new();
    let mut kept = stub.connection(HOST_A).await;
    kept.write_all(b"GET /v1/kv/?keys HTTP/1.1\r\nHost: c\r\n\r\n").await.unwrap();
    let mut heard = [0; 12];
    kept.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HTTP/1.1 200");
    stub.ail(&[(Ailment::Refuse, Some("a"))]);
    let mut rest = Vec::new();
    let error = tokio::time::timeout(SOON, kept.read_to_end(&mut rest)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // It comes about, since the kernel answers, and is reset before anything is read.
    let mut new = stub.connection(HOST_A).await;
    let error = tokio::time::timeout(SOON, new.read_to_end(&mut rest)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(stub.get("kv/?keys").await.status, 200);
    stub.ail(&[]);
    assert_eq!(stub.get_from_a("kv/?keys").await.status, 200);
}

#[tokio::test]
async fn a_client_of_the_store_s_own_host_is_known_by_the_loopback() {
    let stub = Stub::new();
    stub.ail(&[(Ailment::Error, Some("consul"))]);
    assert_eq!(stub.get("kv/k").await.status, 500);
    assert_eq!(stub.get_from_a("kv/k").await.status, 404);
    stub.ail(&[(LATE, Some("nobody"))]);
    let begun = Instant::now();
    assert_eq!(stub.get("kv/k").await.status, 404);
    assert!(begun.elapsed() < A_WHILE * 5);
}
