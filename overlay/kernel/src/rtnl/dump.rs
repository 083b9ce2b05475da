//! What a namespace holds, as values.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVxlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::Rtnl;
use crate::error::Result;
use crate::mac::Mac;

/// Everything a namespace holds, as one look at it found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By index.
    pub links: Vec<Link>,
    /// In the kernel's order.
    pub addresses: Vec<Address>,
    /// The main table.
    pub routes: Vec<Route>,
    /// ARP and neighbour discovery.
    pub neighbours: Vec<Neighbour>,
    /// Of bridges and VXLAN devices.
    pub fdb: Vec<FdbEntry>,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Unique in its namespace.
    pub index: u32,
    /// Unique in its namespace.
    pub name: String,
    /// `veth`, `bridge`, `vxlan`…; nothing for the loopback.
    pub kind: Option<String>,
    /// In bytes.
    pub mtu: u32,
    /// None where the kind has none.
    pub mac: Option<Mac>,
    /// Switched on.
    pub up: bool,
    /// Has a carrier: the other end of a veth is up too.
    pub carrier: bool,
    /// The bridge it is a port of.
    pub master: Option<u32>,
    /// The index of a veth's other end, in its own namespace.
    pub peer: Option<u32>,
    /// Says that `peer` is in another namespace, by an id that is valid here only.
    pub peer_netns: Option<i32>,
    /// A bridge port that may not talk to other isolated ports.
    pub isolated: bool,
    /// What else a bridge port does with frames.
    #[serde(default)]
    pub port: Option<Port>,
    /// The settings of a bridge.
    #[serde(default)]
    pub bridge: Option<Bridge>,
    /// The settings of a VXLAN device.
    pub vxlan: Option<Vxlan>,
}

/// What a bridge port does with frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Sends back what came from it, if that is where it belongs.
    pub hairpin: bool,
    /// Learns who is behind it.
    pub learning: bool,
    /// Is sent what is for nobody known.
    pub flood: bool,
}

/// The settings of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Talks to other bridges to find loops.
    pub stp: bool,
    /// Looks at VLAN tags.
    pub vlan_filtering: bool,
    /// Looks for who is in which multicast group.
    pub snooping: bool,
    /// Hundredths of a second until a learned entry is forgotten, as `ip` shows them.
    pub ageing: u32,
}

/// The settings of a VXLAN device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the device's own flags")]
pub struct Vxlan {
    /// The VXLAN network identifier.
    pub vni: u32,
    /// The UDP port of the tunnel.
    pub port: u16,
    /// Answers ARP from the neighbour table.
    pub proxy: bool,
    /// Learns from what arrives.
    pub learning: bool,
    /// Reports unknown destinations.
    pub l2miss: bool,
    /// Reports unknown addresses.
    pub l3miss: bool,
    /// Seconds until a learned entry is forgotten.
    pub ageing: u32,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The link's index.
    pub dev: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// The broadcast address, if one is set.
    pub broadcast: Option<IpAddr>,
}

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// None is the default route of IPv4; that of IPv6 is `::/0`.
    pub to: Option<IpNet>,
    /// None when directly reachable.
    pub gateway: Option<IpAddr>,
    /// The link's index.
    pub dev: Option<u32>,
    /// The source address it prefers.
    pub source: Option<IpAddr>,
    /// Made by the kernel with an address.
    pub by_kernel: bool,
    /// Of link scope.
    pub link_scope: bool,
}

/// An entry of the neighbour table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The link's index.
    pub dev: u32,
    /// Who.
    pub ip: IpAddr,
    /// Where; none while it is being looked for.
    pub mac: Option<Mac>,
    /// Set by hand, not learned.
    pub permanent: bool,
}

/// An entry of a forwarding database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbEntry {
    /// The index of the port or device.
    pub dev: u32,
    /// Who.
    pub mac: Mac,
    /// Behind which VTEP (VXLAN devices).
    pub vtep: Option<IpAddr>,
    /// In the device's own table (`self`), else in the bridge's (`master`).
    pub own: bool,
    /// Set by hand, not learned.
    pub permanent: bool,
}

