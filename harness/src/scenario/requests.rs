//! The table of requests to the store that are looked for, checked: whom it names is there, and the step since which was before.

use super::file::TraceTable;
use super::step::KvVerb;
use crate::consul::Sought;
use crate::topology::{At, Checker, Mistake, list, quote};

/// The methods of all that the store can be asked.
const METHODS: [&str; 3] = ["GET", "PUT", "DELETE"];

pub(super) fn check_trace(checker: &mut Checker, table: &TraceTable) -> Option<KvVerb> {
    // All of them, so that all mistakes are found.
    let host = said(table.host.as_ref(), |text| checker.host(text));
    let container = said(table.container.as_ref(), |text| checker.container(text));
    let method = said(table.method.as_ref(), |text| check_method(checker, text));
    let since = said(table.since.as_ref(), |text| check_since(checker, text));
    let sought = Sought {
        host: host.ok()?.map(|host| host.name),
        container: container.ok()?.map(|container| container.name.to_string()),
        method: method.ok()?,
        key: table.key.clone(),
        not_key: table.not_key.clone(),
        writes: table.writes,
        status: table.status,
    };
    Some(KvVerb::Trace { sought, since: since.ok()? })
}

/// There is a mistake, and it is noted.
struct Noted;

/// What is not said is not wrong.
fn said<T>(
    text: Option<&At<String>>,
    check: impl FnOnce(&At<String>) -> Option<T>,
) -> Result<Option<T>, Noted> {
    text.map(|text| check(text).ok_or(Noted)).transpose()
}

fn check_method(checker: &mut Checker, text: &At<String>) -> Option<String> {
    let known = METHODS.into_iter().find(|method| *text.value == **method);
    if known.is_none() {
        let mistake = Mistake::new(format!("{} is not a method", quote(text)), &text.span, "asks nothing");
        checker.mistake(mistake.help(format!("one of {}", list(METHODS))));
    }
    known.map(str::to_owned)
}

/// The name of a step that began before this one.
fn check_since(checker: &mut Checker, text: &At<String>) -> Option<String> {
    let name = one_line(text);
    if checker.steps.contains(&name) {
        return Some(name);
    }
    let mistake = Mistake::new(format!("no step before is named {}", quote(text)), &text.span, "since then");
    checker.mistake(mistake.help("give that step a `name`, and say it here as it stands there"));
    None
}

/// As names of steps are kept: without line breaks.
pub(super) fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}
