//! What rules of the switch do to a frame, told from the frame: they look at nothing else, so that nobody has to ask the kernel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Mac;
use kernel::header::{ETHERNET_HEADER, FRAGMENT_OFFSET, IPV4, IPV6, IPV6_HEADER};
use kernel::nft::{Base, Match, Rule, Table};

use super::dissect::{Extended, address, extended, half, mac};
use super::packet::Packet;
use crate::fault::{FaultId, Names, PluggedIn, fault_of};
use crate::topology::HostName;

/// So many changes of the rules are remembered: many more than there are between a packet and the moment in which it is looked at.
const ERAS: usize = 64;
/// So many hosts are named, more are counted.
const NAMED: usize = 3;

/// Which rules there were, and when. Clones are handles to one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts(Arc<Mutex<VecDeque<Era>>>);

/// How long the rules stayed the same.
#[derive(Debug)]
struct Era {
    /// Since 1970, as packets are stamped.
    from: Duration,
    /// None: they are there still.
    until: Option<Duration>,
    rules: Rules,
}

/// The rules of the switch, and who is plugged in where.
#[derive(Debug)]
struct Rules {
    rules: Vec<(Rule, FaultId)>,
    ports: BTreeMap<HostName, PluggedIn>,
}

impl Cuts {
    /// The rules are about to change: of packets from now on nothing is said.
    pub(crate) fn end(&self) {
        if let Some(latest) = self.eras().back_mut() {
            latest.until.get_or_insert_with(super::record::now);
        }
    }

    /// They have changed.
    pub(crate) fn begin(&self, table: Option<&Table>, names: &Names) {
        let rules = table.into_iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        let of_faults = rules.filter_map(|rule| Some((rule.clone(), fault_of(rule.comment.as_ref()?)?)));
        let rules = Rules { rules: of_faults.collect(), ports: names.ports.clone() };
        let mut eras = self.eras();
        if eras.len() == ERAS {
            eras.pop_front();
        }
        eras.push_back(Era { from: super::record::now(), until: None, rules });
    }

    /// What rules did to a packet that came in at an interface of the switch; nothing is said elsewhere. `bytes` are as much of it as is known.
    pub(super) fn of(&self, interface: &str, packet: &Packet, bytes: &[u8]) -> Option<String> {
        let link = interface.strip_prefix("switch/").filter(|_| !packet.outgoing)?;
        let eras = self.eras();
        let is_then = |era: &&Era| era.from <= packet.at && era.until.is_none_or(|until| packet.at < until);
        eras.iter().rev().find(is_then)?.rules.of(link, bytes)
    }

    fn eras(&self) -> MutexGuard<'_, VecDeque<Era>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    /// What becomes of a frame that comes in by that link. What comes by a trunk is judged by nobody: whose it was, and which part of a
    /// flood went that way, is not known there.
    fn of(&self, link: &str, bytes: &[u8]) -> Option<String> {
        if self.rules.is_empty() {
            return None;
        }
        let frame = Frame::new(link, bytes)?;
        if let Some(id) = self.first(&frame, None) {
            return Some(format!("dropped by fault {id}"));
        }
        let here = self.ports.values().find(|at| at.port == link)?;
        let others = self.ports.iter().filter(|(_, at)| at.port != link && at.bridge == here.bridge);
        if frame.to.is_unicast() {
            let (_, at) = others.into_iter().find(|(_, at)| at.mac == frame.to)?;
            return self.first(&frame, Some(&at.port)).map(|id| format!("dropped by fault {id}"));
        }
        let mut kept: BTreeMap<FaultId, Vec<&str>> = BTreeMap::new();
        for (name, at) in others {
            if let Some(id) = self.first(&frame, Some(&at.port)) {
                kept.entry(id).or_default().push(name.as_str());
            }
        }
        let said = kept.into_iter().map(|(id, hosts)| match hosts.len() {
            ..=NAMED => format!("kept from {} by fault {id}", hosts.join(", ")),
            many => format!("kept from {many} hosts by fault {id}"),
        });
        Some(said.collect::<Vec<_>>().join("; ")).filter(|said| !said.is_empty())
    }

