//! `lab diff`: what is otherwise between two looks at what the kernels of a lab hold.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use harness::control::Request;
use harness::diff::{State, Take, diff};
use harness::lab::Inspection;

use crate::choose::Scope;
use crate::{EXIT_FAILED, VERSION, print};

/// `lab diff BEFORE [AFTER]`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is printed: `+` was added, `-` is gone, `~` is otherwise. Exit code 0: nothing differs; 1: something does; 2: it cannot be \
                  told.\n\nExamples:\n  \
                  lab inspect --json > before; lab network connect second C0; lab diff before\n  \
                  lab inspect --json | lab diff before - --on docker1 --json"
)]
pub(crate) struct Diff {
    /// What `lab inspect --json` has printed; `-` is the standard input.
    before: PathBuf,
    /// The same, later (default: what the lab holds now).
    after: Option<PathBuf>,
    /// Only what this host, with its overlays, or this container holds; several times for several.
    #[arg(long, value_name = "TARGET")]
    on: Vec<String>,
    /// And what rules, wires and vxlan devices have counted.
    #[arg(long)]
    counters: bool,
    /// And what kernels have learned from traffic: entries that are not permanent.
    #[arg(long)]
    learned: bool,
}

pub(crate) fn main(scope: &Scope, verb: &Diff) -> anyhow::Result<ExitCode> {
    let standard_input = Path::new("-");
    if verb.before == standard_input && verb.after.as_deref() == Some(standard_input) {
        bail!("cannot read both from the standard input; name a file for one of them");
    }
    let before = read(&verb.before)?;
    let after = if let Some(file) = &verb.after { read(file)? } else { now(scope)? };
    let [before, after] = [before, after].map(|state| state.only(&verb.on));
    for name in &verb.on {
        let is_there = |state: &State| state.clone().only(std::slice::from_ref(name)) != State::default();
        if !is_there(&before) && !is_there(&after) {
            bail!("neither side has a host or container `{name}`");
        }
    }
    let changes = diff(&before, &after, Take { counters: verb.counters, learned: verb.learned });
    if scope.json {
        print::json(&changes)?;
    } else {
        print::text(&changes)?;
    }
    Ok(if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// What the lab holds now. That it is gone is no difference, and its code is not that of one.
fn now(scope: &Scope) -> anyhow::Result<State> {
    let seen = scope.client().and_then(|mut lab| lab.get::<Inspection>(&Request::Inspect { target: None }));
    Ok(State::from(&seen.map_err(|why| anyhow::Error::msg(why.to_string()))?))
}

/// What was inspected, from a file.
fn read(file: &Path) -> anyhow::Result<State> {
    let shown = file.display();
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read {shown}"))?;
    let not_ours = || format!("{shown} is not what `lab inspect --json` prints");
    let value: serde_json::Value = serde_json::from_str(&text).with_context(not_ours)?;
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if let Some(version) = version
        && version != u64::from(VERSION)
    {
        bail!("{shown} is of version {version}, and this `lab` reads version {VERSION}");
    }
    let inspection: Inspection = serde_json::from_value(value).with_context(not_ours)?;
    Ok(State::from(&inspection))
}
