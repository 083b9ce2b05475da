//! `lab completions`, `lab man`: made from the same types as the command line itself.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Args;
use crate::print;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "lab", &mut script);
    print::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The page of `lab` itself; with a directory, a page a command into it.
pub(crate) fn main(to: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(directory) = to {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        clap_mangen::generate_to(Args::command(), directory)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
    } else {
        let mut page = Vec::new();
        Man::new(Args::command()).render(&mut page)?;
        print::bytes(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}
