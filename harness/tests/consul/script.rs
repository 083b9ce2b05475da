//! Conformance cases as text: what is asked of a store, and what has to come back.
//!
//! ```text
//! fresh                                          an empty store
//! session S {"LockDelay":"0s"}                   makes a session and keeps its id as {S}
//! A3  GET kv/a  =>  200 ; /0/Flags is 0          one case: request, status, claims
//! F1  blocks GET kv/a?index={m}&wait=60s         sends a query that blocks
//! F1  wakes  =>  200 ; X > {m}                   what it is answered, soon, with claims
//! later 20s                                      lets as many seconds pass in the store, at once
//! ```
//!
//! A request is a method, a target below `/v1/` (or from the root, with a leading slash) and a body, up to `=>`. A body
//! `@N` is N bytes long. Behind the method `Name:value` is a header.
//! Claims are separated by ` ; `:
//!
//! - `= TEXT`, `~ TEXT`: the body is, contains (`= ` alone: is empty); `length N`: it is so long
//! - `/POINTER is JSON`, `/POINTER absent`, `json JSON`: in the body, or all of it
//! - `HEADER is TEXT`, `HEADER absent`
//! - `M(KEY) …`: the key's `ModifyIndex`, asked for afterwards; `X …`: the index header
//! - `/POINTER`, `M(KEY)` or `X` followed by `as NAME` keeps a value, by `is`, `>`, `<` EXPRESSION compares it
//!
//! `{NAME}`, `{NAME+1}` and `{NAME-1}` stand for kept values, anywhere; `{NAME^}` for one in capitals.

use crate::wire::{self, Reply};
use crate::{Stub, eventually, soon};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Runs a script, on empty stores.
pub(crate) async fn run(script: &str) {
    let mut run = Run::new();
    for line in lines(script) {
        if let Err(why) = run.line(line).await {
            panic!("{line}\n  {why}");
        }
    }
}

/// The ids of a script's cases.
pub(crate) fn ids(script: &str) -> impl Iterator<Item = &str> {
    lines(script).filter_map(|line| line.split(' ').next()).filter(|id| id.starts_with(char::is_uppercase))
}

