//! Claims about what a store finds again.

#![expect(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::kv::memory::Shared;
use crate::kv::store::{Config, Delta, SessionRequest, Store};
use bytes::Bytes;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn names(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "lock").collect();
    names.sort();
    names
}

fn state(directory: &Path) -> Delta {
    Folder::open(directory, Config::default()).unwrap().1.whole()
}

/// A directory with a log of some writes in it, and the state after each.
fn written(steps: &[(u8, u8)]) -> (TempDir, PathBuf, Vec<(u64, Delta)>) {
    let directory = TempDir::new().unwrap();
    let (mut folder, mut store) = Folder::open(directory.path(), Config::default()).unwrap();
    let log = directory.path().join("log-0");
    let length = |log: &Path| fs::metadata(log).unwrap().len();
    let mut states = vec![(0, store.whole())];
    for (key, value) in steps {
        match value {
            0 => store.delete(&[*key]),
            1 => store.delete_tree(&[*key]),
            _ => store.put(&[*key], Bytes::copy_from_slice(&[*value]), 0),
        }
        let delta = store.take_delta();
        if !delta.is_empty() {
            folder.append(&folder::line(&delta)).unwrap();
            states.push((length(&log), store.whole()));
        }
    }
    (directory, log, states)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_that_is_cut_at_any_byte_gives_the_state_after_its_last_whole_write(
        steps in prop::collection::vec((0..4_u8, 0..5_u8), 1..20), cut in any::<prop::sample::Index>(),
    ) {
        let (directory, log, states) = written(&steps);
        let bytes = fs::read(&log).unwrap();
        let cut = cut.index(bytes.len() + 1);
        fs::write(&log, &bytes[..cut]).unwrap();
        let expected = states.iter().rev().find(|(end, _)| *end <= cut as u64).unwrap();
        prop_assert_eq!(&state(directory.path()), &expected.1);
        // What was cut off stays so, and the next write follows it.
        prop_assert_eq!(fs::metadata(&log).unwrap().len(), expected.0);
        prop_assert_eq!(&state(directory.path()), &expected.1);
    }
}

/// What a store that was given a file makes of it: the state it has, or a sentence. It must not panic, and must go on.
fn opened(file: &str, bytes: &[u8]) -> Result<Delta, Error> {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(file), bytes).unwrap();
    let (mut folder, mut store) = Folder::open(directory.path(), Config::default())?;
    let read = store.whole();
    store.advance(Duration::from_hours(1));
    store.put(b"next", Bytes::new(), 0);
    folder.append(&folder::line(&store.take_delta())).unwrap();
    let after = store.whole();
    drop(folder);
    assert_eq!(state(directory.path()), after, "what was written next is read back");
    Ok(read)
}

/// A line as a store writes it, with some of its bytes changed or left out.
fn strange_line() -> impl Strategy<Value = Vec<u8>> {
    let mut store = Store::new(Config::default());
    store.put(b"a", Bytes::from_static(b"v"), 7);
    store.put(b"gone", Bytes::new(), 0);
    store.delete(b"gone");
    let session = store.create_session(SessionRequest { ttl: "10s".to_owned(), ..SessionRequest::default() });
    let id = session.unwrap().id.clone();
    store.acquire(b"lock", Bytes::new(), 0, &id).unwrap();
    let line = folder::line(&store.whole());
    let damage = (
        any::<prop::sample::Index>(),
        prop::option::of(prop::sample::select(b"0129-eE.\"{}[]:,xn".to_vec())),
    );
    prop::collection::vec(damage, 0..4).prop_map(move |damages| {
        let mut line = line.clone();
        for (at, byte) in damages {
            let at = at.index(line.len());
            match byte {
                Some(byte) => line[at] = byte,
                None => drop(line.remove(at)),
            }
        }
        line
    })
}

