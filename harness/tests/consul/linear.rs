//! Is a history of one key linearizable: is there an order in which its operations, one at a time, would have been answered as they
//! were, and in which none comes before one that had ended when it began?
//!
//! The search is Wing and Gong's, which tries whatever may come next and goes back where that fails, with Lowe's memory of what was
//! tried: the same operations done with the same outcome are done but once. Keys do not know of each other, so each is a history
//! of its own; a session that ends is an operation on each of them.

use std::collections::{HashMap, HashSet};

/// A value that is written once only, and the session that holds the key.
pub(crate) type Stands = (u32, Option<u32>);

/// What was done, and how it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// What stood there, and its index.
    Read(Option<(Stands, u64)>),
    Put(u32),
    Delete,
    /// Written if the index was this; 0: if nothing stood there.
    Cas {
        from: u64,
        to: u32,
        done: bool,
    },
    /// Gone also when it was gone before.
    DeleteCas {
        from: u64,
        done: bool,
    },
    Acquire {
        session: u32,
        value: u32,
        done: bool,
    },
    Release {
        session: u32,
        value: u32,
        done: bool,
    },
    /// The session ended, and let go of the key if it held it.
    End {
        session: u32,
    },
}

/// One operation, between two moments of one clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) did: Did,
}

/// What a key is after some operations: what stands there, and an index that no later one is less than.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    stands: Option<Stands>,
    floor: u64,
}

/// Finds an order for a history, or says how far it came with what it then could not place.
pub(crate) fn check(history: &[Operation]) -> Result<(), String> {
    let seen = indexes(history)?;
    let mut called = history.to_vec();
    called.sort_by_key(|operation| operation.called);
    let mut search = Search {
        history: &called,
        seen,
        tried: HashSet::new(),
        done: vec![0; history.len().div_ceil(64)],
        longest: (0, Vec::new()),
    };
    if search.place(0, Key::default()) {
        return Ok(());
    }
    let (placed, stuck) = search.longest;
    Err(format!(
        "{placed} of {} operations have an order, and none of these can be next: {stuck:#?}",
        history.len()
    ))
}

/// What stood there at each index that was read: one thing, and never the same at another.
fn indexes(history: &[Operation]) -> Result<HashMap<u64, Stands>, String> {
    let (mut seen, mut back) = (HashMap::new(), HashMap::new());
    for operation in history {
        if let Did::Read(Some((stands, index))) = operation.did {
            let same = *seen.entry(index).or_insert(stands) == stands;
            if !same || *back.entry(stands).or_insert(index) != index {
                return Err(format!("{stands:?} at {index}, and one of them elsewhere"));
            }
        }
    }
    Ok(seen)
}

struct Search<'a> {
    history: &'a [Operation],
    seen: HashMap<u64, Stands>,
    tried: HashSet<(Vec<u64>, Key)>,
    /// A bit for each operation that is placed.
    done: Vec<u64>,
    longest: (usize, Vec<Operation>),
}