fn lines(script: &str) -> impl Iterator<Item = &str> {
    script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

struct Run {
    stub: Stub,
    /// What the store's clock says. It is set far ahead of the real one, so that it stands between two lines.
    now: Duration,
    kept: HashMap<String, String>,
    blocked: Option<JoinHandle<Reply>>,
}

/// The first word of a text, and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

impl Run {
    fn new() -> Run {
        let mut run = Run { stub: Stub::new(), now: Duration::ZERO, kept: HashMap::new(), blocked: None };
        run.pass(Duration::from_hours(1));
        run
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.stub.store.with(|store| store.advance(self.now));
    }

    async fn line(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = word(line);
        match first {
            "fresh" => *self = Run::new(),
            "session" => self.session(rest).await,
            "later" => {
                let seconds = rest.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
                self.pass(Duration::from_secs_f64(seconds.ok_or("how many seconds later?")?));
            }
            _ => self.case(rest).await?,
        }
        Ok(())
    }

    async fn session(&mut self, rest: &str) {
        let (name, body) = word(rest);
        let id = self.stub.session(body).await;
        self.kept.insert(name.to_owned(), id);
    }

    async fn case(&mut self, case: &str) -> Result<(), String> {
        if let Some(request) = case.strip_prefix("blocks ") {
            let before = self.stub.store.blocked();
            self.blocked = Some(tokio::spawn(self.ask(&self.fill(request))));
            eventually(|| self.stub.store.blocked() > before).await;
            return Ok(());
        }
        let (request, claims) = case.split_once("=>").ok_or("a case needs `=>`")?;
        let reply = if request.trim() == "wakes" {
            soon(self.blocked.take().ok_or("nothing is blocked")?).await
        } else {
            self.ask(&self.fill(request)).await
        };
        let mut claims = claims.split(" ;").map(str::trim);
        let status = claims.next().unwrap_or_default();
        if reply.status.to_string() != status {
            return Err(format!("answered {reply:?}"));
        }
        for claim in claims {
            let claim = self.fill(claim);
            self.claim(&claim, &reply)
                .await
                .map_err(|why| format!("`{claim}`: {why}; answered {reply:?}"))?;
        }
        Ok(())
    }

    fn ask(&self, request: &str) -> impl Future<Output = Reply> + use<> {
        let (method, mut rest) = word(request);
        let mut header = String::new();
        if let Some((name, _)) = word(rest).0.split_once(':').filter(|(name, _)| is_header(name)) {
            let (line, behind) = word(rest);
            header = format!("{name}: {}\r\n", &line[name.len() + 1..]);
            rest = behind;
        }
        let (target, body) = word(rest);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/v1/{target}") };
        let length = body.strip_prefix('@').and_then(|length| length.parse().ok());
        let body = length.map_or_else(|| body.as_bytes().to_vec(), |length| vec![b'x'; length]);
        let (store, method) = (self.stub.addr, method.to_owned());
        async move { wire::ask_with(store, &method, &target, &header, &body).await }
    }

    async fn claim(&mut self, claim: &str, reply: &Reply) -> Result<(), String> {
        let (subject, rest) = claim.split_once(' ').unwrap_or((claim, ""));
        let holds = |so: bool| if so { Ok(()) } else { Err("it is not so".to_owned()) };
        let found = match subject {
            "=" => return holds(reply.text() == rest),
            "~" => return holds(reply.text().contains(rest)),
            "length" => return holds(rest.parse() == Ok(reply.body.len())),
            "json" => {
                let wanted: Value = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                return holds(reply.json() == Some(wanted));
            }
            "X" => reply.index().map(|index| index.to_string()),
            _ if subject.starts_with("M(") => {
                let key = subject.trim_start_matches("M(").trim_end_matches(')');
                wire::modify_index(self.stub.addr, key).await.map(|index| index.to_string())
            }
            _ if subject.starts_with('/') => {
                reply.json().and_then(|body| body.pointer(subject).map(Value::to_string))
            }
            header => reply.header(header).map(str::to_owned),
        };
        let (verb, operand) = rest.split_once(' ').unwrap_or((rest, ""));
        if verb == "absent" {
            return found.map_or(Ok(()), |found| Err(format!("there is {found}")));
        }
        let found = found.ok_or("there is none")?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match verb {
            "as" => {
                self.kept.insert(operand.to_owned(), found);
                Ok(())
            }
            "is" if found == operand => Ok(()),
            ">" if number(&found)? > number(operand)? => Ok(()),
            "<" if number(&found)? < number(operand)? => Ok(()),
            _ => Err(format!("it is {found}")),
        }
    }

    /// Puts kept values in. Braces that hold no kept name are the JSON's own.
    fn fill(&self, line: &str) -> String {
        let mut filled = String::new();
        let mut rest = line;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            let inside = rest.find('}').map(|close| (&rest[1..close], close + 1));
            let value = inside.and_then(|(inside, end)| Some((self.value(inside)?, end)));
            let (text, end) = value.unwrap_or_else(|| ("{".to_owned(), 1));
            filled.push_str(&text);
            rest = &rest[end..];
        }
        filled.push_str(rest);
        filled
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.kept.get(name) {
            return Some(value.clone());
        }
        if let Some(name) = name.strip_suffix('^') {
            return Some(self.kept.get(name)?.to_uppercase());
        }
        let number = |name: &str| self.kept.get(name)?.parse::<u64>().ok();
        if let Some(name) = name.strip_suffix("+1") {
            return Some((number(name)? + 1).to_string());
        }
        Some((number(name.strip_suffix("-1")?)? - 1).to_string())
    }
}

/// Targets have colons, too; names of headers begin with a capital and have no slash.
fn is_header(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && !name.contains('/')
}
