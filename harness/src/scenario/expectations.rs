//! The table `expect`, checked: its keys have to do with the step's verb.

use std::ops::Range;
use std::str::FromStr;

use overlay::dns::Type;
use serde_json::Value;

use super::expect::Expect;
use super::file::{ExpectTable, TextTable};
use super::limit::{Bound, Percent};
use super::step::{KvVerb, Load, NetworkVerb, Resolve, Throughput, Verb};
use super::text::Text;
use crate::topology::{At, Checker, Mistake, WordOr, list, quote};

/// What a step with this verb expects: what the table says, else success.
pub(super) fn check_expect(checker: &mut Checker, verb: &Verb, table: Option<&At<ExpectTable>>) -> Expect {
    let nothing = ExpectTable::default();
    let table = table.map_or(&nothing, |table| &table.value);
    let (word, keys) = keys_of(verb);
    for (key, span) in given(table) {
        if !keys.contains(&key) {
            let mistake =
                Mistake::new(format!("`{key}` says nothing about `{word}`"), &span, "not of this verb");
            checker.mistake(match keys {
                [] => mistake.help(format!("`{word}` takes no `expect`: it holds or it does not")),
                _ => mistake.help(format!("`{word}` can expect {}", list(keys))),
            });
        }
    }
    let mut texts = |table: &Option<At<TextTable>>| check_text(checker, table.as_ref());
    match verb {
        Verb::Ping(_) => Expect::Echoes {
            loss: check_bound(checker, table.loss.as_ref()).unwrap_or(Bound::exactly(Percent::NONE)),
            rtt: check_bound(checker, table.rtt.as_ref()),
        },
        Verb::Throughput(_) => Expect::Traffic {
            rate: check_bound(checker, table.rate.as_ref()),
            loss: check_bound(checker, table.loss.as_ref()),
            duplicates: check_bound(checker, table.duplicates.as_ref()),
            reordered: check_bound(checker, table.reordered.as_ref()),
        },
        Verb::Exec(_) => Expect::Exit {
            status: table.status.as_ref().map_or(0, |status| status.value),
            stdout: texts(&table.stdout),
            stderr: texts(&table.stderr),
        },
        Verb::Tcp(tcp) => {
            if let (Some(reply), None) = (&table.reply, &tcp.send) {
                let mistake = Mistake::new("no answer is read", &reply.span, "expects one");
                checker.mistake(mistake.help("say what to `send`; then an answer is read"));
            }
            answer(checker, table.connected.as_ref(), table.reply.as_ref())
        }
        Verb::Udp(_) => answer(checker, table.answered.as_ref(), table.reply.as_ref()),
        Verb::Resolve(_) => match &table.error {
            Some(error) => Expect::Refused { error: check_error(checker, error) },
            None => Expect::Found { records: check_records(checker, table) },
        },
        Verb::Kv(KvVerb::Get { .. }) => {
            let exists = table.exists.as_ref().is_none_or(|exists| exists.value);
            if let (false, Some(value)) = (exists, &table.value) {
                checker.mistake(Mistake::new("what is not there has no value", &value.span, "of no key"));
            }
            Expect::Value { exists, value: check_text(checker, table.value.as_ref()) }
        }
        Verb::Kv(KvVerb::Ls { .. }) => Expect::Keys {
            present: table.keys.as_ref().map(|keys| keys.value.clone()).unwrap_or_default(),
            absent: table.no_keys.as_ref().map(|keys| keys.value.clone()).unwrap_or_default(),
        },
        Verb::Kv(KvVerb::Trace { .. }) => Expect::Requests {
            count: check_bound(checker, table.count.as_ref()).unwrap_or(Bound::at_least(1)),
        },
        Verb::Capture(_) => Expect::Packets {
            count: check_bound(checker, table.count.as_ref()).unwrap_or(Bound::at_least(1)),
        },
        Verb::Diff(_) => Expect::Changes {
            all: table.changes.as_ref().map(|globs| globs.value.clone()).unwrap_or_default(),
            besides: table.besides.as_ref().map(|globs| globs.value.clone()).unwrap_or_default(),
        },
        Verb::Events(_) => Expect::Events {
            present: table.events.as_ref().map(|globs| globs.value.clone()).unwrap_or_default(),
            absent: table.no_events.as_ref().map(|globs| globs.value.clone()).unwrap_or_default(),
        },
        Verb::Make(_)
        | Verb::Unmake(_)
        | Verb::Kv(_)
        | Verb::Network(_)
        | Verb::Container(_)
        | Verb::Fault(_)
        | Verb::Heal(_) => match &table.error {
            Some(error) => Expect::Refused { error: check_error(checker, error) },
            None => Expect::Done { output: check_text(checker, table.output.as_ref()) },
        },
        Verb::Check(_) | Verb::Wait(_) | Verb::Nemesis(_) | Verb::Repeat(_) | Verb::Parallel(_) => {
            Expect::Holds
        }
    }
}

