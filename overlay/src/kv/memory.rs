//! A store in memory, shared: the rules of [`store`](crate::kv::store) with a clock and with queries that block, and with a
//! [log] on disk if it is to outlive its process.
//!
//! It is what engines use in tests, and what stands behind the HTTP face of a lab's own store.

mod line;
mod waiters;

pub use self::line::{Line, Reach};

use self::waiters::Waiters;
use super::log::{self, Folder, Log};
use super::store::{
    Behavior, Config, Entry, GoDuration, MAX_OPS, Op, Refusal, SessionRequest, Store, Verb, Watch,
};
use super::{Error, Listing, Pair, TxnOp};
use bytes::Bytes;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;

/// How long a query blocks when it does not say (Consul, `defaultQueryTime`).
const WAIT_DEFAULT: Duration = Duration::from_mins(5);
/// The longest that a query blocks (Consul, `maxQueryTime`).
const WAIT_MAX: Duration = Duration::from_mins(10);
/// Up to this fraction of the wait is added at random, so that clients spread out (Consul, `jitterFraction`).
const WAIT_JITTER: u32 = 16;

/// One store, used from any number of places. The store ends with the last of them.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
    /// Over which a [`Kv`](super::Kv) asks.
    pub(super) line: Line,
}

#[derive(Debug)]
struct Inner {
    born: Instant,
    state: Mutex<State>,
    /// When something expires next, for the task that sees to it; closed with the store.
    next_expiry: Sender<Option<Duration>>,
}

#[derive(Debug)]
struct State {
    store: Store,
    waiters: Waiters,
    jitter: fastrand::Rng,
    kept: Kept,
}

/// Where a store is kept.
#[derive(Debug)]
enum Kept {
    InMemory,
    OnDisk(Log),
    /// Nowhere any more.
    Closed,
    /// Nowhere, and no time passes in it.
    Still,
}

impl Shared {
    /// A new, empty store, with a task on the current runtime that lets sessions expire.
    pub fn new(config: Config) -> Shared {
        Shared::of(Store::new(config), Kept::InMemory)
    }

    /// The store that a directory holds, or an empty one that it will hold: what is written is on disk when
    /// [`durable`](Shared::durable) returns.
    ///
    /// Sessions start their TTLs anew, as when a Consul has a new leader. The directory is for its owner only, and for one
    /// store at a time: until the last handle to it is dropped.
    pub fn open(directory: &Path, config: Config) -> Result<Shared, log::Error> {
        let (folder, store) = Folder::open(directory, config)?;
        let source = |source| log::Error::Io { op: "start a writer for", path: directory.to_owned(), source };
        let log = Log::new(folder).map_err(source)?;
        Ok(Shared::of(store, Kept::OnDisk(log)))
    }

    fn of(store: Store, kept: Kept) -> Shared {
        let jitter = fastrand::Rng::with_seed(store.config().seed);
        let next_expiry = Sender::new(store.next_expiry());
        let state = Mutex::new(State { store, waiters: Waiters::default(), jitter, kept });
        let inner = Inner { born: Instant::now(), state, next_expiry };
        let shared = Shared { inner: Arc::new(inner), line: Line::default() };
        let inner = &shared.inner;
        tokio::spawn(expire(Arc::downgrade(inner), inner.next_expiry.subscribe(), inner.born));
        shared
    }

    /// The same store at the end of a line, for an engine that is to lose it.
    #[must_use]
    pub fn over(&self, line: &Line) -> Shared {
        Shared { inner: Arc::clone(&self.inner), line: line.clone() }
    }

    /// The store as it is at this moment, by itself: nothing expires in it, and what becomes of the other one does not show. For reading
    /// only.
    pub fn still(store: &Store) -> Shared {
        let state = State {
            jitter: fastrand::Rng::with_seed(store.config().seed),
            store: store.clone(),
            waiters: Waiters::default(),
            kept: Kept::Still,
        };
        let inner = Inner { born: Instant::now(), state: Mutex::new(state), next_expiry: Sender::new(None) };
        Shared { inner: Arc::new(inner), line: Line::default() }
    }

    /// Does something with the store as it is now, and wakes whoever waits for what that changed.
    pub fn with<R>(&self, act: impl FnOnce(&mut Store) -> R) -> R {
        let mut state = self.state();
        let State { store, waiters, kept, .. } = &mut *state;
        if !matches!(kept, Kept::Still) {
            store.advance(self.inner.born.elapsed());
        }
        let result = act(store);
        let delta = store.take_delta();
        for change in delta.changes() {
            waiters.wake(&change);
        }
        if let Kept::OnDisk(log) = kept {
            log.take(delta, store);
        }
        let next = store.next_expiry();
        self.inner.next_expiry.send_if_modified(|known| std::mem::replace(known, next) != next);
        result
    }

