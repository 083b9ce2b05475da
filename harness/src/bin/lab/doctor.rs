//! `lab doctor`: what this machine can do, tried where it counts: inside a lab's namespaces.

use std::process::{Command, ExitCode, Stdio};

use harness::state::Root;
use kernel::caps::Caps;
use kernel::confinement::Confinement;
use kernel::entry::{Inner, Life};
use kernel::probe::{Finding, probe as try_all};
use serde_json::json;

use crate::choose::Scope;
use crate::{EXIT_FAULT, print};

/// The argument that the inner's half is started with.
pub(crate) const WORD: &str = "__probe";

pub(crate) fn main(scope: &Scope) -> anyhow::Result<ExitCode> {
    let (findings, complaint) = findings()?;
    let (way, kept) = (way()?, Confinement::here()?);
    let state = Root::open().map(drop).err().map(|error| error.to_string());
    let fit =
        complaint.is_none() && state.is_none() && findings.iter().all(|f| !f.core || f.missing.is_none());
    if scope.json {
        let shown = json!({
            "version": 1, "fit": fit, "way": way, "entry": complaint, "state": state, "features": findings,
            "confinement": {
                "engine": kept.engine, "uid": kept.uid, "user_namespace": kept.user_namespace,
                "missing": kept.caps.missing().map(|cap| cap.to_string()).collect::<Vec<_>>(),
                "seccomp": kept.seccomp, "apparmor": kept.apparmor, "masked": kept.masked,
            },
        });
        print::json(&shown)?;
    } else {
        print::line(format_args!("this is {kept}"))?;
        print::line(format_args!("a lab is entered {way}"))?;
        if let Some(why) = &complaint {
            print::line(format_args!("  no   it cannot be: {why}"))?;
        }
        for finding in &findings {
            let mark = match (&finding.missing, finding.core) {
                (None, _) => "ok  ",
                (Some(_), true) => "no  ",
                (Some(_), false) => "none",
            };
            print::line(format_args!("  {mark} {} ({})", finding.feature, finding.uses))?;
            if let Some(why) = &finding.missing {
                print::line(format_args!("       {why}"))?;
            }
        }
        if let Some(why) = &state {
            print::line(format_args!("  no   {why}"))?;
        }
        print::line(if fit { "this machine is fit" } else { "this machine is not fit" })?;
    }
    Ok(if fit { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAULT) })
}

/// How a lab would be entered.
fn way() -> anyhow::Result<&'static str> {
    let caps = Caps::effective()?;
    Ok(if caps.suffice() {
        "directly: the capabilities that it takes are there"
    } else {
        "through a user namespace, with one uid and one gid: programs that change to another user fail there"
    })
}

/// What the probe found, and why it could not run.
fn findings() -> anyhow::Result<(Vec<Finding>, Option<String>)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(WORD).stdout(Stdio::null()).stderr(Stdio::null());
    let inner = Inner::spawn(command, Life::Attached, None)?;
    let (mut findings, mut complaint) = (Vec::new(), None);
    // It ends without detaching; what matters is what it said before.
    let _ = inner.wait_detached(|line| match line.strip_prefix("error ") {
        Some(error) => complaint = Some(error.to_owned()),
        None => findings.extend(serde_json::from_str::<Vec<Finding>>(line).unwrap_or_default()),
    });
    if findings.is_empty() && complaint.is_none() {
        complaint = Some("the probe died".to_owned());
    }
    Ok((findings, complaint))
}

/// The inner's half.
pub(crate) fn probe() -> anyhow::Result<ExitCode> {
    kernel::entry::report(&serde_json::to_string(&try_all())?)?;
    Ok(ExitCode::SUCCESS)
}
