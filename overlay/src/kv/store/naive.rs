//! The rules once more, as plainly as they can be said: a list of all that ever happened, searched from the start.
//!
//! Not in it: tombstones are never reaped, so that it is right for a quarter of an hour; and there is no catalog.

use super::{Entry, Op, Shown, Verb, Watch, reads_only};
use bytes::Bytes;
use std::time::Duration;

/// The longest lock-delay that counts.
const LOCK_DELAY_MAX: Duration = Duration::from_mins(1);

/// What a write did.
#[derive(Clone, Debug)]
enum Event {
    Stood(String, Entry),
    Deleted(String),
    /// The prefix, and what stood below it.
    DeletedTree(String, Vec<String>),
    Opened(String),
    Ended(String),
}

#[derive(Clone, Debug)]
struct Session {
    id: String,
    /// Its keys are deleted with it.
    delete: bool,
    delay: Duration,
    life: Option<Duration>,
    expires: Option<Duration>,
}

/// Everything that changed something, with its index, in order; who lives; and which locks are delayed until when.
#[derive(Clone, Debug)]
pub(in crate::kv) struct Naive {
    pub(in crate::kv) now: Duration,
    pub(in crate::kv) index: u64,
    history: Vec<(u64, Event)>,
    sessions: Vec<Session>,
    delays: Vec<(String, Duration)>,
}

/// Why a lock cannot be had by that session, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kv) struct NoSession;

/// Reading.
impl Naive {
    pub(in crate::kv) fn new() -> Naive {
        let (history, sessions, delays) = (Vec::new(), Vec::new(), Vec::new());
        Naive { now: Duration::ZERO, index: 1, history, sessions, delays }
    }

    pub(in crate::kv) fn get(&self, key: &str) -> Option<Entry> {
        self.history.iter().fold(None, |entry, (_, event)| match event {
            Event::Stood(other, stands) if other == key => Some(stands.clone()),
            Event::Deleted(other) if other == key => None,
            Event::DeletedTree(prefix, _) if key.starts_with(prefix.as_str()) => None,
            _ => entry,
        })
    }

    fn keys(&self) -> Vec<String> {
        let key = |(_, event): &(u64, Event)| match event {
            Event::Stood(key, _) => Some(key.clone()),
            _ => None,
        };
        let mut keys: Vec<String> = self.history.iter().filter_map(key).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.get(key).is_some());
        keys
    }

    fn below(&self, prefix: &str) -> Vec<String> {
        self.keys().into_iter().filter(|key| key.starts_with(prefix)).collect()
    }

    /// Index of the last of some events; at least 1.
    fn newest(&self, of: impl Fn(&Event) -> bool) -> u64 {
        self.history.iter().rev().find(|(_, event)| of(event)).map_or(1, |(at, _)| *at)
    }

    pub(in crate::kv) fn index_of(&self, watch: &Watch) -> u64 {
        let of_session = |event: &Event| matches!(event, Event::Opened(_) | Event::Ended(_));
        let newest = self.newest(|event| !of_session(event));
        match watch {
            Watch::Key(key) => self.get(text(key)).map_or(newest, |entry| entry.modify_index),
            Watch::Prefix(prefix) if prefix.is_empty() => newest,
            Watch::Prefix(prefix) => {
                let prefix = text(prefix);
                let standing = self.below(prefix).into_iter().filter_map(|key| self.get(&key));
                let standing = standing.map(|entry| entry.modify_index);
                let deleted = self.history.iter().filter_map(|(at, event)| match event {
                    Event::Deleted(key) | Event::DeletedTree(key, _) if key.starts_with(prefix) => Some(*at),
                    _ => None,
                });
                standing.chain(deleted).max().unwrap_or(newest)
            }
            Watch::Session(_) | Watch::Sessions => self.newest(of_session),
            Watch::Catalog => 1,
        }
    }

    /// Whether something happened, behind the first `since` events, to what is watched.
    pub(in crate::kv) fn touched(&self, watch: &Watch, since: usize) -> bool {
        self.history[since..].iter().any(|(_, event)| match (watch, event) {
            (Watch::Key(key), Event::Stood(other, _) | Event::Deleted(other)) => text(key) == other,
            (Watch::Key(key), Event::DeletedTree(_, gone)) => gone.iter().any(|other| text(key) == other),
            (Watch::Prefix(prefix), Event::Stood(key, _) | Event::Deleted(key)) => {
                key.starts_with(text(prefix))
            }
            (Watch::Prefix(prefix), Event::DeletedTree(_, gone)) => {
                gone.iter().any(|key| key.starts_with(text(prefix)))
            }
            (Watch::Session(id), Event::Opened(other) | Event::Ended(other)) => id == other,
            (Watch::Sessions, Event::Opened(_) | Event::Ended(_)) => true,
            _ => false,
        })
    }

    /// How much has happened.
    pub(in crate::kv) fn events(&self) -> usize {
        self.history.len()
    }

    fn is_delayed(&self, key: &str) -> bool {
        self.delays.iter().any(|(other, until)| other == key && *until > self.now)
    }

    fn lives(&self, id: &str) -> bool {
        self.sessions.iter().any(|session| session.id == id)
    }
}

