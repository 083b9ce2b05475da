//! What has passed the links of a namespace.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use serde::{Deserialize, Serialize};

use super::Rtnl;
use crate::error::Result;

/// What has passed a link since it was made (`struct rtnl_link_stats64`, `linux/if_link.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The link's name.
    pub link: String,
    /// Packets that it received.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Packets that it sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets of either direction for which there was no room, or nobody to take them.
    pub dropped: u64,
    /// Packets of either direction that were broken.
    pub errors: u64,
}

impl Rtnl {
    /// What has passed each link so far, in the kernel's order.
    pub fn counters(&self) -> Result<Vec<Counters>> {
        let found = self.list("links", RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let of = |message| match message {
            RouteNetlinkMessage::NewLink(message) => Some(counters(message)),
            _ => None,
        };
        Ok(found.into_iter().filter_map(of).collect())
    }
}

fn counters(message: LinkMessage) -> Counters {
    let mut counters = Counters::default();
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => counters.link = name,
            LinkAttribute::Stats64(seen) => {
                (counters.received, counters.received_bytes) = (seen.rx_packets, seen.rx_bytes);
                (counters.sent, counters.sent_bytes) = (seen.tx_packets, seen.tx_bytes);
                counters.dropped = seen.rx_dropped.saturating_add(seen.tx_dropped);
                counters.errors = seen.rx_errors.saturating_add(seen.tx_errors);
            }
            _ => {}
        }
    }
    counters
}
