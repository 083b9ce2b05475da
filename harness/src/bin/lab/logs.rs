//! `lab logs`, `lab events`: what was printed, and what happened.

use std::process::ExitCode;

use harness::control::Request;
use harness::lab::Sources;
use harness::{Error, Kind};
use serde_json::{Map, Value};

use crate::choose::Scope;
use crate::{VERSION, args, print};

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
    let heard = |flag: bool| flag || args.all;
    let sources = Sources { engine: heard(args.engine), store: heard(args.kv), netlink: heard(args.net) };
    each(scope, &Request::Events { follow: args.follow, sources }, |item| {
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
    let asked = scope.each(request, |item| {
        print::line(if scope.json { versioned(item).to_string() } else { human(&item) })?;
        Ok(())
    });
    match asked {
        // Nothing will come any more, and that is no failure of who waited.
        Err(error) if error.downcast_ref::<Error>().is_some_and(|e| e.kind() == Kind::Gone) => {
            print::note(error);
        }
        asked => drop(asked?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says in each line which version of the format it is: a reader may have missed those before.
fn versioned(item: Value) -> Value {
    let mut line = Map::from_iter([("version".to_owned(), VERSION.into())]);
    if let Value::Object(fields) = item {
        line.extend(fields);
    }
    line.into()
}