impl Search<'_> {
    fn place(&mut self, placed: usize, key: Key) -> bool {
        if placed == self.history.len() {
            return true;
        }
        if !self.tried.insert((self.done.clone(), key)) {
            return false;
        }
        let next = self.next();
        if placed >= self.longest.0 {
            self.longest = (placed, next.iter().map(|at| self.history[*at]).collect());
        }
        for at in next {
            if let Some(after) = self.after(key, self.history[at].did) {
                self.done[at / 64] |= 1 << (at % 64);
                if self.place(placed + 1, after) {
                    return true;
                }
                self.done[at / 64] &= !(1 << (at % 64));
            }
        }
        false
    }

    /// The operations that no other one that is left has ended before. In the order in which they were called, so that the
    /// first that one has ended before is the last to look at.
    fn next(&self) -> Vec<usize> {
        let (mut next, mut first_end) = (Vec::new(), u64::MAX);
        for (at, operation) in self.history.iter().enumerate() {
            if self.done[at / 64] & (1 << (at % 64)) != 0 {
                continue;
            }
            if operation.called > first_end {
                break;
            }
            first_end = first_end.min(operation.returned);
            next.push(at);
        }
        next
    }

    /// What the key is after an operation, if that could have been answered so.
    fn after(&self, key: Key, did: Did) -> Option<Key> {
        let Key { stands, floor } = key;
        let holder = stands.and_then(|(_, holder)| holder);
        let stand = |stands| Some(Key { stands, floor });
        let is_at = |index: u64| stands.is_some() && self.seen.get(&index).copied() == stands;
        match did {
            Did::Read(None) => stands.is_none().then_some(key),
            Did::Read(Some((read, index))) => {
                (stands == Some(read) && index >= floor).then_some(Key { stands, floor: index })
            }
            Did::Put(value) => stand(Some((value, holder))),
            Did::Delete => stand(None),
            Did::Cas { from, to, done } => {
                let could = if from == 0 { stands.is_none() } else { is_at(from) };
                (could == done).then(|| if done { stand(Some((to, holder))) } else { Some(key) })?
            }
            Did::DeleteCas { from, done } => {
                let could = stands.is_none() || is_at(from);
                (could == done).then(|| if done { stand(None) } else { Some(key) })?
            }
            Did::Acquire { session, value, done } => {
                let could = holder.is_none_or(|holder| holder == session);
                (could == done).then(|| if done { stand(Some((value, Some(session)))) } else { Some(key) })?
            }
            Did::Release { session, value, done } => {
                let could = holder == Some(session);
                (could == done).then(|| if done { stand(Some((value, None))) } else { Some(key) })?
            }
            Did::End { session } if holder == Some(session) => stand(stands.map(|(value, _)| (value, None))),
            Did::End { .. } => Some(key),
        }
    }
}

/// From one moment to another.
type Timed = (u64, u64, Did);

fn history(operations: &[Timed]) -> Vec<Operation> {
    let operation = |&(called, returned, did)| Operation { called, returned, did };
    operations.iter().map(operation).collect()
}

#[test]
fn what_overlaps_may_come_in_any_order() {
    let read = |value, index| Did::Read(Some(((value, None), index)));
    let writes = [(0, 5, Did::Put(1)), (1, 6, Did::Put(2))];
    for (value, index) in [(1, 8), (2, 9)] {
        check(&history(&[writes[0], writes[1], (7, 8, read(value, index))])).unwrap();
    }
    // A read meanwhile may see the one before the other, or nothing.
    check(&history(&[writes[0], writes[1], (2, 3, read(2, 4)), (4, 5, Did::Put(3)), (8, 9, read(1, 7))]))
        .unwrap();
    check(&history(&[writes[0], (1, 2, Did::Read(None)), (3, 4, read(1, 4))])).unwrap();
}

#[test]
fn histories_that_no_order_explains_are_refused() {
    let read = |value, index| Did::Read(Some(((value, None), index)));
    let wrong: [(&str, &[Timed]); 8] = [
        ("a stale read", &[(0, 1, Did::Put(1)), (2, 3, Did::Put(2)), (4, 5, read(1, 2))]),
        ("a read of what was never written", &[(0, 1, Did::Put(1)), (2, 3, read(7, 2))]),
        ("a write that is lost", &[(0, 1, Did::Put(1)), (2, 3, Did::Read(None))]),
        (
            "two that compare with the same index and both write",
            &[
                (0, 1, Did::Put(1)),
                (2, 3, read(1, 2)),
                (4, 7, Did::Cas { from: 2, to: 2, done: true }),
                (5, 8, Did::Cas { from: 2, to: 3, done: true }),
            ],
        ),
        (
            "a refusal for no reason",
            &[(0, 1, Did::Put(1)), (2, 3, read(1, 2)), (4, 5, Did::Cas { from: 2, to: 2, done: false })],
        ),
        (
            "two holders",
            &[
                (0, 3, Did::Acquire { session: 1, value: 1, done: true }),
                (1, 4, Did::Acquire { session: 2, value: 2, done: true }),
            ],
        ),
        (
            "a lock that is held by a session that has ended",
            &[
                (0, 1, Did::Acquire { session: 1, value: 1, done: true }),
                (2, 3, Did::End { session: 1 }),
                (4, 5, Did::Acquire { session: 2, value: 2, done: false }),
            ],
        ),
        (
            "indexes that go back",
            &[(0, 1, Did::Put(1)), (2, 3, read(1, 9)), (4, 5, Did::Put(2)), (6, 7, read(2, 8))],
        ),
    ];
    for (what, operations) in wrong {
        assert!(check(&history(operations)).is_err(), "{what}");
    }
}
