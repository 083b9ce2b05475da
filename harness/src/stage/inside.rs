//! The inner's half: builds the lab, plays, says what happens.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::{LONGEST, Order, Said, unplayed};
use crate::control::serve;
use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::leak::Leaks;
use crate::probe::lacking_inside;
use crate::report::Bundle;
use crate::scenario::{Counts, RunEvent, Verdict, play};

/// How long what a lab leaves behind may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Plays what the outer asks for on the life line. An error: there is nobody to say it to.
pub async fn inside() -> Result<Verdict> {
    let alone = || Error::new(Kind::Input, "this is not for people: `lab run` starts it");
    let line = kernel::entry::line().ok_or_else(alone)?;
    let deaf = |why: &dyn std::fmt::Display| {
        Error::new(Kind::Machine, format_args!("cannot hear what to play: {why}"))
    };
    let (text, mut fds) = kernel::pass::receive_line(line.as_fd(), LONGEST).map_err(|e| deaf(&e))?;
    let order: Order = serde_json::from_str(&text).map_err(|e| deaf(&e))?;
    let begun = Instant::now();
    let (verdict, counts) = match perform(&order, fds.pop()).await {
        Ok(end) => end,
        Err(why) => (Verdict::Broken { why: why.to_string() }, Counts::default()),
    };
    say(&Said::Event(RunEvent::End { verdict: verdict.clone(), counts, took: begun.elapsed() }));
    Ok(verdict)
}

/// Should a step fail, the lab is kept if there is a socket on which it can be asked. An error: the lab could
/// not be built, or something of it is left.
async fn perform(order: &Order, keep: Option<OwnedFd>) -> Result<(Verdict, Counts)> {
    let topology = order.topology()?;
    let leaks = Leaks::before();
    let mut history = Vec::new();
    let mut tell = |event: RunEvent| {
        history.push(event.clone());
        say(&Said::Event(event));
    };
    tell(RunEvent::Begin {
        name: topology.name.clone(),
        description: topology.description.clone(),
        seed: topology.seed,
        steps: topology.steps.len(),
    });
    if let Some(reason) = lacking_inside(&topology.requires) {
        return Ok(unplayed(order, &topology, reason));
    }
    let begun = Instant::now();
    let lab = Lab::up(topology).await?;
    tell(RunEvent::Up {
        hosts: lab.topology().hosts.len(),
        networks: lab.topology().networks.len(),
        containers: lab.topology().containers.len(),
        took: begun.elapsed(),
    });
    let played = play(&lab, order.options(), &mut tell).await;
    if played.failure.is_some() {
        let mut bundle = Bundle::collect(&lab, &order.path, &history).await;
        bundle.add("scenario.toml", order.text.clone());
        say(&Said::Bundle { bundle });
        if let Some(socket) = keep {
            say(&Said::Event(RunEvent::Kept { name: lab.topology().name.clone() }));
            serve(lab, UnixListener::from(socket)).await?;
            return Ok((played.verdict(), played.counts));
        }
    }
    drop(lab);
    let left = tokio::task::spawn_blocking(move || leaks.meanwhile(PATIENCE)).await;
    match &left.map_err(|e| Error::new(Kind::Machine, e))?[..] {
        [] => {}
        left => {
            return Err(Error::new(
                Kind::Machine,
                format_args!("the lab has left behind: {}", left.join("; ")),
            ));
        }
    }
    Ok((played.verdict(), played.counts))
}

/// If nobody listens any more, the lab is about to end anyway.
fn say(said: &Said) {
    if let Ok(text) = serde_json::to_string(said) {
        let _ = kernel::entry::report(&text);
    }
}