/// Keys.
impl Naive {
    fn log(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    fn write(&mut self, at: u64, key: &str, new: Entry) {
        let old = self.get(key);
        let create_index = old.as_ref().map_or(at, |old| old.create_index);
        let modify_index = old.as_ref().map_or(at, |old| old.modify_index);
        let unchanged = Entry { create_index, modify_index, ..new.clone() };
        if old != Some(unchanged) {
            let entry = Entry { create_index, modify_index: at, ..new };
            self.history.push((at, Event::Stood(key.to_owned(), entry)));
        }
    }

    fn set(&mut self, at: u64, key: &str, value: Bytes, flags: u64) {
        let session = self.get(key).and_then(|entry| entry.session);
        self.write(at, key, Entry { value, flags, session, ..Entry::default() });
    }

    fn cas_at(&mut self, at: u64, key: &str, value: Bytes, flags: u64, index: u64) -> bool {
        let done = match self.get(key) {
            None => index == 0,
            Some(entry) => index != 0 && entry.modify_index == index,
        };
        if done {
            self.set(at, key, value, flags);
        }
        done
    }

    fn remove(&mut self, at: u64, key: &str) {
        if self.get(key).is_some() {
            self.history.push((at, Event::Deleted(key.to_owned())));
        }
    }

    fn remove_if(&mut self, at: u64, key: &str, index: u64) -> bool {
        let done = self.get(key).is_none_or(|entry| entry.modify_index == index);
        if done {
            self.remove(at, key);
        }
        done
    }

    fn remove_tree(&mut self, at: u64, prefix: &str) {
        let gone = self.below(prefix);
        if !gone.is_empty() {
            self.history.push((at, Event::DeletedTree(prefix.to_owned(), gone)));
        }
    }

    fn lock(&mut self, at: u64, key: &str, value: Bytes, flags: u64, session: &str) -> bool {
        let old = self.get(key).unwrap_or_default();
        let lock_index = match old.session.as_deref() {
            None => old.lock_index + 1,
            Some(holder) if holder == session => old.lock_index,
            Some(_) => return false,
        };
        let session = Some(session.to_owned());
        self.write(at, key, Entry { value, flags, session, lock_index, ..Entry::default() });
        true
    }

    fn unlock(&mut self, at: u64, key: &str, value: Bytes, flags: u64, session: &str) -> bool {
        let Some(old) = self.get(key) else { return false };
        if old.session.as_deref() != Some(session) {
            return false;
        }
        self.write(at, key, Entry { value, flags, lock_index: old.lock_index, ..Entry::default() });
        true
    }

    pub(in crate::kv) fn put(&mut self, key: &str, value: Bytes, flags: u64) {
        let at = self.log();
        self.set(at, key, value, flags);
    }

    pub(in crate::kv) fn cas(&mut self, key: &str, value: Bytes, flags: u64, index: u64) -> bool {
        let at = self.log();
        self.cas_at(at, key, value, flags, index)
    }

    pub(in crate::kv) fn delete(&mut self, key: &str) {
        let at = self.log();
        self.remove(at, key);
    }

    pub(in crate::kv) fn delete_cas(&mut self, key: &str, index: u64) -> bool {
        let at = self.log();
        self.remove_if(at, key, index)
    }

    pub(in crate::kv) fn delete_tree(&mut self, prefix: &str) {
        let at = self.log();
        self.remove_tree(at, prefix);
    }

    pub(in crate::kv) fn acquire(
        &mut self,
        key: &str,
        value: Bytes,
        flags: u64,
        session: &str,
    ) -> Result<bool, NoSession> {
        if self.is_delayed(key) {
            return Ok(false);
        }
        let at = self.log();
        if !self.lives(session) {
            return Err(NoSession);
        }
        Ok(self.lock(at, key, value, flags, session))
    }

    pub(in crate::kv) fn release(&mut self, key: &str, value: Bytes, flags: u64, session: &str) -> bool {
        let at = self.log();
        self.unlock(at, key, value, flags, session)
    }
}

/// Sessions, and time.
impl Naive {
    /// Opens a session; `life` is twice its TTL.
    pub(in crate::kv) fn open(&mut self, id: &str, delete: bool, delay: Duration, life: Option<Duration>) {
        let at = self.log();
        let expires = life.map(|life| self.now + life);
        self.sessions.push(Session { id: id.to_owned(), delete, delay, life, expires });
        self.history.push((at, Event::Opened(id.to_owned())));
    }

