//! The table of what steps change, checked: whom it names is there.

use super::file::DiffTable;
use super::step::{Diff, Step};
use crate::diff::Take;
use crate::topology::{At, Checker, no_such};

/// What can be named beside hosts and containers.
const OTHERS: [&str; 2] = ["switch", "internet"];

/// The names that are there before the steps within are checked: they may remove what they are looked at for.
pub(super) fn known(checker: &Checker) -> Vec<String> {
    let others = OTHERS.iter().map(|name| (*name).to_owned());
    checker.all_names().into_iter().chain(others).collect()
}

/// `before` are the names that were there before the steps.
pub(super) fn check_diff(
    checker: &mut Checker,
    table: &DiffTable,
    mut before: Vec<String>,
    steps: Option<Vec<Step>>,
) -> Option<Diff> {
    before.extend(checker.all_names());
    let on: Vec<At<String>> = table.on.as_ref().map(|on| on.value.clone()).unwrap_or_default();
    let strangers: Vec<&At<String>> = on.iter().filter(|name| !before.contains(&name.value)).collect();
    for stranger in &strangers {
        checker.mistake(no_such("host or container", "hosts and containers", stranger, &before));
    }
    let is_known = strangers.is_empty();
    let take = Take { counters: table.counters, learned: table.learned };
    let on = on.iter().map(|name| name.value.clone()).collect();
    Some(Diff { on, take, steps: steps? }).filter(|_| is_known)
}
