//! From a file's text to its tables, going on past mistakes so that all of them are reported at once.

use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::near::nearest;
use super::tables::File;
use crate::topology::report::{Mistake, list, quote};

/// Keys that the format has and this version does not act on. They are refused, never ignored.
const NOT_YET: [(&str, &[&str]); 1] = [("kv", &["url"])];

/// Keys at the top of a file.
const TOP: [&str; 16] = [
    "schema",
    "name",
    "description",
    "seed",
    "timeout",
    "resolution",
    "requires",
    "record",
    "underlay",
    "kv",
    "host",
    "network",
    "container",
    "process",
    "step",
    "always",
];

/// Most unknown keys reported of one table; who has more is writing something else.
const MOST_UNKNOWN: usize = 20;

/// What could be read of a file.
pub(crate) struct Parsed {
    pub(crate) file: File,
    pub(crate) mistakes: Vec<Mistake>,
    /// Something could not be read at all, so that names it would have declared are missing.
    pub(crate) lost: bool,
}

/// Reads a file's tables.
pub(crate) fn read_tables(source: &str) -> Parsed {
    let (root, errors) = DeTable::parse_recoverable(source);
    let mut reader = Reader { mistakes: Vec::new(), lost: false };
    if !errors.is_empty() {
        let mistakes = errors.iter().map(|error| syntax(error, source)).collect();
        return Parsed { file: File::default(), mistakes, lost: true };
    }
    let file = reader.file(root.into_inner());
    Parsed { file, mistakes: reader.mistakes, lost: reader.lost }
}

/// A mistake in the TOML itself.
fn syntax(error: &toml::de::Error, source: &str) -> Mistake {
    let end = source.len();
    Mistake::new(one_line(error.message()), &error.span().unwrap_or(end..end), "not TOML from here on")
}

struct Reader {
    mistakes: Vec<Mistake>,
    lost: bool,
}

impl Reader {
    fn file(&mut self, root: DeTable<'_>) -> File {
        let mut file = File::default();
        for (key, value) in root {
            let at = key.span();
            let key = key.get_ref().as_ref();
            match key {
                "schema" => file.schema = self.read(key, value),
                "name" => file.name = self.read(key, value),
                "description" => file.description = self.read(key, value),
                "seed" => file.seed = self.read(key, value),
                "timeout" => file.timeout = self.read(key, value),
                "resolution" => file.resolution = self.read(key, value),
                "requires" => file.requires = self.read(key, value),
                "record" => file.record = self.read(key, value),
                "underlay" => file.underlay = self.read(key, value),
                "kv" => file.kv = self.read(key, value),
                "host" => file.host = self.read_all(key, value),
                "network" => file.network = self.read_all(key, value),
                "container" => file.container = self.read_all(key, value),
                "process" => file.process = self.read_all(key, value),
                "step" => file.step = self.read_all(key, value),
                "always" => file.always = self.read_all(key, value),
                _ if is_not_yet("", key) => self.mistakes.push(not_yet(key, &at)),
                _ => self.mistakes.push(unknown(key, &TOP, "", &at)),
            }
        }
        file
    }

    /// Every table of a `[[list]]`, each with its own mistakes.
    fn read_all<T: DeserializeOwned>(&mut self, key: &str, value: Spanned<DeValue<'_>>) -> Vec<T> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(array) => array.into_iter().filter_map(|value| self.read(key, value)).collect(),
            other => {
                let found = format!("this is {}", article(other.type_str()));
                let mistake = Mistake::new(format!("`{key}` is a list of tables"), &span, found);
                self.mistakes.push(mistake.help(format!("write `[[{key}]]`")));
                self.lost = true;
                Vec::new()
            }
        }
    }

    /// One value. Keys that are unknown or not there yet are taken out and reported; the rest is read.
    fn read<T: DeserializeOwned>(&mut self, place: &str, mut value: Spanned<DeValue<'_>>) -> Option<T> {
        let before = self.mistakes.len();
        self.refuse_not_yet(place, &mut value);
        if place == "step" && self.mistakes.len() > before {
            return None;
        }
        for unknown_seen in 0..MOST_UNKNOWN {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| value.span());
            // What is missing after a key was taken out may be what that key was meant to be.
            let missing =
                error.message().starts_with("missing field") || error.message().ends_with("expected enum");
            if !(missing && unknown_seen > 0) {
                self.mistakes.push(explain(&error, place, &span));
            }
            if !remove_key(&mut value, &span) {
                break;
            }
        }
        self.lost = true;
        None
    }

    fn refuse_not_yet(&mut self, place: &str, value: &mut Spanned<DeValue<'_>>) {
        match value.get_mut() {
            DeValue::Array(array) => {
                for item in array.iter_mut() {
                    self.refuse_not_yet(place, item);
                }
            }
            DeValue::Table(table) => {
                for key in take_keys(table, |key| is_not_yet(place, key.get_ref())) {
                    self.mistakes.push(not_yet(key.get_ref(), &key.span()));
                }
                for (key, value) in table.iter_mut() {
                    let below = format!("{place}.{}", key.get_ref());
                    self.refuse_not_yet(&below, value);
                }
            }
            _ => {}
        }
    }
}

