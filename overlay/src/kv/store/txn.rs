//! Transactions: several operations, all or nothing, one index.

use super::{Entry, Key, Refusal, Store};
use bytes::Bytes;

/// The most operations in one transaction (Consul 1.14; 64 before).
pub const MAX_OPS: usize = 128;

/// What one operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Writes.
    Set,
    /// Writes if the entry's index is the given one; 0: if there is none.
    Cas,
    /// Acquires for a session.
    Lock,
    /// Releases.
    Unlock,
    /// Reads; fails on a missing key.
    Get,
    /// Reads; a missing key reads as an empty one.
    GetOrEmpty,
    /// Reads all below a prefix.
    GetTree,
    /// Fails unless the entry's index is the given one.
    CheckIndex,
    /// Fails unless the session holds the key.
    CheckSession,
    /// Fails if the key exists.
    CheckNotExists,
    /// Removes.
    Delete,
    /// Removes all below a prefix.
    DeleteTree,
    /// Removes if the entry's index is the given one.
    DeleteCas,
    /// A word that is no verb: fails when it is tried.
    Unknown(String),
}

impl Verb {
    /// The verb that a word in the API means.
    pub fn parse(word: &str) -> Verb {
        match word {
            "set" => Verb::Set,
            "cas" => Verb::Cas,
            "lock" => Verb::Lock,
            "unlock" => Verb::Unlock,
            "get" => Verb::Get,
            "get-or-empty" => Verb::GetOrEmpty,
            "get-tree" => Verb::GetTree,
            "check-index" => Verb::CheckIndex,
            "check-session" => Verb::CheckSession,
            "check-not-exists" => Verb::CheckNotExists,
            "delete" => Verb::Delete,
            "delete-tree" => Verb::DeleteTree,
            "delete-cas" => Verb::DeleteCas,
            _ => Verb::Unknown(word.to_owned()),
        }
    }

    /// The word of the API.
    pub fn as_str(&self) -> &str {
        match self {
            Verb::Set => "set",
            Verb::Cas => "cas",
            Verb::Lock => "lock",
            Verb::Unlock => "unlock",
            Verb::Get => "get",
            Verb::GetOrEmpty => "get-or-empty",
            Verb::GetTree => "get-tree",
            Verb::CheckIndex => "check-index",
            Verb::CheckSession => "check-session",
            Verb::CheckNotExists => "check-not-exists",
            Verb::Delete => "delete",
            Verb::DeleteTree => "delete-tree",
            Verb::DeleteCas => "delete-cas",
            Verb::Unknown(word) => word,
        }
    }

    fn is_read(&self) -> bool {
        use Verb::{CheckIndex, CheckNotExists, CheckSession, Get, GetOrEmpty, GetTree};
        matches!(self, Get | GetOrEmpty | GetTree | CheckIndex | CheckSession | CheckNotExists)
    }

    fn needs_key(&self) -> bool {
        use Verb::{Cas, Delete, DeleteCas, Lock, Set, Unlock};
        matches!(self, Set | Cas | Lock | Unlock | Delete | DeleteCas)
    }
}

/// One operation. What its verb does not need is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// What to do.
    pub verb: Verb,
    /// To which key or prefix.
    pub key: Key,
    /// The value to write.
    pub value: Bytes,
    /// The flags to write.
    pub flags: u64,
    /// The index to compare with.
    pub index: u64,
    /// The session to lock for or compare with.
    pub session: String,
}

impl Op {
    /// An operation on a key, with nothing else said.
    pub fn new(verb: Verb, key: impl Into<Key>) -> Op {
        Op { verb, key: key.into(), value: Bytes::new(), flags: 0, index: 0, session: String::new() }
    }
}

/// One line of a transaction's answer. Only reads show values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key.
    pub key: Key,
    /// What stands there after the operation.
    pub entry: Entry,
}

/// Why a transaction was not done: one of its operations, and Consul's words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which operation, from 0.
    pub op: usize,
    /// What was wrong.
    pub what: String,
}

/// Whether a transaction only reads: then it is not logged and moves no index.
pub fn reads_only(ops: &[Op]) -> bool {
    ops.iter().all(|op| op.verb.is_read())
}

fn name(key: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(key))
}