impl Link {
    /// Whether it is a MACVLAN of the link with that index. Where that one is, `peer_netns` tells: here, if there is none.
    pub fn is_macvlan_of(&self, lower: u32) -> bool {
        self.kind.as_deref() == Some("macvlan") && self.peer == Some(lower)
    }
}

impl Snapshot {
    /// The link of that name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The link with that index.
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The addresses of the link of that name.
    pub fn addresses_of(&self, name: &str) -> Vec<IpNet> {
        let index = self.link(name).map(|link| link.index);
        self.addresses
            .iter()
            .filter(|address| Some(address.dev) == index)
            .map(|address| address.net)
            .collect()
    }
}

impl Rtnl {
    /// Everything that is there now.
    pub fn dump(&self) -> Result<Snapshot> {
        Ok(Snapshot {
            links: self.links()?,
            addresses: self.addresses()?,
            routes: self.routes()?,
            neighbours: self.neighbours()?,
            fdb: self.fdb()?,
        })
    }

    /// The links.
    pub fn links(&self) -> Result<Vec<Link>> {
        let found = self.list("links", RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let mut links: Vec<Link> = found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(message) => Some(link(message)),
                _ => None,
            })
            .collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The addresses, IPv6's link-local ones left out.
    pub fn addresses(&self) -> Result<Vec<Address>> {
        let found = self.list("addresses", RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        Ok(found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(message) => address(&message),
                _ => None,
            })
            .collect())
    }

    /// The routes of the main table, IPv6's link-local ones left out.
    pub fn routes(&self) -> Result<Vec<Route>> {
        let found = self.list("routes", RouteNetlinkMessage::GetRoute(RouteMessage::default()))?;
        Ok(found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(message) => route(&message),
                _ => None,
            })
            .collect())
    }

    /// The neighbour table.
    pub fn neighbours(&self) -> Result<Vec<Neighbour>> {
        let found =
            self.list("neighbours", RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()))?;
        Ok(entries(found, neighbour))
    }

    /// The forwarding databases.
    pub fn fdb(&self) -> Result<Vec<FdbEntry>> {
        let mut request = NeighbourMessage::default();
        request.header.family = AddressFamily::Bridge;
        let found = self.list("fdb entries", RouteNetlinkMessage::GetNeighbour(request))?;
        Ok(entries(found, fdb))
    }
}

fn entries<T>(found: Vec<RouteNetlinkMessage>, of: impl Fn(&NeighbourMessage) -> Option<T>) -> Vec<T> {
    let messages = found.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewNeighbour(message) => Some(message),
        _ => None,
    });
    messages.filter_map(|message| of(&message)).collect()
}

pub(super) fn link(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(bytes) => link.mac = Mac::from_bytes(&bytes),
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::Link(peer) => link.peer = Some(peer),
            LinkAttribute::LinkNetNsId(id) => link.peer_netns = Some(id),
            LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|info| describe(&mut link, info)),
            _ => {}
        }
    }
    link
}

fn describe(link: &mut Link, info: LinkInfo) {
    match info {
        LinkInfo::Kind(kind) => {
            link.kind = Some(match kind {
                InfoKind::Veth => "veth".to_owned(),
                InfoKind::Bridge => "bridge".to_owned(),
                InfoKind::Vxlan => "vxlan".to_owned(),
                other => other.to_string(),
            });
        }
        LinkInfo::Data(InfoData::Vxlan(settings)) => link.vxlan = Some(vxlan(&settings)),
        LinkInfo::Data(InfoData::Bridge(settings)) => link.bridge = Some(bridge(&settings)),
        LinkInfo::PortData(InfoPortData::BridgePort(settings)) => {
            let on = |wanted| settings.contains(&wanted);
            link.isolated = on(InfoBridgePort::Isolated(true));
            link.port = Some(Port {
                hairpin: on(InfoBridgePort::HairpinMode(true)),
                learning: on(InfoBridgePort::Learning(true)),
                flood: on(InfoBridgePort::UnicastFlood(true)),
            });
        }
        _ => {}
    }
}