    /// The fault of the first rule that fits. `out`: where the frame would leave; None: wherever that is.
    fn first(&self, frame: &Frame<'_>, out: Option<&str>) -> Option<FaultId> {
        let fits = |rule: &Rule| rule.matches.iter().all(|condition| frame.fits(condition, out));
        self.rules.iter().find(|(rule, _)| fits(rule)).map(|(_, id)| *id)
    }
}

/// A frame, in the parts from which nftables counts.
struct Frame<'a> {
    link: &'a str,
    to: Mac,
    kind: u16,
    bytes: &'a [u8],
    network: &'a [u8],
    /// The protocol that IP carries.
    protocol: Option<u8>,
    /// What is behind IP's headers, if it is not a later fragment.
    transport: Option<&'a [u8]>,
}

impl<'a> Frame<'a> {
    fn new(link: &'a str, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (to, kind) = (mac(bytes, 0)?, half(bytes, 12)?);
        let network = bytes.get(ETHERNET_HEADER..)?;
        let (protocol, transport) = match kind {
            IPV4 => {
                let length = usize::from(network.first()? & 0x0f) * 4;
                let is_first = half(network, 6)? & FRAGMENT_OFFSET == 0;
                (network.get(9).copied(), network.get(length..).filter(|_| is_first))
            }
            IPV6 => {
                let Extended { protocol, bytes, fragment } =
                    extended(*network.get(6)?, network.get(IPV6_HEADER..)?);
                (Some(protocol), Some(bytes).filter(|_| fragment.is_none_or(|from| from == 0)))
            }
            _ => (None, None),
        };
        Some(Frame { link, to, kind, bytes, network, protocol, transport })
    }

