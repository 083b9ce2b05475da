//! The store: one index counter, the key/value table, sessions, lock-delays.
//!
//! Time passes only through [`Store::advance`], and whatever is random comes from the seed, so a store does the
//! same again when it is asked the same again.

use super::catalog::{Catalog, Health, Registered, Registration};
use super::delta::Delta;
use super::session::{self, Behavior, LOCK_DELAY_MAX, Refusal, Session, SessionRequest, Sessions};
use super::table::{Entry, Key, Table};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How long a tombstone lasts, and in what batches they are reaped (Consul, `TombstoneTTL` and
/// `TombstoneTTLGranularity`).
const TOMBSTONE_TTL: Duration = Duration::from_mins(15);
const TOMBSTONE_BATCH: Duration = Duration::from_secs(30);
/// Where the counter starts. A client may send `index=1` to mean "anything is newer".
const FIRST_INDEX: u64 = 1;

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's own node, on whose health sessions depend.
    pub node: String,
    /// Where that is.
    pub address: IpAddr,
    /// The shortest TTL that a session may have. Consul's default is 10 s, which is long for a test.
    pub session_ttl_min: Duration,
    /// Session ids come from it.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            node: "consul".to_owned(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            session_ttl_min: Duration::from_secs(10),
            seed: 0,
        }
    }
}

/// Something that a read can wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// One key.
    Key(Key),
    /// All keys that start with these bytes.
    Prefix(Key),
    /// One session, by id in lower case.
    Session(String),
    /// All sessions.
    Sessions,
    /// Nodes, services and checks.
    Catalog,
}

/// Something that was really changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key made, changed or removed.
    Key(Key),
    /// A session made or ended.
    Session(String),
    /// Something registered, or not any more.
    Catalog,
}

/// A one-node Consul's state and rules.
#[derive(Clone, Debug)]
pub struct Store {
    config: Config,
    ids: fastrand::Rng,
    now: Duration,
    /// Index of the last logged write.
    pub(super) index: u64,
    pub(super) table: Table,
    pub(super) sessions: Sessions,
    catalog: Catalog,
    /// Until when a key cannot be acquired.
    delays: HashMap<Key, Duration>,
    /// When to reap the tombstones of writes up to an index, in order.
    graves: VecDeque<(Duration, u64)>,
}

impl Store {
    /// An empty store, at time zero.
    pub fn new(config: Config) -> Store {
        Store {
            ids: fastrand::Rng::with_seed(config.seed),
            catalog: Catalog::new(&config.node, config.address, FIRST_INDEX),
            config,
            now: Duration::ZERO,
            index: FIRST_INDEX,
            table: Table::default(),
            sessions: Sessions::default(),
            delays: HashMap::new(),
            graves: VecDeque::new(),
        }
    }

    /// What the operator chose.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Time.
impl Store {
    /// Lets time pass up to `now` since the store's birth: sessions expire, tombstones are reaped, each at its
    /// moment and in order. Earlier than before is now.
    pub fn advance(&mut self, now: Duration) {
        while let Some(due) = self.next_expiry().filter(|due| *due <= now) {
            self.now = self.now.max(due);
            if let Some((_, id)) = self.sessions.next().filter(|(at, _)| *at == due) {
                let id = id.to_owned();
                self.end_session(&id);
            } else if self.catalog.next() == Some(due) {
                let at = self.log();
                self.catalog.expire(due, at);
                self.end_orphans();
            } else if let Some((_, index)) = self.graves.pop_front() {
                self.log();
                self.table.reap(index);
            }
        }
        self.now = self.now.max(now);
        self.delays.retain(|_, until| *until > now);
    }

    /// When something happens by itself: the caller advances the store then.
    pub fn next_expiry(&self) -> Option<Duration> {
        let session = self.sessions.next().map(|(at, _)| at);
        let grave = self.graves.front().map(|(at, _)| *at);
        session.into_iter().chain(grave).chain(self.catalog.next()).min()
    }

