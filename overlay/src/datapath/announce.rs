//! Telling those here which MAC an address has, before they ask and although they believe that they know.
//!
//! An IPv4 address has the same MAC whoever has it, since Docker makes the one of the other. One of IPv6 has the MAC of who has it
//! now, and whoever has talked to the one before goes on sending to that for as long as the kernel trusts what it has heard (half a
//! minute and more, RFC 4861 §6.3.2).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kernel::vnet::VnetHeader;
use kernel::wire::End;
use kernel::{Batch, Mac, Netns, Result};

use super::converge::Datapath;
use crate::model::Network;

/// MACs by address.
pub(super) type Macs = BTreeMap<IpAddr, Mac>;

impl Datapath {
    /// Tells the containers here, and the bridge that routes for those of other subnets, the MACs of addresses.
    pub(super) fn announce(&self, network: &Network, macs: &Macs) {
        let Some(overlay) = self.overlays.get(&network.id) else { return };
        for subnet in &network.subnets {
            let within: Macs =
                macs.iter().filter(|(ip, _)| subnet.contains(**ip)).map(|(ip, mac)| (*ip, *mac)).collect();
            let Some(segment) = overlay.segments.get(&subnet.v4.net).filter(|_| !within.is_empty()) else {
                continue;
            };
            if let Err(error) = say(&overlay.netns, segment.bridge, &segment.bridge_name, &within) {
                tracing::debug!(host = self.host.name(), %error, "not announced: who wants to know has to ask");
            }
            // A bridge does not hear what is sent from it.
            let told =
                within.iter().fold(Batch::new(), |all, (ip, mac)| all.resolve(segment.bridge, *ip, *mac));
            for error in overlay.rtnl.apply_all(&told).iter().filter(|error| !error.is_missing()) {
                tracing::debug!(host = self.host.name(), %error, "a bridge was not told an address: it has to ask");
            }
        }
    }

    /// Announces those of the peers' addresses that were another MAC's before, or nobody's for a while.
    pub(super) fn announce_moved(&mut self, network: &Network, now: Macs) {
        let Some(overlay) = self.overlays.get_mut(&network.id) else { return };
        // In a new overlay nobody has heard of anybody.
        let moved = overlay.announced.as_ref().map(|before| {
            let new = now.iter().filter(|(ip, mac)| before.get(ip) != Some(mac));
            new.map(|(ip, mac)| (*ip, *mac)).collect()
        });
        overlay.announced = Some(now);
        self.announce(network, &moved.unwrap_or_default());
    }
}

/// Says it from a link, to all that are on its segment but itself.
pub(super) fn say(netns: &Netns, link: u32, name: &str, macs: &Macs) -> Result<()> {
    let end = End::sending(netns, link, name)?;
    macs.iter().try_for_each(|(ip, mac)| {
        let frame = match ip {
            IpAddr::V4(ip) => arp_reply(*ip, *mac),
            IpAddr::V6(ip) => neighbour_advertisement(*ip, *mac),
        };
        end.send(&VnetHeader::default(), &frame)
            .map(drop)
            .map_err(|why| kernel::Error::new("send", name, why))
    })
}

/// An unasked reply to everybody (RFC 826, RFC 5227 §3): that address has that MAC.
fn arp_reply(ip: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let everybody = [0xff; 6];
    let mut frame = Vec::with_capacity(42);
    frame.extend(everybody);
    frame.extend(mac.0);
    frame.extend([0x08, 0x06]);
    // Ethernet, IPv4, lengths of their addresses, a reply.
    frame.extend([0, 1, 0x08, 0, 6, 4, 0, 2]);
    frame.extend(mac.0);
    frame.extend(ip.octets());
    frame.extend(everybody);
    frame.extend(ip.octets());
    frame
}

/// The same for IPv6 (RFC 4861, 4.4 and 7.2.6): an advertisement that nobody solicited, to all nodes.
fn neighbour_advertisement(ip: Ipv6Addr, mac: Mac) -> Vec<u8> {
    // ICMPv6 type, override what is known, the target, an option with its link-layer address (two, of 8 bytes).
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(ip.octets());
    message.extend([2, 1]);
    message.extend(mac.0);
    let len = u8::try_from(message.len()).unwrap_or_default();
    // The checksum covers a header of its own (RFC 8200, 8.1).
    let mut covered = [ip.octets(), ALL_NODES.octets()].concat();
    covered.extend([0, 0, 0, len, 0, 0, 0, ICMP_V6]);
    covered.extend(&message);
    message[2..4].copy_from_slice(&kernel::icmp::checksum(&covered).to_be_bytes());

    let mut frame = Vec::with_capacity(86);
    // Its last four bytes (RFC 2464, 7).
    frame.extend([0x33, 0x33, 0, 0, 0, 1]);
    frame.extend(mac.0);
    frame.extend([0x86, 0xdd]);
    // Only what comes with the whole hop limit is from this link.
    frame.extend([0x60, 0, 0, 0, 0, len, ICMP_V6, 255]);
    frame.extend(ip.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

/// `IPPROTO_ICMPV6`.
const ICMP_V6: u8 = 58;
/// All nodes of a link (RFC 4291, 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_of_rfc_826() {
        let frame = arp_reply(Ipv4Addr::new(192, 168, 0, 2), Mac::of(Ipv4Addr::new(192, 168, 0, 2)));
        let text: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            text.join(""),
            "ffffffffffff0242c0a80002080600010800060400020242c0a80002c0a80002ffffffffffffc0a80002"
        );
    }

    #[test]
    fn an_advertisement_is_one_of_rfc_4861() {
        let mac = Mac::of(Ipv4Addr::new(10, 73, 0, 2));
        let frame = neighbour_advertisement(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2), mac);
        let text: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            text.join(""),
            concat!(
                "33330000000102420a49000286dd",
                "6000000000203aff",
                "fd000001000000000000000000000002ff020000000000000000000000000001",
                "8800500b20000000fd000001000000000000000000000002020102420a490002"
            )
        );
    }
}
