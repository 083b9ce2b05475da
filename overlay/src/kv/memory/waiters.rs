//! Who waits for what: one signal for each watched thing, gone with the last who waits for it.

use crate::kv::store::{Change, Key, Watch};
use std::collections::HashMap;
use tokio::sync::watch::{Receiver, Sender};

/// The signals of all blocked queries.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    keys: HashMap<Key, Sender<()>>,
    prefixes: HashMap<Key, Sender<()>>,
    sessions: HashMap<String, Sender<()>>,
    all_sessions: Sender<()>,
    catalog: Sender<()>,
}

impl Waiters {
    /// A signal that comes with every change of the watched thing from now on.
    pub(super) fn wait_for(&mut self, watch: &Watch) -> Receiver<()> {
        let signal = match watch {
            Watch::Key(key) => self.keys.entry(key.clone()).or_default(),
            Watch::Prefix(prefix) => self.prefixes.entry(prefix.clone()).or_default(),
            Watch::Session(id) => self.sessions.entry(id.clone()).or_default(),
            Watch::Sessions => &mut self.all_sessions,
            Watch::Catalog => &mut self.catalog,
        };
        signal.subscribe()
    }

    /// Wakes whoever waits for what was changed.
    pub(super) fn wake(&self, change: &Change) {
        let signal = |waiting: Option<&Sender<()>>| waiting.is_some_and(|signal| signal.send(()).is_ok());
        match change {
            Change::Key(key) => {
                signal(self.keys.get(key));
                if !self.prefixes.is_empty() {
                    for end in 0..=key.len() {
                        signal(self.prefixes.get(&key[..end]));
                    }
                }
            }
            Change::Session(id) => {
                signal(self.sessions.get(id));
                signal(Some(&self.all_sessions));
            }
            Change::Catalog => {
                signal(Some(&self.catalog));
            }
        }
    }

    /// Forgets the signal if nobody waits for it any more.
    pub(super) fn tidy(&mut self, watch: &Watch) {
        fn tidy<K: std::hash::Hash + Eq>(signals: &mut HashMap<K, Sender<()>>, watched: &K) {
            if signals.get(watched).is_some_and(|signal| signal.receiver_count() == 0) {
                signals.remove(watched);
            }
        }
        match watch {
            Watch::Key(key) => tidy(&mut self.keys, key),
            Watch::Prefix(prefix) => tidy(&mut self.prefixes, prefix),
            Watch::Session(id) => tidy(&mut self.sessions, id),
            Watch::Sessions | Watch::Catalog => {}
        }
    }

    /// How many queries are blocked.
    pub(super) fn count(&self) -> usize {
        let signals = self.keys.values().chain(self.prefixes.values()).chain(self.sessions.values());
        signals.chain([&self.all_sessions, &self.catalog]).map(Sender::receiver_count).sum()
    }
}
