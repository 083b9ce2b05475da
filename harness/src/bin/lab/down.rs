//! `lab down`: asks a lab to end and waits until it has.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use harness::control::{Client, Request};
use harness::state::{Claim, Found, Home, Root};
use harness::{Error, Kind};
use kernel::{Canary, Pidfd};

use crate::choose::{self, Scope};
use crate::{EXIT_FAULT, args, print};

/// How long the kernel may take to free a lab, with `--wait`.
const FREED: Duration = Duration::from_mins(1);
/// How long a lab may take to answer before it is ended without being asked.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn main(scope: &Scope, args: &args::Down) -> anyhow::Result<ExitCode> {
    let mut homes = Vec::new();
    if args.all {
        homes.extend(Root::open()?.labs()?.into_iter().map(|(home, _)| home));
        if homes.is_empty() {
            print::line("no lab is up")?;
        }
    } else if args.names.is_empty() {
        homes.push(scope.find()?.0);
    } else if scope.lab.is_some() {
        bail!("say which labs either with --lab or by their names");
    } else {
        for name in &args.names {
            homes.push(known(name)?);
        }
    }
    // What one lab does not let us do is no reason to keep the others.
    let mut code = ExitCode::SUCCESS;
    for home in &homes {
        match end(home, args.wait) {
            Ok(()) => print::line(format_args!("lab {} is down", home.name()))?,
            Err(error) => {
                print::error(&error.into());
                code = ExitCode::from(EXIT_FAULT);
            }
        }
    }
    Ok(code)
}

/// A lab that is there, if only what is left of it.
fn known(name: &str) -> Result<Home, Error> {
    let home = Root::open()?.lab(name)?;
    match home.find()? {
        Some(_) => Ok(home),
        None => choose::find(Some(name)).map(|(home, _)| home),
    }
}

/// Ends the lab, if it is there; returns when no process of it is left.
pub(crate) fn end(home: &Home, wait: bool) -> Result<(), Error> {
    let state = match home.find()? {
        Some(Found::Alive(state)) => state,
        Some(Found::Dead) => return tidy(home),
        None => return Ok(()),
    };
    if state.pid == 0 {
        return Err(Error::new(
            Kind::Refused,
            format_args!("lab {} is being started; try again", home.name()),
        ));
    }
    // Opened first: afterwards the number may be somebody else's.
    let shepherd = Pidfd::open(state.pid.cast_signed());
    let asked = Client::connect(home).and_then(|mut client| {
        client.patience(PATIENCE)?;
        client.ask(&Request::Down { wait })
    });
    // That there is none any more is what was wanted.
    if let Ok(shepherd) = shepherd {
        // Nobody listens, or not any more: the shepherd's death is the lab's.
        let ended = if asked.is_ok() { Ok(()) } else { shepherd.kill() };
        let ended = ended.and_then(|()| shepherd.wait());
        ended.map_err(|e| Error::new(Kind::Machine, format_args!("cannot end lab {}: {e}", home.name())))?;
    }
    for fd in asked.into_iter().flat_map(|answer| answer.fds) {
        if !Canary::from(fd).wait(FREED)? {
            let late =
                format_args!("lab {} is down, but the kernel has not freed it within a minute", home.name());
            return Err(Error::new(Kind::Machine, late));
        }
    }
    tidy(home)
}

/// Removes what a shepherd that was killed has left. Nothing, if a new lab of that name is coming up already.
fn tidy(home: &Home) -> Result<(), Error> {
    match home.find()? {
        Some(Found::Dead) => home.claim()?.map_or(Ok(()), Claim::remove),
        Some(Found::Alive(_)) | None => Ok(()),
    }
}
