//! What the switch is to lose, as an nftables table.
//!
//! The table is of the bridge family and hangs on its forward hook: there a frame is seen once for each port that it leaves
//! by, floods included, with both ports known. So a cut between two hosts takes just what one would have heard of the other,
//! and the sender's own stack never learns of it, which it would where it sends (an `ENOBUFS` that is tried again).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use kernel::nft::{Action, Base, Chain, Family, Hook, Match, Rule, Table};

use super::{Active, Fault, FaultId, Filter, Protocol, Tunnel};
use crate::error::{Error, Result};
use crate::topology::{HostName, NetworkName};

/// The table's name.
pub(crate) const TABLE: &str = "faults";
/// The conventional priority of filters in bridges (`NF_BR_PRI_FILTER_BRIDGED`, `linux/netfilter_bridge.h`). Not 0: there
/// br_netfilter takes frames over, and kernels before 6.18 or so go on behind it.
const PRIORITY: i32 = -200;
/// `EtherType`s: IPv4 (RFC 894), ARP (RFC 826).
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
/// `IPPROTO_*`.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// VXLAN's port, and where its parts are behind the outer UDP header's beginning: 8 bytes of UDP, 8 of VXLAN with the VNI in
/// bytes 4 to 6, 14 of Ethernet (RFC 7348 §5).
const VXLAN: u16 = 4789;
const VNI: u32 = 8 + 4;
const INNER_TYPE: u32 = 8 + 8 + 12;
const INNER: u32 = 8 + 8 + 14;
/// The first byte of an IPv4 header without options: then the next one begins 20 bytes later.
const PLAIN_IPV4: u8 = 0x45;

/// What the rules have to know of the lab.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The hosts, in the file's order.
    pub(crate) hosts: Vec<HostName>,
    /// The bridge port of each host.
    pub(crate) ports: BTreeMap<HostName, String>,
    /// The VNIs of each overlay network that a fault names.
    pub(crate) vnis: BTreeMap<NetworkName, Vec<u32>>,
}

/// The table that loses what the faults say; `None` if none of them says so. Each rule carries its fault's number.
pub(crate) fn table(faults: &[Active], names: &Names) -> Result<Option<Table>> {
    let mut rules = Vec::new();
    for Active { id, fault, .. } in faults {
        match fault {
            Fault::Partition(partition) => {
                for (from, to) in partition.cuts(&names.hosts)? {
                    let ends = [Match::In(port(names, &from)?), Match::Out(port(names, &to)?)];
                    rules.push(Rule::when(ends, Action::Drop).saying(comment(*id)));
                }
            }
            Fault::Drop { only, from, to, both } => {
                let mut ways = vec![(from, to)];
                if *both && (from.is_some() || to.is_some()) {
                    ways.push((to, from));
                }
                for (from, to) in ways {
                    let mut ends = Vec::new();
                    if let Some(from) = from {
                        ends.push(Match::In(port(names, from)?));
                    }
                    if let Some(to) = to {
                        ends.push(Match::Out(port(names, to)?));
                    }
                    for matches in alternatives(only, names)? {
                        let all: Vec<Match> = ends.iter().cloned().chain(matches).collect();
                        rules.push(Rule::when(all, Action::Drop).saying(comment(*id)));
                    }
                }
            }
            _ => {}
        }
    }
    if rules.is_empty() {
        return Ok(None);
    }
    let chain =
        Chain { name: "forward".into(), hook: Hook::Forward, priority: PRIORITY, accept: true, rules };
    Ok(Some(Table { family: Family::Bridge, name: TABLE.into(), chains: vec![chain] }))
}

fn comment(id: FaultId) -> String {
    format!("fault {id}")
}

/// The fault whose rule has that comment.
pub(crate) fn fault_of(comment: &str) -> Option<FaultId> {
    comment.strip_prefix("fault ")?.parse().ok()
}

fn port(names: &Names, host: &HostName) -> Result<String> {
    let known = names.ports.keys().map(HostName::as_str);
    names.ports.get(host).cloned().ok_or_else(|| Error::no_such("host", host.as_str(), known))
}

/// Where a packet is: by itself, or in a tunnel.
#[derive(Clone, Copy)]
enum Layer {
    Outer,
    Inner,
}

impl Layer {
    fn ether_type(self, number: u16) -> Match {
        match self {
            Self::Outer => Match::EtherType(number),
            Self::Inner => at(INNER_TYPE, &number.to_be_bytes()),
        }
    }

    /// An IPv4 packet of that protocol.
    fn protocol(self, number: u8) -> Vec<Match> {
        match self {
            Self::Outer => vec![self.ether_type(IPV4), Match::Protocol(number)],
            Self::Inner => vec![self.ether_type(IPV4), at(INNER + 9, &[number])],
        }
    }

