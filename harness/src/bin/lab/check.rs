//! `lab check`: whether store and kernels agree.

use std::process::ExitCode;

use harness::control::Request;
use harness::lab::Checked;

use crate::choose::Scope;
use crate::{EXIT_FAILED, print};

/// What `lab check` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each finding says what differs, and what that does harm to: `192.168.0.77 of demonet is taken by nobody: it is \
                  lost to others`. Looked at are the documents of the store, against one another, and on each host that is up \
                  the kernel: sandboxes, bridges, vxlan devices, ARP and FDB entries, the interfaces of containers. Engines put \
                  their kernels right by themselves within seconds; books of the store are put right when it is asked for. \
                  In scenarios the same is `check = { drift = \"none\" }`.\n\n\
                  Exit code 0: all agrees, or was put right; 1: something does not."
)]
pub(crate) struct Check {
    /// Put right what is wrong: kernels as the store says, and the books of the store as its networks and endpoints are.
    #[arg(long)]
    repair: bool,
}

pub(crate) fn main(scope: &Scope, args: &Check) -> anyhow::Result<ExitCode> {
    let checked: Checked = scope.client()?.get(&Request::Check { repair: args.repair })?;
    let wrong = if checked.repaired { &checked.remaining } else { &checked.findings };
    if scope.json {
        print::json(&checked)?;
    } else {
        for finding in &checked.findings {
            print::line(finding)?;
        }
        let many = |count: usize| format!("{count} finding{}", if count == 1 { "" } else { "s" });
        match (checked.findings.len(), checked.repaired) {
            (0, _) => print::line("store and kernels agree")?,
            (_, true) if wrong.is_empty() => print::line("put right")?,
            (_, true) => {
                print::line(format_args!("put right, but for {}:", many(wrong.len())))?;
                wrong.iter().try_for_each(print::line)?;
            }
            (count, false) => {
                print::note(format_args!("{}; `lab check --repair` puts right what it can", many(count)));
            }
        }
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}
