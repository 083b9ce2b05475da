//! `lab down`: asks a lab to end and waits until it has.

use std::process::ExitCode;
use std::time::Duration;

use harness::control::{Client, Request};
use harness::state::{Found, Home, Root};
use harness::{Error, Kind};
use kernel::{Canary, Pidfd};

use crate::choose::{self, Scope};
use crate::{args, print};

/// How long the kernel may take to free a lab, with `--wait`.
const FREED: Duration = Duration::from_mins(1);

pub(crate) fn main(scope: &Scope, args: &args::Down) -> anyhow::Result<ExitCode> {
    let mut homes = Vec::new();
    if args.all {
        let labs = Root::open()?.labs()?;
        homes.extend(
            labs.into_iter().filter(|(_, found)| matches!(found, Found::Alive(_))).map(|(home, _)| home),
        );
    } else if args.names.is_empty() {
        homes.push(scope.find()?.0);
    } else {
        for name in &args.names {
            homes.push(choose::find(Some(name))?.0);
        }
    }
    for home in &homes {
        end(home, args.wait)?;
        print::line(format_args!("lab {} is down", home.name()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the lab, if it is there; returns when no process of it is left.
pub(crate) fn end(home: &Home, wait: bool) -> Result<(), Error> {
    let Some(Found::Alive(state)) = home.find()? else { return Ok(()) };
    // Opened first: afterwards the number may be somebody else's.
    let shepherd = Pidfd::open(state.pid.cast_signed());
    let answer = match Client::connect(home) {
        Ok(mut client) => Some(client.ask(&Request::Down { wait })?),
        // Nobody listens any more, or not yet: the shepherd's death is the lab's.
        Err(_) => None,
    };
    // That there is none any more is what was wanted.
    if let Ok(shepherd) = shepherd {
        let ended = if answer.is_some() { Ok(()) } else { shepherd.kill() };
        let ended = ended.and_then(|()| shepherd.wait());
        ended.map_err(|e| Error::new(Kind::Machine, format_args!("cannot end lab {}: {e}", home.name())))?;
    }
    for fd in answer.into_iter().flat_map(|answer| answer.fds) {
        if !Canary::from(fd).wait(FREED)? {
            let late =
                format_args!("lab {} is down, but the kernel has not freed it within a minute", home.name());
            return Err(Error::new(Kind::Machine, late));
        }
    }
    // A shepherd that was killed has not tidied up.
    if home.path().exists()
        && let Ok(claim) = home.claim()?
    {
        claim.remove()?;
    }
    Ok(())
}
