//! The lab's store against what is known of a real Consul, over real sockets on the loopback device.
//!
//! The cases and their numbers are those of the conformance list for Consul's HTTP API: single requests and short
//! conversations in `consul/conformance.txt`, queries that block in tables of `consul/blocking.rs`, what needs two parties here.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "consul/blocking.rs"]
mod blocking;
#[path = "consul/client.rs"]
mod client;
#[path = "consul/concurrent.rs"]
mod concurrent;
#[path = "consul/docker.rs"]
mod docker;
#[path = "consul/door.rs"]
mod door;
#[path = "consul/fuzz.rs"]
mod fuzz;
#[path = "consul/ills.rs"]
mod ills;
#[path = "consul/linear.rs"]
mod linear;
#[path = "consul/rude.rs"]
mod rude;
#[path = "consul/script.rs"]
mod script;
#[path = "consul/trace.rs"]
mod trace;
#[path = "consul/ui.rs"]
mod ui;
#[path = "consul/wire.rs"]
mod wire;

use harness::consul::{Clients, Config, Ill, Ills, Limits, Past, Trace, serve};
use harness::fault::Ailment;
use overlay::kv::consul::{Client, Dial};
use overlay::kv::memory::Shared;
use overlay::kv::{Kv, store};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use wire::ask;

/// Long enough for anything that happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// Short enough to wait for, long enough to tell from at once.
const A_WHILE: Duration = Duration::from_secs(1);

/// From where host a asks. Whoever asks from elsewhere on the loopback is on the store's own host.
const HOST_A: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A store on a port of its own, until it is dropped.
struct Stub {
    addr: SocketAddr,
    store: Shared,
    ills: Ills,
    trace: Trace,
    server: JoinHandle<std::io::Result<()>>,
}

impl Stub {
    fn new() -> Stub {
        Stub::with(store::Config::default())
    }

    fn with(config: store::Config) -> Stub {
        Stub::at("127.0.0.1:0".parse().unwrap(), config)
    }

    fn at(addr: SocketAddr, config: store::Config) -> Stub {
        Stub::of(addr, Shared::new(config))
    }

    fn of(addr: SocketAddr, store: Shared) -> Stub {
        Stub::served(addr, store, Config::default())
    }

    /// One that bears no more of its clients than that.
    fn bearing(limits: Limits) -> Stub {
        let store = Shared::new(store::Config::default());
        Stub::served("127.0.0.1:0".parse().unwrap(), store, Config { limits, ..Config::default() })
    }

    fn served(addr: SocketAddr, store: Shared, config: Config) -> Stub {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener: TcpListener = socket.listen(1024).unwrap();
        let addr = listener.local_addr().unwrap();
        let hosts = [(HOST_A.into(), "a".parse().unwrap())].into();
        let clients = Clients { hosts, own: Some("consul".parse().unwrap()) };
        let config = Config { clients, ..config };
        let (ills, trace) = (config.ills.clone(), config.trace.clone());
        let server = tokio::spawn(serve(listener, store.clone(), config, overlay::Gate::default()));
        Stub { addr, store, ills, trace, server }
    }

    /// Makes this wrong with it, each for everybody or for a host, and nothing else.
    fn ail(&self, all: &[(Ailment, Option<&str>)]) {
        self.store.with(|store| {
            let ill = |(how, host): &(Ailment, Option<&str>)| Ill {
                id: 0,
                how: *how,
                host: host.map(|host| host.parse().unwrap()),
                past: Some(Past::of(store)),
            };
            self.ills.set(all.iter().map(ill).collect());
        });
    }

