//! Any bytes on a connection: whatever comes, the store does not panic and goes on answering.
//!
//! `ci/fuzz-store` has more of it.

use crate::Stub;
use harness::consul::Limits;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The threads of the store that is asked. What panics elsewhere is a test.
const THREAD: &str = "fuzzed";

/// How often it panicked.
static PANICS: AtomicU32 = AtomicU32::new(0);

const METHODS: &[&str] = &["GET", "PUT", "DELETE", "POST", "OPTIONS", "HEAD", "\u{e9}"];
const TARGETS: &[&str] = &[
    "/v1/kv/a",
    "/v1/kv/",
    "/v1/kv/%FF%2F/../%00",
    "/v1/kv/\u{2603}",
    "/v1/session/create",
    "/v1/session/destroy/x",
    "/v1/session/renew/x",
    "/v1/session/info/x",
    "/v1/session/node/consul",
    "/v1/session/list",
    "/v1/txn",
    "/v1/status/leader",
    "/v1/agent/self",
    "/v1/agent/services",
    "/v1/agent/service/register",
    "/v1/agent/service/deregister/web",
    "/v1/agent/check/register",
    "/v1/agent/check/pass/web",
    "/v1/agent/check/update/web",
    "/v1/catalog/register",
    "/v1/catalog/deregister",
    "/v1/catalog/nodes",
    "/v1/catalog/service/web",
    "/v1/health/service/web",
    "/v1/health/state/any",
    "/v1/event/fire/e",
    "/v1/event/list",
    "/v1/acl/x",
    "/ui/",
    "http://elsewhere/v1/kv/a",
    "*",
];
const PARAMETERS: &[&str] = &[
    "recurse",
    "keys",
    "raw",
    "pretty",
    "separator=/",
    "separator=",
    "flags=18446744073709551615",
    "flags=-1",
    "cas=0",
    "cas=18446744073709551615",
    "acquire=x",
    "release=",
    "index=18446744073709551615&wait=1ms",
    "index=1",
    "wait=-2562047h47m16.854775808s",
    "wait=9223372036854775807ns",
    "stale",
    "consistent",
    "max_stale=1h",
    "dc=dc1",
    "passing",
    "tag=a",
    "filter=Name==%22a%22+and+(not+%22x%22+in+Tags)",
    "filter=((((((((((",
    "%zz",
    "near=_agent",
    "node-meta=a:b",
];
const BODIES: &[&str] = &[
    "",
    "x",
    "{}",
    "[]",
    "null",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    r#"{"TTL":"10s","LockDelay":"0s","Behavior":"delete"}"#,
    r#"{"TTL":"86400s","LockDelay":18446744073709551615}"#,
    r#"{"TTL":"9223372036854775807ns","LockDelay":"9223372036854775807ns"}"#,
    r#"{"LockDelay":1e308,"NodeChecks":[1]}"#,
    r#"[{"KV":{"Verb":"set","Key":"a","Value":"MQ==","Flags":18446744073709551615}},{"KV":{"Verb":"get-tree","Key":""}}]"#,
    r#"[{"KV":{"Verb":"cas","Key":"a","Index":1e99}},{"Node":{}},{},null]"#,
    r#"[{"KV":{"Verb":"delete-tree"}},{"KV":{"Verb":"lock","Key":"l","Session":"x"}}]"#,
    r#"{"Name":"web","Port":80,"Check":{"TTL":"1s","DeregisterCriticalServiceAfter":"1ns"}}"#,
    r#"{"Name":"web","Checks":[{"TTL":"9223372036854775807ns"},{"HTTP":"x","Interval":"0s"}]}"#,
    r#"{"Node":"n","Address":"10.0.0.9","Service":{"Service":"s"},"Check":{"Name":"c","Status":"critical"}}"#,
    r#"{"Node":"n","CheckID":"c","ServiceID":"s"}"#,
    r#"{"Status":"passing","Output":"\ud800"}"#,
];
const HEADERS: &[&str] = &[
    "Host: c",
    "Host: c",
    "Connection: close",
    "Transfer-Encoding: chunked",
    "Content-Length: 3",
    "Content-Length: 99999999999999999999",
    "Expect: 100-continue",
    "Cache-Control: max-age=18446744073709551616",
    "Upgrade: h2c",
    "X-Consul-Token: \u{fe}",
];

/// One change of some bytes, somewhere.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(u8),
    Insert(u8),
    Cut,
    Repeat,
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let parameters = prop::collection::vec(select(PARAMETERS), 0..3);
    let headers = prop::collection::vec(select(HEADERS), 0..3);
    let parts =
        (select(METHODS), select(TARGETS), parameters, headers, select(BODIES), prop::bool::weighted(0.9));
    parts.prop_map(|(method, target, parameters, headers, body, is_polite)| {
        let polite = format!("Host: c\r\nContent-Length: {}\r\n", body.len());
        let headers: Vec<&str> = headers.into_iter().flat_map(|header| [header, "\r\n"]).collect();
        let lines = if is_polite { [polite, headers.concat()].concat() } else { headers.concat() };
        format!("{method} {target}?{} HTTP/1.1\r\n{lines}\r\n{body}", parameters.join("&")).into_bytes()
    })
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (1..=255_u8).prop_map(Damage::Flip),
        any::<u8>().prop_map(Damage::Insert),
        Just(Damage::Cut),
        Just(Damage::Repeat),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let asked = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        6 => prop::collection::vec(request(), 1..4).prop_map(|requests| requests.concat()),
    ];
    (asked, prop::collection::vec((any::<Index>(), damage()), 0..5)).prop_map(|(mut bytes, damages)| {
        for (at, damage) in damages {
            let at = at.index(bytes.len() + 1);
            match damage {
                Damage::Flip(bits) => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= bits;
                    }
                }
                Damage::Insert(byte) => bytes.insert(at, byte),
                Damage::Cut => bytes.truncate(at),
                Damage::Repeat => bytes.extend_from_within(at / 2..at),
            }
        }
        bytes
    })
}

/// A store that lives as long as the process.
fn store() -> SocketAddr {
    static STORE: OnceLock<SocketAddr> = OnceLock::new();
    *STORE.get_or_init(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(THREAD) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            told(panic);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREAD)
            .enable_all()
            .build();
        let runtime = Box::leak(Box::new(runtime.unwrap()));
        let _inside = runtime.enter();
        // Queries that block behind others in one go keep their connections for a while.
        let stub = Stub::bearing(Limits { connections: 10_000, ..Limits::default() });
        let addr = stub.addr;
        std::mem::forget(stub);
        addr
    })
}

/// Sends it all, hangs up, and reads what comes, if it comes soon.
fn exchange(bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(store()).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may hang up on us in the middle.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    received
}

proptest! {
    #[test]
    fn any_bytes_on_a_connection_leave_the_store_answering(bytes in bytes()) {
        let received = exchange(&bytes, Duration::from_millis(50));
        prop_assert!(received.is_empty() || received.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&received));
        let get = b"GET /v1/status/leader HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(store()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(get).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        prop_assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\"127.0.0.1:8300\""), "{}", answer);
        prop_assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    }
}
