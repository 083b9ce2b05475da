//! The lab's store against what is known of a real Consul, over real sockets on the loopback device.
//!
//! The cases and their numbers are those of the conformance list for Consul's HTTP API: single requests and short
//! conversations in `consul/conformance.txt`, what needs two parties or time here.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "consul/script.rs"]
mod script;
#[path = "consul/wire.rs"]
mod wire;

use harness::consul::{Config, serve};
use overlay::kv::consul::{Client, Dial};
use overlay::kv::memory::Shared;
use overlay::kv::{Kv, TxnOp, store};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use wire::ask;

/// Long enough for anything that happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// Short enough to wait for, long enough to tell from at once.
const A_WHILE: Duration = Duration::from_millis(300);

/// A store on a port of its own, until it is dropped.
struct Stub {
    addr: SocketAddr,
    store: Shared,
    server: JoinHandle<std::io::Result<()>>,
}

impl Stub {
    async fn new() -> Stub {
        Stub::with(store::Config::default()).await
    }

    async fn with(config: store::Config) -> Stub {
        Stub::at("127.0.0.1:0".parse().unwrap(), config).await
    }

    async fn at(addr: SocketAddr, config: store::Config) -> Stub {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener: TcpListener = socket.listen(1024).unwrap();
        let (addr, store) = (listener.local_addr().unwrap(), Shared::new(config));
        let server = tokio::spawn(serve(listener, store.clone(), Config::default()));
        Stub { addr, store, server }
    }

    fn client(&self) -> Kv {
        let dial: Dial = Arc::new(TcpSocket::new_v4);
        Kv::Consul(Client::new("consul:8500".to_owned(), self.addr, dial))
    }

    async fn get(&self, target: &str) -> wire::Reply {
        ask(self.addr, "GET", &format!("/v1/{target}"), b"").await
    }

    async fn put(&self, target: &str, body: &str) -> wire::Reply {
        ask(self.addr, "PUT", &format!("/v1/{target}"), body.as_bytes()).await
    }

    async fn delete(&self, target: &str) {
        assert_eq!(ask(self.addr, "DELETE", &format!("/v1/{target}"), b"").await.text(), "true");
    }

    /// A query that is certainly blocked when this returns.
    async fn blocked(&self, target: String) -> JoinHandle<wire::Reply> {
        let (addr, before) = (self.addr, self.store.blocked());
        let query = tokio::spawn(async move { ask(addr, "GET", &format!("/v1/{target}"), b"").await });
        eventually(|| self.store.blocked() > before).await;
        query
    }

