//! Requests that go to the kernel together.

use std::fmt::Display;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkHeader, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::neighbour_table::{
    NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::delay;
use super::link::{self, NewLink, NewVxlan};
use crate::mac::Mac;

/// A list of requests, each with the words for its failure. Built by chaining, sent by [`super::Rtnl::apply`].
///
/// The lifetime is that of the namespaces it refers to by descriptor.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    requests: Vec<Request>,
    namespaces: PhantomData<BorrowedFd<'a>>,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) op: &'static str,
    pub(super) object: String,
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

/// A new object that must not be there yet.
const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
/// An object that is to be so, whether or not it is there.
const SET: u16 = NLM_F_CREATE | NLM_F_REPLACE;

impl<'a> Batch<'a> {
    /// No requests.
    pub fn new() -> Batch<'a> {
        Batch::default()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    fn push(
        mut self,
        op: &'static str,
        object: impl Display,
        flags: u16,
        message: RouteNetlinkMessage,
    ) -> Self {
        self.requests.push(Request { op, object: object.to_string(), message, flags });
        self
    }

    /// A bridge.
    #[must_use]
    pub fn bridge(self, new: &NewLink) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::bridge(new));
        self.push("create", format_args!("bridge {}", new.name), NEW, message)
    }

    /// A bridge that is a plain switch: it floods multicast, and sends nothing of its own.
    #[must_use]
    pub fn switch(self, new: &NewLink) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::switch(new));
        self.push("create", format_args!("switch {}", new.name), NEW, message)
    }

    /// A veth pair: `new` here, `peer` directly in `netns` (here too, if none is given). The peer stays off until
    /// [`Batch::up`] in its own namespace: the kernel cannot open it while the pair is made.
    #[must_use]
    pub fn veth(self, new: &NewLink, peer: &NewLink, netns: Option<BorrowedFd<'a>>) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::veth(new, peer, netns));
        self.push("create", format_args!("veth pair {} and {}", new.name, peer.name), NEW, message)
    }

    /// A MACVLAN device of the link with that index here, directly in `netns` (here too, if none is given). Those of one link reach each
    /// other, and not the link itself.
    #[must_use]
    pub fn macvlan(self, new: &NewLink, lower: u32, netns: Option<BorrowedFd<'a>>) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::macvlan(new, lower, netns));
        self.push("create", format_args!("macvlan {}", new.name), NEW, message)
    }

    /// A VXLAN device, directly in `netns`. Its packets travel in the namespace of the connection.
    #[must_use]
    pub fn vxlan(self, new: &NewVxlan, netns: Option<BorrowedFd<'a>>) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::vxlan(new, netns));
        self.push(
            "create",
            format_args!("vxlan {} with id {}", new.link.name, new.settings.vni),
            NEW,
            message,
        )
    }

    /// Forbids a bridge port to talk to other isolated ports.
    #[must_use]
    pub fn isolate(self, index: u32, name: &str) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::isolated(index));
        self.push("isolate", format_args!("bridge port {name}"), 0, message)
    }

    /// Lets a bridge port send back by itself what came in by it.
    #[must_use]
    pub fn hairpin(self, index: u32, name: &str) -> Self {
        let message = RouteNetlinkMessage::NewLink(link::hairpin(index));
        self.push("let bend back", format_args!("bridge port {name}"), 0, message)
    }

    /// Switches a link on.
    #[must_use]
    pub fn up(self, index: u32, name: &str) -> Self {
        let message = RouteNetlinkMessage::SetLink(link::up(index, true));
        self.push("switch on", format_args!("link {name}"), 0, message)
    }

    /// Switches a link off.
    #[must_use]
    pub fn down(self, index: u32, name: &str) -> Self {
        let message = RouteNetlinkMessage::SetLink(link::up(index, false));
        self.push("switch off", format_args!("link {name}"), 0, message)
    }

    /// Sets the longest packet of a link, in bytes.
    #[must_use]
    pub fn mtu(self, index: u32, name: &str, mtu: u32) -> Self {
        let message = RouteNetlinkMessage::SetLink(link::mtu(index, mtu));
        self.push("set the MTU of", format_args!("link {name}"), 0, message)
    }

    /// Makes a link the port of a bridge, or of none any more.
    #[must_use]
    pub fn master(self, index: u32, name: &str, bridge: Option<u32>) -> Self {
        let message = RouteNetlinkMessage::SetLink(link::master(index, bridge));
        self.push("set the bridge of", format_args!("link {name}"), 0, message)
    }

    /// Removes a link. Slow (an RCU grace period, 16 ms): where a namespace can be dropped instead, drop it.
    #[must_use]
    pub fn remove_link(self, index: u32, name: &str) -> Self {
        let mut message = LinkMessage::default();
        message.header = LinkHeader { index, ..LinkHeader::default() };
        self.push("remove", format_args!("link {name}"), 0, RouteNetlinkMessage::DelLink(message))
    }

    /// Lets a link send everything so much later, up to the whole nanosecond.
    #[must_use]
    pub fn delay(self, index: u32, name: &str, time: Duration) -> Self {
        self.push("delay", format_args!("what link {name} sends"), SET, delay::set(index, time))
    }

    /// Lets a link send at once again. What waits then is lost.
    #[must_use]
    pub fn remove_delay(self, index: u32, name: &str) -> Self {
        self.push("remove", format_args!("the delay of link {name}"), 0, delay::remove(index))
    }

    /// An address, without a broadcast address: Docker 17.03 set none (20.10 does). An IPv6 one is valid at once, without duplicate
    /// address detection, as Docker adds it (`osl/interface_linux.go`, `IFA_F_NODAD`).
    #[must_use]
    pub fn address(self, dev: u32, net: IpNet) -> Self {
        let mut message = AddressMessage::default();
        message.header.family = family(net.addr());
        message.header.prefix_len = net.prefix_len();
        message.header.index = dev;
        message.header.scope =
            if net.addr().is_loopback() { AddressScope::Host } else { AddressScope::Universe };
        if matches!(net, IpNet::V6(_)) {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        message.attributes = vec![AddressAttribute::Local(net.addr()), AddressAttribute::Address(net.addr())];
        self.push("add", format_args!("address {net}"), NEW, RouteNetlinkMessage::NewAddress(message))
    }

    /// The default route of IPv4.
    #[must_use]
    pub fn default_route(self, gateway: Ipv4Addr, dev: u32) -> Self {
        let message = route(Ipv4Net::default().into(), Some(gateway.into()), dev);
        self.push(
            "add",
            format_args!("default route via {gateway}"),
            NEW,
            RouteNetlinkMessage::NewRoute(message),
        )
    }

    /// A route to `to` through `gateway`, which is of the same family.
    #[must_use]
    pub fn route(self, to: IpNet, gateway: IpAddr, dev: u32) -> Self {
        let message = route(to, Some(gateway), dev);
        self.push(
            "add",
            format_args!("route {to} via {gateway}"),
            NEW,
            RouteNetlinkMessage::NewRoute(message),
        )
    }

    /// Removes a route of the main table, whoever made it; `None` is the default route of IPv4.
    #[must_use]
    pub fn remove_route(self, to: Option<IpNet>, dev: u32) -> Self {
        let mut message = route(to.unwrap_or(Ipv4Net::default().into()), None, dev);
        // Whatever they are (`fib_table_delete` in the kernel's `net/ipv4/fib_trie.c`).
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        let what = to.map_or_else(|| "default route".to_owned(), |to| format!("route to {to}"));
        self.push("remove", what, 0, RouteNetlinkMessage::DelRoute(message))
    }

    /// A permanent neighbour entry: `ip` is at `mac`.
    #[must_use]
    pub fn neighbour(self, dev: u32, ip: IpAddr, mac: Mac) -> Self {
        let message = RouteNetlinkMessage::NewNeighbour(arp(dev, ip, Some(mac)));
        self.push("set", format_args!("neighbour {ip} at {mac}"), SET, message)
    }

    /// Answers a device that is asking for the MAC of `ip`, or has asked: what it holds back for it leaves. It is taken as an ARP
    /// reply is, and forgotten as one. An error that [is missing](crate::Error::is_missing) if it never asked.
    #[must_use]
    pub fn resolve(self, dev: u32, ip: IpAddr, mac: Mac) -> Self {
        let mut message = arp(dev, ip, Some(mac));
        message.header.state = NeighbourState::Stale;
        let message = RouteNetlinkMessage::NewNeighbour(message);
        self.push("set", format_args!("learned neighbour {ip} at {mac}"), NLM_F_REPLACE, message)
    }

    /// Removes a neighbour entry.
    #[must_use]
    pub fn remove_neighbour(self, dev: u32, ip: IpAddr) -> Self {
        let message = RouteNetlinkMessage::DelNeighbour(arp(dev, ip, None));
        self.push("remove", format_args!("neighbour {ip}"), 0, message)
    }

    /// How long IPv4 neighbours of a link are believed that have answered: between a half and one and a half of this, drawn by the
    /// kernel; and a fourth of it until one that is talked to then is asked again (`base_reachable_time_ms`, `delay_first_probe_time`,
    /// ip-sysctl.rst). If the second were longer than the first, the kernel would ask for ever: asking counts as talking.
    #[must_use]
    pub fn believe_neighbours(self, dev: u32, name: &str, time: Duration) -> Self {
        let mut message = NeighbourTableMessage::default();
        message.header.family = AddressFamily::Inet;
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        message.attributes = vec![
            // `arp_tbl.id` of `net/ipv4/arp.c`.
            NeighbourTableAttribute::Name("arp_cache".to_owned()),
            NeighbourTableAttribute::Parms(vec![
                NeighbourTableParameter::Ifindex(dev),
                NeighbourTableParameter::BaseReachableTime(millis),
                NeighbourTableParameter::DelayProbeTime(millis / 4),
            ]),
        ];
        let message = RouteNetlinkMessage::SetNeighbourTable(message);
        self.push("set", format_args!("how long neighbours of {name} are believed"), 0, message)
    }

    /// A permanent forwarding entry of a VXLAN device: `mac` is behind `vtep`.
    #[must_use]
    pub fn fdb(self, dev: u32, mac: Mac, vtep: IpAddr) -> Self {
        let message = RouteNetlinkMessage::NewNeighbour(fdb(dev, mac, Some(vtep), NeighbourFlags::Own));
        self.push("set", format_args!("fdb entry {mac} behind {vtep}"), SET, message)
    }

    /// Removes a forwarding entry of a VXLAN device.
    #[must_use]
    pub fn remove_fdb(self, dev: u32, mac: Mac, vtep: Option<IpAddr>) -> Self {
        let message = RouteNetlinkMessage::DelNeighbour(fdb(dev, mac, vtep, NeighbourFlags::Own));
        self.push("remove", format_args!("fdb entry {mac}"), 0, message)
    }

    /// Tells a bridge that `mac` is behind its port `dev`, as if a frame had come from there: whatever it had learned is
    /// forgotten, and this is, too, after as long. The port has to be running.
    #[must_use]
    pub fn learn(self, dev: u32, mac: Mac) -> Self {
        let mut message = fdb(dev, mac, None, NeighbourFlags::Controller);
        message.header.state = NeighbourState::Reachable;
        self.push(
            "set",
            format_args!("learned fdb entry {mac}"),
            SET,
            RouteNetlinkMessage::NewNeighbour(message),
        )
    }
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn route(to: IpNet, gateway: Option<IpAddr>, dev: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.addr());
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    // What `ip route add` uses, and Docker; shown without `proto`.
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = if gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Oif(dev));
    if to.prefix_len() > 0 {
        message.header.destination_prefix_length = to.prefix_len();
        message.attributes.push(RouteAttribute::Destination(RouteAddress::from(to.network())));
    }
    if let Some(gateway) = gateway {
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
    }
    message
}

fn arp(dev: u32, ip: IpAddr, mac: Option<Mac>) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = dev;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unspec;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(ip)));
    message.attributes.extend(mac.map(|mac| NeighbourAttribute::LinkLayerAddress(mac.0.to_vec())));
    message
}

fn fdb(dev: u32, mac: Mac, vtep: Option<IpAddr>, table: NeighbourFlags) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = dev;
    message.header.state = NeighbourState::Permanent;
    message.header.flags = table;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    message.attributes.extend(vtep.map(|ip| NeighbourAttribute::Destination(NeighbourAddress::from(ip))));
    message
}
