//! The key/value table: entries, tombstones, and the index that a read of them reports.
//!
//! Every write is handed the index of its log entry (`at`) and moves only what it really changes: a write
//! that leaves value, flags, session and lock index equal leaves the indexes alone too, and wakes nobody.

use super::delta::{self, Became, Delta};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A key: bytes, compared as bytes. Nothing adds or strips a slash.
pub type Key = Vec<u8>;

/// What the store holds under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The value, opaque.
    #[serde(with = "delta::base64")]
    pub value: Bytes,
    /// The client's own number.
    pub flags: u64,
    /// The session that holds the key, spelt as it was when the key was acquired.
    pub session: Option<String>,
    /// Index of the write that made the key.
    pub create_index: u64,
    /// Index of the last write that changed anything here.
    pub modify_index: u64,
    /// How often the key was acquired; a plain write puts it back to 0.
    pub lock_index: u64,
}

impl Entry {
    /// Equal in all that a client wrote, whatever the indexes say.
    fn says_the_same_as(&self, other: &Entry) -> bool {
        self.value == other.value
            && self.flags == other.flags
            && self.session == other.session
            && self.lock_index == other.lock_index
    }
}

/// One step back.
#[derive(Clone, Debug)]
enum Undo {
    Entry(Key, Option<Entry>),
    Tombstone(Key, Option<u64>),
}

/// A place in the table's history to which it can be rolled back.
#[derive(Debug)]
pub(super) struct Mark {
    steps: usize,
    written: u64,
    buried: u64,
}

/// Entries and tombstones in byte order of their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Key, Entry>,
    tombstones: BTreeMap<Key, u64>,
    /// Index of the last write that changed an entry.
    written: u64,
    /// Index of the last write that left a tombstone.
    buried: u64,
    /// What was changed since `take_delta`, as steps back.
    journal: Vec<Undo>,
}

fn below<'a, V>(map: &'a BTreeMap<Key, V>, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a V)> {
    map.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(prefix))
}

/// Reading.
impl Table {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn list<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        below(&self.entries, prefix)
    }

    /// Keys below `prefix`, each cut after the first `separator` beyond it; an empty one cuts nothing.
    pub(super) fn keys(&self, prefix: &[u8], separator: &[u8]) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for (key, _) in self.list(prefix) {
            let beyond = &key[prefix.len()..];
            let cut = if separator.is_empty() {
                None
            } else {
                beyond.windows(separator.len()).position(|window| window == separator)
            };
            let end = cut.map_or(key.len(), |at| prefix.len() + at + separator.len());
            if keys.last().is_none_or(|last| last != &key[..end]) {
                keys.push(key[..end].to_vec());
            }
        }
        keys
    }

    /// Index of the last change of the table, deletes included.
    fn table_index(&self) -> u64 {
        self.written.max(self.buried)
    }

    /// What a read of one key reports: its own index, or the table's when it is missing.
    pub(super) fn key_index(&self, key: &[u8]) -> u64 {
        self.get(key).map_or_else(|| self.table_index(), |entry| entry.modify_index)
    }

    /// What a listing reports: the newest entry or tombstone below the prefix, or the table's index when there
    /// is neither (or the prefix is empty).
    pub(super) fn prefix_index(&self, prefix: &[u8]) -> u64 {
        if prefix.is_empty() {
            return self.table_index();
        }
        let entries = below(&self.entries, prefix).map(|(_, entry)| entry.modify_index);
        let tombstones = below(&self.tombstones, prefix).map(|(_, index)| *index);
        match entries.chain(tombstones).max() {
            None | Some(0) => self.table_index(),
            Some(index) => index,
        }
    }
}

/// Writing. Those that can be refused say whether they did it.
impl Table {
    /// Writes the value; a holder keeps the key, but the lock index goes back to 0.
    pub(super) fn set(&mut self, at: u64, key: &[u8], value: Bytes, flags: u64) {
        let session = self.get(key).and_then(|entry| entry.session.clone());
        self.write(at, key, Entry { value, flags, session, ..Entry::default() });
    }

    /// Writes if the entry's index is `index`; 0: if there is none.
    pub(super) fn cas(&mut self, at: u64, key: &[u8], value: Bytes, flags: u64, index: u64) -> bool {
        if self.get(key).map_or(0, |entry| entry.modify_index) != index {
            return false;
        }
        self.set(at, key, value, flags);
        true
    }