    pub(in crate::kv) fn renew(&mut self, id: &str) -> bool {
        let now = self.now;
        let session = self.sessions.iter_mut().find(|session| session.id == id);
        session.map(|session| session.expires = session.life.map(|life| now + life)).is_some()
    }

    pub(in crate::kv) fn end(&mut self, id: &str) {
        let at = self.log();
        let Some(place) = self.sessions.iter().position(|session| session.id == id) else { return };
        let session = self.sessions.remove(place);
        self.history.push((at, Event::Ended(id.to_owned())));
        for key in self.keys() {
            let Some(entry) = self.get(&key).filter(|entry| entry.session.as_deref() == Some(id)) else {
                continue;
            };
            if session.delete {
                self.remove(at, &key);
            } else {
                self.write(at, &key, Entry { session: None, ..entry });
            }
            self.delays.push((key, self.now + session.delay.min(LOCK_DELAY_MAX)));
        }
    }

    /// Sessions end when they are due, in order; of two at once, that with the lesser id first.
    pub(in crate::kv) fn advance(&mut self, now: Duration) {
        let next = |naive: &Naive| {
            let due =
                naive.sessions.iter().filter_map(|session| Some((session.expires?, session.id.clone())));
            due.filter(|(at, _)| *at <= now).min()
        };
        while let Some((at, id)) = next(self) {
            self.now = at;
            self.end(&id);
        }
        self.now = now;
    }
}

/// Transactions.
impl Naive {
    /// All of it, or which operations failed.
    pub(in crate::kv) fn txn(&mut self, ops: &[Op]) -> Result<Vec<Shown>, Vec<usize>> {
        let delayed = |op: &Op| op.verb == Verb::Lock && self.is_delayed(text(&op.key));
        let refused: Vec<usize> = (0..ops.len()).filter(|op| delayed(&ops[*op])).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let at = if reads_only(ops) { self.index } else { self.log() };
        let (mut tried, mut shown, mut failed) = (self.clone(), Vec::new(), Vec::new());
        for (number, op) in ops.iter().enumerate() {
            match tried.apply(at, op) {
                Some(lines) => shown.extend(lines),
                None => failed.push(number),
            }
        }
        if !failed.is_empty() {
            return Err(failed);
        }
        *self = tried;
        Ok(shown)
    }

    /// What one operation shows, if it can be done.
    fn apply(&mut self, at: u64, op: &Op) -> Option<Vec<Shown>> {
        let (key, value, session) = (text(&op.key), op.value.clone(), op.session.as_str());
        let before = self.get(key);
        let show = |key: &str, entry| Shown { key: key.as_bytes().to_vec(), entry };
        let done = match op.verb {
            Verb::Get => return before.map(|entry| vec![show(key, entry)]),
            Verb::GetOrEmpty => return Some(vec![show(key, before.unwrap_or_default())]),
            Verb::GetTree => {
                let standing = self.below(key).into_iter();
                return Some(standing.filter_map(|key| Some(show(&key, self.get(&key)?))).collect());
            }
            Verb::CheckNotExists => return before.is_none().then(Vec::new),
            Verb::Delete => {
                self.remove(at, key);
                return Some(Vec::new());
            }
            Verb::DeleteTree => {
                self.remove_tree(at, key);
                return Some(Vec::new());
            }
            Verb::DeleteCas => return self.remove_if(at, key, op.index).then(Vec::new),
            Verb::Set => {
                self.set(at, key, value, op.flags);
                true
            }
            Verb::Cas => self.cas_at(at, key, value, op.flags, op.index),
            Verb::Lock => self.lives(session) && self.lock(at, key, value, op.flags, session),
            Verb::Unlock => self.unlock(at, key, value, op.flags, session),
            Verb::CheckIndex => before.is_some_and(|entry| entry.modify_index == op.index),
            Verb::CheckSession => before.is_some_and(|entry| entry.session.as_deref() == Some(session)),
            Verb::Unknown(_) => false,
        };
        // Only reads show values.
        done.then(|| self.get(key).map(|entry| vec![show(key, Entry { value: Bytes::new(), ..entry })]))?
    }
}

/// Keys are text in the tests.
fn text(key: &[u8]) -> &str {
    str::from_utf8(key).expect("text")
}
