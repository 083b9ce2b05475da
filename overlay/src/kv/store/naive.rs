//! The rules once more, as plainly as they can be said: a list of all that ever happened, searched from the start.

use super::Entry;
use bytes::Bytes;

/// What a write did.
#[derive(Clone, Debug)]
enum Event {
    Stood(String, Entry),
    Deleted(String),
    DeletedTree(String),
}

/// Everything that changed something, with its index, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Naive(Vec<(u64, Event)>);

impl Naive {
    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.0.iter().fold(None, |entry, (_, event)| match event {
            Event::Stood(other, stands) if other == key => Some(stands.clone()),
            Event::Deleted(other) if other == key => None,
            Event::DeletedTree(prefix) if key.starts_with(prefix.as_str()) => None,
            _ => entry,
        })
    }

    fn keys(&self) -> Vec<String> {
        let key = |(_, event): &(u64, Event)| match event {
            Event::Stood(key, _) => Some(key.clone()),
            _ => None,
        };
        let mut keys: Vec<String> = self.0.iter().filter_map(key).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.get(key).is_some());
        keys
    }

    fn newest(&self) -> u64 {
        self.0.last().map_or(1, |(at, _)| *at)
    }

    pub(super) fn key_index(&self, key: &str) -> u64 {
        self.get(key).map_or(self.newest(), |entry| entry.modify_index)
    }

    pub(super) fn prefix_index(&self, prefix: &str) -> u64 {
        let standing = self.keys().into_iter().filter(|key| key.starts_with(prefix));
        let standing = standing.filter_map(|key| self.get(&key)).map(|entry| entry.modify_index);
        let deleted = self.0.iter().filter_map(|(at, event)| match event {
            Event::Deleted(key) | Event::DeletedTree(key) if key.starts_with(prefix) => Some(*at),
            _ => None,
        });
        let index = standing.chain(deleted).max();
        if prefix.is_empty() { self.newest() } else { index.unwrap_or(self.newest()) }
    }

    fn write(&mut self, at: u64, key: &str, new: Entry) {
        let old = self.get(key);
        let create_index = old.as_ref().map_or(at, |old| old.create_index);
        let modify_index = old.as_ref().map_or(at, |old| old.modify_index);
        let unchanged = Entry { create_index, modify_index, ..new.clone() };
        if old != Some(unchanged) {
            let entry = Entry { create_index, modify_index: at, ..new };
            self.0.push((at, Event::Stood(key.to_owned(), entry)));
        }
    }

    pub(super) fn set(&mut self, at: u64, key: &str, value: Bytes, flags: u64) {
        let session = self.get(key).and_then(|entry| entry.session);
        self.write(at, key, Entry { value, flags, session, ..Entry::default() });
    }

    pub(super) fn cas(&mut self, at: u64, key: &str, value: Bytes, index: u64) -> bool {
        let done = match self.get(key) {
            None => index == 0,
            Some(entry) => index != 0 && entry.modify_index == index,
        };
        if done {
            self.set(at, key, value, 0);
        }
        done
    }

    pub(super) fn delete(&mut self, at: u64, key: &str) {
        if self.get(key).is_some() {
            self.0.push((at, Event::Deleted(key.to_owned())));
        }
    }

    pub(super) fn delete_tree(&mut self, at: u64, prefix: &str) {
        if self.keys().iter().any(|key| key.starts_with(prefix)) {
            self.0.push((at, Event::DeletedTree(prefix.to_owned())));
        }
    }

    pub(super) fn acquire(&mut self, at: u64, key: &str, value: Bytes, session: &str) -> bool {
        let old = self.get(key).unwrap_or_default();
        let lock_index = match old.session.as_deref() {
            None => old.lock_index + 1,
            Some(holder) if holder == session => old.lock_index,
            Some(_) => return false,
        };
        let session = Some(session.to_owned());
        self.write(at, key, Entry { value, session, lock_index, ..Entry::default() });
        true
    }

    pub(super) fn release(&mut self, at: u64, key: &str, value: Bytes, session: &str) -> bool {
        let Some(old) = self.get(key) else { return false };
        if old.session.as_deref() != Some(session) {
            return false;
        }
        self.write(at, key, Entry { value, lock_index: old.lock_index, ..Entry::default() });
        true
    }

    pub(super) fn end(&mut self, at: u64, session: &str, delete: bool) {
        for key in self.keys() {
            let Some(entry) = self.get(&key).filter(|entry| entry.session.as_deref() == Some(session)) else {
                continue;
            };
            if delete {
                self.delete(at, &key);
            } else {
                self.write(at, &key, Entry { session: None, ..entry });
            }
        }
    }
}
