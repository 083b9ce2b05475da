//! Links to be made, as values.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode};
use rtnetlink::{
    LinkBridge, LinkBridgePort, LinkMacVlan, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan,
};

use super::dump::Vxlan;
use crate::mac::Mac;

/// What every new link has. `NewLink { index: 6, name: "eth0".into(), ..NewLink::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// The interface index, chosen by the caller; free in the namespace where the link is to be.
    pub index: u32,
    /// At most 15 bytes.
    pub name: String,
    /// Random if not given.
    pub mac: Option<Mac>,
    /// In bytes; the kind's own default if not given.
    pub mtu: Option<u32>,
    /// The index of the bridge it is a port of.
    pub master: Option<u32>,
    /// Whether it is switched on at once (it is, unless said otherwise).
    pub up: bool,
}

impl Default for NewLink {
    fn default() -> Self {
        NewLink { index: 0, name: String::new(), mac: None, mtu: None, master: None, up: true }
    }
}

/// A VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVxlan {
    /// What every link has.
    pub link: NewLink,
    /// Its settings.
    pub settings: Vxlan,
}

impl NewLink {
    fn dress<T>(&self, builder: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
        let mut builder = builder.name(self.name.clone()).index(self.index);
        if let Some(mac) = self.mac {
            builder = builder.address(mac.0.to_vec());
        }
        if let Some(mtu) = self.mtu {
            builder = builder.mtu(mtu);
        }
        if let Some(master) = self.master {
            builder = builder.controller(master);
        }
        if self.up { builder.up() } else { builder }
    }
}

/// Without a VLAN that all its ports are in: in a kernel with VLANs of bridges each forwarding entry would be there twice, once
/// for that VLAN. Other kernels pass it over. Docker sets `default_pvid` to 0 on overlays' bridges, too.
pub(super) fn bridge(link: &NewLink) -> LinkMessage {
    link.dress(LinkBridge::new(&link.name)).vlan_default_pvid(0).build()
}

/// Without multicast snooping it joins no group (`br_multicast_join_snoopers`), and so sends no IGMP of its own.
pub(super) fn switch(link: &NewLink) -> LinkMessage {
    link.dress(LinkBridge::new(&link.name)).mcast_snooping(false).build()
}

/// A pair; `peer` is made directly in `netns`. It is configured before the two ends know each other, and
/// `veth_open` then refuses (`drivers/net/veth.c`), so it cannot be switched on in the same message.
///
/// Of its queues a veth uses one unless it is told otherwise. Not saying so makes it have one for each processor, and give all but
/// one up again: a wait for RCU at either end (`veth_init_queues`, `netif_set_real_num_tx_queues`).
pub(super) fn veth(link: &NewLink, peer: &NewLink, netns: Option<BorrowedFd<'_>>) -> LinkMessage {
    let off = NewLink { up: false, ..peer.clone() };
    let mut other = one_queue(off.dress(LinkUnspec::new_with_name(&peer.name)));
    if let Some(netns) = netns {
        other = other.setns_by_fd(netns.as_raw_fd());
    }
    let other = other.build();
    let mut message = one_queue(link.dress(LinkVeth::new(&link.name, &peer.name))).build();
    // The builder only names the peer; its MTU, MAC, index and namespace go into its own message.
    for attribute in &mut message.attributes {
        if let LinkAttribute::LinkInfo(infos) = attribute {
            for info in infos {
                if let LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) = info {
                    *peer = other.clone();
                }
            }
        }
    }
    message
}

fn one_queue<T>(builder: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
    builder
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}

/// One of the link with the index `lower` in the namespace of the connection, made directly in `netns`. Those of one link reach each other
/// (`MACVLAN_MODE_BRIDGE`, `linux/if_link.h`), and not the link itself.
pub(super) fn macvlan(link: &NewLink, lower: u32, netns: Option<BorrowedFd<'_>>) -> LinkMessage {
    let mut builder = link.dress(LinkMacVlan::new(&link.name, lower, MacVlanMode::Bridge));
    if let Some(netns) = netns {
        builder = builder.setns_by_fd(netns.as_raw_fd());
    }
    builder.build()
}

/// The device is made in `netns`; its UDP socket stays in the namespace of the connection that asks.
pub(super) fn vxlan(vxlan: &NewVxlan, netns: Option<BorrowedFd<'_>>) -> LinkMessage {
    let settings = &vxlan.settings;
    let mut builder = vxlan.link.dress(LinkVxlan::new(&vxlan.link.name, settings.vni));
    if let Some(netns) = netns {
        builder = builder.setns_by_fd(netns.as_raw_fd());
    }
    builder
        .port(settings.port)
        .proxy(settings.proxy)
        .learning(settings.learning)
        .l2miss(settings.l2miss)
        .l3miss(settings.l3miss)
        .ageing(settings.ageing)
        .build()
}

/// A port's own settings are heard in `RTM_NEWLINK` only: `RTM_SETLINK` passes them over (`rtnl_newlink`, `net/core/rtnetlink.c`).
pub(super) fn isolated(index: u32) -> LinkMessage {
    LinkBridgePort::new(index).isolated(true).build()
}

pub(super) fn hairpin(index: u32) -> LinkMessage {
    LinkBridgePort::new(index).hairpin(true).build()
}

pub(super) fn up(index: u32, up: bool) -> LinkMessage {
    let builder = LinkUnspec::new_with_index(index);
    if up { builder.up().build() } else { builder.down().build() }
}

pub(super) fn mtu(index: u32, mtu: u32) -> LinkMessage {
    LinkUnspec::new_with_index(index).mtu(mtu).build()
}

pub(super) fn master(index: u32, bridge: Option<u32>) -> LinkMessage {
    let builder = LinkUnspec::new_with_index(index);
    match bridge {
        Some(bridge) => builder.controller(bridge).build(),
        None => builder.nocontroller().build(),
    }
}