    /// Blocks until the index of the watched thing is greater than `index`, but no longer than `wait` (zero means
    /// 5 minutes) and a sixteenth. Wakes only on changes of what is watched. An `index` of 0 does not block.
    pub async fn changed(&self, watch: &Watch, index: u64, wait: Duration) {
        if index == 0 || self.with(|store| store.index_of(watch)) > index {
            return;
        }
        self.changed_by(watch, index, Instant::now() + self.patience(wait)).await;
    }

    /// The same for who has said until when.
    pub async fn changed_by(&self, watch: &Watch, index: u64, deadline: Instant) {
        let mut waiting = Waiting { shared: self, watch, signal: None };
        waiting.subscribe();
        while self.with(|store| store.index_of(watch)) <= index {
            let Some(signal) = &mut waiting.signal else { return };
            if tokio::time::timeout_at(deadline, signal.changed()).await.is_err() {
                return;
            }
        }
    }

    /// How long a query blocks that asks for `wait`.
    pub fn patience(&self, wait: Duration) -> Duration {
        patience(wait, self.state().jitter.f64())
    }

    /// Waits until all that was written before is on disk; at once, where nothing is kept there. Who acknowledges a write, or
    /// tells of one, waits for it first.
    pub async fn durable(&self) -> Result<(), Arc<log::Error>> {
        let synced = {
            let state = self.state();
            match &state.kept {
                Kept::InMemory | Kept::Still => return Ok(()),
                Kept::OnDisk(log) => log.synced(),
                Kept::Closed => return Err(Arc::new(log::Error::Closed)),
            }
        };
        synced.await
    }

    /// Lets go of the directory, whoever else has a handle, and acknowledges nothing any more: what the end of its process is to
    /// a store on disk.
    pub fn close(&self) {
        let kept = std::mem::replace(&mut self.state().kept, Kept::Closed);
        // Not under the lock: a log writes what it has first.
        drop(kept);
    }

    /// How many queries are blocked.
    pub fn blocked(&self) -> usize {
        self.state().waiters.count()
    }

    /// The lock is held for a few lines only, none of which can leave the store half-written.
    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a query blocks that asks for `wait`; `share` (0 to 1) of the possible extra is added.
fn patience(wait: Duration, share: f64) -> Duration {
    let wait = if wait.is_zero() { WAIT_DEFAULT } else { wait.min(WAIT_MAX) };
    wait + (wait / WAIT_JITTER).mul_f64(share)
}

/// One blocked query; leaves nothing behind when it is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    watch: &'a Watch,
    signal: Option<Receiver<()>>,
}

impl Waiting<'_> {
    fn subscribe(&mut self) {
        self.signal = Some(self.shared.state().waiters.wait_for(self.watch));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.signal = None;
        self.shared.state().waiters.tidy(self.watch);
    }
}

/// Lets time pass in a store for as long as somebody has it.
async fn expire(store: Weak<Inner>, mut next: Receiver<Option<Duration>>, born: Instant) {
    loop {
        let due = *next.borrow_and_update();
        let gone = match due {
            Some(due) => match tokio::time::timeout_at(born + due, next.changed()).await {
                Ok(changed) => changed.is_err(),
                Err(_) => match store.upgrade() {
                    Some(inner) => {
                        Shared { inner, line: Line::default() }.with(|_| ());
                        false
                    }
                    None => true,
                },
            },
            None => next.changed().await.is_err(),
        };
        if gone {
            return;
        }
    }
}

/// The store as an engine sees it; see [`Kv`](super::Kv) for what each does.
impl Shared {
    pub(super) fn get(&self, key: &str) -> Option<Pair> {
        self.with(|store| store.get(key.as_bytes()).map(|entry| pair(key.as_bytes(), entry)))
    }

    pub(super) fn list(&self, prefix: &str) -> Listing {
        let prefix = prefix.as_bytes();
        self.with(|store| Listing {
            index: store.index_of(&Watch::Prefix(prefix.to_vec())),
            pairs: store.list(prefix).map(|(key, entry)| pair(key, entry)).collect(),
        })
    }

    pub(super) async fn watch(&self, prefix: &str, index: u64, wait: Duration) -> Listing {
        self.changed(&Watch::Prefix(prefix.as_bytes().to_vec()), index, wait).await;
        self.list(prefix)
    }

    pub(super) fn put(&self, key: &str, value: &[u8], flags: u64) {
        self.with(|store| store.put(key.as_bytes(), Bytes::copy_from_slice(value), flags));
    }

    pub(super) fn cas(&self, key: &str, value: &[u8], flags: u64, index: u64) -> bool {
        self.with(|store| store.cas(key.as_bytes(), Bytes::copy_from_slice(value), flags, index))
    }

    pub(super) fn delete(&self, key: &str) {
        self.with(|store| store.delete(key.as_bytes()));
    }