    /// Writes and takes the key for a session, which the caller knows to exist. Refused while another holds it.
    pub(super) fn lock(&mut self, at: u64, key: &[u8], value: Bytes, flags: u64, session: &str) -> bool {
        let lock_index = match self.get(key) {
            None => 1,
            Some(Entry { session: None, lock_index, .. }) => lock_index + 1,
            Some(Entry { session: Some(holder), lock_index, .. }) if holder == session => *lock_index,
            Some(_) => return false,
        };
        let session = Some(session.to_owned());
        self.write(at, key, Entry { value, flags, session, lock_index, ..Entry::default() });
        true
    }

    /// Writes and gives the key back. Refused unless the session holds it.
    pub(super) fn unlock(&mut self, at: u64, key: &[u8], value: Bytes, flags: u64, session: &str) -> bool {
        let Some(entry) = self.get(key).filter(|entry| entry.session.as_deref() == Some(session)) else {
            return false;
        };
        let lock_index = entry.lock_index;
        self.write(at, key, Entry { value, flags, lock_index, ..Entry::default() });
        true
    }

    /// Removes the key, leaving a tombstone; nothing if there is none.
    pub(super) fn delete(&mut self, at: u64, key: &[u8]) {
        if self.entries.contains_key(key) {
            self.replace(key, None);
            self.written = at;
            self.bury(at, key);
        }
    }

    /// Removes the key if its index is `index`. A missing key is as wanted.
    pub(super) fn delete_cas(&mut self, at: u64, key: &[u8], index: u64) -> bool {
        match self.get(key) {
            None => true,
            Some(entry) if entry.modify_index == index => {
                self.delete(at, key);
                true
            }
            Some(_) => false,
        }
    }

    /// Removes all below the prefix, leaving one tombstone for the prefix itself (none when it is empty).
    pub(super) fn delete_tree(&mut self, at: u64, prefix: &[u8]) {
        let keys: Vec<Key> = self.list(prefix).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        for key in &keys {
            self.replace(key, None);
        }
        self.written = at;
        if !prefix.is_empty() {
            self.bury(at, prefix);
        }
    }

    /// The keys that a session holds. Ids compare without case here, as everywhere but in `lock`.
    pub(super) fn held_by(&self, session: &str) -> Vec<Key> {
        let holds = |entry: &Entry| entry.session.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(session));
        self.entries.iter().filter(|(_, entry)| holds(entry)).map(|(key, _)| key.clone()).collect()
    }

    /// Takes the holder's name off a key; value, flags and lock index stay.
    pub(super) fn release(&mut self, at: u64, key: &[u8]) {
        if let Some(entry) = self.get(key).cloned() {
            self.write(at, key, Entry { session: None, ..entry });
        }
    }

    fn write(&mut self, at: u64, key: &[u8], entry: Entry) {
        let create_index = match self.get(key) {
            Some(old) if old.says_the_same_as(&entry) => return,
            Some(old) => old.create_index,
            None => at,
        };
        self.replace(key, Some(Entry { create_index, modify_index: at, ..entry }));
        self.written = at;
    }

    fn replace(&mut self, key: &[u8], entry: Option<Entry>) {
        let old = match entry {
            Some(entry) => self.entries.insert(key.to_vec(), entry),
            None => self.entries.remove(key),
        };
        self.journal.push(Undo::Entry(key.to_vec(), old));
    }

    fn bury(&mut self, at: u64, key: &[u8]) {
        let old = self.tombstones.insert(key.to_vec(), at);
        self.journal.push(Undo::Tombstone(key.to_vec(), old));
        self.buried = at;
    }
}

/// History.
impl Table {
    /// Index of the last write that left a tombstone.
    pub(super) fn buried(&self) -> u64 {
        self.buried
    }

    /// Forgets the tombstones of writes up to `index`. Prefix indexes may go back by this, as Consul's do.
    pub(super) fn reap(&mut self, index: u64) {
        let reaped = self.tombstones.extract_if(.., |_, at| *at <= index);
        self.journal.extend(reaped.map(|(key, at)| Undo::Tombstone(key, Some(at))));
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { steps: self.journal.len(), written: self.written, buried: self.buried }
    }

    pub(super) fn roll_back(&mut self, mark: &Mark) {
        for step in self.journal.split_off(mark.steps).into_iter().rev() {
            match step {
                Undo::Entry(key, Some(entry)) => drop(self.entries.insert(key, entry)),
                Undo::Entry(key, None) => drop(self.entries.remove(&key)),
                Undo::Tombstone(key, Some(at)) => drop(self.tombstones.insert(key, at)),
                Undo::Tombstone(key, None) => drop(self.tombstones.remove(&key)),
            }
        }
        self.written = mark.written;
        self.buried = mark.buried;
    }

