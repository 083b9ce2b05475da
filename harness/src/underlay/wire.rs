//! A wire that is not bare: what it was asked for, what was seen on it, and whatever carries its frames.

use std::fmt;

use kernel::{Netns, Rtnl};
use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::port::Port;
use super::slow::Slow;
use super::splice::Splice;
use crate::error::Result;
use crate::fault::{Counts, Impairment};
use crate::relay::{Log, Resolved};

/// What is to be done to frames of one direction, and where its randomness starts from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) resolved: Resolved,
    pub(crate) seed: u64,
}

/// Upwards, and downwards; nothing is done where there is none.
pub(super) type Shapes = (Option<Shape>, Option<Shape>);

/// How a wire is carried, and what becomes of frames upwards and downwards.
pub(super) type Report = (Backend, Direction, Direction);

impl Shape {
    /// What was asked for.
    pub(super) fn impairment(shape: Option<&Shape>) -> Impairment {
        shape.map(|shape| shape.resolved.impairment().clone()).unwrap_or_default()
    }
}

/// One direction of a wire that is not bare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// What it was asked for.
    pub injected: Impairment,
    /// What was seen to happen.
    pub observed: Counts,
    /// Frames that the far side of the wire did not take: it was off.
    pub refused: u64,
    /// Frames that came and could not be taken in, for want of room mostly. They are not among those that were `observed`.
    #[serde(default)]
    pub missed: u64,
    /// Why no frames are carried any more, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<String>,
}

/// `delay 10ms: 12 seen, 12 passed, 3 missed`.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.injected, self.observed)?;
        if self.refused > 0 {
            write!(f, ", {} refused by the far side", self.refused)?;
        }
        if self.missed > 0 {
            write!(f, ", {} missed", self.missed)?;
        }
        match &self.dead {
            Some(why) => write!(f, "; dead: {why}"),
            None => Ok(()),
        }
    }
}

/// Where a wire is: between the switch, whose netlink this is, and a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<'a> {
    pub(super) switch: &'a Netns,
    pub(super) rtnl: &'a Rtnl,
    pub(super) port: Port,
    pub(super) host: &'a Netns,
    /// In bytes.
    pub(super) mtu: u32,
    /// Where it is noted what is done to frames.
    pub(super) log: &'a Log,
}

/// A wire that is not bare.
#[derive(Debug)]
pub(super) enum Wire {
    /// The kernel lets frames wait.
    Slow(Slow),
    /// Somebody in between carries them.
    Spliced(Splice),
}

impl Wire {
    /// Makes a bare wire one that is not, by the best that does all that is asked for.
    pub(super) fn open(course: Course<'_>, shapes: Shapes) -> Result<Wire> {
        let chosen = Backend::chosen()?;
        if Slow::suffices(&shapes) && chosen.is_none_or(|backend| backend == Backend::Netem) {
            match Slow::open(course, shapes.clone()) {
                Err(_) if chosen.is_none() => {}
                opened => return opened.map(Wire::Slow),
            }
        }
        Splice::open(course, shapes).map(Wire::Spliced)
    }

    /// Whether it can become one that does that, as it is.
    pub(super) fn can(&self, shapes: &Shapes) -> bool {
        matches!(self, Self::Spliced(_)) || Slow::suffices(shapes)
    }

    /// What it does from now on.
    pub(super) fn change(&mut self, course: Course<'_>, shapes: Shapes) -> Result<()> {
        match self {
            Self::Slow(slow) => slow.change(course, shapes),
            Self::Spliced(splice) => splice.change(shapes),
        }
    }

    /// Makes it bare: what is on its way arrives first. Without a host there is nothing left of its side.
    pub(super) fn close(self, rtnl: &Rtnl, port: Port, host: Option<&Netns>) -> Result<()> {
        match (self, host) {
            (Self::Slow(_), Some(host)) => Slow::close(rtnl, port, host),
            (Self::Slow(_), None) => Ok(()),
            (Self::Spliced(splice), host) => splice.close(rtnl, host),
        }
    }

    /// How it is carried, and both directions, as they are.
    pub(super) fn report(&self, rtnl: &Rtnl, port: Port, host: &Netns) -> Report {
        match self {
            Self::Slow(slow) => slow.report(rtnl, port, host),
            Self::Spliced(splice) => splice.report(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wire_could_not_carry_is_told_and_so_is_its_death() {
        let observed = Counts { seen: 12, matched: 12, passed: 12, ..Counts::default() };
        let plain =
            Direction { injected: Impairment::default(), observed, refused: 0, missed: 0, dead: None };
        let shown = plain.to_string();
        assert!(shown.ends_with("12 seen, 12 passed"), "{shown}");
        let dead = Direction { refused: 2, missed: 3, dead: Some("no such device".to_owned()), ..plain };
        let more = ", 2 refused by the far side, 3 missed; dead: no such device";
        assert_eq!(dead.to_string(), format!("{shown}{more}"));
    }
}
