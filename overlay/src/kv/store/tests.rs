//! Claims about the store as a whole: what time does to it, and that it is the same as a very naive one.

#![expect(clippy::unwrap_used, reason = "a test")]

use super::naive::Naive;
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

const KEYS: [&str; 7] = ["a", "a/", "a/b", "a/b/c", "ab", "b", "b/c"];
const PREFIXES: [&str; 9] = ["", "a", "a/", "a/b", "a/b/", "ab", "b", "b/c", "c"];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn store() -> Store {
    Store::new(Config::default())
}

fn changes(store: &mut Store) -> Vec<Change> {
    store.take_delta().changes().collect()
}

fn session(store: &mut Store, ttl: &str, lock_delay: Duration, behavior: Behavior) -> String {
    let (ttl, behavior) = (ttl.to_owned(), behavior.as_str().to_owned());
    let request = SessionRequest { ttl, lock_delay, behavior, ..SessionRequest::default() };
    store.create_session(request).unwrap().id.clone()
}

#[test]
fn a_session_lives_two_ttls_and_a_renewal_starts_them_anew() {
    let mut store = store();
    let id = session(&mut store, "10s", Duration::ZERO, Behavior::Delete);
    assert!(store.acquire(b"k", value("v"), 0, &id).unwrap());
    store.advance(seconds(15));
    let index = store.index;
    assert!(store.renew_session(&id.to_uppercase()).is_some(), "ids compare without case");
    assert_eq!(store.index, index, "a renewal costs no index");
    assert_eq!(store.next_expiry(), Some(seconds(35)));
    store.advance(Duration::from_millis(34_999));
    assert!(store.session(&id).is_some());
    store.take_delta();
    store.advance(seconds(35));
    assert!(store.session(&id).is_none() && store.get(b"k").is_none());
    assert_eq!(changes(&mut store), [Change::Key(b"k".to_vec()), Change::Session(id.clone())]);
    assert!(store.renew_session(&id).is_none());
}

#[test]
fn a_session_without_a_ttl_does_not_expire() {
    let mut store = store();
    let id = session(&mut store, "0s", Duration::ZERO, Behavior::Release);
    store.advance(seconds(1_000_000));
    assert!(store.session(&id).is_some());
}

#[test]
fn a_lock_delay_refuses_only_acquires_and_only_for_its_time() {
    let mut store = store();
    let id = session(&mut store, "", seconds(3), Behavior::Release);
    let other = session(&mut store, "", Duration::ZERO, Behavior::Release);
    assert!(store.acquire(b"k", value("v"), 0, &id).unwrap());
    store.destroy_session(&id);
    assert!(!store.acquire(b"k", value("w"), 0, &other).unwrap());
    store.put(b"k", value("plain"), 0);
    store.advance(Duration::from_millis(2_999));
    let index = store.index;
    assert!(!store.acquire(b"k", value("w"), 0, &other).unwrap());
    assert_eq!(store.index, index, "a refusal before the log costs no index");
    store.advance(seconds(3));
    assert!(store.acquire(b"k", value("w"), 0, &other).unwrap());
}

#[test]
fn a_lock_delay_counts_at_most_a_minute_and_from_the_moment_of_expiry() {
    let mut store = store();
    let id = session(&mut store, "10s", seconds(300), Behavior::Release);
    let other = session(&mut store, "", Duration::ZERO, Behavior::Release);
    assert!(store.acquire(b"k", value("v"), 0, &id).unwrap());
    store.advance(seconds(79));
    assert!(!store.acquire(b"k", value("w"), 0, &other).unwrap());
    store.advance(seconds(80));
    assert!(store.acquire(b"k", value("w"), 0, &other).unwrap());
}

