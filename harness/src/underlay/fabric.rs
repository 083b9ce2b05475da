//! The switch: a bridge in a namespace of the lab's own, a veth to each host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use kernel::nft::{Counted, Family, Nft, Table};
use kernel::{Batch, Mac, Netns, NewLink, Rtnl};

use super::gap::plug_name;
use super::wire::{Course, Report, Shape, Wire};
use crate::error::{Error, Kind, Result};
use crate::fault::TABLE;
use crate::topology::Underlay;

/// Interface indexes in the switch: the bridge, then the ports. Chosen by us, so that one datagram makes all.
pub(super) const BRIDGE: u32 = 2;
const FIRST_PORT: u32 = 10;
/// A host's `eth0`, as on any machine.
pub(super) const ETH0: u32 = 2;
/// How long a wire may take to carry frames.
pub(super) const WIRE_PATIENCE: Duration = Duration::from_secs(10);
/// A host's link, by name.
pub(super) const ETH0_NAME: &str = "eth0";
/// Most ports of a Linux bridge (`BR_MAX_PORTS`, `net/bridge/br_private.h`).
const MOST_PORTS: usize = 1023;

/// The switch and what is plugged into it.
#[derive(Debug)]
pub(crate) struct Fabric {
    underlay: Underlay,
    switch: Netns,
    rtnl: Rtnl,
    nft: Nft,
    /// Whether there are rules.
    cuts: Mutex<bool>,
    /// The wires that are not bare, by port.
    wires: Mutex<BTreeMap<u32, Wire>>,
}

/// A place on the switch, by its number; they count from zero. Holds nothing of who is plugged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) u32);

/// Who is plugged in.
#[derive(Clone, Debug)]
pub(crate) struct Plug {
    /// Where.
    pub(crate) port: Port,
    /// The address of `eth0` there.
    pub(crate) ip: Ipv4Addr,
    /// The other end of the wire.
    pub(crate) netns: Netns,
    /// The way out, where there is one.
    pub(crate) gateway: Option<Ipv4Addr>,
}

impl Plug {
    /// The ends of its wire: the port of the switch, and `eth0`.
    fn ends(&self, mtu: u32) -> (NewLink, NewLink) {
        let near = NewLink {
            index: self.port.index(),
            name: self.port.name(),
            mtu: Some(mtu),
            master: Some(BRIDGE),
            ..NewLink::default()
        };
        let far = NewLink {
            index: ETH0,
            name: "eth0".into(),
            mtu: Some(mtu),
            // The MAC follows the address, so that a host that comes back is the same to its neighbours.
            mac: Some(Mac::of(self.ip)),
            ..NewLink::default()
        };
        (near, far)
    }
}

impl Port {
    pub(super) fn index(self) -> u32 {
        FIRST_PORT + self.0
    }

    pub(super) fn name(self) -> String {
        format!("port{}", self.0)
    }
}

impl Fabric {
    /// A switch with a wire to each of `plugs`, all of it up.
    pub(crate) fn build(underlay: &Underlay, plugs: &[Plug]) -> Result<Fabric> {
        if plugs.len() > MOST_PORTS {
            let many =
                format_args!("{} hosts are too many: a Linux bridge has {MOST_PORTS} ports", plugs.len());
            return Err(Error::new(Kind::Input, many));
        }
        let switch = Netns::new("switch")?;
        no_ipv6(&switch)?;
        let rtnl = Rtnl::new(&switch)?;
        let bridge =
            NewLink { index: BRIDGE, name: "switch".into(), mtu: Some(underlay.mtu), ..NewLink::default() };
        let mut batch = Batch::new().up(1, "lo").switch(&bridge);
        for plug in plugs {
            let (near, far) = plug.ends(underlay.mtu);
            batch = batch.veth(&near, &far, Some(plug.netns.as_fd()));
        }
        rtnl.apply(&batch)?;
        for plug in plugs {
            address(plug, underlay.subnet)?;
        }
        // A port that is not open yet would swallow the first question for an address, which is asked again after a second.
        for plug in plugs {
            rtnl.wait_running(plug.port.index(), &plug.port.name(), WIRE_PATIENCE)?;
        }
        let nft = Nft::new(&switch)?;
        Ok(Fabric {
            underlay: underlay.clone(),
            switch,
            rtnl,
            nft,
            cuts: Mutex::default(),
            wires: Mutex::default(),
        })
    }

