//! `lab schema`: the JSON schema of scenario files, for editors.

use std::process::ExitCode;

use harness::topology::schema;

use crate::print;

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    print::json(&schema())?;
    Ok(ExitCode::SUCCESS)
}