proptest! {
    #[test]
    fn a_log_of_which_bits_have_changed_gives_what_was_acknowledged_before_or_a_sentence(
        steps in prop::collection::vec((0..4_u8, 0..5_u8), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (directory, log, states) = written(&steps);
        let mut bytes = fs::read(&log).unwrap();
        for (at, bit) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
        fs::write(&log, &bytes).unwrap();
        match Folder::open(directory.path(), Config::default()) {
            Ok((_, store)) => prop_assert!(states.iter().any(|(_, state)| *state == store.whole())),
            Err(error @ Error::Damaged { .. }) => {
                prop_assert!(error.to_string().contains("log-0 is damaged at byte"));
                prop_assert_eq!(fs::read(&log).unwrap(), bytes, "it is left as it is");
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_bytes_are_a_log_or_a_snapshot_or_neither(
        bytes in prop::collection::vec(any::<u8>(), 0..300), is_snapshot in any::<bool>(),
    ) {
        let file = if is_snapshot { "snapshot-1" } else { "log-0" };
        match opened(file, &bytes) {
            Ok(read) if !is_snapshot => prop_assert_eq!(read, Store::new(Config::default()).whole()),
            Ok(_) => prop_assert!(false, "no snapshot is without a frame"),
            Err(error) => prop_assert!(error.to_string().contains(" is damaged at byte "), "{}", error),
        }
    }

    #[test]
    fn a_snapshot_that_is_cut_anywhere_is_refused(
        steps in prop::collection::vec((0..4_u8, 0..5_u8), 1..20), cut in any::<prop::sample::Index>(),
    ) {
        let (directory, ..) = written(&steps);
        let (mut folder, store) = Folder::open(directory.path(), Config::default()).unwrap();
        folder.compact(&store.whole()).unwrap();
        drop(folder);
        let snapshot = directory.path().join("snapshot-1");
        let bytes = fs::read(&snapshot).unwrap();
        fs::write(&snapshot, &bytes[..cut.index(bytes.len())]).unwrap();
        let error = Folder::open(directory.path(), Config::default()).unwrap_err();
        prop_assert!(error.to_string().contains("snapshot-1 is damaged at byte 0"), "{}", error);
    }

    #[test]
    fn whole_frames_of_strange_lines_are_a_state_or_a_sentence(
        lines in prop::collection::vec(strange_line(), 1..4), is_snapshot in any::<bool>(),
    ) {
        let file = if is_snapshot { "snapshot-1" } else { "log-0" };
        let bytes: Vec<u8> = lines.iter().flat_map(|line| frame::frame(line)).collect();
        if let Err(error) = opened(file, &bytes) {
            prop_assert!(error.to_string().contains("does not hold a store's writes: "), "{}", error);
        }
    }
}

#[tokio::test]
async fn a_store_that_is_opened_again_goes_on_where_it_was() {
    let directory = TempDir::new().unwrap();
    let store = Shared::open(directory.path(), Config::default()).unwrap();
    let session = store.session_create(Duration::from_secs(10), Duration::ZERO).unwrap();
    assert!(store.acquire("lock", b"mine", 7, &session).unwrap());
    store.put("docker/network/v1.0/a%b\u{e9}", b"\x00\xff", 1);
    store.put("gone", b"", 0);
    store.delete("gone");
    store.durable().await.unwrap();
    // As it is written down: how much of its TTL a session has left is not.
    let written = |store: &Shared| folder::line(&store.with(|store| store.whole()));
    let before = written(&store);
    drop(store);

    let store = Shared::open(directory.path(), Config::default()).unwrap();
    assert_eq!(written(&store), before);
    assert!(store.session_renew(&session), "the session lives");
    store.put("next", b"", 0);
    assert!(store.get("next").unwrap().create_index > store.get("lock").unwrap().modify_index);
}

#[tokio::test]
async fn a_log_that_grew_long_becomes_a_snapshot_and_nothing_is_lost() {
    let directory = TempDir::new().unwrap();
    let store = Shared::open(directory.path(), Config::default()).unwrap();
    let value = vec![b'x'; 100_000];
    for turn in 0..60_u8 {
        store.put(&format!("key{}", turn % 3), &[value.as_slice(), &[turn]].concat(), 0);
        store.durable().await.unwrap();
    }
    let before = store.with(|store| store.whole());
    drop(store);
    assert_eq!(names(directory.path()), ["log-1", "snapshot-1"]);
    assert_eq!(state(directory.path()), before);
}

#[tokio::test]
async fn a_store_that_is_closed_acknowledges_nothing_and_leaves_its_directory_to_the_next() {
    let directory = TempDir::new().unwrap();
    let store = Shared::open(directory.path(), Config::default()).unwrap();
    store.put("before", b"", 0);
    store.close();
    store.put("after", b"", 0);
    assert!(matches!(*store.durable().await.unwrap_err(), Error::Closed));
    let next = Shared::open(directory.path(), Config::default()).unwrap();
    assert!(next.get("before").is_some() && next.get("after").is_none());
}

#[test]
fn a_snapshot_without_its_log_is_one_that_was_just_made_and_older_files_are_removed() {
    let (directory, _, _) = written(&[(1, 2), (2, 3)]);
    let (mut folder, store) = Folder::open(directory.path(), Config::default()).unwrap();
    let (old, whole) = (fs::read(directory.path().join("log-0")).unwrap(), store.whole());
    folder.compact(&whole).unwrap();
    drop(folder);
    fs::remove_file(directory.path().join("log-1")).unwrap();
    fs::write(directory.path().join("log-0"), old).unwrap();
    assert_eq!(state(directory.path()), whole);
    assert_eq!(names(directory.path()), ["log-1", "snapshot-1"]);
}

#[test]
fn what_was_acknowledged_and_is_damaged_is_refused_and_left_as_it_is() {
    let (directory, log, _) = written(&[(1, 2), (2, 3), (3, 4)]);
    let mut bytes = fs::read(&log).unwrap();
    bytes[40] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let error = Folder::open(directory.path(), Config::default()).unwrap_err();
    assert!(
        error.to_string().contains("log-0 is damaged at byte 0, and what is behind that was acknowledged"),
        "{error}"
    );
    assert_eq!(fs::read(&log).unwrap(), bytes);
}

#[test]
fn a_directory_has_one_store_at_a_time() {
    let directory = TempDir::new().unwrap();
    let first = Folder::open(directory.path(), Config::default()).unwrap();
    let error = Folder::open(directory.path(), Config::default()).unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    drop(first);
    Folder::open(directory.path(), Config::default()).unwrap();
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_disk_is_full() {
    let directory = TempDir::new().unwrap();
    let (folder, store) = Folder::open(directory.path(), Config::default()).unwrap();
    let mut log = Log::new(folder.onto(Path::new("/dev/full"))).unwrap();
    let mut store: Store = store;
    log.synced().await.unwrap();
    for turn in 0..3_u8 {
        store.put(&[turn], Bytes::new(), 0);
        log.take(store.take_delta(), &store);
        let error = log.synced().await.unwrap_err();
        assert!(
            error.to_string().starts_with("cannot write ") && error.to_string().contains("No space left"),
            "{error}"
        );
    }
}