    async fn session(&self, body: &str) -> String {
        self.put("session/create", body).await.json().unwrap()["ID"].as_str().unwrap().to_owned()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits for a fact that nothing announces.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to hold");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn soon<T>(query: JoinHandle<T>) -> T {
    tokio::time::timeout(SOON, query).await.expect("answered soon").unwrap()
}

#[tokio::test]
async fn answers_are_those_of_a_consul() {
    let mut stubs = Vec::new();
    let fresh = async || {
        stubs.push(Stub::new().await);
        stubs.last().unwrap().addr
    };
    script::run(include_str!("consul/conformance.txt"), fresh).await;
}

#[tokio::test]
async fn values_are_bytes_and_end_at_half_a_mebibyte() {
    let stub = Stub::new().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    assert_eq!(ask(stub.addr, "PUT", "/v1/kv/bin", &every_byte).await.text(), "true");
    assert_eq!(stub.get("kv/bin?raw").await.body, every_byte);
    assert_eq!(stub.put("kv/big", &"x".repeat(524_288)).await.text(), "true");
    // The refusal comes before the body is read, so the body is only announced here.
    let head = "PUT /v1/kv/big HTTP/1.1\r\nHost: c\r\nContent-Length: 524289\r\n\r\n";
    let refused = wire::send(stub.addr, head.as_bytes()).await.remove(0);
    assert_eq!(refused.status, 413);
    assert_eq!(refused.text(), "Request body(524289 bytes) too large, max size: 524288 bytes.");
    assert_eq!(stub.get("kv/big?raw").await.body.len(), 524_288);
}

#[tokio::test]
async fn a_transaction_ends_at_128_operations() {
    let stub = Stub::new().await;
    let ops = |count: usize| format!("[{}]", vec![r#"{"KV":{"Verb":"set","Key":"a"}}"#; count].join(","));
    assert_eq!(stub.put("txn", &ops(128)).await.status, 200);
    let refused = stub.put("txn", &ops(129)).await;
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (413, "Transaction contains too many operations (129 > 128)")
    );
}

#[tokio::test]
async fn pretty_json_is_indented_by_four_and_ends_its_line() {
    let stub = Stub::new().await;
    stub.put("kv/a", "1").await;
    let text = stub.get("kv/a?pretty").await.text();
    assert!(
        text.starts_with("[\n    {\n        \"LockIndex\": 0,\n        \"Key\": \"a\"")
            && text.ends_with("]\n"),
        "{text}"
    );
    assert!(!stub.get("kv/a").await.text().contains('\n'));
}

#[tokio::test]
async fn connections_behave_as_http_says() {
    let stub = Stub::new().await;
    let get = "GET /v1/kv/a HTTP/1.1\r\nHost: c\r\n";
    let pipelined = format!(
        "PUT /v1/kv/a HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\nx{get}Connection: close\r\n\r\n"
    );
    let replies = wire::send(stub.addr, pipelined.as_bytes()).await;
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200], "answered in order");
    assert_eq!(replies[0].text(), "true");
    let old = wire::send(stub.addr, b"GET /v1/kv/a HTTP/1.0\r\n\r\n").await;
    assert_eq!((old.len(), old[0].status), (1, 200));
    let homeless = wire::send(stub.addr, b"GET /v1/kv/a HTTP/1.1\r\n\r\n").await;
    assert_eq!((homeless.len(), homeless[0].status), (1, 400));
    let expecting = "PUT /v1/kv/e HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(wire::send(stub.addr, expecting.as_bytes()).await[0].text(), "true");
    let chunked = "PUT /v1/kv/ch HTTP/1.1\r\nHost: c\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(wire::send(stub.addr, chunked.as_bytes()).await[0].text(), "true");
    assert_eq!(stub.get("kv/ch?raw").await.text(), "abc");
    for (header, status) in
        [("Cache-Control: max-age=abc", 400), ("Cache-Control: max-age=5", 200), ("X-Consul-Token: zzz", 200)]
    {
        let request = format!("{get}{header}\r\nConnection: close\r\n\r\n");
        assert_eq!(wire::send(stub.addr, request.as_bytes()).await[0].status, status, "{header}");
    }
}

