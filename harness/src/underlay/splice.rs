//! A wire taken apart, with somebody in between who carries its frames.
//!
//! The host's `eth0` stays as it is, and so does its other side, `port3`; that is no longer a port of the switch. In its place
//! there is `plug3`, whose other side is `wire3`, in the switch's namespace too, and between `port3` and `wire3` two pumps
//! carry frames, one a direction.

use std::fmt;

use kernel::offload::set_tunnel_segmentation;
use kernel::wire::End;
use kernel::{Batch, Netns, NewLink, Rtnl};
use serde::{Deserialize, Serialize};

use super::fabric::{BRIDGE, ETH0_NAME, Port, WIRE_PATIENCE};
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

/// How a wire is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Packet sockets and a thread a direction. Frames of several packets stay whole unless packets have fates of their own:
    /// then they are cut apart there; encapsulated ones always are, by the kernel before.
    PacketSockets,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketSockets => f.write_str("packet sockets"),
        }
    }
}

/// A wire that is spliced.
#[derive(Debug)]
pub(super) struct Splice {
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
        let (plug, wire) = links(port, mtu);
        rtnl.apply(&Batch::new().veth(&plug, &wire, None).up(wire.index, &wire.name))?;
        let opened = || -> Result<Splice> {
            rtnl.wait_running(plug.index, &plug.name, WIRE_PATIENCE)?;
            // Packet sockets have no words for encapsulated frames of several packets.
            set_tunnel_segmentation(host, ETH0_NAME, false)?;
            set_tunnel_segmentation(switch, &plug.name, false)?;
            let from_host = End::receiving(switch, port.index(), &port.name())?;
            let to_host = End::sending(switch, port.index(), &port.name())?;
            let from_switch = End::receiving(switch, wire.index, &wire.name)?;
            let to_switch = End::sending(switch, wire.index, &wire.name)?;
            rtnl.apply(&Batch::new().master(port.index(), &port.name(), None))?;
            let shaper = |shape: &Option<Shape>| match shape {
                Some(shape) => Shaper::new(shape.resolved.clone(), shape.seed),
                None => Shaper::new(Resolved::default(), 0),
            };
            let name = format!("wire{}", port.0);
            let up = Pump::start(&format!("{name} up"), from_host, to_switch, shaper(&shapes.0))?;
            let down = Pump::start(&format!("{name} down"), from_switch, to_host, shaper(&shapes.1))?;
            Ok(Splice { up, down, shapes })
        };
        let opened = opened();
        if opened.is_err() {
            let _ = bare(rtnl, host, port);
        }
        opened
    }

    /// What it does from now on. Only a direction that is to be different begins to count anew.
    pub(super) fn change(&mut self, shapes: (Option<Shape>, Option<Shape>)) {
        let resolved = |shape: &Option<Shape>| shape.as_ref().map(|s| s.resolved.clone()).unwrap_or_default();
        if self.shapes.0 != shapes.0 {
            self.up.change(resolved(&shapes.0));
        }
        if self.shapes.1 != shapes.1 {
            self.down.change(resolved(&shapes.1));
        }
        self.shapes = shapes;
    }

    /// Takes the pumps out again: what is on its way arrives first.
    pub(super) fn close(self, rtnl: &Rtnl, host: Option<&Netns>, port: Port) -> Result<()> {
        drop(self);
        match host {
            Some(host) => bare(rtnl, host, port),
            None => unplug(rtnl, port),
        }
    }

    /// Both directions, as they are.
    pub(super) fn report(&self) -> (Direction, Direction) {
        let of = |pump: &Pump, shape: &Option<Shape>| {
            let (observed, refused) = pump.counts();
            let injected = shape.as_ref().map(|shape| shape.resolved.impairment().clone());
            Direction { injected: injected.unwrap_or_default(), observed, refused }
        };
        (of(&self.up, &self.shapes.0), of(&self.down, &self.shapes.1))
    }
}

/// The name of the switch's port while a wire is spliced.
pub(super) fn plug_name(port: Port) -> String {
    format!("plug{}", port.0)
}

/// The two sides of what takes the port's place.
fn links(port: Port, mtu: u32) -> (NewLink, NewLink) {
    // Behind all ports' own indexes: a bridge has at most 1024.
    let index = 10_000 + 2 * port.0;
    let plug =
        NewLink { index, name: plug_name(port), mtu: Some(mtu), master: Some(BRIDGE), ..NewLink::default() };
    let wire =
        NewLink { index: index + 1, name: format!("wire{}", port.0), mtu: Some(mtu), ..NewLink::default() };
    (plug, wire)
}

fn bare(rtnl: &Rtnl, host: &Netns, port: Port) -> Result<()> {
    rtnl.apply(&Batch::new().master(port.index(), &port.name(), Some(BRIDGE)))?;
    rtnl.wait_running(port.index(), &port.name(), WIRE_PATIENCE)?;
    set_tunnel_segmentation(host, ETH0_NAME, true)?;
    unplug(rtnl, port)
}

fn unplug(rtnl: &Rtnl, port: Port) -> Result<()> {
    let (plug, _) = links(port, 0);
    Ok(rtnl.apply(&Batch::new().remove_link(plug.index, &plug.name))?)
}