    /// What was changed since the last call.
    pub fn take_delta(&mut self) -> Delta {
        let mut delta = Delta { index: self.index, ..Delta::default() };
        self.table.take_delta(&mut delta);
        self.sessions.take_delta(&mut delta);
        delta.catalog = self.catalog.take_touched().then(|| self.catalog.clone());
        delta
    }
}

/// What was written down.
impl Store {
    /// All that there is.
    pub fn whole(&self) -> Delta {
        let mut delta = Delta { index: self.index, ..Delta::default() };
        self.table.whole(&mut delta);
        self.sessions.whole(&mut delta);
        delta.catalog = Some(self.catalog.clone());
        delta
    }

    /// Does again what once was done, in the same order. Sessions start their TTLs, tombstones their time.
    pub fn redo(&mut self, delta: &Delta) {
        self.index = delta.index;
        self.table.redo(delta);
        self.sessions.redo(self.now, delta);
        if let Some(catalog) = &delta.catalog {
            self.catalog = catalog.clone();
            self.catalog.start_all(self.now);
        }
        if !delta.tombstones.is_empty() {
            self.after_write(delta.buried);
        }
        // Ids that were drawn once must not be drawn again.
        self.ids = fastrand::Rng::with_seed(self.config.seed ^ delta.index);
    }
}

/// Reads.
impl Store {
    /// Index of the last write that was logged, of whatever: while it is the same, so is every answer but a session's time.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The index that a read of this reports: at least 1.
    pub fn index_of(&self, watch: &Watch) -> u64 {
        let index = match watch {
            Watch::Key(key) => self.table.key_index(key),
            Watch::Prefix(prefix) => self.table.prefix_index(prefix),
            Watch::Session(_) | Watch::Sessions => self.sessions.index(),
            Watch::Catalog => self.catalog.index(),
        };
        index.max(FIRST_INDEX)
    }

    /// What stands under a key.
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.table.get(key)
    }

    /// All entries below a prefix, in byte order.
    pub fn list<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        self.table.list(prefix)
    }

    /// All keys below a prefix, each cut after the first separator beyond it; an empty separator cuts nothing.
    pub fn keys(&self, prefix: &[u8], separator: &[u8]) -> Vec<Key> {
        self.table.keys(prefix, separator)
    }

    /// A live session. Ids compare without case.
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id)
    }

    /// Nodes, services and checks.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// All live sessions, by id.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }
}

/// Writes of keys. Each takes a place in the log, even one that then does nothing.
impl Store {
    /// Writes a value. A holder keeps the key.
    pub fn put(&mut self, key: &[u8], value: Bytes, flags: u64) {
        let at = self.log();
        self.table.set(at, key, value, flags);
    }

    /// Writes a value if the entry's index is `index`; 0: if there is none.
    pub fn cas(&mut self, key: &[u8], value: Bytes, flags: u64, index: u64) -> bool {
        let at = self.log();
        self.table.cas(at, key, value, flags, index)
    }

    /// Writes a value and takes the key for a session, unless another has it or its lock-delay runs.
    pub fn acquire(&mut self, key: &[u8], value: Bytes, flags: u64, session: &str) -> Result<bool, Refusal> {
        if self.lock_is_delayed(key) {
            return Ok(false);
        }
        let at = self.log();
        if session.is_empty() {
            return Err(Refusal::MissingSession);
        }
        if self.sessions.get(session).is_none() {
            return Err(Refusal::InvalidSession(session.to_owned()));
        }
        Ok(self.table.lock(at, key, value, flags, session))
    }

    /// Writes a value and gives the key back, if the session has it.
    pub fn release(&mut self, key: &[u8], value: Bytes, flags: u64, session: &str) -> Result<bool, Refusal> {
        let at = self.log();
        if session.is_empty() {
            return Err(Refusal::MissingSession);
        }
        Ok(self.table.unlock(at, key, value, flags, session))
    }

    /// Removes a key, if it is there.
    pub fn delete(&mut self, key: &[u8]) {
        let at = self.log();
        self.table.delete(at, key);
        self.after_write(at);
    }