/// F1, F5, F10 to F12, F15, F16, F20, F23, F24, I23: each query blocks, and the write wakes it.
#[tokio::test]
async fn a_blocked_query_wakes_on_a_change_of_what_it_watches() {
    let watches = [
        ("kv/a", "PUT kv/a new"),
        ("kv/a", "DELETE kv/a"),
        ("kv/a", "DELETE kv/?recurse"),
        ("kv/r/?recurse", "PUT kv/r/c new"),
        ("kv/r/?recurse", "DELETE kv/r/a"),
        ("kv/r/?recurse", "DELETE kv/r/?recurse"),
        ("kv/r/?keys", "PUT kv/r/a new"),
        ("kv/r/?keys&separator=/", "PUT kv/r/a new"),
        ("kv/r/a", "DELETE kv/r?recurse"),
        ("kv/unused/?recurse", "PUT kv/unused/first x"),
        ("kv/missing", "PUT kv/missing x"),
        ("kv/?recurse", "PUT kv/anything x"),
        ("kv/a", "PUT kv/a?acquire={S} 1"),
        ("kv/held", "PUT kv/held?release={S} 1"),
        ("kv/held", "PUT session/destroy/{S}"),
        ("kv/a", r#"PUT txn [{"KV":{"Verb":"set","Key":"a","Value":"dA=="}}]"#),
        ("session/list", "PUT session/create"),
        ("session/list", "PUT session/destroy/{S}"),
        ("session/info/{S}", "PUT session/destroy/{S}"),
        ("session/node/consul", "PUT session/destroy/{S}"),
    ];
    for (watched, event) in watches {
        let stub = Stub::new().await;
        for key in ["a", "r/a", "r/b", "other"] {
            stub.put(&format!("kv/{key}"), "1").await;
        }
        let session = stub.session(r#"{"LockDelay":"0s"}"#).await;
        stub.put(&format!("kv/held?acquire={session}"), "1").await;
        let (watched, event) = (watched.replace("{S}", &session), event.replace("{S}", &session));
        let before = stub.get(&watched).await;
        let index = before.index().unwrap();
        let query = if watched.contains('?') { "&" } else { "?" };
        let blocked = stub.blocked(format!("{watched}{query}index={index}&wait=60s")).await;
        let mut words = event.splitn(3, ' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next().unwrap_or_default();
        assert_eq!(
            ask(stub.addr, method, &format!("/v1/{target}"), body.as_bytes()).await.status,
            200,
            "{event}"
        );
        let after = soon(blocked).await;
        assert!(after.index().unwrap() > index, "{watched}: {event}");
        assert!(watched.contains("?keys") || after.text() != before.text(), "{watched}: {event}");
    }
}

/// F2, F3, F4, F9, F13, F14, F17, F21, F22, F25: the query sleeps through them until its deadline.
#[tokio::test]
async fn a_blocked_query_sleeps_through_what_does_not_concern_it() {
    let watches = [
        ("kv/foo/test", "PUT kv/foo/test2 x"),
        ("kv/a", "PUT kv/a 1"),
        ("kv/missing", "PUT kv/other new"),
        ("kv/r/?recurse", "PUT kv/s new"),
        ("kv/unused/?recurse", "PUT kv/other new"),
        ("kv/d/z", "DELETE kv/d/x?recurse"),
        ("kv/held", "PUT kv/held?acquire={S} 1"),
        ("kv/a", "PUT kv/a?cas=1 2"),
        ("kv/held", "PUT kv/held?acquire={T} 2"),
        ("session/info/{S}", "PUT session/create"),
        ("session/list", "PUT session/renew/{S}"),
        ("catalog/nodes", "PUT kv/other new"),
    ];
    let mut sleepers = JoinSet::new();
    for (watched, event) in watches {
        sleepers.spawn(async move {
            let stub = Stub::new().await;
            for key in ["a", "r/a", "foo/test", "d/x/y", "d/z"] {
                stub.put(&format!("kv/{key}"), "1").await;
            }
            let session = stub.session("").await;
            stub.put(&format!("kv/held?acquire={session}"), "1").await;
            let event = event.replace("{S}", &session).replace("{T}", &stub.session("").await);
            let watched = watched.replace("{S}", &session);
            let index = stub.get(&watched).await.index().unwrap();
            let query = if watched.contains('?') { "&" } else { "?" };
            let start = Instant::now();
            let blocked = stub.blocked(format!("{watched}{query}index={index}&wait=300ms")).await;
            let mut words = event.splitn(3, ' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let body = words.next().unwrap_or_default();
            assert_eq!(
                ask(stub.addr, method, &format!("/v1/{target}"), body.as_bytes()).await.status,
                200,
                "{event}"
            );
            soon(blocked).await;
            assert!(start.elapsed() >= A_WHILE, "{watched} woke on {event}");
        });
    }
    sleepers.join_all().await;
}

#[tokio::test]
async fn a_query_blocks_only_on_an_index_that_is_not_older() {
    let stub = Stub::new().await;
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let start = Instant::now();
    for at_once in [
        format!("index={}&wait=60s", index - 1),
        "index=0&wait=60s".to_owned(),
        "wait=60s".to_owned(),
        "index=&wait=60s".to_owned(),
    ] {
        assert_eq!(stub.get(&format!("kv/a?{at_once}")).await.index(), Some(index));
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    let (start, later) = (Instant::now(), index + 100);
    let blocked = stub.blocked(format!("kv/a?index={later}&wait=300ms")).await;
    stub.put("kv/a", "2").await;
    assert!(soon(blocked).await.index().unwrap() < later, "an index of another life of the store");
    assert!(start.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_waiter() {
    let stub = Stub::new().await;
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let mut blocked = Vec::new();
    for _ in 0..100 {
        blocked.push(stub.blocked(format!("kv/a?index={index}")).await);
    }
    assert_eq!(stub.store.blocked(), 100);
    blocked.iter().for_each(JoinHandle::abort);
    eventually(|| stub.store.blocked() == 0).await;
}

#[tokio::test]
async fn a_thousand_watchers_of_one_prefix_all_see_a_write() {
    let stub = Stub::new().await;
    stub.put("kv/p/a", "1").await;
    let index = stub.get("kv/p/?recurse").await.index().unwrap();
    let mut watchers = JoinSet::new();
    for _ in 0..1000 {
        let store = stub.store.clone();
        watchers.spawn(async move {
            let watch = store::Watch::Prefix(b"p/".to_vec());
            store.changed(&watch, index, Duration::from_secs(60)).await;
            store.with(|store| store.index_of(&watch))
        });
    }
    eventually(|| stub.store.blocked() == 1000).await;
    stub.put("kv/p/b", "1").await;
    let woken = tokio::time::timeout(SOON, watchers.join_all()).await.unwrap();
    assert!(woken.iter().all(|seen| *seen > index));
    assert_eq!(stub.store.blocked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_the_last_of_many_writes_and_never_an_older_index() {
    let stub = Stub::new().await;
    let (writer, watcher) = (stub.client(), stub.client());
    let writes = tokio::spawn(async move {
        for n in 0..500 {
            writer.put("w/k", n.to_string().as_bytes()).await.unwrap();
        }
    });
    let mut index = 0;
    loop {
        let listing = watcher.watch("w/", index, Duration::from_secs(10)).await.unwrap();
        assert!(listing.index >= index, "{} < {index}", listing.index);
        index = listing.index;
        if listing.pairs.iter().any(|pair| pair.value == b"499") {
            break;
        }
    }
    writes.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_by_cas_lose_nothing() {
    let stub = Stub::new().await;
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let kv = stub.client();
        writers.spawn(async move {
            for _ in 0..100 {
                loop {
                    let pair = kv.get("count").await.unwrap();
                    let (count, index) = pair.map_or((0, 0), |pair| {
                        (String::from_utf8(pair.value).unwrap().parse::<u32>().unwrap(), pair.modify_index)
                    });
                    if kv.cas("count", (count + 1).to_string().as_bytes(), index).await.unwrap() {
                        break;
                    }
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(stub.get("kv/count?raw").await.text(), "800");
}

#[tokio::test]
async fn a_session_dies_two_ttls_after_its_last_renewal_and_takes_its_keys() {
    let config = store::Config { session_ttl_min: Duration::from_millis(100), ..store::Config::default() };
    let stub = Stub::with(config).await;
    let kv = stub.client();
    let ttl = Duration::from_millis(250);
    let session = kv.session_create(ttl).await.unwrap();
    assert!(kv.acquire("node", b"me", &session).await.unwrap());
    let listing = kv.list("node").await.unwrap();
    assert_eq!(listing.pairs[0].session.as_deref(), Some(session.as_str()));
    let renewed = Instant::now();
    assert!(kv.session_renew(&session).await.unwrap());
    let gone = kv.watch("node", listing.index, Duration::from_secs(60)).await.unwrap();
    assert!(gone.pairs.is_empty());
    assert!(renewed.elapsed() >= 2 * ttl && renewed.elapsed() < SOON, "{:?}", renewed.elapsed());
    assert!(!kv.session_renew(&session).await.unwrap());
    let lost = kv.acquire("node", b"me", &session).await.unwrap_err();
    assert!(lost.is_session_lost() && !lost.is_unreachable());
}

/// The client and the store in memory are two ways to the same answers.
#[tokio::test]
async fn the_client_and_the_store_in_memory_agree() {
    let stub = Stub::new().await;
    let memory = Shared::new(store::Config::default());
    let (over_http, in_memory) =
        (conversation(&stub.client()).await, conversation(&Kv::Memory(memory)).await);
    assert_eq!(over_http, in_memory);
}

async fn conversation(kv: &Kv) -> Vec<String> {
    let mut said = Vec::new();
    macro_rules! say {
        ($asked:expr) => {
            said.push(match $asked.await {
                Ok(answer) => format!("{answer:?}"),
                Err(error) => format!("{error}"),
            })
        };
    }
    let odd = "odd/é ?#%+&=[\"]/192.168.0.0/24/";
    say!(kv.get("a"));
    say!(kv.list(""));
    say!(kv.put("a", b""));
    say!(kv.put(odd, &[0, 255, 10]));
    say!(kv.get("a"));
    say!(kv.get(odd));
    say!(kv.list("odd/"));
    say!(kv.list("nothing/"));
    say!(kv.cas("a", b"x", 0));
    say!(kv.cas("a", b"x", 2));
    say!(kv.cas("b", b"x", 0));
    say!(kv.watch("", 1, Duration::from_secs(1)));
    say!(kv.watch("b", 10_000, Duration::from_millis(20)));
    let ops = vec![
        TxnOp::CheckNotExists { key: "t".to_owned() },
        TxnOp::Set { key: "t".to_owned(), value: b"1".to_vec() },
        TxnOp::Cas { key: "u".to_owned(), value: Vec::new(), index: 0 },
        TxnOp::Delete { key: "b".to_owned() },
        TxnOp::DeleteCas { key: "nothing".to_owned(), index: 4 },
    ];
    say!(kv.txn(ops.clone()));
    say!(kv.txn(ops));
    say!(kv.txn(vec![TxnOp::CheckIndex { key: "t".to_owned(), index: 1 }]));
    say!(kv.txn(vec![TxnOp::Delete { key: "t".to_owned() }; 129]));
    say!(kv.list(""));
    let session = kv.session_create(Duration::from_secs(30)).await.unwrap();
    said.push(session.clone());
    say!(kv.acquire("lock", b"v", &session));
    say!(kv.acquire("lock", b"v", "nobody"));
    say!(kv.get("lock"));
    say!(kv.session_renew(&session));
    say!(kv.session_renew("nobody"));
    say!(kv.session_destroy(&session));
    say!(kv.get("lock"));
    say!(kv.session_create(Duration::from_secs(1)));
    say!(kv.delete_cas("a", 1));
    say!(kv.delete("a"));
    say!(kv.delete_cas("a", 1));
    say!(kv.delete_tree("odd/"));
    say!(kv.list(""));
    said
}

#[tokio::test]
async fn the_client_survives_a_restart_of_the_store() {
    let stub = Stub::new().await;
    let (kv, addr) = (stub.client(), stub.addr);
    kv.put("a", b"1").await.unwrap();
    drop(stub);
    let error = loop {
        // The abort of the server takes effect at its next turn.
        match kv.get("a").await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(error.is_unreachable(), "{error}");
    let stub = Stub::at(addr, store::Config::default()).await;
    assert_eq!(kv.get("a").await.unwrap(), None, "a new, empty store");
    assert!(kv.cas("a", b"2", 0).await.unwrap());
    drop(stub);
}

/// Takes connections, answers the first request of each, and hangs up on the second without an answer.
async fn forgetful() -> (SocketAddr, JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        for _ in 0..2 {
            let Ok(Ok((mut stream, _))) = tokio::time::timeout(A_WHILE, listener.accept()).await else {
                break;
            };
            for answered in [true, false] {
                let Ok(Ok(length)) = tokio::time::timeout(A_WHILE, stream.read(&mut buffer)).await else {
                    break;
                };
                let request = String::from_utf8_lossy(&buffer[..length]);
                heard.extend(request.split(' ').next().filter(|word| !word.is_empty()).map(str::to_owned));
                if answered {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue").await.unwrap();
                }
            }
        }
        heard
    });
    (addr, server)
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_is_safe() {
    let client = |addr| Kv::Consul(Client::new("consul:8500".to_owned(), addr, Arc::new(TcpSocket::new_v4)));
    let (addr, server) = forgetful().await;
    let kv = client(addr);
    kv.put("a", b"").await.unwrap();
    kv.put("a", b"").await.unwrap();
    drop(kv);
    assert_eq!(server.await.unwrap(), ["PUT", "PUT", "PUT"], "the second one twice");

    let (addr, server) = forgetful().await;
    let kv = client(addr);
    assert!(kv.cas("a", b"", 0).await.unwrap());
    let lost = kv.cas("a", b"", 1).await.unwrap_err();
    assert!(lost.is_uncertain() && lost.is_unreachable(), "{lost}");
    drop(kv);
    assert_eq!(server.await.unwrap(), ["PUT", "PUT"], "the second one once");
}

#[tokio::test]
async fn dropping_the_server_cuts_blocked_queries() {
    let stub = Stub::new().await;
    let kv = stub.client();
    kv.put("a", b"1").await.unwrap();
    let index = kv.list("a").await.unwrap().index;
    let watch = tokio::spawn(async move { kv.watch("a", index, Duration::from_secs(300)).await });
    eventually(|| stub.store.blocked() == 1).await;
    stub.server.abort();
    assert!(soon(watch).await.unwrap_err().is_unreachable());
    eventually(|| stub.store.blocked() == 0).await;
}

#[tokio::test]
async fn the_page_shows_keys_and_escapes_them() {
    let stub = Stub::new().await;
    stub.delete("kv/?recurse").await;
    stub.put("kv/a%3Cb", "<script>").await;
    let page = ask(stub.addr, "GET", "/ui/", b"").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("/v1/kv/a%3Cb") && page.text().contains("a&lt;b"));
    assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script>"));
}