    /// Whether a condition holds that rules of the switch have; of others nothing is known.
    fn fits(&self, condition: &Match, out: Option<&str>) -> bool {
        let ip = |at: usize| (self.kind == IPV4).then(|| address(self.network, at)).flatten();
        match condition {
            Match::In(link) => self.link == link,
            Match::Out(link) => out == Some(link),
            Match::EtherType(kind) => self.kind == *kind,
            Match::Protocol(protocol) => self.protocol == Some(*protocol),
            Match::Source(net) => ip(12).is_some_and(|ip| net.contains(&ip)),
            Match::Destination(net) => ip(16).is_some_and(|ip| net.contains(&ip)),
            Match::DestinationPort(port) => self.transport.is_some_and(|bytes| half(bytes, 2) == Some(*port)),
            Match::Payload { base, offset, value } => {
                let bytes = match base {
                    Base::Link => Some(self.bytes),
                    Base::Network => Some(self.network),
                    Base::Transport => self.transport,
                };
                let from = usize::try_from(*offset).ok().and_then(|offset| bytes?.get(offset..));
                from.is_some_and(|bytes| bytes.starts_with(value))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::capture::dissect::tests::{A, B, echo, tunnelled};
    use crate::fault::{Active, Fault, Filter, Partition, Protocol, Tunnel, table};
    use crate::underlay::Port;

    fn host(name: &str) -> HostName {
        name.parse().expect("a name")
    }

    /// a, b, c and d at ports 0 to 3, and far on another bridge.
    fn names() -> Names {
        let plugged_in = |number: u32, name: &str| {
            let mac = Mac::of(Ipv4Addr::from(0x0a00_0000 + number));
            (host(name), PluggedIn { port: format!("port{number}"), bridge: Port(number).bridge(), mac })
        };
        let all = [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (1000, "far")];
        let ports = BTreeMap::from(all.map(|(number, name)| plugged_in(number, name)));
        Names { hosts: all.map(|(_, name)| host(name)).into(), ports, vnis: BTreeMap::new() }
    }

    fn rules(faults: impl IntoIterator<Item = Fault>) -> Cuts {
        let numbered = (1..).zip(faults).map(|(id, fault)| Active { id, name: None, fault });
        let (faults, names) = (numbered.collect::<Vec<_>>(), names());
        let cuts = Cuts::default();
        cuts.begin(table(&faults, &names).expect("the hosts are known").as_ref(), &names);
        cuts
    }

    /// What is said of a frame that comes in there now.
    fn said(cuts: &Cuts, interface: &str, outgoing: bool, bytes: &[u8]) -> Option<String> {
        let at = super::super::record::now();
        let packet = Packet { interface: 0, at, outgoing, length: 0, bytes: Vec::new(), comment: None };
        cuts.of(interface, &packet, bytes)
    }

    /// A ping to that host; no such host: to all.
    fn ping(to: &str) -> Vec<u8> {
        let mac = names().ports.get(&host(to)).map_or(Mac([0xff; 6]), |at| at.mac);
        addressed(mac, echo(A, B))
    }

    fn addressed(to: Mac, mut frame: Vec<u8>) -> Vec<u8> {
        frame[..6].copy_from_slice(&to.0);
        frame
    }

    #[test]
    fn what_a_partition_takes_says_so_and_to_whom_a_flood_does_not_go() {
        let cuts = rules([Fault::Partition(Partition::Cut(host("a"), host("b")))]);
        let of = |interface: &str, to: &str| said(&cuts, interface, false, &ping(to)).unwrap_or_default();
        assert_eq!(of("switch/port0", "b"), "dropped by fault 1");
        assert_eq!(of("switch/port1", "a"), "dropped by fault 1");
        assert_eq!(of("switch/port0", "everybody"), "kept from b by fault 1");
        for (interface, to) in [("switch/port0", "c"), ("switch/port2", "everybody"), ("a/port0", "b")] {
            assert_eq!(of(interface, to), "", "{interface} to {to}");
        }
        assert_eq!(said(&cuts, "switch/port0", true, &ping("b")), None, "it leaves there");
        cuts.end();
        assert_eq!(of("switch/port0", "b"), "", "nobody knows");
    }

    #[test]
    fn a_host_that_hears_nobody_is_kept_from_many() {
        let isolated = Fault::Partition(Partition::Isolate(host("a")));
        let all = rules([isolated.clone()]);
        assert_eq!(
            said(&all, "switch/port0", false, &ping("everybody")).as_deref(),
            Some("kept from b, c, d by fault 1")
        );
        // What is beyond a trunk is decided there.
        assert_eq!(said(&all, "switch/port0", false, &ping("far")), None);
        let twice = rules([Fault::Partition(Partition::Cut(host("a"), host("c"))), isolated]);
        assert_eq!(
            said(&twice, "switch/port0", false, &ping("everybody")).as_deref(),
            Some("kept from c by fault 1; kept from b, d by fault 2")
        );
    }

    #[test]
    fn a_frame_is_dropped_by_what_it_carries_also_in_a_tunnel() {
        let drop = |only: Filter, from: Option<&str>| {
            rules([Fault::Drop { only, from: from.map(host), to: None, both: false }])
        };
        let icmp = Filter { protocol: Some(Protocol::Icmp), ..Filter::default() };
        let inside = Filter { inside: Some(Tunnel::Vni(256)), ..icmp.clone() };
        let (plain, inside_it) = (ping("b"), tunnelled(256, &ping("b")));
        let is = |cuts: &Cuts, port: &str, bytes: &[u8]| said(cuts, port, false, bytes).is_some();
        let outer = drop(icmp, Some("a"));
        assert!(is(&outer, "switch/port0", &plain));
        assert!(!is(&outer, "switch/port0", &inside_it) && !is(&outer, "switch/port2", &plain));
        let inner = drop(inside, None);
        assert!(is(&inner, "switch/port0", &inside_it) && is(&inner, "switch/port2", &inside_it));
        assert!(!is(&inner, "switch/port0", &plain));
        assert!(!is(&inner, "switch/port0", &tunnelled(257, &ping("b"))));
        assert!(!is(&inner, "switch/port0", &inside_it[..60]), "cut off before it can be told");
    }
}
