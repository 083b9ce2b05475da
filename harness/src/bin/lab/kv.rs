//! `lab kv`: the store, as seen from its host.

pub(crate) mod trace;

use std::process::ExitCode;

use harness::control::Request;
use harness::{Error, Kind};
use serde_json::json;

use crate::args::Kv;
use crate::choose::Scope;
use crate::{VERSION, logs, print};

pub(crate) fn main(scope: &Scope, verb: Kv) -> anyhow::Result<ExitCode> {
    let mut client = scope.client()?;
    match verb {
        Kv::Get { key } => {
            let value: Option<String> = client.get(&Request::Get { key: key.clone() })?;
            let value =
                value.ok_or_else(|| Error::new(Kind::Refused, format_args!("the store has no key {key}")))?;
            if scope.json {
                print::json(&json!({ "version": VERSION, "key": key, "value": value }))?;
            } else {
                print::line(value)?;
            }
        }
        Kv::Ls { prefix } => {
            let keys: Vec<String> = client.get(&Request::Keys { prefix })?;
            if scope.json {
                print::json(&json!({ "version": VERSION, "keys": keys }))?;
            } else {
                keys.iter().try_for_each(print::line)?;
            }
        }
        Kv::Put { key, value } => drop(client.ask(&Request::Put { key, value })?),
        Kv::Rm { key, recurse } => drop(client.ask(&Request::Remove { key, recurse })?),
        Kv::Watch { prefix } => {
            return logs::each(scope, &Request::Watch { prefix }, |item| {
                let key = item["key"].as_str().unwrap_or_default();
                match item["value"].as_str() {
                    Some(value) => format!("{} {key} = {value}", item["index"]),
                    None => format!("{} {key} is gone", item["index"]),
                }
            });
        }
        Kv::Trace(verb) => return trace::main(scope, verb),
        Kv::Tree { prefix } => {
            let keys: Vec<String> = client.get(&Request::Keys { prefix })?;
            print::text(tree(&keys))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Keys in byte order, the parts that a key shares with the one before left out.
fn tree(keys: &[String]) -> String {
    let mut text = String::new();
    let mut before: Vec<&str> = Vec::new();
    for key in keys {
        let parts: Vec<&str> = key.split_inclusive('/').collect();
        let shared = parts.iter().zip(&before).take_while(|(a, b)| a == b).count();
        for (depth, part) in parts.iter().enumerate().skip(shared) {
            text.push_str(&"  ".repeat(depth));
            text.push_str(part);
            text.push('\n');
        }
        before = parts;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_says_each_part_once() {
        let keys = ["docker/nodes", "docker/nodes/10.0.0.10:2376", "docker/x/y/"].map(str::to_owned);
        let expected = "docker/\n  nodes\n  nodes/\n    10.0.0.10:2376\n  x/\n    y/\n";
        assert_eq!(tree(&keys), expected);
    }
}