    pub(super) fn delete_cas(&self, key: &str, index: u64) -> bool {
        self.with(|store| store.delete_cas(key.as_bytes(), index))
    }

    pub(super) fn delete_tree(&self, prefix: &str) {
        self.with(|store| store.delete_tree(prefix.as_bytes()));
    }

    pub(super) fn txn(&self, ops: Vec<TxnOp>, flags: u64) -> Result<Option<()>, Error> {
        if ops.len() > MAX_OPS {
            let refusal = Refusal::TooManyOps(ops.len());
            return Err(Error::new("do", format!("a transaction of {}", ops.len()), refusal));
        }
        let ops: Vec<Op> = ops.into_iter().map(|op| operation(op, flags)).collect();
        Ok(self.with(|store| store.txn(&ops)).ok().map(|_| ()))
    }

    pub(super) fn session_create(&self, ttl: Duration, lock_delay: Duration) -> Result<String, Error> {
        let ttl = GoDuration::from(ttl).to_string();
        let behavior = Behavior::Delete.as_str().to_owned();
        let request = SessionRequest { ttl, lock_delay, behavior, ..SessionRequest::default() };
        self.with(|store| store.create_session(request).map(|session| session.id.clone()))
            .map_err(|refusal| Error::new("create", "a session", refusal))
    }

    pub(super) fn session_renew(&self, id: &str) -> bool {
        self.with(|store| store.renew_session(id).is_some())
    }

    pub(super) fn session_destroy(&self, id: &str) {
        self.with(|store| store.destroy_session(id));
    }

    pub(super) fn acquire(&self, key: &str, value: &[u8], flags: u64, session: &str) -> Result<bool, Error> {
        let value = Bytes::copy_from_slice(value);
        self.with(|store| store.acquire(key.as_bytes(), value, flags, session))
            .map_err(|refusal| Error::new("acquire", key, refusal))
    }
}

fn pair(key: &[u8], entry: &Entry) -> Pair {
    Pair {
        key: String::from_utf8_lossy(key).into_owned(),
        value: entry.value.to_vec(),
        flags: entry.flags,
        session: entry.session.clone(),
        create_index: entry.create_index,
        modify_index: entry.modify_index,
        lock_index: entry.lock_index,
    }
}

fn operation(op: TxnOp, flags: u64) -> Op {
    match op {
        TxnOp::Set { key, value } => Op { value: value.into(), flags, ..Op::new(Verb::Set, key) },
        TxnOp::Cas { key, value, index } => {
            Op { value: value.into(), flags, index, ..Op::new(Verb::Cas, key) }
        }
        TxnOp::Delete { key } => Op::new(Verb::Delete, key),
        TxnOp::DeleteCas { key, index } => Op { index, ..Op::new(Verb::DeleteCas, key) },
        TxnOp::CheckIndex { key, index } => Op { index, ..Op::new(Verb::CheckIndex, key) },
        TxnOp::CheckNotExists { key } => Op::new(Verb::CheckNotExists, key),
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_blocks_for_its_wait_and_up_to_a_sixteenth() {
        let minutes = Duration::from_mins;
        assert_eq!(patience(Duration::from_secs(2), 0.0), Duration::from_secs(2));
        assert_eq!(patience(Duration::from_secs(2), 1.0), Duration::from_millis(2125));
        assert_eq!(patience(Duration::ZERO, 0.0), minutes(5));
        assert_eq!(patience(minutes(20), 0.0), minutes(10));
    }

    #[tokio::test]
    async fn the_task_of_a_store_ends_with_it() {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let store = Shared::new(Config::default());
        assert_eq!(tasks(), before + 1);
        drop(store);
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_store_that_stands_still_shows_neither_writes_nor_time() {
        let config = Config { session_ttl_min: Duration::from_millis(1), ..Config::default() };
        let store = Shared::new(config);
        let id = store.session_create(Duration::from_millis(20), Duration::ZERO).expect("a session");
        assert!(store.acquire("k", b"1", 0, &id).expect("the session lives"));
        let still = store.with(|store| Shared::still(store));
        let then = still.list("k");
        let gone = store.watch("k", then.index, Duration::from_mins(1)).await;
        assert!(gone.pairs.is_empty() && gone.index > then.index, "the session has expired");
        assert_eq!(still.list("k"), then);
    }

    #[tokio::test]
    async fn a_session_expires_though_nobody_asks() {
        let config = Config { session_ttl_min: Duration::from_millis(1), ..Config::default() };
        let store = Shared::new(config);
        let id = store.session_create(Duration::from_millis(40), Duration::ZERO).expect("a session");
        assert!(store.acquire("k", b"", 0, &id).expect("the session lives"));
        let index = store.list("k").index;
        let gone = store.watch("k", index, Duration::from_mins(1)).await;
        assert!(gone.pairs.is_empty() && gone.index > index);
    }
}
