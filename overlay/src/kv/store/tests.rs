//! Claims about the store as a whole: what time does to it, and that it is the same as a very naive one.

#![expect(clippy::unwrap_used, reason = "a test")]

use super::twins::{KEYS, PREFIXES, Twins, acts};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn fresh() -> Store {
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
    let mut store = fresh();
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
    let mut store = fresh();
    let id = session(&mut store, "0s", Duration::ZERO, Behavior::Release);
    store.advance(seconds(1_000_000));
    assert!(store.session(&id).is_some());
}

#[test]
fn a_lock_delay_refuses_only_acquires_and_only_for_its_time() {
    let mut store = fresh();
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
    let mut store = fresh();
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
    let mut store = fresh();
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
    let mut store = fresh();
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
    let mut store = fresh();
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
fn sessions_that_no_store_wrote_end_like_others() {
    let mut store = fresh();
    let id = session(&mut store, "10s", Duration::ZERO, Behavior::Delete);
    let line = serde_json::to_string(&store.whole()).unwrap();
    let mut again = fresh();
    // In capitals; once more with another life; and with one that is longer than time.
    for secs in ["20", "70", "18446744073709551615"] {
        let life = line.replace(r#""life":{"secs":20"#, &format!(r#""life":{{"secs":{secs}"#));
        assert_eq!(life == line, secs == "20");
        again.redo(&serde_json::from_str(&life.replace(&id, &id.to_uppercase())).unwrap());
        if secs == "70" {
            assert_eq!(again.next_expiry(), Some(seconds(70)), "the last one counts");
        }
    }
    assert_eq!(again.next_expiry(), Some(seconds(2 * 24 * 60 * 60)));
    assert_eq!(again.sessions().count(), 1);
    again.redo(&serde_json::from_str(&line).unwrap());
    again.advance(seconds(20));
    assert_eq!(again.sessions().count(), 0);
}

#[test]
fn a_failed_transaction_changes_nothing_and_wakes_nobody() {
    let mut store = fresh();
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

/// Indexes that never go back, whatever is done.
fn indexes(store: &Store) -> Vec<u64> {
    let keys = KEYS.iter().map(|key| Watch::Key(key.as_bytes().to_vec()));
    let watches = keys.chain([Watch::Prefix(Vec::new()), Watch::Sessions]);
    watches.map(|watch| store.index_of(&watch)).collect()
}

proptest! {
    #[test]
    fn the_store_is_as_the_naive_one_and_its_indexes_never_decrease(acts in acts()) {
        let (mut store, mut twins) = (fresh(), Twins::new());
        for act in &acts {
            let (before, known) = (store.clone(), indexes(&store));
            twins.act(&mut store, act);
            twins.compare(&store);
            for (old, new) in known.iter().zip(indexes(&store)) {
                prop_assert!(*old <= new, "{} < {}", new, old);
            }
            let keys = KEYS.into_iter().map(str::as_bytes);
            let changed = keys.filter(|key| before.get(key) != store.get(key));
            let changed: Vec<Change> = changed.map(|key| Change::Key(key.to_vec())).collect();
            let mut woken = changes(&mut store);
            woken.retain(|change| matches!(change, Change::Key(_)));
            for change in &changed {
                prop_assert!(woken.contains(change), "{:?} woke nobody", change);
            }
        }
    }

    #[test]
    fn a_store_that_does_again_what_was_written_down_reads_the_same(acts in acts(), pause in 0..2_000_u64) {
        let (mut store, mut twins, mut again) = (fresh(), Twins::new(), fresh());
        for act in &acts {
            twins.act(&mut store, act);
            let line = serde_json::to_vec(&store.take_delta()).unwrap();
            again.redo(&serde_json::from_slice(&line).unwrap());
        }
        // Perhaps long enough that some tombstones are reaped.
        store.advance(twins.naive.now + seconds(pause));
        again.redo(&store.take_delta());
        let mut at_once = fresh();
        at_once.redo(&store.whole());
        for copy in [&again, &at_once] {
            let written = |store: &Store| serde_json::to_value(store.whole()).unwrap();
            prop_assert_eq!(written(copy), written(&store));
            for prefix in PREFIXES {
                let watch = Watch::Prefix(prefix.as_bytes().to_vec());
                prop_assert_eq!(copy.index_of(&watch), store.index_of(&watch), "prefix {:?}", prefix);
            }
        }
    }

    #[test]
    fn of_writers_with_the_same_index_one_wins(writers in 1..20_u8, exists in any::<bool>()) {
        let mut store = fresh();
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
        let mut store = fresh();
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