    /// Plugs a host in again: what is left of the wire it had before is taken out.
    pub(crate) fn replug(&self, plug: &Plug) -> Result<()> {
        let (index, name) = (plug.port.index(), plug.port.name());
        // Pumps to what is gone carry nothing.
        if let Some(wire) = self.wires().remove(&plug.port.0) {
            wire.close(&self.rtnl, plug.port, None)?;
        }
        // The kernel may be at it already, on its own: the old host's namespace held the other end.
        if self.rtnl.dump()?.by_index(index).is_some()
            && let Err(error) = self.rtnl.apply(&Batch::new().remove_link(index, &name))
            && !error.is_missing()
        {
            return Err(error.into());
        }
        let (near, far) = plug.ends(self.underlay.mtu);
        self.rtnl.apply(&Batch::new().veth(&near, &far, Some(plug.netns.as_fd())))?;
        address(plug, self.underlay.subnet)?;
        Ok(self.rtnl.wait_running(index, &name, WIRE_PATIENCE)?)
    }

    /// Takes a port's carrier away: from now on nothing leaves the host and nothing reaches it.
    pub(crate) fn unplug(&self, port: Port) -> Result<()> {
        Ok(self.rtnl.apply(&Batch::new().down(port.index(), &port.name()))?)
    }

    fn wires(&self) -> MutexGuard<'_, BTreeMap<u32, Wire>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a host's wire do that, upwards and downwards; bare, if nothing. `host` is the other end.
    pub(crate) fn impair(
        &self,
        port: Port,
        host: &Netns,
        up: Option<Shape>,
        down: Option<Shape>,
    ) -> Result<()> {
        let course = Course { switch: &self.switch, rtnl: &self.rtnl, port, host, mtu: self.underlay.mtu };
        let (wanted, shapes) = (up.is_some() || down.is_some(), (up, down));
        let mut wires = self.wires();
        if let Some(wire) = wires.get_mut(&port.0)
            && wanted
            && wire.can(&shapes)
        {
            return wire.change(course, shapes);
        }
        if let Some(wire) = wires.remove(&port.0) {
            wire.close(&self.rtnl, port, Some(host))?;
        }
        if wanted {
            wires.insert(port.0, Wire::open(course, shapes)?);
        }
        Ok(())
    }

    /// The wire at a port, to `host`: how it is carried, upwards and downwards; `None`: it is bare.
    pub(crate) fn wire(&self, port: Port, host: &Netns) -> Option<Report> {
        self.wires().get(&port.0).map(|wire| wire.report(&self.rtnl, port, host))
    }

    /// What the switch calls a port, now.
    pub(crate) fn port_name(&self, port: Port) -> String {
        match self.wires().get(&port.0) {
            Some(Wire::Spliced(_)) => plug_name(port),
            None | Some(Wire::Slow(_)) => port.name(),
        }
    }

    /// Loses what `table` says, and nothing else any more.
    pub(crate) fn cut(&self, table: Option<&Table>) -> kernel::Result<()> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        match table {
            Some(table) => self.nft.replace(table)?,
            None if *cuts => self.nft.remove(Family::Bridge, TABLE)?,
            None => {}
        }
        *cuts = table.is_some();
        Ok(())
    }

    /// What the rules have counted.
    pub(crate) fn counted(&self) -> kernel::Result<Vec<Counted>> {
        self.nft.counted()
    }

    /// The namespace of the switch.
    pub(crate) fn netns(&self) -> &Netns {
        &self.switch
    }
}

/// The host's side of its wire.
fn address(plug: &Plug, subnet: Ipv4Net) -> Result<()> {
    no_ipv6(&plug.netns)?;
    let net = Ipv4Net::new(plug.ip, subnet.prefix_len()).map_err(|e| Error::new(Kind::Input, e))?;
    let mut batch = Batch::new().up(1, "lo").up(ETH0, "eth0").address(ETH0, IpNet::V4(net));
    if let Some(gateway) = plug.gateway {
        batch = batch.default_route(gateway, ETH0);
    }
    let rtnl = Rtnl::new(&plug.netns)?;
    rtnl.apply(&batch)?;
    Ok(rtnl.wait_running(ETH0, "eth0", WIRE_PATIENCE)?)
}

/// The underlay is IPv4; without this each link would look for IPv6 neighbours.
pub(super) fn no_ipv6(netns: &Netns) -> Result<()> {
    // A kernel without IPv6 has nothing to switch off.
    match netns.set_sysctls(&[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")]) {
        Err(error) if !error.is_missing() => Err(error.into()),
        _ => Ok(()),
    }
}