/// A verb's word, and the keys of `expect` that have to do with it.
fn keys_of(verb: &Verb) -> (&'static str, &'static [&'static str]) {
    match verb {
        Verb::Ping(_) => ("ping", &["loss", "rtt"]),
        Verb::Throughput(Throughput { load: Load::Streams(_), .. }) => ("throughput", &["rate"]),
        Verb::Throughput(_) => ("throughput", &["rate", "loss", "duplicates", "reordered"]),
        Verb::Exec(_) => ("exec", &["status", "stdout", "stderr"]),
        Verb::Tcp(_) => ("tcp", &["connected", "reply"]),
        Verb::Udp(_) => ("udp", &["answered", "reply"]),
        Verb::Resolve(Resolve { question, .. }) if question.kind == Type::PTR => {
            ("resolve", &["names", "error"])
        }
        Verb::Resolve(_) => ("resolve", &["addresses", "error"]),
        Verb::Kv(KvVerb::Get { .. }) => ("kv.get", &["exists", "value"]),
        Verb::Kv(KvVerb::Ls { .. }) => ("kv.ls", &["keys", "no_keys"]),
        Verb::Kv(KvVerb::Trace { .. }) => ("kv.trace", &["count"]),
        Verb::Kv(KvVerb::Put { .. }) => ("kv.put", &["error"]),
        Verb::Kv(KvVerb::Rm { .. }) => ("kv.rm", &["error"]),
        Verb::Network(NetworkVerb::Ls { .. }) => ("network.ls", &["output", "error"]),
        Verb::Network(NetworkVerb::Inspect { .. }) => ("network.inspect", &["output", "error"]),
        Verb::Network(NetworkVerb::Create(_)) => ("network.create", &["error"]),
        Verb::Network(NetworkVerb::Rm { .. }) => ("network.rm", &["error"]),
        Verb::Network(NetworkVerb::Rotate { .. }) => ("network.rotate", &["error"]),
        Verb::Network(NetworkVerb::Connect(_)) => ("network.connect", &["error"]),
        Verb::Network(NetworkVerb::Disconnect { .. }) => ("network.disconnect", &["error"]),
        Verb::Container(_) => ("container", &["error"]),
        Verb::Fault(_) => ("fault", &["error"]),
        Verb::Heal(_) => ("heal", &["error"]),
        Verb::Check(_) => ("check", &[]),
        Verb::Wait(_) => ("wait", &[]),
        Verb::Nemesis(_) => ("nemesis", &[]),
        Verb::Repeat(_) => ("repeat", &[]),
        Verb::Parallel(_) => ("parallel", &[]),
        Verb::Capture(_) => ("capture", &["count"]),
        Verb::Diff(_) => ("diff", &["changes", "besides"]),
        Verb::Events(_) => ("events", &["events", "no_events"]),
        Verb::Make(_) => ("make", &["error"]),
        Verb::Unmake(_) => ("unmake", &["error"]),
    }
}

/// The keys that the table has, and where.
fn given(table: &ExpectTable) -> Vec<(&'static str, Range<usize>)> {
    fn of<T>(key: &'static str, value: Option<&At<T>>) -> Option<(&'static str, Range<usize>)> {
        value.map(|value| (key, value.span.clone()))
    }
    let all = [
        of("loss", table.loss.as_ref()),
        of("rtt", table.rtt.as_ref()),
        of("rate", table.rate.as_ref()),
        of("duplicates", table.duplicates.as_ref()),
        of("reordered", table.reordered.as_ref()),
        of("status", table.status.as_ref()),
        of("stdout", table.stdout.as_ref()),
        of("stderr", table.stderr.as_ref()),
        of("connected", table.connected.as_ref()),
        of("answered", table.answered.as_ref()),
        of("reply", table.reply.as_ref()),
        of("exists", table.exists.as_ref()),
        of("value", table.value.as_ref()),
        of("keys", table.keys.as_ref()),
        of("no_keys", table.no_keys.as_ref()),
        of("count", table.count.as_ref()),
        of("changes", table.changes.as_ref()),
        of("besides", table.besides.as_ref()),
        of("events", table.events.as_ref()),
        of("no_events", table.no_events.as_ref()),
        of("output", table.output.as_ref()),
        of("addresses", table.addresses.as_ref()),
        of("names", table.names.as_ref()),
        of("error", table.error.as_ref()),
    ];
    all.into_iter().flatten().collect()
}

fn answer(checker: &mut Checker, came: Option<&At<bool>>, reply: Option<&At<TextTable>>) -> Expect {
    let came = came.is_none_or(|came| came.value);
    if let (false, Some(reply)) = (came, reply) {
        checker.mistake(Mistake::new("what does not come says nothing", &reply.span, "of no answer"));
    }
    Expect::Answer { came, reply: check_text(checker, reply) }
}

/// A word is the whole error.
fn check_error(checker: &mut Checker, error: &At<WordOr<TextTable>>) -> Vec<Text> {
    match &error.value {
        WordOr::Word(word) => vec![Text::Equals(word.clone())],
        WordOr::Table(table) => check_conditions(checker, table, &error.span),
    }
}

/// What a name has to have, in the form in which it is found.
fn check_records(checker: &mut Checker, table: &ExpectTable) -> Option<Vec<String>> {
    if let Some(addresses) = &table.addresses {
        let checked = addresses.iter().filter_map(|text| checker.any_address(text));
        return Some(checked.map(|address| address.to_string()).collect());
    }
    let names = table.names.as_ref()?;
    Some(names.iter().map(|name| name.strip_suffix('.').unwrap_or(name).to_owned()).collect())
}

fn check_bound<T>(checker: &mut Checker, text: Option<&At<String>>) -> Option<Bound<T>>
where
    Bound<T>: FromStr<Err = String>,
{
    let text = text?;
    match text.parse() {
        Ok(bound) => Some(bound),
        Err(why) => {
            let mistake = Mistake::new(format!("{} is not a limit", quote(text)), &text.span, "a limit");
            checker.mistake(mistake.help(format!("{why}; `<`, `<=`, `>` or `>=` may stand in front")));
            None
        }
    }
}

fn check_text(checker: &mut Checker, table: Option<&At<TextTable>>) -> Vec<Text> {
    table.map_or_else(Vec::new, |table| check_conditions(checker, table, &table.span))
}

fn check_conditions(checker: &mut Checker, table: &TextTable, span: &Range<usize>) -> Vec<Text> {
    let mut texts: Vec<Text> = Vec::new();
    texts.extend(table.contains.clone().map(Text::Contains));
    texts.extend(table.matches.clone().map(Text::Matches));
    texts.extend(table.equals.clone().map(Text::Equals));
    if let Some(json) = &table.json {
        if is_toml_only(&json.value) {
            let mistake = Mistake::new("JSON has no dates and no `nan`", &json.span, "in here");
            checker.mistake(mistake.help("write a date as a text"));
        }
        texts.push(Text::Json(json.value.clone()));
    }
    if texts.is_empty() {
        let mistake = Mistake::new("this says nothing of the text", span, "no condition");
        checker.mistake(mistake.help("say `contains`, `matches`, `equals` or `json`"));
    }
    texts
}

/// Whether there is something in it that TOML has and JSON has not: read as JSON, a date is a table
/// with one odd key, and a number that is none is null.
fn is_toml_only(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(is_toml_only),
        Value::Object(object) => {
            object.iter().any(|(key, value)| key.starts_with("$__toml") || is_toml_only(value))
        }
        _ => false,
    }
}
