//! A wire that delays every frame alike and does nothing else, by the kernel's netem: none of them ever leaves the kernel.
//!
//! `eth0` lets wait what leaves the host, and the switch's port what reaches it.

use std::thread::sleep;
use std::time::Duration;

use kernel::rtnl::Delayed;
use kernel::{Batch, Netns, Rtnl};

use super::backend::Backend;
use super::fabric::{ETH0, ETH0_NAME};
use super::port::Port;
use super::wire::{Course, Direction, Report, Shape, Shapes};
use crate::error::Result;
use crate::fault::Counts;

/// Between two looks at what still waits: nobody says when the last of it is gone.
const PAUSE: Duration = Duration::from_millis(1);

/// A wire on which frames wait in the kernel.
#[derive(Debug)]
pub(super) struct Slow {
    shapes: Shapes,
}

impl Slow {
    /// Whether it can do all that.
    pub(super) fn suffices((up, down): &Shapes) -> bool {
        [up, down].into_iter().flatten().all(|shape| shape.resolved.impairment().is_constant_delay())
    }

    /// Makes a bare wire slow. A kernel without netem refuses.
    pub(super) fn open(course: Course<'_>, shapes: Shapes) -> Result<Slow> {
        let mut slow = Slow { shapes: (None, None) };
        slow.change(course, shapes)?;
        Ok(slow)
    }

    /// How slow it is from now on. What is on its way waits as long as it would have.
    pub(super) fn change(&mut self, course: Course<'_>, shapes: Shapes) -> Result<()> {
        delay(
            course.rtnl,
            course.port,
            course.host,
            (delay_of(shapes.0.as_ref()), delay_of(shapes.1.as_ref())),
        )?;
        self.shapes = shapes;
        Ok(())
    }

    /// Makes it bare, once the last frame that waits has gone on.
    pub(super) fn close(rtnl: &Rtnl, port: Port, host: &Netns) -> Result<()> {
        delay(rtnl, port, host, (Duration::ZERO, Duration::ZERO))?;
        let inside = Rtnl::new(host)?;
        for (netlink, index, name) in [(&inside, ETH0, ETH0_NAME), (rtnl, port.index(), &port.name())] {
            while netlink.delayed(index)?.is_some_and(|delayed| delayed.waiting > 0) {
                sleep(PAUSE);
            }
            netlink.apply(&Batch::new().remove_delay(index, name))?;
        }
        Ok(())
    }

    /// Both directions, as they are. Of one that cannot be looked at, since the host is going, nothing was seen.
    pub(super) fn report(&self, rtnl: &Rtnl, port: Port, host: &Netns) -> Report {
        let up = Rtnl::new(host).and_then(|inside| inside.delayed(ETH0));
        let of = |delayed: kernel::Result<Option<Delayed>>, shape: &Option<Shape>| Direction {
            injected: Shape::impairment(shape.as_ref()),
            observed: counts(delayed.ok().flatten().unwrap_or_default()),
            refused: 0,
            missed: 0,
            dead: None,
        };
        let down = of(rtnl.delayed(port.index()), &self.shapes.1);
        (Backend::Netem, of(up, &self.shapes.0), down)
    }
}

fn delay_of(shape: Option<&Shape>) -> Duration {
    Shape::impairment(shape).delay
}

fn delay(rtnl: &Rtnl, port: Port, host: &Netns, (up, down): (Duration, Duration)) -> Result<()> {
    Rtnl::new(host)?.apply(&Batch::new().delay(ETH0, ETH0_NAME, up))?;
    Ok(rtnl.apply(&Batch::new().delay(port.index(), &port.name(), down))?)
}

/// The kernel does not say how long each of them has waited.
fn counts(Delayed { packets, bytes, waiting, dropped }: Delayed) -> Counts {
    let seen = packets + waiting + dropped;
    Counts { seen, matched: seen, passed: packets, bytes, overflowed: dropped, waiting, ..Counts::default() }
}