    /// An IPv4 packet from there, and to there.
    fn addresses(self, ip: Ipv4Addr) -> [Match; 2] {
        match self {
            Self::Outer => [Match::Source(Ipv4Net::from(ip)), Match::Destination(Ipv4Net::from(ip))],
            Self::Inner => [12, 16].map(|offset| at(INNER + offset, &ip.octets())),
        }
    }

    /// An ARP packet by there, and asking for it: the sender's and the target's protocol address (RFC 826).
    fn arp_addresses(self, ip: Ipv4Addr) -> [Match; 2] {
        [14, 24].map(|offset| match self {
            Self::Outer => Match::Payload { base: Base::Network, offset, value: ip.octets().to_vec() },
            Self::Inner => at(INNER + offset, &ip.octets()),
        })
    }

    /// TCP or UDP from that port, and to it.
    fn ports(self, number: u16) -> [Vec<Match>; 2] {
        [0, 2].map(|offset| match self {
            Self::Outer => {
                vec![Match::Payload { base: Base::Transport, offset, value: number.to_be_bytes().to_vec() }]
            }
            Self::Inner => vec![at(INNER, &[PLAIN_IPV4]), at(INNER + 20 + offset, &number.to_be_bytes())],
        })
    }
}

/// Bytes behind the beginning of the transport header.
fn at(offset: u32, value: &[u8]) -> Match {
    Match::Payload { base: Base::Transport, offset, value: value.to_vec() }
}

/// The filter as conditions of which one list has to hold.
fn alternatives(filter: &Filter, names: &Names) -> Result<Vec<Vec<Match>>> {
    let mut tunnels = vec![Vec::new()];
    let layer = match &filter.inside {
        None => Layer::Outer,
        Some(tunnel) => {
            let encapsulated = [Layer::Outer.protocol(UDP), vec![Match::DestinationPort(VXLAN)]].concat();
            let vnis = match tunnel {
                Tunnel::Any => None,
                Tunnel::Vni(vni) => Some(vec![*vni]),
                Tunnel::Network(network) => {
                    let known = names.vnis.keys().map(NetworkName::as_str);
                    let vnis = names.vnis.get(network).cloned();
                    Some(vnis.ok_or_else(|| Error::no_such("network", network.as_str(), known))?)
                }
            };
            tunnels = match vnis {
                None => vec![encapsulated],
                Some(vnis) => {
                    let of =
                        |vni: u32| [encapsulated.clone(), vec![at(VNI, &vni.to_be_bytes()[1..])]].concat();
                    vnis.into_iter().map(of).collect()
                }
            };
            Layer::Inner
        }
    };
    let packets = packets(filter, layer);
    let both = tunnels
        .iter()
        .flat_map(|tunnel| packets.iter().map(|packet| [tunnel.clone(), packet.clone()].concat()));
    Ok(both.collect())
}

/// The packets that are meant, on their layer.
fn packets(filter: &Filter, layer: Layer) -> Vec<Vec<Match>> {
    let arp = vec![layer.ether_type(ARP)];
    // By the family, since addresses are elsewhere in ARP.
    let (mut arp, mut ipv4) = match (filter.protocol, filter.port) {
        (Some(Protocol::Arp), None) => (vec![arp], vec![]),
        (Some(Protocol::Icmp), None) => (vec![], vec![layer.protocol(ICMP)]),
        (Some(Protocol::Tcp), _) => (vec![], vec![layer.protocol(TCP)]),
        (Some(Protocol::Udp), _) => (vec![], vec![layer.protocol(UDP)]),
        (None, Some(_)) => (vec![], vec![layer.protocol(TCP), layer.protocol(UDP)]),
        (None, None) if filter.address.is_some() => (vec![arp], vec![vec![layer.ether_type(IPV4)]]),
        (None, None) => return vec![Vec::new()],
        // Neither ARP nor ICMP has ports: nothing is meant.
        (Some(Protocol::Arp | Protocol::Icmp), Some(_)) => (vec![], vec![]),
    };
    if let Some(ip) = filter.address {
        arp = product(&arp, &layer.arp_addresses(ip).map(|end| vec![end]));
        ipv4 = product(&ipv4, &layer.addresses(ip).map(|end| vec![end]));
    }
    if let Some(port) = filter.port {
        ipv4 = product(&ipv4, &layer.ports(port));
    }
    [arp, ipv4].concat()
}

fn product(left: &[Vec<Match>], right: &[Vec<Match>]) -> Vec<Vec<Match>> {
    left.iter().flat_map(|one| right.iter().map(|other| [one.clone(), other.clone()].concat())).collect()
}
