//! What Docker has and what is here, field by field. Pure.

use std::collections::BTreeSet;

use super::objects::{Objects, shown};

/// A difference that is known, and why it is one.
pub(crate) struct Known {
    /// The topologies in which it is to be seen.
    pub(crate) seen: &'static [&'static str],
    /// How it reads; `*` stands for anything.
    pub(crate) what: &'static str,
    /// Why it is so.
    pub(crate) why: &'static str,
}

/// A sentence for every object that one side has alone, and for every field that both have differently.
pub(crate) fn differences(docker: &Objects, here: &Objects) -> Vec<String> {
    let mut found = Vec::new();
    for object in docker.0.keys().chain(here.0.keys()).collect::<BTreeSet<_>>() {
        let name = shown(object);
        match (docker.0.get(object), here.0.get(object)) {
            (Some(theirs), Some(ours)) => {
                for field in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
                    let (theirs, ours) = (theirs.get(field), ours.get(field));
                    if theirs != ours {
                        let said = |value: Option<&String>| value.map_or("nothing".to_owned(), String::clone);
                        found.push(format!("{name}: {field}: Docker {}, here {}", said(theirs), said(ours)));
                    }
                }
            }
            (Some(_), None) => found.push(format!("{name}: only Docker")),
            _ => found.push(format!("{name}: only here")),
        }
    }
    found
}

/// Panics unless each difference is a known one, and each known one is to be seen.
pub(crate) fn explain(topology: &str, found: &[String], known: &[Known]) {
    let due: Vec<&Known> = known.iter().filter(|known| known.seen.contains(&topology)).collect();
    let new: Vec<&String> =
        found.iter().filter(|found| due.iter().all(|known| !is_like(found, known.what))).collect();
    let gone: Vec<String> = due
        .iter()
        .filter(|known| found.iter().all(|found| !is_like(found, known.what)))
        .map(|known| format!("{} ({})", known.what, known.why))
        .collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{topology} is not as Docker's, and no reason is known:\n{new:#?}\nand these are not different any more:\n{gone:#?}"
    );
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| is_like(&text[at..], rest))
        }),
    }
}

#[test]
fn a_pattern_stands_for_what_it_says() {
    for (pattern, like) in
        [("a*c", true), ("*", true), ("abc", true), ("a*b", false), ("*b*", true), ("b*", false)]
    {
        assert_eq!(is_like("abc", pattern), like, "{pattern}");
    }
}

#[test]
fn what_differs_is_said_field_by_field() {
    use super::objects::{Fields, Kind};
    let objects = |all: &[(&str, &[(&str, &str)])]| {
        let mut objects = Objects::default();
        for (name, fields) in all {
            let fields: Fields =
                fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            objects.put(Kind::Link, (*name).to_owned(), fields);
        }
        objects
    };
    let docker = objects(&[("eth0", &[("mtu", "1450"), ("kind", "veth")]), ("docker0", &[])]);
    let here = objects(&[("eth0", &[("mtu", "1400"), ("kind", "veth"), ("master", "br0")]), ("eth2", &[])]);
    let found = differences(&docker, &here);
    assert_eq!(
        found,
        [
            "link docker0: only Docker",
            "link eth0: master: Docker nothing, here br0",
            "link eth0: mtu: Docker 1450, here 1400",
            "link eth2: only here",
        ]
    );
    let known = |what| Known { seen: &["t"], what, why: "a test" };
    explain("t", &found, &[known("link *: only *"), known("link eth0: *")]);
    explain("other", &[], &[known("link eth0: *")]);
    for wrong in [&[known("link *: only *")][..], &[known("link *"), known("address *")]] {
        let refused = std::panic::catch_unwind(|| explain("t", &found, wrong));
        assert!(refused.is_err(), "{:?}", wrong.iter().map(|known| known.what).collect::<Vec<_>>());
    }
}