    /// Removes a key if its index is `index`. True also when it is gone already.
    pub fn delete_cas(&mut self, key: &[u8], index: u64) -> bool {
        let at = self.log();
        let done = self.table.delete_cas(at, key, index);
        self.after_write(at);
        done
    }

    /// Removes all below a prefix.
    pub fn delete_tree(&mut self, prefix: &[u8]) {
        let at = self.log();
        self.table.delete_tree(at, prefix);
        self.after_write(at);
    }
}

/// Writes of sessions.
impl Store {
    /// Makes a session.
    pub fn create_session(&mut self, request: SessionRequest) -> Result<&Session, Refusal> {
        let (node, ttl_min, ids) = (&self.config.node, self.config.session_ttl_min, &mut self.ids);
        let at = self.index + 1;
        let session = session::check(request, node, &self.catalog, ttl_min, || uuid(ids), at)?;
        self.log();
        let id = session.id.clone();
        self.sessions.insert(self.now, session);
        self.sessions.get(&id).ok_or(Refusal::InvalidSession(id))
    }

    /// Starts a session's TTL anew. Costs no index and wakes nobody.
    pub fn renew_session(&mut self, id: &str) -> Option<&Session> {
        self.sessions.renew(self.now, id)
    }

    /// Ends a session, with what follows for its keys. An unknown one is as wanted.
    pub fn destroy_session(&mut self, id: &str) {
        self.end_session(id);
    }

    fn end_session(&mut self, id: &str) {
        let at = self.log();
        let Some(session) = self.sessions.remove(at, id) else { return };
        let delay = session.lock_delay.min(LOCK_DELAY_MAX);
        for key in self.table.held_by(&session.id) {
            match session.behavior {
                Behavior::Release => self.table.release(at, &key),
                Behavior::Delete => self.table.delete(at, &key),
            }
            if !delay.is_zero() {
                self.delays.insert(key, self.now + delay);
            }
        }
        self.after_write(at);
    }
}

/// Writes of the catalog. Sessions end with what they depend on.
impl Store {
    /// Registers, or changes what is registered.
    pub fn register(&mut self, asked: Registration) {
        let at = self.log();
        self.catalog.register(self.now, at, asked);
        self.end_orphans();
    }

    /// Takes something out; false if it was not there. The store's own node stays: its agent would register it again.
    pub fn deregister(&mut self, node: &str, what: &Registered) -> bool {
        if *what == Registered::Node && node == self.config.node {
            return true;
        }
        let at = self.log();
        let gone = self.catalog.deregister(at, node, what);
        self.end_orphans();
        gone
    }

    /// Tells a check of the store's own node how it is; false if there is no such check.
    pub fn tell(&mut self, check: &str, status: Health, output: &str) -> bool {
        let at = self.log();
        let known = self.catalog.tell(self.now, at, (&self.config.node, check), status, output);
        self.end_orphans();
        known
    }

    fn end_orphans(&mut self) {
        let orphan = |session: &&Session| session.grounds(&self.catalog).is_some();
        let orphans: Vec<String> =
            self.sessions.iter().filter(orphan).map(|session| session.id.clone()).collect();
        for id in orphans {
            self.end_session(&id);
        }
    }
}

impl Store {
    /// The next place in the log.
    pub(super) fn log(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    /// Sees to it that the tombstones of a write are reaped in time.
    pub(super) fn after_write(&mut self, at: u64) {
        if self.table.buried() != at {
            return;
        }
        match self.graves.back_mut() {
            Some((due, index)) if *due >= self.now + TOMBSTONE_TTL => *index = at,
            _ => self.graves.push_back((self.now + TOMBSTONE_TTL + TOMBSTONE_BATCH, at)),
        }
    }

    pub(super) fn lock_is_delayed(&self, key: &[u8]) -> bool {
        self.delays.get(key).is_some_and(|until| *until > self.now)
    }
}

/// Random, in the form of a UUID. Like Consul, without version bits.
fn uuid(ids: &mut fastrand::Rng) -> String {
    let hex = format!("{:032x}", ids.u128(..));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
