//! What the switch is to lose, as an nftables table.
//!
//! The table is of the bridge family and hangs on its forward hook: there a frame is seen once for each port that it leaves
//! by, floods included, with both ports known. So a cut between two hosts takes just what one would have heard of the other,
//! and the sender's own stack never learns of it, which it would where it sends (an `ENOBUFS` that is tried again).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use kernel::Mac;
use kernel::header::{self, ARP, ICMP, ICMPV6, IPV4, IPV6, NEIGHBOURS, TCP, UDP, VXLAN};
use kernel::nft::{Action, Base, Chain, Family, Hook, Match, Rule, Table};

use super::{Active, Fault, FaultId, Filter, Protocol, Tunnel};
use crate::error::{Error, Result};
use crate::topology::{HostName, NetworkName};
use crate::underlay::Bridge;

/// The table's name.
pub(crate) const TABLE: &str = "faults";
/// The conventional priority of filters in bridges (`NF_BR_PRI_FILTER_BRIDGED`, `linux/netfilter_bridge.h`). Not 0: there
/// br_netfilter takes frames over, and kernels before 6.18 or so go on behind it.
const PRIORITY: i32 = -200;
/// How long IPv6's header is.
const IPV6_HEADER: u32 = bytes(header::IPV6_HEADER);
/// Where neighbour solicitations and advertisements say whom they are about.
const TARGET: u32 = bytes(header::NEIGHBOURS_TARGET);
/// Where the parts of VXLAN are behind the outer UDP header's beginning: the VNI in bytes 4 to 6 of its header, then the type of the inner
/// Ethernet header, its last two bytes (RFC 7348 §5).
const TUNNEL: u32 = bytes(header::UDP_HEADER + header::VXLAN_HEADER);
const VNI: u32 = bytes(header::UDP_HEADER) + 4;
const INNER: u32 = TUNNEL + bytes(header::ETHERNET_HEADER);
const INNER_TYPE: u32 = INNER - 2;
/// The first byte of an IPv4 header without options, and where the next one begins then (RFC 791 §3.1).
const PLAIN_IPV4: u8 = 0x45;
const IPV4_HEADER: u32 = bytes(header::IPV4_HEADER);

/// A length as rules have it.
#[expect(clippy::cast_possible_truncation, reason = "headers are short")]
const fn bytes(length: usize) -> u32 {
    length as u32
}

/// What the rules have to know of the lab.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The hosts, in the file's order.
    pub(crate) hosts: Vec<HostName>,
    /// Where each host is plugged in.
    pub(crate) ports: BTreeMap<HostName, PluggedIn>,
    /// The VNIs of each overlay network that a fault names.
    pub(crate) vnis: BTreeMap<NetworkName, Vec<u32>>,
}

/// Where a host is plugged in.
#[derive(Clone, Debug)]
pub(crate) struct PluggedIn {
    /// The switch's port, by name.
    pub(crate) port: String,
    /// The bridge that this is a port of: a large switch has several.
    pub(crate) bridge: Bridge,
    /// Whom its frames are from.
    pub(crate) mac: Mac,
}

