//! `lab validate`: checks files without building anything.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use harness::topology::{self, load};
use serde_json::json;

use crate::{EXIT_FAULT, print};

/// The version of what `--json` prints.
const VERSION: u32 = 1;

/// What `lab validate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// Scenario files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn main(json: bool, args: &Validate) -> anyhow::Result<ExitCode> {
    let coloured = io::stderr().is_terminal();
    let mut files = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for path in &args.files {
        let file = path.display().to_string();
        let error = load(path).err();
        if error.is_some() {
            code = ExitCode::from(EXIT_FAULT);
        }
        match error {
            _ if json => files.push(json!({
                "file": file, "ok": error.is_none(), "error": error.map(|error| error.to_string()),
            })),
            None => print::line(format_args!("{file}: ok"))?,
            Some(topology::Error::Wrong(report)) if coloured => print::note(report.coloured()),
            Some(error) => print::note(error),
        }
    }
    if json {
        print::json(&json!({ "version": VERSION, "files": files }))?;
    }
    Ok(code)
}