impl Store {
    /// Does all operations in order, later ones seeing earlier ones, or none of them. All that fail are told.
    pub fn txn(&mut self, ops: &[Op]) -> Result<Vec<Shown>, Vec<Failure>> {
        let refused = failures(ops, |op| self.refuse_before_log(op));
        if !refused.is_empty() {
            return Err(refused);
        }
        let logged = !reads_only(ops);
        let at = if logged { self.log() } else { self.index };
        let mark = self.table.mark();
        let mut shown = Vec::new();
        let failed = failures(ops, |op| self.apply(at, op, &mut shown).err());
        if failed.is_empty() {
            if logged {
                self.after_write(at);
            }
            Ok(shown)
        } else {
            self.table.roll_back(&mark);
            Err(failed)
        }
    }

    /// What Consul looks at before a transaction reaches its log.
    fn refuse_before_log(&self, op: &Op) -> Option<String> {
        if op.key.is_empty() && op.verb.needs_key() {
            return Some("Must provide key".to_owned());
        }
        let delayed = op.verb == Verb::Lock && self.lock_is_delayed(&op.key);
        delayed.then(|| format!("failed to lock key {} due to lock delay", name(&op.key)))
    }

    fn apply(&mut self, at: u64, op: &Op, shown: &mut Vec<Shown>) -> Result<(), String> {
        let (key, table) = (op.key.as_slice(), &mut self.table);
        let value = op.value.clone();
        let written = match &op.verb {
            Verb::Set => {
                table.set(at, key, value, op.flags);
                true
            }
            Verb::Cas => {
                if !table.cas(at, key, value, op.flags, op.index) {
                    return Err(format!("failed to set key {}, index is stale", name(key)));
                }
                true
            }
            Verb::Lock => {
                if op.session.is_empty() {
                    return Err(Refusal::MissingSession.to_string());
                }
                if self.sessions.get(&op.session).is_none() {
                    return Err(Refusal::InvalidSession(op.session.clone()).to_string());
                }
                if !table.lock(at, key, value, op.flags, &op.session) {
                    return Err(format!("failed to lock key {}, lock is already held", name(key)));
                }
                true
            }
            Verb::Unlock => {
                if op.session.is_empty() {
                    return Err(Refusal::MissingSession.to_string());
                }
                if !table.unlock(at, key, value, op.flags, &op.session) {
                    let why = "lock isn't held, or is held by another session";
                    return Err(format!("failed to unlock key {}, {why}", name(key)));
                }
                true
            }
            Verb::CheckIndex => {
                let entry = table.get(key);
                let entry =
                    entry.ok_or_else(|| format!("failed to check index, key {} doesn't exist", name(key)))?;
                if entry.modify_index != op.index {
                    let (is, want) = (entry.modify_index, op.index);
                    let what = format!("failed index check for key {}", name(key));
                    return Err(format!("{what}, current modify index {is} != {want}"));
                }
                true
            }
            Verb::CheckSession => {
                let entry = table.get(key);
                let entry = entry
                    .ok_or_else(|| format!("failed to check session, key {} doesn't exist", name(key)))?;
                let holder = entry.session.as_deref().unwrap_or_default();
                if holder != op.session {
                    let what = format!("failed session check for key {}", name(key));
                    return Err(format!("{what}, current session {holder:?} != {:?}", op.session));
                }
                true
            }
            Verb::Get => {
                let entry = table.get(key).cloned();
                let entry = entry.ok_or_else(|| format!("key {} doesn't exist", name(key)))?;
                shown.push(Shown { key: op.key.clone(), entry });
                false
            }
            Verb::GetOrEmpty => {
                let entry = table.get(key).cloned().unwrap_or_default();
                shown.push(Shown { key: op.key.clone(), entry });
                false
            }
            Verb::GetTree => {
                shown.extend(
                    table.list(key).map(|(key, entry)| Shown { key: key.clone(), entry: entry.clone() }),
                );
                false
            }
            Verb::CheckNotExists => {
                if table.get(key).is_some() {
                    return Err(format!("key {} exists", name(key)));
                }
                false
            }
            Verb::Delete => {
                table.delete(at, key);
                false
            }
            Verb::DeleteTree => {
                table.delete_tree(at, key);
                false
            }
            Verb::DeleteCas => {
                if !table.delete_cas(at, key, op.index) {
                    return Err(format!("failed to delete key {}, index is stale", name(key)));
                }
                false
            }
            Verb::Unknown(word) => return Err(format!("unknown KV operation: {word}")),
        };
        if written && let Some(entry) = self.table.get(key) {
            shown.push(Shown { key: op.key.clone(), entry: Entry { value: Bytes::new(), ..entry.clone() } });
        }
        Ok(())
    }
}

fn failures(ops: &[Op], mut what: impl FnMut(&Op) -> Option<String>) -> Vec<Failure> {
    ops.iter().enumerate().filter_map(|(op, it)| Some(Failure { op, what: what(it)? })).collect()
}
