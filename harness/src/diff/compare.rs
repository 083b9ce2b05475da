//! Two states compared. Pure: no kernel, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Changes, Field, What};
use super::object::{Kind, Object, Value};
use super::state::{Entry, State};

/// What counts as a change beside what somebody has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Take {
    /// What rules, wires and vxlan devices have counted.
    pub counters: bool,
    /// What kernels have learned: entries that are not permanent.
    pub learned: bool,
}

/// What is otherwise in `after`.
pub fn diff(before: &State, after: &State, take: Take) -> Changes {
    let objects: BTreeSet<&Object> = before.objects.keys().chain(after.objects.keys()).collect();
    let mut changes: Vec<Change> = Vec::new();
    for object in objects {
        let [old, new] = [before, after].map(|state| said(state, object, take));
        compare(object, old, new, &mut changes);
    }
    changes.extend(reordered(before, after));
    changes.sort();
    Changes::new(changes)
}

/// What counts of an object: once for each time that it is there.
fn said(state: &State, object: &Object, take: Take) -> Vec<BTreeMap<String, Value>> {
    let counts = |entry: &Entry| match object.kind {
        // They are nothing but counts.
        Kind::Misses => take.counters,
        _ => take.learned || !entry.learned,
    };
    let fields = |entry: &Entry| {
        let mut fields = entry.fields.clone();
        if take.counters {
            let counted = entry.counts.iter();
            fields.extend(counted.map(|(name, count)| (name.clone(), Value::Number(*count))));
        }
        fields
    };
    let entries = state.objects.get(object).into_iter().flatten();
    entries.filter(|entry| counts(entry)).map(fields).collect()
}

/// Of an object that is there several times, those that are alike in both states are the same ones; of the others, the first
/// is the first and so on.
fn compare(
    object: &Object,
    mut old: Vec<BTreeMap<String, Value>>,
    mut new: Vec<BTreeMap<String, Value>>,
    changes: &mut Vec<Change>,
) {
    old.retain(|entry| match new.iter().position(|other| other == entry) {
        Some(same) => {
            new.remove(same);
            false
        }
        None => true,
    });
    old.sort();
    new.sort();
    let none = BTreeMap::new();
    for number in 0..old.len().max(new.len()) {
        let (what, from, to) = match (old.get(number), new.get(number)) {
            (Some(from), Some(to)) => (What::Changed, from, to),
            (Some(from), None) => (What::Removed, from, &none),
            (None, to) => (What::Added, &none, to.unwrap_or(&none)),
        };
        changes.push(Change { object: object.clone(), what, fields: fields(from, to) });
    }
}

/// What is said otherwise.
pub(super) fn fields(from: &BTreeMap<String, Value>, to: &BTreeMap<String, Value>) -> Vec<Field> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let field = |name: &String| {
        let (from, to) = (from.get(name).cloned(), to.get(name).cloned());
        (from != to).then(|| Field { field: name.clone(), from, to })
    };
    names.into_iter().filter_map(field).collect()
}

/// The chains in which rules that stay have changed places: what the first of two decides, the second does not see.
fn reordered(before: &State, after: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((namespace, chain), old) in &before.chains {
        let Some(new) = after.chains.get(&(namespace.clone(), chain.clone())) else { continue };
        let (old, new) = (staying(old, new), staying(new, old));
        if old != new {
            let text = |rules: Vec<&str>| Some(Value::Text(rules.join("; ")));
            let object = Object { namespace: namespace.clone(), kind: Kind::Order, name: chain.clone() };
            let field = Field { field: "rules".to_owned(), from: text(old), to: text(new) };
            changes.push(Change { object, what: What::Changed, fields: vec![field] });
        }
    }
    changes
}

/// The rules that are among the others, too, as often as they are there.
fn staying<'a>(rules: &'a [String], others: &[String]) -> Vec<&'a str> {
    let mut left: Vec<&String> = others.iter().collect();
    let stays = |rule: &&String| {
        let at = left.iter().position(|other| other == rule);
        at.map(|at| left.swap_remove(at)).is_some()
    };
    rules.iter().filter(stays).map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