fn bridge(settings: &[InfoBridge]) -> Bridge {
    let mut bridge = Bridge::default();
    for setting in settings {
        match setting {
            InfoBridge::StpState(state) => bridge.stp = *state != BridgeStpState::Disabled,
            InfoBridge::VlanFiltering(on) => bridge.vlan_filtering = *on,
            InfoBridge::MulticastSnooping(on) => bridge.snooping = *on,
            InfoBridge::AgeingTime(hundredths) => bridge.ageing = *hundredths,
            _ => {}
        }
    }
    bridge
}

fn vxlan(settings: &[InfoVxlan]) -> Vxlan {
    let mut vxlan = Vxlan::default();
    for setting in settings {
        match setting {
            InfoVxlan::Id(vni) => vxlan.vni = *vni,
            InfoVxlan::Port(port) => vxlan.port = *port,
            InfoVxlan::Proxy(on) => vxlan.proxy = *on,
            InfoVxlan::Learning(on) => vxlan.learning = *on,
            InfoVxlan::L2Miss(on) => vxlan.l2miss = *on,
            InfoVxlan::L3Miss(on) => vxlan.l3miss = *on,
            InfoVxlan::Ageing(seconds) => vxlan.ageing = *seconds,
            _ => {}
        }
    }
    vxlan
}

pub(super) fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut remote, mut broadcast) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => remote = Some(*ip),
            AddressAttribute::Broadcast(ip) => broadcast = Some(IpAddr::V4(*ip)),
            _ => {}
        }
    }
    let ip = local.or(remote)?;
    if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    let net = IpNet::new(ip, message.header.prefix_len).ok()?;
    Some(Address { dev: message.header.index, net, broadcast })
}

pub(super) fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.table != RouteHeader::RT_TABLE_MAIN || message.header.kind != RouteType::Unicast {
        return None;
    }
    let ip = |address: &RouteAddress| match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    };
    let to = match message.header.address_family {
        AddressFamily::Inet => None,
        AddressFamily::Inet6 => Some(IpNet::V6(Ipv6Net::default())),
        _ => return None,
    };
    let mut route = Route {
        to,
        gateway: None,
        dev: None,
        source: None,
        by_kernel: message.header.protocol == RouteProtocol::Kernel,
        link_scope: message.header.scope == RouteScope::Link,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                route.to = IpNet::new(ip(to)?, message.header.destination_prefix_length).ok();
            }
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::Oif(dev) => route.dev = Some(*dev),
            RouteAttribute::PrefSource(source) => route.source = ip(source),
            _ => {}
        }
    }
    let link_local = |net: IpNet| matches!(net.addr(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    (!route.to.is_some_and(link_local)).then_some(route)
}

fn destination(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        // The forwarding database's family is AF_BRIDGE, so its addresses come as bytes.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes.as_slice()).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from),
            _ => None,
        },
        _ => None,
    })
}

fn hardware(message: &NeighbourMessage) -> Option<Mac> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Mac::from_bytes(bytes),
        _ => None,
    })
}

pub(super) fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    // Multicast and loopback entries are the kernel's own bookkeeping.
    if message.header.state == NeighbourState::Noarp {
        return None;
    }
    Some(Neighbour {
        dev: message.header.ifindex,
        ip: destination(message)?,
        mac: hardware(message),
        permanent: message.header.state == NeighbourState::Permanent,
    })
}

pub(super) fn fdb(message: &NeighbourMessage) -> Option<FdbEntry> {
    Some(FdbEntry {
        dev: message.header.ifindex,
        mac: hardware(message)?,
        vtep: destination(message),
        own: message.header.flags.contains(NeighbourFlags::Own),
        permanent: message.header.state == NeighbourState::Permanent,
    })
}
