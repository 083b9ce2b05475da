//! The switch: a namespace of the lab's own with a bridge, or several, and a veth to each host.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use kernel::nft::{Counted, Family, Nft, Table};
use kernel::{Batch, Mac, Netns, NewLink, Rtnl};

use super::gap::plug_name;
use super::port::{Bridge, MOST_PORTS, Port};
use super::wire::{Course, Report, Shape, Wire};
use crate::error::{Error, Kind, Result};
use crate::fault::TABLE;
use crate::relay::{Log, Reading, Side};
use crate::topology::Underlay;

/// A host's `eth0`, as on any machine.
pub(super) const ETH0: u32 = 2;
/// How long a wire may take to carry frames.
pub(super) const WIRE_PATIENCE: Duration = Duration::from_secs(10);
/// A host's link, by name.
pub(super) const ETH0_NAME: &str = "eth0";
/// So many hosts are made together. While they are, each costs a second descriptor.
const TOGETHER: usize = 32;
/// The underlay is IPv4; without this each link would look for IPv6 neighbours.
const NO_IPV6: [(&str, &str); 2] =
    [("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];

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
    /// What they have done to frames, while somebody captures those.
    log: Log,
}

/// Who is plugged in.
#[derive(Clone, Debug)]
pub(crate) struct Plug {
    /// What the namespace is called at the other end of the wire.
    pub(crate) name: String,
    /// Where.
    pub(crate) port: Port,
    /// The address of `eth0` there.
    pub(crate) ip: Ipv4Addr,
    /// The way out, where there is one.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Whose MACs are known there without asking.
    pub(crate) known: Vec<Ipv4Addr>,
    /// How long a neighbour is believed there, where it is not as usual.
    pub(crate) believed: Option<Duration>,
}

impl Plug {
    /// The ends of its wire: the port of the switch, and `eth0`.
    fn ends(&self, mtu: u32) -> (NewLink, NewLink) {
        let near = NewLink {
            index: self.port.index(),
            name: self.port.name(),
            mtu: Some(mtu),
            master: Some(self.port.bridge().index()),
            ..NewLink::default()
        };
        let far = NewLink {
            index: ETH0,
            name: ETH0_NAME.into(),
            mtu: Some(mtu),
            // The MAC follows the address, so that a host that comes back is the same to its neighbours.
            mac: Some(Mac::of(self.ip)),
            ..NewLink::default()
        };
        (near, far)
    }

    /// Its side of the wire, in its own namespace.
    fn address(&self, inside: &Rtnl, subnet: Ipv4Net) -> Result<()> {
        let net = Ipv4Net::new(self.ip, subnet.prefix_len()).map_err(|e| Error::new(Kind::Input, e))?;
        let mut batch = Batch::new().up(1, "lo").up(ETH0, ETH0_NAME).address(ETH0, IpNet::V4(net));
        if let Some(gateway) = self.gateway {
            batch = batch.default_route(gateway, ETH0);
        }
        if let Some(believed) = self.believed {
            batch = batch.believe_neighbours(ETH0, ETH0_NAME, believed);
        }
        for other in &self.known {
            batch = batch.neighbour(ETH0, IpAddr::V4(*other), Mac::of(*other));
        }
        inside.apply(&batch)?;
        Ok(inside.wait_running(ETH0, ETH0_NAME, WIRE_PATIENCE)?)
    }
}

impl Fabric {
    /// A switch with a wire to a new namespace for each of `plugs`, all of it up.
    pub(crate) fn build(underlay: &Underlay, plugs: &[Plug]) -> Result<(Fabric, Vec<Netns>)> {
        if plugs.len() > MOST_PORTS as usize {
            let many = format_args!("{} hosts are too many: the switch has {MOST_PORTS} ports", plugs.len());
            return Err(Error::new(Kind::Input, many));
        }
        let switch = Netns::new("switch")?;
        without_ipv6(switch.set_sysctls(&NO_IPV6))?;
        let rtnl = Rtnl::new(&switch)?;
        let mut batch = Batch::new().up(1, "lo");
        for bridge in Bridge::of(plugs.len()) {
            batch = batch.switch(&bridge.link(underlay.mtu));
            if let Some((there, here)) = bridge.trunk(underlay.mtu) {
                // A pair's second half is no bridge's port in the same message.
                batch = batch.veth(&there, &here, None);
                batch = batch.master(here.index, &here.name, here.master).up(here.index, &here.name);
            }
        }
        rtnl.apply(&batch)?;
        let (nft, cuts, wires) = (Nft::new(&switch)?, Mutex::default(), Mutex::default());
        let log = Log::default();
        let fabric = Fabric { underlay: underlay.clone(), switch, rtnl, nft, cuts, wires, log };
        let hosts = fabric.populate(plugs)?;
        Ok((fabric, hosts))
    }

    /// New namespaces, each with its wire: a part of them on each processor, since that is what they cost. In the kernel most of a
    /// namespace is made beside others, while links are made one after another.
    fn populate(&self, plugs: &[Plug]) -> Result<Vec<Netns>> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            let parts = plugs.chunks(plugs.len().div_ceil(processors).max(1));
            let workers: Vec<_> = parts.map(|part| scope.spawn(|| self.populate_part(part))).collect();
            let mut all = Vec::new();
            for worker in workers {
                all.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    fn populate_part(&self, plugs: &[Plug]) -> Result<Vec<Netns>> {
        let rtnl = Rtnl::new(&self.switch)?;
        let mut all = Vec::new();
        for plugs in plugs.chunks(TOGETHER) {
            let names: Vec<&str> = plugs.iter().map(|plug| plug.name.as_str()).collect();
            let made = Netns::many(&names, |inside| {
                without_ipv6(inside.set_sysctls(&NO_IPV6))?;
                Rtnl::inside(inside)
            })?;
            let mut batch = Batch::new();
            for (plug, (netns, _)) in plugs.iter().zip(&made) {
                let (near, far) = plug.ends(self.underlay.mtu);
                batch = batch.veth(&near, &far, Some(netns.as_fd()));
            }
            rtnl.apply(&batch)?;
            for (plug, (_, inside)) in plugs.iter().zip(&made) {
                plug.address(inside, self.underlay.subnet)?;
                // A port that is not open yet would swallow the first question for an address, which is asked again after a second.
                rtnl.wait_running(plug.port.index(), &plug.port.name(), WIRE_PATIENCE)?;
            }
            all.extend(made.into_iter().map(|(netns, _)| netns));
        }
        Ok(all)
    }

    /// Plugs a host in again, by a new namespace: what is left of the wire it had before is taken out.
    pub(crate) fn replug(&self, plug: &Plug) -> Result<Netns> {
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
        let netns = Netns::new(&plug.name)?;
        without_ipv6(netns.set_sysctls(&NO_IPV6))?;
        self.rtnl.apply(&Batch::new().veth(&near, &far, Some(netns.as_fd())))?;
        plug.address(&Rtnl::new(&netns)?, self.underlay.subnet)?;
        self.rtnl.wait_running(index, &name, WIRE_PATIENCE)?;
        Ok(netns)
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
        let (mtu, log) = (self.underlay.mtu, &self.log);
        let course = Course { switch: &self.switch, rtnl: &self.rtnl, port, host, mtu, log };
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

    /// What wires do to frames, from now on.
    pub(crate) fn read_log(&self) -> Reading {
        self.log.read()
    }

    /// The sides of the wire to a host at a port, by the interfaces at which frames are sent onto them when it is not bare.
    pub(crate) fn sides(port: Port, host: &str) -> [(String, Side); 2] {
        [
            (format!("{host}/{ETH0_NAME}"), Side { port: port.0, up: true }),
            (format!("switch/{}", plug_name(port)), Side { port: port.0, up: false }),
        ]
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

/// A kernel without IPv6 has nothing to switch off.
fn without_ipv6(done: kernel::Result<()>) -> kernel::Result<()> {
    match done {
        Err(error) if error.is_missing() => Ok(()),
        done => done,
    }
}
