//! Eight clients at once on two keys, over sockets of their own: what they were answered has an order.

use crate::Stub;
use crate::linear::{Did, Operation, check};
use crate::wire::ask;
use overlay::kv::memory::Shared;
use overlay::kv::store;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio::task::JoinSet;

const CLIENTS: u64 = 8;
const KEYS: [&str; 2] = ["left", "right"];
/// Of each client. The search is for one key at a time, and at most eight operations of it overlap.
const OPERATIONS: usize = 40;

/// What all clients share: a clock, values that are never written twice, numbers for sessions.
#[derive(Default)]
struct World {
    clock: AtomicU64,
    values: AtomicU32,
    sessions: AtomicU32,
}

struct Client {
    store: SocketAddr,
    world: Arc<World>,
    rng: fastrand::Rng,
    /// The index that it last read, of each key.
    known: [u64; KEYS.len()],
    /// Its number and its id.
    session: (u32, String),
    history: Vec<(usize, Operation)>,
}

impl Client {
    async fn new(store: SocketAddr, world: Arc<World>, seed: u64) -> Client {
        let rng = fastrand::Rng::with_seed(seed);
        let (known, session, history) = ([0; KEYS.len()], (0, String::new()), Vec::new());
        let mut client = Client { store, world, rng, known, session, history };
        client.open().await;
        client
    }

    /// A new session, whose number is the name that holders are known by.
    async fn open(&mut self) {
        let number = self.world.sessions.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"Name":"{number}","LockDelay":"0s"}}"#);
        let made = ask(self.store, "PUT", "/v1/session/create", body.as_bytes()).await.json().unwrap();
        self.session = (number, made["ID"].as_str().unwrap().to_owned());
    }

    fn now(&self) -> u64 {
        self.world.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn put(&self, key: usize, query: &str, value: u32) -> bool {
        let target = format!("/v1/kv/{}{query}", KEYS[key]);
        ask(self.store, "PUT", &target, value.to_string().as_bytes()).await.text() == "true"
    }

    /// Reads, and leaves it to who has all sessions to know a holder by its id.
    async fn read(&mut self, key: usize) -> Option<((u32, Option<String>), u64)> {
        let reply = ask(self.store, "GET", &format!("/v1/kv/{}", KEYS[key]), b"").await;
        if reply.status == 404 {
            return None;
        }
        let row = &reply.json().unwrap()[0];
        let index = row["ModifyIndex"].as_u64().unwrap();
        assert_eq!(reply.index(), Some(index));
        self.known[key] = index;
        // The value says who wrote it in base64.
        let value = String::from_utf8(decode(row["Value"].as_str().unwrap())).unwrap().parse().unwrap();
        Some(((value, row["Session"].as_str().map(str::to_owned)), index))
    }

    /// Does one thing, drawn.
    async fn act(&mut self, ids: &Ids) {
        let key = self.rng.usize(..KEYS.len());
        let value = self.world.values.fetch_add(1, Ordering::Relaxed);
        let (session, id) = self.session.clone();
        let from = if self.rng.u8(..4) == 0 { 0 } else { self.known[key] };
        let called = self.now();
        let did = match self.rng.u8(..16) {
            0..6 => {
                let read = self.read(key).await;
                Did::Read(
                    read.map(|((value, holder), index)| ((value, holder.map(|id| ids.number(&id))), index)),
                )
            }
            6 => {
                assert!(self.put(key, "", value).await);
                Did::Put(value)
            }
            7..10 => Did::Cas { from, to: value, done: self.put(key, &format!("?cas={from}"), value).await },
            10 => {
                let target = format!("/v1/kv/{}", KEYS[key]);
                assert_eq!(ask(self.store, "DELETE", &target, b"").await.text(), "true");
                Did::Delete
            }
            11 if from > 0 => {
                let target = format!("/v1/kv/{}?cas={from}", KEYS[key]);
                Did::DeleteCas { from, done: ask(self.store, "DELETE", &target, b"").await.text() == "true" }
            }
            11..14 => {
                let done = self.put(key, &format!("?acquire={id}"), value).await;
                Did::Acquire { session, value, done }
            }
            14 => {
                let done = self.put(key, &format!("?release={id}"), value).await;
                Did::Release { session, value, done }
            }
            _ => {
                let target = format!("/v1/session/destroy/{id}");
                assert_eq!(ask(self.store, "PUT", &target, b"").await.text(), "true");
                Did::End { session }
            }
        };
        let operation = Operation { called, returned: self.now(), did };
        if let Did::End { .. } = did {
            self.history.extend((0..KEYS.len()).map(|key| (key, operation)));
            self.open().await;
            ids.add(self.session.clone());
        } else {
            self.history.push((key, operation));
        }
    }
}

/// Which session has which number.
#[derive(Default)]
struct Ids(std::sync::Mutex<Vec<(u32, String)>>);

impl Ids {
    fn add(&self, session: (u32, String)) {
        self.0.lock().unwrap().push(session);
    }

    fn number(&self, id: &str) -> u32 {
        let ids = self.0.lock().unwrap();
        ids.iter().find(|(_, known)| known == id).expect("who holds is known").0
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

async fn histories(stub: &Stub, seed: u64) -> [Vec<Operation>; KEYS.len()] {
    let (world, ids) = (Arc::new(World::default()), Arc::new(Ids::default()));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = Client::new(stub.addr, Arc::clone(&world), seed * CLIENTS + number).await;
        ids.add(client.session.clone());
        clients.push(client);
    }
    let mut acting = JoinSet::new();
    for mut client in clients {
        let ids = Arc::clone(&ids);
        acting.spawn(async move {
            for _ in 0..OPERATIONS {
                client.act(&ids).await;
            }
            client.history
        });
    }
    let mut histories = [Vec::new(), Vec::new()];
    for (key, operation) in acting.join_all().await.into_iter().flatten() {
        histories[key].push(operation);
    }
    histories
}

/// Its seed, to do it again: `LAB_SEED`.
async fn ordered(stub: impl Fn() -> Stub) {
    let first = std::env::var("LAB_SEED").map_or(0, |seed| seed.parse().expect("a number"));
    for seed in first..first + 20 {
        for (key, history) in KEYS.iter().zip(histories(&stub(), seed).await) {
            let overlapping = history.iter().any(|one| {
                history.iter().any(|other| one.called < other.called && other.called < one.returned)
            });
            assert!(overlapping, "nobody was concurrent with anybody");
            check(&history).unwrap_or_else(|why| panic!("seed {seed}, {key}: {why}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_eight_clients_are_answered_has_an_order() {
    ordered(Stub::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_eight_clients_of_a_store_on_disk_are_answered_has_an_order() {
    let directories = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    ordered(|| {
        let directory = directories.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        let store = Shared::open(&directory, store::Config::default()).unwrap();
        Stub::of("127.0.0.1:0".parse().unwrap(), store)
    })
    .await;
}