    /// A connection from there.
    async fn connection(&self, from: Ipv4Addr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(self.addr).await.unwrap()
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

/// The chapters of the list, and how many cases each has: 217.
const LIST: [(char, usize); 10] = [
    ('A', 29),
    ('B', 24),
    ('C', 16),
    ('D', 14),
    ('E', 16),
    ('F', 28),
    ('G', 31),
    ('H', 23),
    ('I', 26),
    ('J', 10),
];

/// Cases that are tests of their own.
const OWN: [(&str, &str); 18] = [
    ("A17", "values_are_bytes"),
    ("A25", "pretty_json_is_indented_by_four_and_ends_its_line"),
    ("C15", "concurrent_increments_by_cas_lose_nothing"),
    ("E14", "connections_behave_as_http_says"),
    ("E15", "connections_behave_as_http_says"),
    ("E16", "fifty_connections_block_at_once_and_each_is_used_again"),
    ("F6", "a_query_blocks_only_on_an_index_that_is_not_older"),
    ("F7", "a_query_blocks_only_on_an_index_that_is_not_older"),
    ("F8", "a_query_blocks_only_on_an_index_that_is_not_older"),
    ("F18", "queries_block_for_their_wait_and_no_longer_than_a_sixteenth_of_it_more"),
    // Not over HTTP: a pure function says how long, and ten minutes are long.
    ("F19", "a_query_blocks_for_its_wait_and_up_to_a_sixteenth"),
    ("F26", "clients_that_go_away_leave_no_waiter"),
    ("F27", "a_thousand_watchers_of_one_prefix_all_see_a_write"),
    ("F28", "a_watcher_sees_the_last_of_many_writes_and_never_an_older_index"),
    ("G31", "a_store_on_disk_has_its_sessions_after_a_restart_and_their_ttls_start_anew"),
    ("H23", "of_ten_contenders_for_a_lock_one_at_a_time_has_it_and_each_gets_it"),
    ("I18", "a_transaction_ends_at_128_operations"),
    ("J10", "docker_gets_the_answers_that_it_got_from_a_consul"),
];

#[tokio::test]
async fn answers_are_those_of_a_consul() {
    script::run(include_str!("consul/conformance.txt")).await;
}

/// None is answered otherwise than in the list on purpose. What the store does otherwise is where the list says nothing: a value
/// without a declared length ends at half a mebibyte, too; answers are not compressed; waiters of clients that go away are dropped at once.
#[test]
fn every_case_of_the_list_is_asked() {
    let sources = [
        include_str!("consul.rs"),
        include_str!("consul/blocking.rs"),
        include_str!("consul/client.rs"),
        include_str!("consul/docker.rs"),
        include_str!("../../overlay/src/kv/memory.rs"),
    ];
    for (id, test) in OWN {
        assert!(sources.iter().any(|source| source.contains(&format!("fn {test}()"))), "{id}: {test}");
    }
    let scripted = script::ids(include_str!("consul/conformance.txt"));
    let blocking = blocking::WAKES.iter().chain(blocking::SLEEPS).map(|(id, ..)| *id);
    let asked: BTreeSet<&str> = scripted.chain(blocking).chain(OWN.map(|(id, _)| id)).collect();
    let listed = LIST.iter().flat_map(|(chapter, count)| (1..=*count).map(move |n| format!("{chapter}{n}")));
    let (there, missing): (Vec<String>, Vec<String>) = listed.partition(|id| asked.contains(id.as_str()));
    assert_eq!((there.len(), missing), (217, Vec::new()));
}

#[tokio::test]
async fn a_store_on_disk_has_its_sessions_after_a_restart_and_their_ttls_start_anew() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Shared::open(directory.path(), store::Config::default()).unwrap();
    let stub = Stub::of("127.0.0.1:0".parse().unwrap(), open());
    let session = stub.session(r#"{"TTL":"10s","Behavior":"delete"}"#).await;
    assert_eq!(stub.put(&format!("kv/k?acquire={session}"), "mine").await.text(), "true");
    stub.store.with(|store| store.advance(Duration::from_secs(15)));
    stub.store.close();
    drop(stub);

    let stub = Stub::of("127.0.0.1:0".parse().unwrap(), open());
    assert_eq!(stub.get("kv/k").await.json().unwrap()[0]["Session"].as_str(), Some(session.as_str()));
    stub.store.with(|store| store.advance(Duration::from_secs(19)));
    assert_eq!(stub.get("kv/k").await.status, 200);
    stub.store.with(|store| store.advance(Duration::from_secs(21)));
    assert_eq!(stub.get("kv/k").await.status, 404);
    assert_eq!(stub.get("session/list").await.text(), "[]");
}

#[tokio::test]
async fn values_are_bytes() {
    let stub = Stub::new();
    let every_byte: Vec<u8> = (0..=255).collect();
    assert_eq!(ask(stub.addr, "PUT", "/v1/kv/bin", &every_byte).await.text(), "true");
    assert_eq!(stub.get("kv/bin?raw").await.body, every_byte);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_before_it_is_sent() {
    let stub = Stub::new();
    // The refusal comes before the body is read, so the body is only announced here.
    let head = "PUT /v1/kv/big HTTP/1.1\r\nHost: c\r\nContent-Length: 524289\r\n\r\n";
    let refused = wire::send(stub.addr, head.as_bytes()).await.remove(0);
    assert_eq!(refused.status, 413);
    assert_eq!(refused.text(), "Request body(524289 bytes) too large, max size: 524288 bytes.");
    assert_eq!(stub.get("kv/big").await.status, 404);
}

#[tokio::test]
async fn a_transaction_ends_at_128_operations() {
    let stub = Stub::new();
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
    let stub = Stub::new();
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
    let stub = Stub::new();
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
}