    /// Writes down what was changed since the last call, and makes it final.
    pub(super) fn take_delta(&mut self, delta: &mut Delta) {
        let (mut entries, mut tombstones) = (BTreeSet::new(), BTreeSet::new());
        for step in self.journal.drain(..) {
            match step {
                Undo::Entry(key, _) => entries.insert(key),
                Undo::Tombstone(key, _) => tombstones.insert(key),
            };
        }
        delta.entries = now(entries, &self.entries);
        delta.tombstones = now(tombstones, &self.tombstones);
        (delta.written, delta.buried) = (self.written, self.buried);
    }

    /// Writes down everything.
    pub(super) fn whole(&self, delta: &mut Delta) {
        delta.entries = now(self.entries.keys().cloned().collect(), &self.entries);
        delta.tombstones = now(self.tombstones.keys().cloned().collect(), &self.tombstones);
        (delta.written, delta.buried) = (self.written, self.buried);
    }

    /// Does what is written down.
    pub(super) fn redo(&mut self, delta: &Delta) {
        then(&mut self.entries, &delta.entries);
        then(&mut self.tombstones, &delta.tombstones);
        (self.written, self.buried) = (delta.written, delta.buried);
    }
}

/// What stands in a map where something was changed.
fn now<T: Clone>(changed: BTreeSet<Key>, map: &BTreeMap<Key, T>) -> Vec<Became<T>> {
    let became = |at: Key| Became { is: map.get(&at).cloned(), at };
    changed.into_iter().map(became).collect()
}

/// Puts into a map what became of it.
fn then<T: Clone>(map: &mut BTreeMap<Key, T>, became: &[Became<T>]) {
    for Became { at, is } in became {
        match is {
            Some(is) => drop(map.insert(at.clone(), is.clone())),
            None => drop(map.remove(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[&str]) -> Table {
        let mut table = Table::default();
        for (at, key) in (2..).zip(keys) {
            table.set(at, key.as_bytes(), Bytes::from_static(b"v"), 0);
        }
        table
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| str::from_utf8(key).unwrap_or("?")).collect()
    }

    #[test]
    fn a_separator_cuts_only_beyond_the_prefix() {
        let table = table(&["t", "t/a", "t/b/c", "t/b/d", "t/e"]);
        assert_eq!(names(&table.keys(b"t/", b"/")), ["t/a", "t/b/", "t/e"]);
        assert_eq!(names(&table.keys(b"t", b"/")), ["t", "t/"]);
        assert_eq!(names(&table.keys(b"t/", b"")), ["t/a", "t/b/c", "t/b/d", "t/e"]);
    }

    #[test]
    fn a_prefix_remembers_deletes_below_it_until_they_are_reaped() {
        let mut table = table(&["foo", "foo/bar"]);
        table.delete(9, b"foo");
        assert_eq!(table.prefix_index(b"foo"), 9);
        table.reap(9);
        assert_eq!(table.prefix_index(b"foo"), 3, "goes back to the entry that is left");
        assert_eq!(table.key_index(b"foo"), 9, "a missing key still reports the table's");
    }

    #[test]
    fn a_tree_delete_is_seen_above_its_prefix_but_not_below() {
        let mut table = table(&["p/q/r", "x"]);
        table.delete_tree(7, b"p/");
        assert_eq!(table.prefix_index(b"p/"), 7);
        table.set(8, b"x", Bytes::from_static(b"other"), 0);
        assert_eq!(table.prefix_index(b"p/"), 7);
        assert_eq!(table.prefix_index(b"p/q/"), 8, "no tombstone below, so the table's");
        table.delete_tree(9, b"p/");
        assert_eq!(table.prefix_index(b"p/"), 7, "nothing was there to delete");
    }

    #[test]
    fn rolling_back_restores_entries_tombstones_and_indexes() {
        let mut table = table(&["a", "b"]);
        table.delete(5, b"b");
        let (entries, tombstones) = (table.entries.clone(), table.tombstones.clone());
        let mark = table.mark();
        table.set(6, b"a", Bytes::from_static(b"new"), 1);
        table.delete(6, b"a");
        table.set(6, b"b", Bytes::new(), 0);
        table.delete_tree(6, b"b");
        table.roll_back(&mark);
        assert_eq!((table.entries, table.tombstones), (entries, tombstones));
        assert_eq!((table.written, table.buried), (5, 5));
    }
}
