//! The table of packets to be captured, checked: whom it names is there, and the filter makes sense.

use super::file::CaptureTable;
use super::verbs::{check_destination, check_sender};
use crate::capture::{Filter, Interfaces, Request};
use crate::topology::{At, Checker, Mistake, no_such};

/// What can be named beside hosts and containers.
const OTHERS: [&str; 2] = ["switch", "internet"];

pub(super) fn check_capture(checker: &mut Checker, table: &At<CaptureTable>) -> Option<Request> {
    // All of them, so that all mistakes are found.
    let on = check_interfaces(checker, table);
    let filter = match &table.filter {
        None => Some(Filter::default()),
        Some(text) => check_filter(checker, text),
    };
    Some(Request { on: on?, filter: filter?, ..Request::default() })
}

fn check_interfaces(checker: &mut Checker, table: &At<CaptureTable>) -> Option<Interfaces> {
    match (&table.on, &table.path) {
        (None, None) => Some(Interfaces::All),
        (Some(on), None) => check_on(checker, on),
        (None, Some(path)) => {
            let [from, to] = &path.value[..] else {
                let mistake = Mistake::new("a path has two ends", &path.span, "not two");
                checker.mistake(mistake.help("write `path = [\"C1\", \"C0\"]`"));
                return None;
            };
            let ends = (check_sender(checker, from), check_destination(checker, to));
            let (Some(_), Some(_)) = ends else { return None };
            Some(Interfaces::Path { from: from.value.clone(), to: to.value.clone() })
        }
        (Some(on), Some(path)) => {
            let mistake = Mistake::new("`on` and `path` both say where", &path.span, "the second one");
            checker.mistake(mistake.beside(&on.span, "the first one"));
            None
        }
    }
}

/// Interfaces that are named.
pub(crate) fn check_on(checker: &mut Checker, on: &At<Vec<At<String>>>) -> Option<Interfaces> {
    if on.is_empty() {
        let mistake = Mistake::new("that is nowhere", &on.span, "no interface");
        checker.mistake(mistake.help("leave it out for all interfaces there are"));
    }
    let known: Vec<bool> = on.iter().map(|target| check_target(checker, target)).collect();
    let all = || on.iter().map(|target| target.value.clone()).collect();
    known.iter().all(|known| *known).then(|| Interfaces::Of(all()))
}

/// Whether there is a host or a container of that name; its interfaces are known only when it is up.
fn check_target(checker: &mut Checker, target: &At<String>) -> bool {
    let (kind, rest) = match target.split_once(':') {
        Some((kind @ ("host" | "container"), rest)) => (kind, rest),
        _ => ("", target.as_str()),
    };
    let name = rest.split([':', '/']).next().unwrap_or_default();
    let known = match kind {
        "host" => checker.has_host(name),
        "container" => checker.has_container(name),
        _ => checker.has_host(name) || checker.has_container(name) || OTHERS.contains(&name),
    };
    if !known {
        let mut names = checker.all_names();
        names.push(OTHERS[0].to_owned());
        checker.mistake(no_such(
            "host or container",
            "hosts and containers",
            &target.with(name.to_owned()),
            &names,
        ));
    }
    known
}

/// A mistake is shown where it is in the filter, if that stands in the file as it is meant.
pub(crate) fn check_filter(checker: &mut Checker, text: &At<String>) -> Option<Filter> {
    match text.parse::<Filter>() {
        Ok(filter) => Some(filter),
        Err(report) => {
            for mistake in report.mistakes() {
                let mut span = text.span.clone();
                // A text in quotes, nothing in it escaped.
                if span.len() == text.len() + 2 {
                    span = span.start + 1 + mistake.span.start..span.start + 1 + mistake.span.end;
                }
                checker.mistake(Mistake { span, ..mistake.clone() });
            }
            None
        }
    }
}
