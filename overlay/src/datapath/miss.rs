//! What vxlan devices miss, and what is done about it.
//!
//! With [`Resolution::OnMiss`] a peer is programmed when it is missed first, as in Docker's classic mode; with
//! [`Resolution::Store`] all are, and a miss only tells that somebody took an entry away.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kernel::rtnl::{Miss, Missed, Misses};
use kernel::vnet::VnetHeader;
use kernel::wire::End;
use kernel::{Batch, Mac};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::converge::{Datapath, Report};
use crate::id::NetworkId;
use crate::ledger::View;
use crate::model::Network;

/// How peers get into the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// All of them, as soon as the store says so.
    #[default]
    Store,
    /// Each when a packet to it is missed for the first time.
    OnMiss,
}

/// What was missed since the engine began, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissCounts {
    /// Addresses that were asked for and not known (`l3miss`), repetitions included.
    pub addresses: u64,
    /// Hardware addresses of which it was not known where they are (`l2miss`), repetitions included.
    pub macs: u64,
    /// Peers that were programmed because of it.
    pub answered: u64,
    /// Of those missed, how many are no peer's: nobody's, or of this very host, since the kernel asks for those, too.
    pub strangers: u64,
    /// How often the kernel had more to say than it had room for.
    pub overflows: u64,
}

/// Where misses are told, by the network in whose namespace they were.
pub(super) type Tell = UnboundedSender<(NetworkId, Missed)>;

/// Somebody who listens for the misses in a namespace, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener(AbortHandle);

impl Listener {
    /// Listens on the current runtime.
    pub(super) fn start(misses: Misses, network: NetworkId, tell: Tell) -> io::Result<Listener> {
        let misses = misses.stream()?;
        let listen = async move {
            while let Ok(missed) = misses.next().await {
                if tell.send((network, missed)).is_err() {
                    return;
                }
            }
        };
        Ok(Listener(tokio::spawn(listen).abort_handle()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Datapath {
    /// Makes known what was missed, if a peer has it.
    pub(crate) fn answer(&mut self, view: &View, network: NetworkId, missed: &Missed) -> Report {
        let mut report = Report::default();
        self.misses.overflows += u64::from(missed.overflowed);
        let Some(found) = view.networks.get(&network) else { return report };
        let peers = view.peers(network, self.vtep);
        let mut answered = BTreeSet::new();
        for miss in &missed.all {
            let peer = match miss {
                Miss::Address(_, ip) => {
                    self.misses.addresses += 1;
                    Some(*ip).filter(|ip| peers.contains_key(ip))
                }
                Miss::Mac(_, mac) => {
                    self.misses.macs += 1;
                    peers.iter().find(|(_, peer)| peer.mac == *mac).map(|(ip, _)| *ip)
                }
            };
            match peer {
                Some(ip) => drop(answered.insert(ip)),
                None => self.misses.strangers += 1,
            }
        }
        if answered.is_empty() {
            return report;
        }
        let resolved = self.resolved.entry(network).or_default();
        self.misses.answered += answered.difference(resolved).count() as u64;
        resolved.extend(&answered);
        // What is not known although it was programmed was taken away by somebody.
        if let Some(overlay) = self.overlays.get_mut(&network) {
            report.take("look at what was missed", overlay.look().map(drop));
        }
        self.program(view, &found.value.network, &mut report);
        for ip in answered {
            if let Some(peer) = peers.get(&ip) {
                self.announce(&found.value.network, ip, peer.mac);
            }
        }
        report
    }

    /// Tells the containers here, and the bridge that routes for those of other subnets, the MAC of an address. Who has asked for
    /// it holds packets back and would ask again only after a second (`net.ipv4.neigh.*.retrans_time_ms`).
    fn announce(&self, network: &Network, ip: IpAddr, mac: Mac) {
        let (Some(overlay), Some(subnet)) = (self.overlays.get(&network.id), network.subnet_of(ip)) else {
            return;
        };
        let Some(segment) = overlay.segments.get(&subnet.v4.net) else { return };
        let frame = match ip {
            IpAddr::V4(ip) => arp_reply(ip, mac),
            IpAddr::V6(ip) => neighbour_advertisement(ip, mac),
        };
        let sent = End::sending(&overlay.netns, segment.bridge, &segment.bridge_name)
            .map_err(|error| error.to_string())
            .and_then(|end| end.send(&VnetHeader::default(), &frame).map_err(|e| e.to_string()));
        if let Err(error) = sent {
            tracing::debug!(host = self.host.name(), %error, "an address was not announced: its asker will ask again");
        }
        // A bridge does not hear what is sent from it.
        match overlay.rtnl.apply(&Batch::new().resolve(segment.bridge, ip, mac)) {
            Err(error) if !error.is_missing() => {
                tracing::debug!(host = self.host.name(), %error, "a bridge was not told an address: it will ask again");
            }
            _ => {}
        }
    }
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
