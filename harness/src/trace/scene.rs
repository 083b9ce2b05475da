//! What is known of a lab in which a probe was sent: what kernels held, who has which address, what is wrong. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use kernel::Snapshot;
use kernel::rtnl::{Neighbour, Route};

use crate::capture::{Captured, Layer, levels};
use crate::fault::{Active, FaultId};
use crate::lab::{Held, WireReport};

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// Between whom.
    pub(crate) ends: Ends,
    /// What kernels held afterwards: what was learnt on the way is in it.
    pub(crate) rooms: Vec<Held>,
    pub(crate) hosts: Vec<HostSeen>,
    pub(crate) owners: Vec<Owner>,
    pub(crate) faults: Vec<Active>,
    /// Frames that faults of the switch have taken meanwhile.
    pub(crate) taken: BTreeMap<FaultId, u64>,
    /// Wires that are not bare, as they were before and after.
    pub(crate) wires: [Vec<WireReport>; 2],
    /// Questions for hardware addresses that passed meanwhile: where, and for whom.
    pub(crate) asked: Vec<Asked>,
}

/// Between whom a probe goes.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// The sender's namespace.
    pub(crate) from: String,
    /// The address that it is sent to.
    pub(crate) to: IpAddr,
}

impl Default for Ends {
    fn default() -> Ends {
        Ends { from: String::new(), to: Ipv4Addr::UNSPECIFIED.into() }
    }
}

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct HostSeen {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    /// What the switch calls its port.
    pub(crate) port: String,
    pub(crate) up: bool,
    /// Whether it has an engine, and that runs.
    pub(crate) engine: Option<bool>,
}

/// Who has an address.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) ip: IpAddr,
    /// The host or container, as its namespace is called.
    pub(crate) name: String,
    /// The host that it is on, or is.
    pub(crate) host: String,
    /// The network it has it on, if it is a container's on an overlay.
    pub(crate) network: Option<String>,
    /// The interface that has it, where that is known.
    pub(crate) interface: Option<String>,
    /// The overlay's namespace on its host.
    pub(crate) overlay: Option<String>,
    /// There is no way out of that network.
    pub(crate) internal: bool,
}

/// A question for a hardware address (ARP), where it passed.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) namespace: String,
    pub(crate) interface: String,
    pub(crate) outgoing: bool,
    pub(crate) asker: Ipv4Addr,
    pub(crate) target: Ipv4Addr,
}

impl Scene {
    pub(super) fn room(&self, name: &str) -> Option<&Held> {
        self.rooms.iter().find(|room| room.name == name)
    }

    pub(super) fn host(&self, name: &str) -> Option<&HostSeen> {
        self.hosts.iter().find(|host| host.name == name)
    }

    pub(super) fn host_of(&self, ip: IpAddr) -> Option<&HostSeen> {
        self.hosts.iter().find(|host| IpAddr::V4(host.ip) == ip)
    }

    pub(super) fn owner(&self, ip: IpAddr) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.ip == ip)
    }

    /// The host that a namespace is on: its own, an overlay's, a container's.
    pub(super) fn host_of_room(&self, room: &str) -> Option<&HostSeen> {
        let name = room.split('/').next().unwrap_or_default();
        self.host(name).or_else(|| {
            let owner = self.owners.iter().find(|owner| owner.name == room)?;
            self.host(&owner.host)
        })
    }

    /// What is said of who asked for hardware addresses.
    pub(crate) fn hear(&mut self, captured: &Captured) {
        for packet in &captured.packets {
            let layers = packet.layers();
            let Some(Layer::Arp(arp)) = levels(&layers).last().and_then(<[Layer]>::last) else { continue };
            if arp.operation != 1 {
                continue;
            }
            let Some((namespace, interface)) = captured.interface_of(packet).rsplit_once('/') else {
                continue;
            };
            self.asked.push(Asked {
                namespace: namespace.to_owned(),
                interface: interface.to_owned(),
                outgoing: packet.outgoing,
                asker: arp.sender,
                target: arp.target,
            });
        }
    }

    /// The latest place where somebody asked for an address.
    pub(super) fn asked_for(&self, asker: Option<IpAddr>, target: IpAddr) -> Option<&Asked> {
        let fits = |asked: &&Asked| {
            IpAddr::V4(asked.target) == target && asker.is_none_or(|asker| IpAddr::V4(asked.asker) == asker)
        };
        self.asked.iter().rev().find(fits)
    }
}

/// The route to an address: the longest prefix wins (RFC 1812 §5.2.4.3).
pub(super) fn route_to(holds: &Snapshot, to: IpAddr) -> Option<&Route> {
    let fits = |route: &&Route| match route.to {
        Some(net) => net.contains(&to),
        None => to.is_ipv4(),
    };
    holds.routes.iter().filter(fits).max_by_key(|route| route.to.map_or(0, |net| net.prefix_len()))
}

/// What is known of an address at a link.
pub(super) fn neighbour(holds: &Snapshot, ip: IpAddr) -> Option<&Neighbour> {
    holds.neighbours.iter().find(|entry| entry.ip == ip)
}

/// `default via 172.18.0.1 dev eth1`.
pub(super) fn show_route(holds: &Snapshot, route: &Route) -> String {
    let to = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
    let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let dev = route.dev.and_then(|dev| holds.by_index(dev)).map(|link| format!(" dev {}", link.name));
    format!("{to}{via}{}", dev.unwrap_or_default())
}
