//! The gap in a wire that is taken apart: who is where the wire was, and the ends at which its frames are carried.
//!
//! The host's `eth0` stays as it is, and so does its other side, `port3`; that is no port of the switch any more. In its place
//! there is `plug3`. How frames get from one to the other depends on what the machine has:
//!
//! - TAP devices: `port3` is in a bridge of its own, `splice3`, with the TAP `wire3`; `plug3` is a TAP, too.
//! - packet sockets: one at `port3`, and one at `wire3`, which is the other side of `plug3`, a veth.

use kernel::offload::set_tunnel_segmentation;
use kernel::wire::{End, TapDevice};
use kernel::{Batch, Netns, NewLink, Rtnl};

use super::backend::Backend;
use super::fabric::{ETH0_NAME, WIRE_PATIENCE};
use super::port::{GAPS, MOST_PORTS, Port};
use super::wire::Course;
use crate::error::Result;

/// Indexes of the bridges in gaps: behind those of two links for each port.
const SPLICES: u32 = GAPS + 2 * MOST_PORTS;

/// A gap in the wire at a port.
#[derive(Debug)]
pub(super) struct Gap {
    port: Port,
    /// On the host's side, and on the switch's.
    taps: Option<[TapDevice; 2]>,
}

/// Where frames come from, and go to.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) from_host: End,
    pub(super) to_host: End,
    pub(super) from_switch: End,
    pub(super) to_switch: End,
}

impl Gap {
    /// Opens a gap in the wire between `port` and `host`. What is on its way in that very moment may be lost.
    pub(super) fn open(course: Course<'_>) -> Result<(Gap, Ends)> {
        let Course { rtnl, port, host, .. } = course;
        let with_taps = || with_taps(course);
        let taps = match Backend::chosen()? {
            Some(Backend::PacketSockets) => None,
            Some(Backend::Tap) => Some(with_taps()?),
            None | Some(Backend::Netem) => with_taps().ok(),
        };
        let gap = Gap { port, taps };
        let ends = match &gap.taps {
            Some([wire, plug]) => Ok(Ends {
                from_host: wire.end(&wire_name(port)),
                to_host: wire.end(&wire_name(port)),
                from_switch: plug.end(&plug_name(port)),
                to_switch: plug.end(&plug_name(port)),
            }),
            None => with_packet_sockets(course),
        };
        match ends {
            Ok(ends) => Ok((gap, ends)),
            Err(error) => {
                // What went wrong is said; that it cannot be undone, too, would say less.
                let _ = gap.close(rtnl, Some(host));
                Err(error)
            }
        }
    }

    /// How its frames are carried.
    pub(super) fn backend(&self) -> Backend {
        if self.taps.is_some() { Backend::Tap } else { Backend::PacketSockets }
    }

    /// Whether encapsulated frames of several packets may stay whole, where they can.
    pub(super) fn leave_tunnels(&self, whole: bool) -> Result<()> {
        Ok(self.taps.iter().flatten().try_for_each(|tap| tap.leave_tunnels(whole))?)
    }

    /// Closes it: the wire is as it was, if its host is still there.
    pub(super) fn close(self, rtnl: &Rtnl, host: Option<&Netns>) -> Result<()> {
        let port = self.port;
        if let Some(host) = host {
            rtnl.apply(&Batch::new().master(port.index(), &port.name(), Some(port.bridge().index())))?;
            rtnl.wait_running(port.index(), &port.name(), WIRE_PATIENCE)?;
            set_tunnel_segmentation(host, ETH0_NAME, true)?;
        }
        // A TAP goes with its last handle, of which this is one; those of the ends are gone.
        let link = if self.taps.is_some() { splice(port, 0) } else { plug(port, 0) };
        drop(self.taps);
        Ok(rtnl.apply(&Batch::new().remove_link(link.index, &link.name))?)
    }
}

/// The name of the switch's port while there is a gap.
pub(super) fn plug_name(port: Port) -> String {
    format!("plug{}", port.0)
}

fn wire_name(port: Port) -> String {
    format!("wire{}", port.0)
}

/// What takes the port's place in the switch.
fn plug(port: Port, mtu: u32) -> NewLink {
    let (index, name) = (GAPS + 2 * port.0, plug_name(port));
    let master = Some(port.bridge().index());
    NewLink { index, name, mtu: Some(mtu), master, ..NewLink::default() }
}

fn wire(port: Port, mtu: u32) -> NewLink {
    NewLink { index: GAPS + 1 + 2 * port.0, name: wire_name(port), mtu: Some(mtu), ..NewLink::default() }
}

/// The bridge that a port shares with a TAP.
fn splice(port: Port, mtu: u32) -> NewLink {
    let (index, name) = (SPLICES + port.0, format!("splice{}", port.0));
    NewLink { index, name, mtu: Some(mtu), ..NewLink::default() }
}

fn with_taps(course: Course<'_>) -> Result<[TapDevice; 2]> {
    let Course { switch, rtnl, port, mtu, .. } = course;
    let (plug, wire, splice) = (plug(port, mtu), wire(port, mtu), splice(port, mtu));
    let taps =
        [TapDevice::open(switch, wire.index, &wire.name)?, TapDevice::open(switch, plug.index, &plug.name)?];
    let mut batch = Batch::new().switch(&splice);
    for (tap, bridge) in [(&wire, splice.index), (&plug, port.bridge().index())] {
        batch = batch
            .mtu(tap.index, &tap.name, mtu)
            .master(tap.index, &tap.name, Some(bridge))
            .up(tap.index, &tap.name);
    }
    let made = rtnl.apply(&batch).and_then(|()| {
        rtnl.wait_running(plug.index, &plug.name, WIRE_PATIENCE)?;
        rtnl.wait_running(wire.index, &wire.name, WIRE_PATIENCE)?;
        rtnl.apply(&Batch::new().master(port.index(), &port.name(), Some(splice.index)))
    });
    match made {
        Ok(()) => Ok(taps),
        Err(error) => {
            // It may not have been made.
            let _ = rtnl.apply(&Batch::new().remove_link(splice.index, &splice.name));
            Err(error.into())
        }
    }
}

fn with_packet_sockets(course: Course<'_>) -> Result<Ends> {
    let Course { switch, rtnl, port, host, mtu, .. } = course;
    let (plug, wire) = (plug(port, mtu), wire(port, mtu));
    rtnl.apply(&Batch::new().veth(&plug, &wire, None).up(wire.index, &wire.name))?;
    rtnl.wait_running(plug.index, &plug.name, WIRE_PATIENCE)?;
    // Packet sockets have no words for encapsulated frames of several packets.
    set_tunnel_segmentation(host, ETH0_NAME, false)?;
    set_tunnel_segmentation(switch, &plug.name, false)?;
    let ends = Ends {
        from_host: End::receiving(switch, port.index(), &port.name())?,
        to_host: End::sending(switch, port.index(), &port.name())?,
        from_switch: End::receiving(switch, wire.index, &wire.name)?,
        to_switch: End::sending(switch, wire.index, &wire.name)?,
    };
    rtnl.apply(&Batch::new().master(port.index(), &port.name(), None))?;
    Ok(ends)
}
