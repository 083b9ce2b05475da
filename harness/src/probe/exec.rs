//! A command on a host or in a container.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::lab::Place;
use crate::process::{PATH, Process, Program, Stream};

/// What a command left behind.
#[derive(Clone, Debug)]
pub(crate) struct Exited {
    /// Its exit status; 128 and the signal's number if a signal ended it.
    pub(crate) status: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it printed to its standard error.
    pub(crate) stderr: String,
}

/// Runs a command and waits for its end. It is killed if nobody waits any more.
pub(crate) async fn exec(at: &Place, command: &[String], stdin: Option<&str>) -> Result<Exited> {
    let machine = at.machine().await?;
    let program = Program {
        command: command.to_vec(),
        env: at.container().map(|container| container.spec.env.clone()).unwrap_or_default(),
        hostname: at.name().to_owned(),
        stdin: stdin.map(str::to_owned),
    };
    let process = Process::start(&machine, program, |_| ())?;
    let status = process.wait().await;
    let (lines, _) = process.log.since(0);
    let text = |stream| {
        let its = lines.iter().filter(|line| line.stream == stream);
        its.flat_map(|line| [line.text.as_str(), "\n"]).collect()
    };
    Ok(Exited { status, stdout: text(Stream::Stdout), stderr: text(Stream::Stderr) })
}

/// The first of these programs that the machine has not, where programs are looked for.
pub(crate) fn missing_tool(tools: &[String]) -> Option<&str> {
    tools.iter().map(String::as_str).find(|tool| lookup(tool).is_none())
}

/// Where a program is, where programs are looked for.
pub(super) fn lookup(tool: &str) -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join(tool)).find(|path| runs(path))
}

/// Whether a file can be run.
pub(super) fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_tool_is_named() {
        let tools = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(missing_tool(&tools(&["sh"])), None);
        assert_eq!(missing_tool(&tools(&["sh", "no-such-tool", "none-either"])), Some("no-such-tool"));
    }
}
