//! A store and its naive twin, told the same.

use super::naive::{Naive, NoSession};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

pub(in crate::kv) const KEYS: [&str; 7] = ["a", "a/", "a/b", "a/b/c", "ab", "b", "b/c"];
pub(in crate::kv) const PREFIXES: [&str; 9] = ["", "a", "a/", "a/b", "a/b/", "ab", "b", "b/c", "c"];

/// One thing done to a store. Keys and sessions are numbers of those there are, indexes are guessed.
#[derive(Clone, Debug)]
pub(in crate::kv) enum Act {
    Put(usize, u8, u64),
    Cas(usize, u8, Guess),
    Delete(usize),
    DeleteCas(usize, Guess),
    DeleteTree(usize),
    /// Deleting or releasing; seconds of TTL and of lock-delay.
    Open(bool, u64, u64),
    Close(usize),
    Renew(usize),
    Acquire(usize, u8, usize),
    Release(usize, u8, usize),
    Txn(Vec<(Verb, usize, u8, Guess, usize)>),
    /// Milliseconds.
    Pass(u64),
}

#[derive(Clone, Copy, Debug)]
pub(in crate::kv) enum Guess {
    Right,
    Wrong,
    Zero,
}

/// Up to 60 acts, in which less time passes than tombstones last.
pub(in crate::kv) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = || 0..KEYS.len();
    let guess = || prop_oneof![3 => Just(Guess::Right), 1 => Just(Guess::Wrong), 1 => Just(Guess::Zero)];
    let value = || 0..3_u8;
    let session = || 0..5_usize;
    let act = prop_oneof![
        4 => (key(), value(), 0..2_u64).prop_map(|(key, value, flags)| Act::Put(key, value, flags)),
        3 => (key(), value(), guess()).prop_map(|(key, value, guess)| Act::Cas(key, value, guess)),
        2 => key().prop_map(Act::Delete),
        1 => (key(), guess()).prop_map(|(key, guess)| Act::DeleteCas(key, guess)),
        1 => (0..PREFIXES.len()).prop_map(Act::DeleteTree),
        2 => (any::<bool>(), prop::sample::select(vec![0, 10, 15]), prop::sample::select(vec![0, 3, 90]))
            .prop_map(|(delete, ttl, delay)| Act::Open(delete, ttl, delay)),
        1 => session().prop_map(Act::Close),
        1 => session().prop_map(Act::Renew),
        4 => (key(), value(), session()).prop_map(|(key, value, session)| Act::Acquire(key, value, session)),
        2 => (key(), value(), session()).prop_map(|(key, value, session)| Act::Release(key, value, session)),
        2 => prop::collection::vec((verb(), key(), value(), guess(), session()), 0..5).prop_map(Act::Txn),
        3 => (0..14_000_u64).prop_map(Act::Pass),
        // As long as a lock-delay or twice a TTL, to the millisecond.
        1 => prop::sample::select(vec![2_999, 3_000]).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..60)
}

fn verb() -> impl Strategy<Value = Verb> {
    let words = [
        "set",
        "set",
        "cas",
        "cas",
        "lock",
        "lock",
        "unlock",
        "get",
        "get-or-empty",
        "get-tree",
        "check-index",
        "check-session",
        "check-not-exists",
        "delete",
        "delete-tree",
        "delete-cas",
    ];
    prop::sample::select(words.map(Verb::parse).to_vec())
}

/// The twin, and the sessions that there ever were.
pub(in crate::kv) struct Twins {
    pub(in crate::kv) naive: Naive,
    pub(in crate::kv) sessions: Vec<String>,
}

impl Twins {
    pub(in crate::kv) fn new() -> Twins {
        Twins { naive: Naive::new(), sessions: Vec::new() }
    }

    fn guess(&self, key: &str, guess: Guess) -> u64 {
        let right = self.naive.get(key).map_or(0, |entry| entry.modify_index);
        match guess {
            Guess::Right => right,
            Guess::Wrong => right + 1,
            Guess::Zero => 0,
        }
    }

    /// One of the sessions there ever were, of late ones most often; or one there never was.
    fn session(&self, nth: usize) -> String {
        let late = self.sessions.len().checked_sub(nth + 1);
        late.map_or_else(|| "nobody".to_owned(), |place| self.sessions[place].clone())
    }

