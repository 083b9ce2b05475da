//! Conformance cases as text: what is asked of a store, and what has to come back.
//!
//! ```text
//! fresh                                          an empty store
//! session S {"LockDelay":"0s"}                   makes a session and keeps its id as {S}
//! A3  GET kv/a  =>  200 ; /0/Flags is 0          one case: request, status, claims
//! ```
//!
//! A request is a method, a target below `/v1/` (or from the root, with a leading slash) and a body, up to `=>`.
//! Claims are separated by ` ; `:
//!
//! - `= TEXT`, `~ TEXT`: the body is, contains (`= ` alone: is empty)
//! - `/POINTER is JSON`, `/POINTER absent`, `json JSON`: in the body, or all of it
//! - `HEADER is TEXT`, `HEADER absent`
//! - `M(KEY) …`: the key's `ModifyIndex`, asked for afterwards; `X …`: the index header
//! - `/POINTER`, `M(KEY)` or `X` followed by `as NAME` keeps a value, by `is`, `>`, `<` EXPRESSION compares it
//!
//! `{NAME}`, `{NAME+1}` and `{NAME-1}` stand for kept values, anywhere.

use crate::wire::{self, Reply};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Runs a script; `fresh` starts an empty store and says where it is.
pub(crate) async fn run(script: &str, mut fresh: impl AsyncFnMut() -> SocketAddr) {
    let mut run = Run { store: fresh().await, kept: HashMap::new() };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(' ') {
            None if line == "fresh" => run.store = fresh().await,
            Some(("session", rest)) => run.session(rest).await,
            _ => {
                if let Err(why) = run.case(line).await {
                    panic!("{line}\n  {why}");
                }
            }
        }
    }
}

struct Run {
    store: SocketAddr,
    kept: HashMap<String, String>,
}

impl Run {
    async fn session(&mut self, rest: &str) {
        let (name, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let reply = wire::ask(self.store, "PUT", "/v1/session/create", body.as_bytes()).await;
        let id = reply.json().and_then(|made| made["ID"].as_str().map(str::to_owned));
        self.kept.insert(name.to_owned(), id.unwrap_or_else(|| panic!("no session: {reply:?}")));
    }

    async fn case(&mut self, line: &str) -> Result<(), String> {
        let (request, claims) = line.split_once("=>").ok_or("a case needs `=>`")?;
        let request = self.fill(request);
        let word = |text: &'_ str| {
            let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            (word.to_owned(), rest.trim().to_owned())
        };
        let (_id, rest) = word(&request);
        let (method, rest) = word(&rest);
        let (target, body) = word(&rest);
        let target = if target.starts_with('/') { target } else { format!("/v1/{target}") };
        let reply = wire::ask(self.store, &method, &target, body.as_bytes()).await;
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

    async fn claim(&mut self, claim: &str, reply: &Reply) -> Result<(), String> {
        let (subject, rest) = claim.split_once(' ').unwrap_or((claim, ""));
        let holds = |so: bool| if so { Ok(()) } else { Err("it is not so".to_owned()) };
        let found = match subject {
            "=" => return holds(reply.text() == rest),
            "~" => return holds(reply.text().contains(rest)),
            "json" => {
                let wanted: Value = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                return holds(reply.json() == Some(wanted));
            }
            "X" => reply.index().map(|index| index.to_string()),
            _ if subject.starts_with("M(") => {
                let key = subject.trim_start_matches("M(").trim_end_matches(')');
                wire::modify_index(self.store, key).await.map(|index| index.to_string())
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
        let number = |name: &str| self.kept.get(name)?.parse::<u64>().ok();
        if let Some(name) = name.strip_suffix("+1") {
            return Some((number(name)? + 1).to_string());
        }
        Some((number(name.strip_suffix("-1")?)? - 1).to_string())
    }
}
