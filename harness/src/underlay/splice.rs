//! A wire taken apart, with somebody in between who carries its frames: two pumps, one a direction.

use kernel::{Netns, Rtnl};

use super::gap::Gap;
use super::wire::{Course, Direction, Report, Shape, Shapes};
use crate::error::Result;
use crate::relay::{Account, Pump, Resolved, Shaper, Side};

/// A wire that is spliced.
#[derive(Debug)]
pub(super) struct Splice {
    gap: Gap,
    up: Pump,
    down: Pump,
    shapes: Shapes,
}

impl Splice {
    /// Puts pumps between the two sides of a wire. A frame that is on its way in that very moment may be lost.
    pub(super) fn open(course: Course<'_>, shapes: Shapes) -> Result<Splice> {
        let (gap, ends) = Gap::open(course)?;
        let started = || {
            gap.leave_tunnels(!is_per_packet(&shapes))?;
            let shaper = |shape: &Option<Shape>| match shape {
                Some(shape) => Shaper::new(shape.resolved.clone(), shape.seed),
                None => Shaper::new(Resolved::default(), 0),
            };
            let name = format!("wire{}", course.port.0);
            let noted = |up| (course.log.clone(), Side { port: course.port.0, up });
            let (there, back) = (shaper(&shapes.0), shaper(&shapes.1));
            let up = Pump::start(&format!("{name} up"), ends.from_host, ends.to_switch, there, noted(true))?;
            let down =
                Pump::start(&format!("{name} down"), ends.from_switch, ends.to_host, back, noted(false))?;
            Ok((up, down))
        };
        match started() {
            Ok((up, down)) => Ok(Splice { gap, up, down, shapes }),
            Err(error) => {
                // What went wrong is said; that it cannot be undone, too, would say less.
                let _ = gap.close(course.rtnl, Some(course.host));
                Err(error)
            }
        }
    }

    /// What it does from now on. Only a direction that is to be different begins to count anew.
    pub(super) fn change(&mut self, shapes: Shapes) -> Result<()> {
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
    pub(super) fn report(&self) -> Report {
        let of = |pump: &Pump, shape: &Option<Shape>| {
            let Account { counts: observed, refused, missed, dead } = pump.account();
            Direction { injected: Shape::impairment(shape.as_ref()), observed, refused, missed, dead }
        };
        (self.gap.backend(), of(&self.up, &self.shapes.0), of(&self.down, &self.shapes.1))
    }
}

/// Whether packets have fates of their own in either direction, so that no frame may carry several.
fn is_per_packet(shapes: &Shapes) -> bool {
    [&shapes.0, &shapes.1].into_iter().flatten().any(|shape| shape.resolved.impairment().is_per_packet())
}
