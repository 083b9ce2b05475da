//! What is asked: the path, the query, and the parameters that all reads share.

use super::answer::Answer;
use hyper::HeaderMap;
use hyper::header::CACHE_CONTROL;
use overlay::kv::store::GoDuration;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::time::Duration;

/// What Go leaves as it is in a path (`net/url`, `shouldEscape` with `encodePath`).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');
/// What Go leaves as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A percent-escape that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadEscape;

/// Undoes percent-encoding, once.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, BadEscape> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).ok_or(BadEscape);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => {
                let value = digit(rest.next())? * 16 + digit(rest.next())?;
                u8::try_from(value).map_err(|_| BadEscape)?
            }
            other => *other,
        });
    }
    Ok(decoded)
}

/// Encodes a path as Go does in a `Location`.
pub(super) fn encode_path(path: &[u8]) -> String {
    percent_encode(path, PATH).to_string()
}

/// The path without empty, `.` and `..` segments (Go's `path.Clean`, but a trailing slash stays).
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut cleaned = vec![b'/'];
    cleaned.extend(segments.join(&b'/'));
    if path.ends_with(b"/") && cleaned.len() > 1 {
        cleaned.push(b'/');
    }
    cleaned
}

/// The query. Names are case-sensitive and the first of several counts; many are read by presence, not by value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Query, BadEscape> {
        let word = |text: &str| {
            let bytes = decode(text.replace('+', " ").as_bytes())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let parameter = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Ok((word(name)?, word(value)?))
        };
        text.split('&').filter(|part| !part.is_empty()).map(parameter).collect::<Result<_, _>>().map(Query)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values that are given to a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The parameter, if it says anything.
    fn said(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The whole query again, sorted by name, as Go writes it.
    pub(super) fn sorted(&self) -> String {
        let mut parameters = self.0.clone();
        parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
        let word = |text: &str| percent_encode(text.as_bytes(), QUERY).to_string().replace("%20", "+");
        let pairs = parameters.iter().map(|(name, value)| format!("{}={}", word(name), word(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// A number given to a write, if it is given at all.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Answer> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let why = if digits { "value out of range" } else { "invalid syntax" };
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(Answer::error(500, format!("strconv.ParseUint: parsing {text:?}: {why}"))),
        }
    }

    /// What reads and writes alike refuse: other datacenters, and what only Consul Enterprise has.
    pub(super) fn check_place(&self, datacenter: &str) -> Result<(), Answer> {
        if let Some(name) = ["ns", "partition"].into_iter().find(|name| self.said(name).is_some()) {
            let what = if name == "ns" { "Namespaces are" } else { "Partitions are" };
            let why = format!("Invalid query parameter: {name:?} - {what} a Consul Enterprise feature");
            return Err(Answer::error(400, format!("Bad request: {why}")));
        }
        match self.said("dc").or(self.said("datacenter")) {
            Some(other) if other != datacenter => Err(Answer::error(500, "No path to datacenter")),
            _ => Ok(()),
        }
    }
}

/// How fresh a read wants to be. On one node all are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    Leader,
    Consistent,
    Stale,
}

impl Consistency {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Consistency::Leader => "leader",
            Consistency::Consistent => "consistent",
            Consistency::Stale => "stale",
        }
    }
}

/// What a read says about how it wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadOptions {
    pub(super) consistency: Consistency,
    /// Block until the index is greater; 0: do not.
    pub(super) index: u64,
    /// How long; zero: the default.
    pub(super) wait: Duration,
}

