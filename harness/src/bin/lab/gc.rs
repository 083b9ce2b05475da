//! `lab gc`: removes what is left of labs that were killed. That is a directory each; the kernel has freed the rest.

use std::process::ExitCode;

use harness::state::{Found, Root};

use crate::print;

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let mut removed = 0;
    for (home, found) in Root::open()?.labs()? {
        if found == Found::Dead
            && let Ok(claim) = home.claim()?
        {
            claim.remove()?;
            removed += 1;
            print::line(format_args!("removed what was left of lab {}", home.name()))?;
        }
    }
    if removed == 0 {
        print::line("nothing to remove")?;
    }
    Ok(ExitCode::SUCCESS)
}
