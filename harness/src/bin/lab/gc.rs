//! `lab gc`: removes what is left of labs that were killed. That is a directory each, and control
//! groups; the kernel has freed the rest.

use std::process::ExitCode;

use harness::state::{Found, Root};

use crate::{EXIT_FAULT, print};

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut removed = 0;
    for (home, found) in Root::open()?.labs()? {
        // A lab that has been claimed meanwhile is no dead one any more.
        let Found::Dead = found else { continue };
        let Ok(claim) = home.claim()? else { continue };
        match claim.remove() {
            Ok(()) => {
                removed += 1;
                print::line(format_args!("removed what was left of lab {}", home.name()))?;
            }
            // The others are to go nevertheless.
            Err(error) => {
                print::error(&error.into());
                code = ExitCode::from(EXIT_FAULT);
            }
        }
    }
    // Where there may be any: they take root, and a kernel that has them.
    match kernel::cgroup::gc() {
        Err(error) if !(error.is_forbidden() || error.is_unsupported() || error.is_missing()) => {
            print::error(&error.into());
            code = ExitCode::from(EXIT_FAULT);
        }
        _ => {}
    }
    if removed == 0 {
        print::line("nothing to remove")?;
    }
    Ok(code)
}