fn is_not_yet(place: &str, key: &str) -> bool {
    NOT_YET.iter().any(|(table, keys)| *table == place && keys.contains(&key))
}

fn not_yet(key: &str, span: &Range<usize>) -> Mistake {
    Mistake::new(format!("`{key}` is not there yet"), span, "this version cannot do it")
        .help("leave it out; it is refused so that nothing is tested that does not happen")
}

type Key<'i> = Spanned<DeString<'i>>;

/// Takes keys out of a table, with their values.
fn take_keys<'i>(table: &mut DeTable<'i>, doomed: impl Fn(&Key<'i>) -> bool) -> Vec<Key<'i>> {
    let keys: Vec<Key<'i>> = table.keys().filter(|key| doomed(key)).cloned().collect();
    for key in &keys {
        table.remove(key);
    }
    keys
}

/// Takes out the key with that span, wherever below it is.
fn remove_key(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Array(array) => array.iter_mut().any(|item| remove_key(item, span)),
        DeValue::Table(table) => {
            !take_keys(table, |key| key.span() == *span).is_empty()
                || table.iter_mut().any(|(_, value)| remove_key(value, span))
        }
        _ => false,
    }
}

/// What the parser's library says, in this project's words.
fn explain(error: &toml::de::Error, place: &str, span: &Range<usize>) -> Mistake {
    let message = one_line(error.message());
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let within = place.split('.').next().unwrap_or(place);
    if message.starts_with("unknown field")
        && let Some((key, known)) = names.split_first()
    {
        return unknown(key, known, within, span);
    }
    if message.starts_with("unknown variant")
        && let Some((word, known)) = names.split_first()
    {
        let mistake = Mistake::new(format!("{} is not known here", quote(word)), span, "unknown");
        return mistake.help(format!("known is {}", list(known)));
    }
    if message.starts_with("wanted exactly 1 element") {
        let mistake = Mistake::new("one key is wanted here, and one only", span, "in here");
        return mistake.help("say one thing in a table; another one goes into a table of its own");
    }
    if message.starts_with("missing field")
        && let Some(key) = names.first()
    {
        return Mistake::new(format!("`{key}` is missing"), span, "in here").help(format!("add `{key} = …`"));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        let expected = match expected {
            "u64" | "u32" | "u16" | "i32" | "i64" => "a whole number",
            other => other,
        };
        return Mistake::new(
            format!("{expected} is expected here"),
            span,
            format!("this is {}", article(found)),
        );
    }
    if let Some(rest) = message.strip_prefix("invalid value: ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        return Mistake::new(
            format!("{found} does not fit here"),
            span,
            format!("{} is expected", plainly(expected)),
        );
    }
    Mistake::new(message, span, "here")
}

/// A type of Rust in words.
fn plainly(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        other => other,
    }
}

fn unknown(key: &str, known: &[&str], within: &str, span: &Range<usize>) -> Mistake {
    let place = match within {
        "" => "at the top of a file".to_owned(),
        table => format!("in `{table}`"),
    };
    let mistake = Mistake::new(format!("there is no key {} {place}", quote(key)), span, "unknown key");
    match nearest(key, known.iter().copied()) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help(format!("the keys here are {}", list(known))),
    }
}

fn article(what: &str) -> String {
    let vowel = what.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {what}", if vowel { "an" } else { "a" })
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_at_the_top_are_the_schema_s() {
        let schema = crate::topology::schema();
        let properties = schema.get("properties").and_then(|keys| keys.as_object()).expect("properties");
        let (mut keys, mut top): (Vec<&str>, _) = (properties.keys().map(String::as_str).collect(), TOP);
        keys.sort_unstable();
        top.sort_unstable();
        assert_eq!(keys, top);
    }
}
