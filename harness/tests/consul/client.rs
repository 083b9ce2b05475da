//! The engine's own client against the lab's own store.

use crate::{SOON, Stub};
use overlay::kv::consul::Client;
use overlay::kv::memory::Shared;
use overlay::kv::{Kv, TxnOp, store};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_the_last_of_many_writes_and_never_an_older_index() {
    let stub = Stub::new();
    let (writer, watcher) = (stub.client(), stub.client());
    let writes = tokio::spawn(async move {
        for n in 0..1000 {
            writer.put("w/k", n.to_string().as_bytes()).await.unwrap();
        }
    });
    let mut index = 0;
    loop {
        let listing = watcher.watch("w/", index, Duration::from_secs(10)).await.unwrap();
        assert!(listing.index >= index, "{} < {index}", listing.index);
        index = listing.index;
        if listing.pairs.iter().any(|pair| pair.value == b"999") {
            break;
        }
    }
    writes.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_by_cas_lose_nothing() {
    let stub = Stub::new();
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
    let stub = Stub::with(config);
    let kv = stub.client();
    let ttl = Duration::from_millis(600);
    let session = kv.session_create(ttl).await.unwrap();
    assert!(kv.acquire("node", b"me", &session).await.unwrap());
    let listing = kv.list("node").await.unwrap();
    assert_eq!(listing.pairs[0].session.as_deref(), Some(session.as_str()));
    let renewed = Instant::now();
    assert!(kv.session_renew(&session).await.unwrap());
    let gone = kv.watch("node", listing.index, Duration::from_mins(1)).await.unwrap();
    assert!(gone.pairs.is_empty());
    assert!(renewed.elapsed() >= 2 * ttl && renewed.elapsed() < SOON, "{:?}", renewed.elapsed());
    assert!(!kv.session_renew(&session).await.unwrap());
    let lost = kv.acquire("node", b"me", &session).await.unwrap_err();
    assert!(lost.is_session_lost() && !lost.is_unreachable());
}

/// The client and the store in memory are two ways to the same answers.
#[tokio::test]
async fn the_client_and_the_store_in_memory_agree() {
    let stub = Stub::new();
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
    let stub = Stub::new();
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
    let stub = Stub::at(addr, store::Config::default());
    assert_eq!(kv.get("a").await.unwrap(), None, "a new, empty store");
    assert!(kv.cas("a", b"2", 0).await.unwrap());
    drop(stub);
}

/// Answers the first request of each connection and hangs up on the second; tells the methods that it heard.
async fn forgetful() -> (SocketAddr, Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let server = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((mut stream, _)) = listener.accept().await {
            for answered in [true, false] {
                let length = stream.read(&mut buffer).await.unwrap();
                let request = String::from_utf8_lossy(&buffer[..length]);
                hears.lock().unwrap().extend(request.split(' ').next().map(str::to_owned));
                if answered {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue").await.unwrap();
                }
            }
        }
    });
    (addr, heard, server)
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_is_safe() {
    let client = |addr| Kv::Consul(Client::new("consul:8500".to_owned(), addr, Arc::new(TcpSocket::new_v4)));
    let (addr, heard, server) = forgetful().await;
    let kv = client(addr);
    kv.put("a", b"").await.unwrap();
    kv.put("a", b"").await.unwrap();
    assert_eq!(*heard.lock().unwrap(), ["PUT", "PUT", "PUT"], "the second one twice");
    server.abort();

    let (addr, heard, server) = forgetful().await;
    let kv = client(addr);
    assert!(kv.cas("a", b"", 0).await.unwrap());
    let lost = kv.cas("a", b"", 1).await.unwrap_err();
    assert!(lost.is_uncertain() && lost.is_unreachable(), "{lost}");
    assert_eq!(*heard.lock().unwrap(), ["PUT", "PUT"], "the second one once");
    server.abort();
}
