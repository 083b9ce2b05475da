//! A wire taken apart, with somebody in between who carries its frames: two pumps, one a direction.

use std::fmt;

use kernel::{Netns, Rtnl};
use serde::{Deserialize, Serialize};

use super::fabric::Port;
use super::gap::{Backend, Gap};
use crate::error::Result;
use crate::fault::{Counts, Impairment};
use crate::relay::{Pump, Resolved, Shaper};

/// What is to be done to frames of one direction, and where its randomness starts from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) resolved: Resolved,
    pub(crate) seed: u64,
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
}

/// `delay 10ms: 12 seen, 12 passed`.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.injected, self.observed)?;
        if self.refused > 0 { write!(f, ", {} refused by the far side", self.refused) } else { Ok(()) }
    }
}

/// A wire that is spliced.
#[derive(Debug)]
pub(super) struct Splice {
    gap: Gap,
    up: Pump,
    down: Pump,
    shapes: (Option<Shape>, Option<Shape>),
}

impl Splice {
    /// Puts pumps between the two sides of a wire. A frame that is on its way in that very moment may be lost.
    pub(super) fn open(
        switch: &Netns,
        rtnl: &Rtnl,
        host: &Netns,
        port: Port,
        mtu: u32,
        shapes: (Option<Shape>, Option<Shape>),
    ) -> Result<Splice> {
        let (gap, ends) = Gap::open(switch, rtnl, host, port, mtu)?;
        let started = || {
            gap.leave_tunnels(!is_per_packet(&shapes))?;
            let shaper = |shape: &Option<Shape>| match shape {
                Some(shape) => Shaper::new(shape.resolved.clone(), shape.seed),
                None => Shaper::new(Resolved::default(), 0),
            };
            let name = format!("wire{}", port.0);
            let up = Pump::start(&format!("{name} up"), ends.from_host, ends.to_switch, shaper(&shapes.0))?;
            let down =
                Pump::start(&format!("{name} down"), ends.from_switch, ends.to_host, shaper(&shapes.1))?;
            Ok((up, down))
        };
        match started() {
            Ok((up, down)) => Ok(Splice { gap, up, down, shapes }),
            Err(error) => {
                // What went wrong is said; that it cannot be undone, too, would say less.
                let _ = gap.close(rtnl, Some(host));
                Err(error)
            }
        }
    }

    /// What it does from now on. Only a direction that is to be different begins to count anew.
    pub(super) fn change(&mut self, shapes: (Option<Shape>, Option<Shape>)) -> Result<()> {
        let resolved = |shape: &Option<Shape>| shape.as_ref().map(|s| s.resolved.clone()).unwrap_or_default();
        self.gap.leave_tunnels(!is_per_packet(&shapes))?;
        if self.shapes.0 != shapes.0 {
            self.up.change(resolved(&shapes.0));
        }
        if self.shapes.1 != shapes.1 {
            self.down.change(resolved(&shapes.1));
        }
        self.shapes = shapes;
        Ok(())
    }

    /// Takes the pumps out again: what is on its way arrives first.
    pub(super) fn close(self, rtnl: &Rtnl, host: Option<&Netns>) -> Result<()> {
        let Splice { gap, up, down, .. } = self;
        drop((up, down));
        gap.close(rtnl, host)
    }

    /// How it is carried, and both directions, as they are.
    pub(super) fn report(&self) -> (Backend, Direction, Direction) {
        let of = |pump: &Pump, shape: &Option<Shape>| {
            let (observed, refused) = pump.counts();
            let injected = shape.as_ref().map(|shape| shape.resolved.impairment().clone());
            Direction { injected: injected.unwrap_or_default(), observed, refused }
        };
        (self.gap.backend(), of(&self.up, &self.shapes.0), of(&self.down, &self.shapes.1))
    }
}

/// Whether packets have fates of their own in either direction, so that no frame may carry several.
fn is_per_packet(shapes: &(Option<Shape>, Option<Shape>)) -> bool {
    [&shapes.0, &shapes.1].into_iter().flatten().any(|shape| shape.resolved.impairment().is_per_packet())
}
