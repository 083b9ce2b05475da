//! `lab logs`, `lab events`: what was printed, and what happened.

use std::process::ExitCode;

use harness::control::Request;
use serde_json::Value;

use crate::choose::Scope;
use crate::{args, print};

pub(crate) fn logs(scope: &Scope, args: &args::Logs) -> anyhow::Result<ExitCode> {
    let request = Request::Logs { target: args.target.clone(), follow: args.follow };
    // With one container meant, its name would only be in the way.
    let named = args.target.is_none();
    each(scope, &request, |item| {
        let text = item["text"].as_str().unwrap_or_default();
        if named {
            format!("{} | {text}", item["container"].as_str().unwrap_or_default())
        } else {
            text.to_owned()
        }
    })
}

pub(crate) fn events(scope: &Scope, args: &args::Events) -> anyhow::Result<ExitCode> {
    each(scope, &Request::Events { follow: args.follow }, |item| {
        let [at, what, text] = ["at", "what", "text"].map(|key| item[key].as_str().unwrap_or_default());
        format!("{at}  {what:<10} {text}")
    })
}

/// Prints each item of an answer: as a line for people, or as a line of JSON.
pub(crate) fn each(
    scope: &Scope,
    request: &Request,
    human: impl Fn(&Value) -> String,
) -> anyhow::Result<ExitCode> {
    let mut printed = Ok(());
    let asked = scope.client()?.each(request, |item| {
        printed = print::line(if scope.json { item.to_string() } else { human(&item) });
        // Whatever it is, it ends the answer; what it was is told below.
        let end = |e: &std::io::Error| harness::Error::new(harness::Kind::Machine, e);
        printed.as_ref().map_err(end).copied()
    });
    printed?;
    asked?;
    Ok(ExitCode::SUCCESS)
}