/// The table that loses what the faults say; `None` if none of them says so. Each rule carries its fault's number.
pub(crate) fn table(faults: &[Active], names: &Names) -> Result<Option<Table>> {
    let mut rules = Vec::new();
    for Active { id, fault, .. } in faults {
        match fault {
            Fault::Partition(partition) => {
                for (from, to) in partition.cuts(&names.hosts)? {
                    let ends = between(names, Some(&from), Some(&to))?;
                    rules.push(Rule::when(ends, Action::Drop).saying(comment(*id)));
                }
            }
            Fault::Drop { only, from, to, both } => {
                let mut ways = vec![(from, to)];
                if *both && (from.is_some() || to.is_some()) {
                    ways.push((to, from));
                }
                for (from, to) in ways {
                    let ends = between(names, from.as_ref(), to.as_ref())?;
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

/// Frames that come in from one host and go out to another, as far as it is said which. On another bridge than its own a frame comes in by
/// a trunk, whoever it is from; there its sender's MAC tells.
fn between(names: &Names, from: Option<&HostName>, to: Option<&HostName>) -> Result<Vec<Match>> {
    let (from, to) = (
        from.map(|host| plugged_in(names, host)).transpose()?,
        to.map(|host| plugged_in(names, host)).transpose()?,
    );
    let mut ends = Vec::new();
    if let Some(from) = from {
        ends.push(match to {
            Some(to) if to.bridge != from.bridge => sent_by(from.mac),
            _ => Match::In(from.port.clone()),
        });
    }
    ends.extend(to.map(|to| Match::Out(to.port.clone())));
    Ok(ends)
}

fn plugged_in<'a>(names: &'a Names, host: &HostName) -> Result<&'a PluggedIn> {
    let known = names.ports.keys().map(HostName::as_str);
    names.ports.get(host).ok_or_else(|| Error::no_such("host", host.as_str(), known))
}

/// Ethernet's source address is behind its destination's six bytes (IEEE 802.3, 3.2).
fn sent_by(mac: Mac) -> Match {
    Match::Payload { base: Base::Link, offset: 6, value: mac.0.to_vec() }
}

/// Where a packet is: by itself, or in a tunnel.
#[derive(Clone, Copy)]
enum Layer {
    Outer,
    Inner,
}

/// A version of IP.
#[derive(Clone, Copy)]
enum Version {
    V4,
    V6,
}

impl Layer {
    fn ether_type(self, number: u16) -> Match {
        match self {
            Self::Outer => Match::EtherType(number),
            Self::Inner => at(INNER_TYPE, &number.to_be_bytes()),
        }
    }

    /// Bytes so far behind the beginning of the header of IP or ARP.
    fn bytes(self, offset: u32, value: &[u8]) -> Match {
        match self {
            Self::Outer => Match::Payload { base: Base::Network, offset, value: value.to_vec() },
            Self::Inner => at(INNER + offset, value),
        }
    }

    /// A packet of that version of IP.
    fn ip(self, version: Version) -> Match {
        self.ether_type(match version {
            Version::V4 => IPV4,
            Version::V6 => IPV6,
        })
    }

    /// A packet of that protocol. In a tunnel one of IPv6 is known only if nothing stands between its two headers.
    fn protocol(self, version: Version, number: u8) -> Vec<Match> {
        let protocol = match (self, version) {
            (Self::Outer, _) => Match::Protocol(number),
            (Self::Inner, Version::V4) => self.bytes(9, &[number]),
            (Self::Inner, Version::V6) => self.bytes(6, &[number]),
        };
        vec![self.ip(version), protocol]
    }

    /// An IPv4 packet from there, and to there.
    fn addresses(self, ip: Ipv4Addr) -> [Match; 2] {
        match self {
            Self::Outer => [Match::Source(Ipv4Net::from(ip)), Match::Destination(Ipv4Net::from(ip))],
            Self::Inner => [12, 16].map(|offset| self.bytes(offset, &ip.octets())),
        }
    }

    /// An IPv6 packet from there, and to there.
    fn addresses6(self, ip: Ipv6Addr) -> [Match; 2] {
        [8, 24].map(|offset| self.bytes(offset, &ip.octets()))
    }

    /// An ARP packet by there, and asking for it: the sender's and the target's protocol address (RFC 826).
    fn arp_addresses(self, ip: Ipv4Addr) -> [Match; 2] {
        [14, 24].map(|offset| self.bytes(offset, &ip.octets()))
    }

    /// A neighbour solicitation that asks for there, and an advertisement of it: others hear them than who is there.
    fn neighbour(self, ip: Ipv6Addr) -> [Vec<Match>; 2] {
        NEIGHBOURS.map(|kind| {
            let about = [(0, &[kind][..]), (TARGET, &ip.octets())];
            let about = about.map(|(offset, value)| self.bytes(IPV6_HEADER + offset, value));
            [self.protocol(Version::V6, ICMPV6), about.to_vec()].concat()
        })
    }

    /// TCP or UDP from that port, and to it.
    fn ports(self, version: Version, number: u16) -> [Vec<Match>; 2] {
        let number = number.to_be_bytes();
        [0, 2].map(|offset| match (self, version) {
            (Self::Outer, _) => {
                vec![Match::Payload { base: Base::Transport, offset, value: number.to_vec() }]
            }
            (Self::Inner, Version::V4) => {
                vec![self.bytes(0, &[PLAIN_IPV4]), self.bytes(IPV4_HEADER + offset, &number)]
            }
            (Self::Inner, Version::V6) => vec![self.bytes(IPV6_HEADER + offset, &number)],
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
            let encapsulated =
                [Layer::Outer.protocol(Version::V4, UDP), vec![Match::DestinationPort(VXLAN)]].concat();
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
    if (filter.protocol, filter.address, filter.port) == (None, None, None) {
        return vec![Vec::new()];
    }
    match filter.address {
        None => [arp(filter, layer), ip(filter, layer, Version::V4), ip(filter, layer, Version::V6)].concat(),
        // By the family, since addresses are elsewhere in each.
        Some(IpAddr::V4(ip4)) => {
            let arp = product(&arp(filter, layer), &layer.arp_addresses(ip4).map(|end| vec![end]));
            let ends = layer.addresses(ip4).map(|end| vec![end]);
            [arp, product(&ip(filter, layer, Version::V4), &ends)].concat()
        }
        Some(IpAddr::V6(ip6)) => {
            let ends = layer.addresses6(ip6).map(|end| vec![end]);
            let mut found = product(&ip(filter, layer, Version::V6), &ends);
            if matches!((filter.protocol, filter.port), (None | Some(Protocol::Icmpv6), None)) {
                found.extend(layer.neighbour(ip6));
            }
            found
        }
    }
}

/// Those of ARP, wherever from and to.
fn arp(filter: &Filter, layer: Layer) -> Vec<Vec<Match>> {
    let meant = matches!((filter.protocol, filter.port), (None | Some(Protocol::Arp), None));
    Vec::from_iter(meant.then(|| vec![layer.ether_type(ARP)]))
}

/// Those of a version of IP, wherever from and to.
fn ip(filter: &Filter, layer: Layer, version: Version) -> Vec<Vec<Match>> {
    let numbers: &[u8] = match (filter.protocol, version) {
        (Some(Protocol::Arp | Protocol::Icmp | Protocol::Icmpv6), _) if filter.port.is_some() => &[],
        (None, _) if filter.port.is_some() => &[TCP, UDP],
        (None, _) => return vec![vec![layer.ip(version)]],
        (Some(Protocol::Icmp), Version::V4) => &[ICMP],
        (Some(Protocol::Icmpv6), Version::V6) => &[ICMPV6],
        (Some(Protocol::Tcp), _) => &[TCP],
        (Some(Protocol::Udp), _) => &[UDP],
        (Some(Protocol::Arp | Protocol::Icmp | Protocol::Icmpv6), _) => &[],
    };
    let found: Vec<_> = numbers.iter().map(|number| layer.protocol(version, *number)).collect();
    match filter.port {
        None => found,
        Some(port) => product(&found, &layer.ports(version, port)),
    }
}

fn product(left: &[Vec<Match>], right: &[Vec<Match>]) -> Vec<Vec<Match>> {
    left.iter().flat_map(|one| right.iter().map(|other| [one.clone(), other.clone()].concat())).collect()
}
