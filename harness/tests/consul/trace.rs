//! What a store was asked, as it remembers it.

use super::{HOST_A, Stub, eventually, soon, wire};
use harness::consul::{Operation, Sought, Traced};
use harness::fault::Ailment;
use tokio::io::AsyncWriteExt;

impl Stub {
    /// The latest request that is in the trace, once there are so many.
    async fn traced(&self, count: usize) -> Traced {
        eventually(|| self.trace.since(0).0.len() >= count).await;
        let all = self.trace.since(0).0;
        assert_eq!(all.len(), count, "{all:?}");
        all.into_iter().next_back().unwrap()
    }
}

#[tokio::test]
async fn a_request_is_remembered_with_who_asked_for_what_and_what_came_of_it() {
    let stub = Stub::new();
    stub.put("kv/a%20b?flags=3", "1").await;
    let put = stub.traced(1).await;
    assert_eq!(put.host.as_ref().map(ToString::to_string), Some("consul".to_owned()));
    assert_eq!((put.method.as_str(), put.target.as_str()), ("PUT", "/v1/kv/a%20b?flags=3"));
    assert_eq!((put.key.as_deref(), put.index, put.status), (Some("a b"), None, Some(200)));
    assert!(put.keys().eq([("a b", true)]) && put.took_us > 0);

    let request =
        "GET /v1/session/list HTTP/1.1\r\nHost: c\r\nX-Lab-Container: C0\r\nConnection: close\r\n\r\n";
    wire::exchange(stub.connection(HOST_A).await, request.as_bytes()).await;
    let listed = stub.traced(2).await;
    assert_eq!((listed.host.unwrap().as_str(), listed.container.as_deref()), ("a", Some("C0")));
    assert_eq!((listed.address, listed.key), (HOST_A.into(), None));
}

#[tokio::test]
async fn a_transaction_is_remembered_with_its_operations_also_if_it_failed() {
    let stub = Stub::new();
    let body = r#"[{"KV":{"Verb":"set","Key":"a"}},{"KV":{"Verb":"check-index","Key":"b","Index":7}}]"#;
    assert_eq!(stub.put("txn", body).await.status, 409);
    let traced = stub.traced(1).await;
    let operation =
        |verb: &str, key: &str, writes| Operation { verb: verb.to_owned(), key: key.to_owned(), writes };
    assert_eq!(traced.operations, [operation("set", "a", true), operation("check-index", "b", false)]);
    let sought = |key: &str| Sought { key: Some(key.to_owned()), writes: true, ..Sought::default() };
    assert!(sought("a").fits(&traced) && !sought("b").fits(&traced));
}

#[tokio::test]
async fn a_query_that_blocks_is_remembered_when_it_ends_and_one_without_an_answer_without_a_status() {
    let stub = Stub::new();
    let blocked = stub.blocked("kv/k?index=1&wait=1m".to_owned()).await;
    assert!(stub.trace.since(0).0.is_empty());
    stub.store.with(|store| store.put(b"k", "1".into(), 0));
    soon(blocked).await;
    let woken = stub.traced(1).await;
    assert_eq!((woken.index, woken.status), (Some(1), Some(200)));

    stub.ail(&[(Ailment::DropWatches, None)]);
    let request = wire::request("GET", "/v1/kv/k?index=99", "", b"");
    assert!(wire::exchange(stub.connection(HOST_A).await, &request).await.is_empty());
    assert_eq!(stub.traced(2).await.status, None);
    stub.ail(&[]);

    // Who goes away is remembered, too.
    let (mut gone, before) = (stub.connection(HOST_A).await, stub.store.blocked());
    gone.write_all(&request).await.unwrap();
    eventually(|| stub.store.blocked() > before).await;
    drop(gone);
    assert_eq!(stub.traced(3).await.status, None);
}