#[test]
fn tombstones_are_reaped_after_a_quarter_of_an_hour() {
    let mut store = store();
    store.put(b"foo", value("v"), 0);
    store.put(b"foo/bar", value("v"), 0);
    let bar = store.index;
    store.delete(b"foo");
    let deleted = store.index;
    store.put(b"other", value("v"), 0);
    let (foo, gone) = (Watch::Prefix(b"foo".to_vec()), Watch::Prefix(b"gone".to_vec()));
    let later = store.index_of(&gone);
    assert_eq!((store.index_of(&foo), later), (deleted, store.index));
    let reaping = store.next_expiry().unwrap();
    assert!(reaping >= seconds(15 * 60) && reaping <= seconds(15 * 60 + 30));
    store.advance(reaping);
    assert_eq!(store.index_of(&foo), bar, "back to the entry that is left");
    assert_eq!(store.index_of(&gone), later);
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn deletes_close_together_are_reaped_together() {
    let mut store = store();
    for (second, key) in (0..).zip(KEYS) {
        store.advance(seconds(second * 5));
        store.put(key.as_bytes(), value("v"), 0);
        store.delete(key.as_bytes());
    }
    let first = store.next_expiry().unwrap();
    store.advance(first);
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn session_ids_come_from_the_seed() {
    let ids = |seed| {
        let mut store = Store::new(Config { seed, ..Config::default() });
        [(); 2].map(|()| session(&mut store, "", Duration::ZERO, Behavior::Release))
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    let [id, other] = ids(1);
    assert_ne!(id, other);
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
}

#[test]
fn what_is_read_back_gives_sessions_their_whole_ttl_and_draws_new_ids() {
    let mut store = store();
    let id = session(&mut store, "10s", Duration::ZERO, Behavior::Delete);
    store.put(b"gone", value("v"), 0);
    store.delete(b"gone");
    store.advance(seconds(15));
    let mut again = Store::new(Config::default());
    again.redo(&store.whole());
    assert_eq!(again.next_expiry(), Some(seconds(20)));
    assert_ne!(session(&mut again, "", Duration::ZERO, Behavior::Delete), id);
    again.advance(seconds(20));
    assert!(again.session(&id).is_none());
    let reaping = again.next_expiry().unwrap();
    assert!(reaping >= seconds(15 * 60), "the tombstone has its time again");
}

#[test]
fn a_failed_transaction_changes_nothing_and_wakes_nobody() {
    let mut store = store();
    store.put(b"a", value("v"), 0);
    store.take_delta();
    let set = Op { value: value("new"), ..Op::new(Verb::Set, "a") };
    let ops = [set, Op::new(Verb::Delete, "a"), Op::new(Verb::Get, "a"), Op::new(Verb::Get, "b")];
    let failures = store.txn(&ops).unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.op).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(store.get(b"a").unwrap().value, value("v"));
    assert!(store.take_delta().is_empty());
    assert_eq!(store.next_expiry(), None, "no tombstone either");
}

/// One thing done to a store. Sessions and indexes are picked from those there are.
#[derive(Clone, Debug)]
enum Act {
    Put(usize, u8, u64),
    Cas(usize, u8, Guess),
    Delete(usize),
    DeleteCas(usize, Guess),
    DeleteTree(usize),
    Open(bool),
    Close(usize),
    Acquire(usize, u8, usize),
    Release(usize, u8, usize),
    Txn(Vec<(usize, u8, Guess)>),
}

#[derive(Clone, Copy, Debug)]
enum Guess {
    Right,
    Wrong,
    Zero,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = || 0..KEYS.len();
    let guess = || prop_oneof![3 => Just(Guess::Right), 1 => Just(Guess::Wrong), 1 => Just(Guess::Zero)];
    let value = || 0..3_u8;
    let session = || 0..4_usize;
    let act = prop_oneof![
        4 => (key(), value(), 0..2_u64).prop_map(|(key, value, flags)| Act::Put(key, value, flags)),
        3 => (key(), value(), guess()).prop_map(|(key, value, guess)| Act::Cas(key, value, guess)),
        2 => key().prop_map(Act::Delete),
        1 => (key(), guess()).prop_map(|(key, guess)| Act::DeleteCas(key, guess)),
        1 => (0..PREFIXES.len()).prop_map(Act::DeleteTree),
        1 => any::<bool>().prop_map(Act::Open),
        1 => session().prop_map(Act::Close),
        3 => (key(), value(), session()).prop_map(|(key, value, session)| Act::Acquire(key, value, session)),
        2 => (key(), value(), session()).prop_map(|(key, value, session)| Act::Release(key, value, session)),
        1 => proptest::collection::vec((key(), value(), guess()), 1..4).prop_map(Act::Txn),
    ];
    proptest::collection::vec(act, 1..60)
}

/// A store and its naive twin, told the same.
struct Twins {
    store: Store,
    naive: Naive,
    sessions: Vec<(String, bool)>,
}

impl Twins {
    fn guess(&self, key: &str, guess: Guess) -> u64 {
        let right = self.store.get(key.as_bytes()).map_or(0, |entry| entry.modify_index);
        match guess {
            Guess::Right => right,
            Guess::Wrong => right + 1,
            Guess::Zero => 0,
        }
    }

    /// Does it to both and compares what they say to it.
    fn act(&mut self, act: &Act) {
        let byte = |value: u8| Bytes::copy_from_slice(&[value]);
        match *act {
            Act::Put(key, value, flags) => {
                self.store.put(KEYS[key].as_bytes(), byte(value), flags);
                self.naive.set(self.store.index, KEYS[key], byte(value), flags);
            }
            Act::Cas(key, value, guess) => {
                let index = self.guess(KEYS[key], guess);
                let done = self.store.cas(KEYS[key].as_bytes(), byte(value), 0, index);
                assert_eq!(done, self.naive.cas(self.store.index, KEYS[key], byte(value), index));
            }
            Act::Delete(key) => {
                self.store.delete(KEYS[key].as_bytes());
                self.naive.delete(self.store.index, KEYS[key]);
            }
            Act::DeleteCas(key, guess) => {
                let index = self.guess(KEYS[key], guess);
                let done = self.store.delete_cas(KEYS[key].as_bytes(), index);
                let stands = self.naive.get(KEYS[key]).map(|entry| entry.modify_index);
                assert_eq!(done, stands.is_none_or(|stands| stands == index));
                if done {
                    self.naive.delete(self.store.index, KEYS[key]);
                }
            }
            Act::DeleteTree(prefix) => {
                self.store.delete_tree(PREFIXES[prefix].as_bytes());
                self.naive.delete_tree(self.store.index, PREFIXES[prefix]);
            }
            Act::Open(delete) => {
                let behavior = if delete { Behavior::Delete } else { Behavior::Release };
                self.sessions.push((session(&mut self.store, "", Duration::ZERO, behavior), delete));
            }
            Act::Close(nth) if nth < self.sessions.len() => {
                let (id, delete) = self.sessions.remove(nth);
                self.store.destroy_session(&id);
                self.naive.end(self.store.index, &id, delete);
            }
            Act::Acquire(key, value, nth) if nth < self.sessions.len() => {
                let id = &self.sessions[nth].0;
                let done = self.store.acquire(KEYS[key].as_bytes(), byte(value), 0, id).unwrap();
                assert_eq!(done, self.naive.acquire(self.store.index, KEYS[key], byte(value), id));
            }
            Act::Release(key, value, nth) if nth < self.sessions.len() => {
                let id = &self.sessions[nth].0;
                let done = self.store.release(KEYS[key].as_bytes(), byte(value), 0, id).unwrap();
                assert_eq!(done, self.naive.release(self.store.index, KEYS[key], byte(value), id));
            }
            Act::Txn(ref writes) => {
                let op = |&(key, value, guess)| {
                    let index = self.guess(KEYS[key], guess);
                    Op { value: byte(value), index, ..Op::new(Verb::Cas, KEYS[key]) }
                };
                let ops: Vec<Op> = writes.iter().map(op).collect();
                let done = self.store.txn(&ops).is_ok();
                let mut after = self.naive.clone();
                let wrote = |op: &Op| {
                    after.cas(self.store.index, str::from_utf8(&op.key).unwrap(), op.value.clone(), op.index)
                };
                let all: Vec<bool> = ops.iter().map(wrote).collect();
                assert_eq!(done, all.iter().all(|done| *done));
                if done {
                    self.naive = after;
                }
            }
            Act::Close(_) | Act::Acquire(..) | Act::Release(..) => {}
        }
    }

    fn indexes(&self) -> Vec<u64> {
        let keys = KEYS.iter().map(|key| Watch::Key(key.as_bytes().to_vec()));
        let watches = keys.chain([Watch::Prefix(Vec::new()), Watch::Sessions]);
        watches.map(|watch| self.store.index_of(&watch)).collect()
    }
}

proptest! {
    #[test]
    fn the_store_is_as_the_naive_one_and_its_indexes_never_decrease(acts in acts()) {
        let mut twins = Twins { store: store(), naive: Naive::default(), sessions: Vec::new() };
        for act in &acts {
            let (indexes, before) = (twins.indexes(), twins.store.clone());
            twins.act(act);
            for key in KEYS {
                prop_assert_eq!(twins.store.get(key.as_bytes()).cloned(), twins.naive.get(key), "{}", key);
                let index = twins.store.index_of(&Watch::Key(key.as_bytes().to_vec()));
                prop_assert_eq!(index, twins.naive.key_index(key), "{}", key);
            }
            for prefix in PREFIXES {
                let index = twins.store.index_of(&Watch::Prefix(prefix.as_bytes().to_vec()));
                prop_assert_eq!(index, twins.naive.prefix_index(prefix), "prefix {:?}", prefix);
            }
            for (old, new) in indexes.iter().zip(twins.indexes()) {
                prop_assert!(*old <= new, "{} < {}", new, old);
            }
            let keys = KEYS.into_iter().map(str::as_bytes);
            let changed = keys.filter(|key| before.get(key) != twins.store.get(key));
            let changed: Vec<Change> = changed.map(|key| Change::Key(key.to_vec())).collect();
            let mut woken = changes(&mut twins.store);
            woken.retain(|change| matches!(change, Change::Key(_)));
            for change in &changed {
                prop_assert!(woken.contains(change), "{:?} woke nobody", change);
            }
        }
    }

    #[test]
    fn a_store_that_does_again_what_was_written_down_reads_the_same(acts in acts(), pause in 0..2_000_u64) {
        let mut twins = Twins { store: store(), naive: Naive::default(), sessions: Vec::new() };
        let mut again = store();
        for (step, act) in (1..).zip(&acts) {
            // Long enough that some tombstones are reaped on the way.
            twins.store.advance(seconds(step * pause));
            twins.act(act);
            let line = serde_json::to_vec(&twins.store.take_delta()).unwrap();
            again.redo(&serde_json::from_slice(&line).unwrap());
        }
        let mut at_once = store();
        at_once.redo(&twins.store.whole());
        for copy in [&again, &at_once] {
            prop_assert_eq!(copy.whole(), twins.store.whole());
            for prefix in PREFIXES {
                let watch = Watch::Prefix(prefix.as_bytes().to_vec());
                prop_assert_eq!(copy.index_of(&watch), twins.store.index_of(&watch), "prefix {:?}", prefix);
            }
        }
    }

    #[test]
    fn of_writers_with_the_same_index_one_wins(writers in 1..20_u8, exists in any::<bool>()) {
        let mut store = store();
        if exists {
            store.put(b"k", value("v"), 0);
        }
        let index = store.get(b"k").map_or(0, |entry| entry.modify_index);
        let won = (0..writers).filter(|n| store.cas(b"k", Bytes::copy_from_slice(&[*n]), 0, index)).count();
        prop_assert_eq!(won, 1);
        prop_assert_eq!(&store.get(b"k").unwrap().value[..], &[0][..]);
    }

    #[test]
    fn listing_by_a_separator_covers_exactly_the_keys(picked in proptest::collection::vec(0..KEYS.len(), 0..7)) {
        let mut store = store();
        for key in &picked {
            store.put(KEYS[*key].as_bytes(), value("v"), 0);
        }
        for prefix in PREFIXES {
            let whole = store.keys(prefix.as_bytes(), b"");
            let cut = store.keys(prefix.as_bytes(), b"/");
            prop_assert!(whole.iter().all(|key| cut.iter().any(|cut| key.starts_with(cut))));
            prop_assert!(cut.iter().all(|cut| whole.iter().any(|key| key.starts_with(cut))));
            prop_assert!(cut.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
