//! Names of hosts, containers and networks in a body, held against those of the lab's file.

use std::collections::BTreeSet;

use proc_macro::{Group, Span, TokenStream, TokenTree};

use crate::Mistake;
use crate::arguments::as_text;

/// What the file's tables of each kind are called, and the names that are there without it.
const KINDS: [(&str, &[&str]); 3] =
    [("host", &["consul"]), ("container", &[]), ("network", &["docker_gwbridge"])];

/// Fails on the first `.host("…")`, `.container("…")` or `.network("…")` that names nothing of the file. What stands elsewhere
/// in the body as a text may have been made there, and is let pass.
pub(crate) fn check(file: &str, body: &Group) -> Result<(), Mistake> {
    // What is wrong with the file is said better when the test runs, with carets.
    let Ok(file) = file.parse::<toml::Table>() else { return Ok(()) };
    let mut asked = Vec::new();
    let mut said = Vec::new();
    walk(body.stream(), &mut asked, &mut said);
    for (kind, name, span) in asked {
        let known = known(&file, kind);
        if known.contains(name.as_str()) || said.contains(&name) {
            continue;
        }
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err((span, format!("no {kind} of the lab is named `{name}`; there is {known}")));
    }
    Ok(())
}

fn known<'a>(file: &'a toml::Table, kind: &str) -> BTreeSet<&'a str> {
    let tables = file.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
    let names = tables.filter_map(|table| table.get("name")?.as_str());
    let always = KINDS.iter().filter(|(word, _)| *word == kind).flat_map(|(_, names)| names.iter().copied());
    names.chain(always).collect()
}

/// Collects what is asked for by name, and every other text.
fn walk(tokens: TokenStream, asked: &mut Vec<(&'static str, String, Span)>, said: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (number, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let before = number.checked_sub(2).map(|first| &tokens[first..number]);
                match (before.and_then(method), as_text(&inner)) {
                    (Some(kind), Some(name)) => asked.push((kind, name, inner[0].span())),
                    _ => walk(group.stream(), asked, said),
                }
            }
            TokenTree::Literal(_) => said.extend(as_text(std::slice::from_ref(token))),
            _ => {}
        }
    }
}

/// The kind that `.host` and its like ask for.
fn method(before: &[TokenTree]) -> Option<&'static str> {
    let [TokenTree::Punct(dot), TokenTree::Ident(method)] = before else { return None };
    let method = method.to_string();
    KINDS.iter().map(|(kind, _)| *kind).find(|kind| dot.as_char() == '.' && method == *kind)
}
