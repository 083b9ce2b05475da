//! `/v1/txn`: several operations on keys, all or nothing.

use super::answer::{Answer, Answered};
use super::face::{Asked, Face};
use super::kv::Row;
use super::request::Query;
use super::trace::Operation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use overlay::kv::store::{Failure, MAX_OPS, Op, Refusal, Shown, Verb, reads_only};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Done<'a> {
    #[serde(rename = "KV")]
    kv: Row<'a>,
}

impl<'a> Done<'a> {
    fn new(shown: &'a Shown) -> Done<'a> {
        Done { kv: Row::new(&shown.key, &shown.entry) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    op_index: usize,
    what: String,
}

/// The answer to a transaction that writes, and to any that failed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome<'a> {
    results: Option<Vec<Done<'a>>>,
    errors: Option<Vec<Failed>>,
}

/// The answer to a transaction that only reads.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reading<'a> {
    results: Vec<Done<'a>>,
    errors: Option<Vec<Failed>>,
    index: u64,
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
    not_modified: bool,
    backend: u64,
}

pub(super) async fn run(face: &Face, asked: Asked) -> Answered {
    let query = asked.query.clone();
    let body = asked.body().await?;
    let refused = |why: String| Answer::error(400, format!("Failed to parse body: {why}"));
    let ops = operations(&body).map_err(refused)?;
    if ops.len() > MAX_OPS {
        return Err(Answer::error(413, Refusal::TooManyOps(ops.len()).to_string()));
    }
    Ok(answer(face, &query, &ops).to(ops.iter().map(traced).collect()))
}

fn answer(face: &Face, query: &Query, ops: &[Op]) -> Answer {
    match face.store.with(|store| store.txn(ops)) {
        Ok(shown) => {
            let results: Vec<Done> = shown.iter().map(Done::new).collect();
            if ops.is_empty() || !reads_only(ops) {
                return Answer::json(query, &Outcome { results: Some(results), errors: None });
            }
            let reading = Reading {
                results,
                errors: None,
                index: 1,
                last_contact: 0,
                known_leader: true,
                consistency_level: "",
                not_modified: false,
                backend: 0,
            };
            Answer::json(query, &reading).by_leader()
        }
        Err(failures) => {
            let failed = |Failure { op, what }| Failed { op_index: op, what };
            let errors = Some(failures.into_iter().map(failed).collect());
            Answer::json(query, &Outcome { results: None, errors }).status_as(409)
        }
    }
}

/// An operation, for the trace.
fn traced(op: &Op) -> Operation {
    let key = String::from_utf8_lossy(&op.key).into_owned();
    Operation { verb: op.verb.as_str().to_owned(), key, writes: !reads_only(std::slice::from_ref(op)) }
}

/// Reads the body. Names match without case; elements that say nothing are dropped.
fn operations(body: &[u8]) -> Result<Vec<Op>, String> {
    let elements: Vec<Map<String, Value>> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut ops = Vec::new();
    for (name, value) in elements.into_iter().flatten() {
        match (name.to_ascii_lowercase().as_str(), value) {
            (_, Value::Null) => {}
            ("kv", Value::Object(fields)) => ops.push(operation(fields)?),
            ("kv", other) => return Err(format!("KV cannot be {other}")),
            ("node" | "service" | "check", _) => return Err(format!("this store has no {name} operations")),
            _ => {}
        }
    }
    Ok(ops)
}

fn operation(fields: Map<String, Value>) -> Result<Op, String> {
    let mut op = Op::new(Verb::Unknown(String::new()), "");
    for (name, value) in fields {
        let text = |value: Value| match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            other => Err(format!("{name} cannot be {other}")),
        };
        let number = |value: Value| match &value {
            Value::Null => Ok(0),
            other => other.as_u64().ok_or_else(|| format!("{name} cannot be {other}")),
        };
        match name.to_ascii_lowercase().as_str() {
            "verb" => op.verb = Verb::parse(&text(value)?),
            "key" => op.key = text(value)?.into_bytes(),
            "value" => {
                let value = BASE64.decode(text(value)?).map_err(|error| format!("{name}: {error}"))?;
                op.value = value.into();
            }
            "flags" => op.flags = number(value)?,
            "index" => op.index = number(value)?,
            "session" => op.session = text(value)?,
            _ => {}
        }
    }
    Ok(op)
}
