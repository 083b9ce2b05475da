//! The lab's store against what is known of a real Consul, over real sockets on the loopback device.
//!
//! The cases and their numbers are those of the conformance list for Consul's HTTP API: single requests and short
//! conversations in `consul/conformance.txt`, what needs two parties or time here.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "consul/blocking.rs"]
mod blocking;
#[path = "consul/client.rs"]
mod client;
#[path = "consul/docker.rs"]
mod docker;
#[path = "consul/ills.rs"]
mod ills;
#[path = "consul/script.rs"]
mod script;
#[path = "consul/trace.rs"]
mod trace;
#[path = "consul/wire.rs"]
mod wire;

use harness::consul::{Clients, Config, Ill, Ills, Past, Trace, serve};
use harness::fault::Ailment;
use overlay::kv::consul::{Client, Dial};
use overlay::kv::memory::Shared;
use overlay::kv::{Kv, store};
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
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener: TcpListener = socket.listen(1024).unwrap();
        let (addr, store) = (listener.local_addr().unwrap(), Shared::new(config));
        let hosts = [(HOST_A.into(), "a".parse().unwrap())].into();
        let clients = Clients { hosts, own: Some("consul".parse().unwrap()) };
        let config = Config { clients, ..Config::default() };
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
        stubs.push(Stub::new());
        stubs.last().unwrap().addr
    };
    script::run(include_str!("consul/conformance.txt"), fresh).await;
}

#[tokio::test]
async fn values_are_bytes_and_end_at_half_a_mebibyte() {
    let stub = Stub::new();
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
    for (header, status) in
        [("Cache-Control: max-age=abc", 400), ("Cache-Control: max-age=5", 200), ("X-Consul-Token: zzz", 200)]
    {
        let request = format!("{get}{header}\r\nConnection: close\r\n\r\n");
        assert_eq!(wire::send(stub.addr, request.as_bytes()).await[0].status, status, "{header}");
    }
}

#[tokio::test]
async fn the_page_shows_keys_and_escapes_them() {
    let stub = Stub::new();
    stub.delete("kv/?recurse").await;
    stub.put("kv/a%3Cb", "<script>").await;
    let page = ask(stub.addr, "GET", "/ui/", b"").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("/v1/kv/a%3Cb") && page.text().contains("a&lt;b"));
    assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script>"));
}
