//! The process that holds a lab: told what to build on its life line, then asked over its socket.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use anyhow::{Context, bail};
use harness::control::{self, Ready, Start};
use harness::{Error, Kind, Lab, topology};

/// The argument that this is started with.
pub(crate) const WORD: &str = "__supervise";
/// Longest file, in bytes.
const LONGEST: usize = 16 << 20;

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let Some(line) = kernel::entry::line() else {
        bail!("this is not for people: `lab up` starts it");
    };
    let (text, fds) =
        kernel::pass::receive_line(line.as_fd(), LONGEST).context("cannot hear what to build")?;
    let start: Start = serde_json::from_str(&text)?;
    let mut fds = fds.into_iter();
    let (Some(listener), Some(lock)) = (fds.next(), fds.next()) else {
        bail!("the socket or the state file is missing")
    };
    // Netlink and namespaces block for milliseconds; a second worker keeps the store answering meanwhile.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let code = runtime.block_on(supervise(start, listener));
    // Held to the very end: it says that the lab is alive.
    drop(lock);
    code
}

async fn supervise(start: Start, listener: OwnedFd) -> anyhow::Result<ExitCode> {
    let lab = match build(&start).await {
        Ok(lab) => lab,
        Err(error) => {
            say(&Ready::Failed(error))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let report = Box::new(lab.report().await?);
    say(&Ready::Up { report, timings: lab.timings(), rootless: kernel::entry::rootless() })?;
    if start.detach {
        kernel::entry::detach()?;
    }
    control::serve(lab, UnixListener::from(listener)).await?;
    // The namespaces go with the process; taking the lab apart piece by piece would only be slower.
    Ok(ExitCode::SUCCESS)
}

async fn build(start: &Start) -> Result<Lab, Error> {
    let path = start.path.display().to_string();
    let mut topology =
        topology::parse(&path, &start.text).map_err(|report| Error::new(Kind::Input, report.plain()))?;
    topology.name.clone_from(&start.name);
    Lab::up(topology).await
}

fn say(ready: &Ready) -> anyhow::Result<()> {
    kernel::entry::report(&serde_json::to_string(ready)?)?;
    Ok(())
}