    /// Does it to both and compares what they say to it.
    pub(in crate::kv) fn act(&mut self, store: &mut Store, act: &Act) {
        let byte = |value: u8| Bytes::copy_from_slice(&[value]);
        match act {
            Act::Put(key, value, flags) => {
                store.put(KEYS[*key].as_bytes(), byte(*value), *flags);
                self.naive.put(KEYS[*key], byte(*value), *flags);
            }
            Act::Cas(key, value, guess) => {
                let index = self.guess(KEYS[*key], *guess);
                let done = store.cas(KEYS[*key].as_bytes(), byte(*value), 0, index);
                assert_eq!(done, self.naive.cas(KEYS[*key], byte(*value), 0, index));
            }
            Act::Delete(key) => {
                store.delete(KEYS[*key].as_bytes());
                self.naive.delete(KEYS[*key]);
            }
            Act::DeleteCas(key, guess) => {
                let index = self.guess(KEYS[*key], *guess);
                let done = store.delete_cas(KEYS[*key].as_bytes(), index);
                assert_eq!(done, self.naive.delete_cas(KEYS[*key], index));
            }
            Act::DeleteTree(prefix) => {
                store.delete_tree(PREFIXES[*prefix].as_bytes());
                self.naive.delete_tree(PREFIXES[*prefix]);
            }
            Act::Open(delete, ttl, delay) => {
                let behavior = if *delete { Behavior::Delete } else { Behavior::Release };
                let lock_delay = Duration::from_secs(*delay);
                let request = SessionRequest {
                    ttl: format!("{ttl}s"),
                    lock_delay,
                    behavior: behavior.as_str().to_owned(),
                    ..SessionRequest::default()
                };
                let id = store.create_session(request).expect("what is asked for can be had").id.clone();
                let life = (*ttl > 0).then(|| Duration::from_secs(2 * ttl));
                self.naive.open(&id, *delete, lock_delay, life);
                self.sessions.push(id);
            }
            Act::Close(nth) => {
                let id = self.session(*nth);
                store.destroy_session(&id);
                self.naive.end(&id);
            }
            Act::Renew(nth) => {
                let id = self.session(*nth);
                assert_eq!(store.renew_session(&id).is_some(), self.naive.renew(&id));
            }
            Act::Acquire(key, value, nth) => {
                let id = self.session(*nth);
                let done = store.acquire(KEYS[*key].as_bytes(), byte(*value), 0, &id);
                assert_eq!(done.map_err(|_| NoSession), self.naive.acquire(KEYS[*key], byte(*value), 0, &id));
            }
            Act::Release(key, value, nth) => {
                let id = self.session(*nth);
                let done = store.release(KEYS[*key].as_bytes(), byte(*value), 0, &id);
                assert_eq!(done, Ok(self.naive.release(KEYS[*key], byte(*value), 0, &id)));
            }
            Act::Txn(ops) => {
                let op = |(verb, key, value, guess, nth): &(Verb, usize, u8, Guess, usize)| Op {
                    value: byte(*value),
                    flags: u64::from(*value),
                    index: self.guess(KEYS[*key], *guess),
                    session: self.session(*nth),
                    ..Op::new(verb.clone(), KEYS[*key])
                };
                let ops: Vec<Op> = ops.iter().map(op).collect();
                let failed = |failures: Vec<Failure>| failures.iter().map(|failure| failure.op).collect();
                assert_eq!(store.txn(&ops).map_err(failed), self.naive.txn(&ops));
            }
            Act::Pass(millis) => {
                let now = self.naive.now + Duration::from_millis(*millis);
                store.advance(now);
                self.naive.advance(now);
            }
        }
    }

    /// Whether they read the same, entries and indexes.
    pub(in crate::kv) fn compare(&self, store: &Store) {
        assert_eq!(store.index, self.naive.index, "what was logged");
        for key in KEYS {
            assert_eq!(store.get(key.as_bytes()).cloned(), self.naive.get(key), "{key}");
        }
        for watch in watches(&self.sessions) {
            assert_eq!(store.index_of(&watch), self.naive.index_of(&watch), "{watch:?}");
        }
    }
}

/// All that can be watched, but the catalog.
pub(in crate::kv) fn watches(sessions: &[String]) -> Vec<Watch> {
    let keys = KEYS.iter().map(|key| Watch::Key(key.as_bytes().to_vec()));
    let prefixes = PREFIXES.iter().map(|prefix| Watch::Prefix(prefix.as_bytes().to_vec()));
    let each = sessions.iter().map(|id| Watch::Session(id.clone()));
    keys.chain(prefixes).chain(each).chain([Watch::Sessions]).collect()
}