impl ReadOptions {
    pub(super) fn parse(query: &Query, headers: &HeaderMap) -> Result<ReadOptions, Answer> {
        let bad = |text: String| Answer::error(400, text);
        if let Some(control) = headers.get(CACHE_CONTROL) {
            check_cache_control(control.to_str().unwrap_or_default())?;
        }
        let index = match query.said("index").map(str::parse) {
            None => 0,
            Some(index) => index.map_err(|_| bad("Invalid index".to_owned()))?,
        };
        let wait = match query.said("wait").map(GoDuration::parse) {
            None => Duration::ZERO,
            Some(wait) => {
                wait.map_err(|_| bad("Invalid wait time".to_owned()))?.positive().unwrap_or_default()
            }
        };
        let mut stale = query.has("stale");
        if let Some(text) = query.said("max_stale") {
            let age =
                GoDuration::parse(text).map_err(|_| bad(format!("Invalid max_stale value {text:?}")))?;
            stale |= age.positive().is_some();
        }
        let consistent = query.has("consistent");
        if let Some(other) = ["stale", "cached"].into_iter().find(|name| consistent && query.has(name)) {
            let why = "conflicting semantics.";
            return Err(bad(format!("Cannot specify ?{other} with ?consistent, {why}")));
        }
        let consistency = match (stale, consistent) {
            (true, true) => {
                let why = "conflicting semantics.";
                return Err(bad(format!("Cannot specify ?stale with ?consistent, {why}")));
            }
            (true, false) => Consistency::Stale,
            (false, true) => Consistency::Consistent,
            (false, false) => Consistency::Leader,
        };
        Ok(ReadOptions { consistency, index, wait })
    }
}

/// Nothing is cached here, but a number that is none is refused as by Consul.
fn check_cache_control(value: &str) -> Result<(), Answer> {
    for directive in value.split(',') {
        let (name, value) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
        let wants_number = matches!(name.to_ascii_lowercase().as_str(), "max-age" | "stale-if-error");
        if wants_number && value.parse::<u64>().is_err() {
            return Err(Answer::error(400, "Invalid Cache-Control header."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn paths_are_cleaned_as_by_go() {
        for (path, cleaned) in [
            ("/", "/"),
            ("//", "/"),
            ("/v1/kv/a", "/v1/kv/a"),
            ("/v1/kv/a/", "/v1/kv/a/"),
            ("/v1/kv//lead", "/v1/kv/lead"),
            ("/v1/kv/a/./b", "/v1/kv/a/b"),
            ("/v1/kv/a/../b", "/v1/kv/b"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/v1/kv/...", "/v1/kv/..."),
        ] {
            assert_eq!(String::from_utf8(clean(path.as_bytes())).unwrap(), cleaned, "{path}");
        }
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(decode(b"a%2Fb%25+%ff").unwrap(), b"a/b%+\xff");
        assert_eq!(decode(b"%252F").unwrap(), b"%2F");
        for bad in ["%", "%2", "%zz", "%+1"] {
            assert_eq!(decode(bad.as_bytes()), Err(BadEscape), "{bad}");
        }
    }

    #[test]
    fn parameters_are_there_or_not_and_the_first_counts() {
        let query = Query::parse("recurse=false&flags=3&flags=4&a+b=%26&&x").unwrap();
        assert!(query.has("recurse") && query.has("x") && !query.has("Recurse"));
        assert_eq!(query.get("flags"), Some("3"));
        assert_eq!(query.get("a b"), Some("&"));
        assert_eq!(query.sorted(), "a+b=%26&flags=3&flags=4&recurse=false&x=");
        assert_eq!(Query::parse("%zz"), Err(BadEscape));
    }

    #[test]
    fn numbers_fail_in_the_words_of_go() {
        let text = |query: &str| {
            let answer = Query::parse(query).unwrap().number("flags").unwrap_err();
            (answer.status(), String::from_utf8(answer.body().to_vec()).unwrap())
        };
        assert_eq!(
            text("flags=abc"),
            (Some(500), "strconv.ParseUint: parsing \"abc\": invalid syntax".to_owned())
        );
        assert_eq!(text("flags=+1").1, "strconv.ParseUint: parsing \" 1\": invalid syntax");
        let out = "strconv.ParseUint: parsing \"18446744073709551616\": value out of range";
        assert_eq!(text("flags=18446744073709551616").1, out);
    }
}
