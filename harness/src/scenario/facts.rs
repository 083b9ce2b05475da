//! The tables of checks, checked: whom they name is there, and the fact can be looked at.

use kernel::header::VNI_LAST;
use std::ops::Range;
use std::str::FromStr;

use ipnet::IpNet;

use super::fact::{Check, Route, parse_to};
use super::file::{
    AddressTable, CheckTable, InterfaceTable, MtuTable, PeerTable, RouteTable, SameNetworkTable, SandboxTable,
};
use super::step::Via;
use super::verbs::{check_target, check_via, not_on};
use crate::topology::{At, Checker, Container, Mistake, Network, list, quote};

/// Longest name of an interface: `IFNAMSIZ` less its final zero (`linux/if.h`).
pub(super) const LONGEST_INTERFACE: usize = 15;

/// Kinds of interface that a lab has, as `ip -d link` calls them.
const KINDS: [&str; 4] = ["veth", "bridge", "vxlan", "macvlan"];

/// Checks a fact; `place` is shown where no value of it is to blame.
pub(super) fn check_fact(checker: &mut Checker, table: &CheckTable, place: &Range<usize>) -> Option<Check> {
    match table {
        CheckTable::Peer(peer) => check_peer(checker, peer),
        CheckTable::Mtu(mtu) => check_mtu(checker, mtu),
        CheckTable::Interface(interface) => check_interface(checker, interface),
        CheckTable::Absent(absent) => {
            let on = check_target(checker, &absent.on);
            let interface = check_interface_name(checker, &absent.interface);
            Some(Check::Absent { on: on?, interface: interface? })
        }
        CheckTable::Route(route) => check_route(checker, route, place),
        CheckTable::SameNetwork(same) => check_same_network(checker, same, place),
        CheckTable::Sandbox(sandbox) => check_sandbox(checker, sandbox),
        CheckTable::Address(address) => check_address(checker, address),
        CheckTable::Drift(_) => Some(Check::NoDrift),
    }
}

/// A container and a network that it is on.
fn attached(
    checker: &mut Checker,
    container: &At<String>,
    network: &At<String>,
) -> Option<(Container, Network)> {
    let found = (checker.container(container), checker.network(network));
    let (Some(owner), Some(net)) = found else { return None };
    if !owner.networks.iter().any(|attachment| attachment.network == net.name) {
        not_on(checker, &owner.name, &net.name, network);
        return None;
    }
    Some((owner, net))
}

fn check_peer(checker: &mut Checker, table: &PeerTable) -> Option<Check> {
    let at = checker.engine(&table.at);
    let (container, network) = attached(checker, &table.container, &table.network)?;
    let at = at?;
    if container.on == at {
        let title = format!("`{}` runs on `{at}` itself", container.name);
        let mistake = Mistake::new(title, &table.at.span, "no peer of this host");
        checker.mistake(mistake.help("a peer is known at the other hosts of its network"));
        return None;
    }
    let known = table.known.unwrap_or(true);
    Some(Check::Peer { at, network: network.name, container: container.name, known })
}

fn check_mtu(checker: &mut Checker, table: &MtuTable) -> Option<Check> {
    let (container, network) = attached(checker, &table.container, &table.network)?;
    Some(Check::Mtu { container: container.name, network: network.name, is: table.is })
}

fn check_interface(checker: &mut Checker, table: &InterfaceTable) -> Option<Check> {
    let on = check_target(checker, &table.on);
    let name = check_interface_name(checker, &table.name);
    if let Some(kind) = &table.kind
        && !KINDS.contains(&kind.as_str())
    {
        let title = format!("{} is not a kind of interface", quote(kind));
        checker.mistake(
            Mistake::new(title, &kind.span, "unknown kind").help(format!("the kinds are {}", list(KINDS))),
        );
    }
    let mac = table.mac.as_ref().and_then(|text| checker.mac(text));
    let address = table.address.as_ref().and_then(|text| {
        let address = text.parse::<IpNet>().ok();
        if address.is_none() {
            let title = format!("{} is not an address with its prefix", quote(text));
            checker.mistake(Mistake::new(title, &text.span, "such as `192.168.0.100/24`"));
        }
        address
    });
    let kind = table.kind.as_ref().map(|kind| kind.value.clone());
    Some(Check::Interface { on: on?, name: name?, kind, mtu: table.mtu, mac, address })
}

fn check_interface_name(checker: &mut Checker, text: &At<String>) -> Option<String> {
    let fits = |c: char| !c.is_whitespace() && c != '/' && c != ':' && !c.is_control();
    let good = !text.is_empty() && text.len() <= LONGEST_INTERFACE && text.chars().all(fits);
    if !good {
        let title = format!("{} cannot be an interface", quote(text));
        checker.mistake(Mistake::new(
            title,
            &text.span,
            format!("1 to {LONGEST_INTERFACE} bytes, no `/`, `:` or space"),
        ));
    }
    good.then(|| text.value.clone())
}

/// A value of a type that says itself what is wrong.
fn parsed<T: FromStr<Err = String>>(checker: &mut Checker, text: &At<String>) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(why) => {
            let mistake = Mistake::new(format!("{} cannot be read", quote(text)), &text.span, "here");
            checker.mistake(mistake.help(why));
            None
        }
    }
}

fn check_route(checker: &mut Checker, table: &RouteTable, place: &Range<usize>) -> Option<Check> {
    let on = check_target(checker, &table.on);
    let equals = table
        .equals
        .as_ref()
        .map(|texts| texts.iter().filter_map(|text| parsed::<Route>(checker, text)).collect::<Vec<_>>());
    let mut lacks = Vec::new();
    for text in &table.lacks {
        if let Some(to) = parse_to(text) {
            lacks.push(to);
        } else {
            let title = format!("{} is no destination", quote(text));
            checker.mistake(Mistake::new(title, &text.span, "`default`, or a subnet without host bits"));
        }
    }
    if equals.is_none() && table.lacks.is_empty() {
        let mistake = Mistake::new("this looks at no route", place, "nothing is said of them");
        checker.mistake(mistake.help("say `equals = […]`, `lacks = […]`, or both"));
    }
    Some(Check::Routes { on: on?, equals, lacks })
}

fn check_same_network(
    checker: &mut Checker,
    table: &SameNetworkTable,
    place: &Range<usize>,
) -> Option<Check> {
    let network = checker.network(&table.network);
    let hosts: Vec<_> = match &table.hosts {
        Some(texts) => texts.iter().filter_map(|text| checker.engine(text)).collect(),
        None => checker.engines().cloned().collect(),
    };
    let written = table.hosts.as_ref().map_or(hosts.len(), Vec::len);
    if written < 2 {
        let mistake = Mistake::new("two hosts are needed to compare", place, "fewer than two");
        checker.mistake(mistake);
    }
    Some(Check::SameNetwork { network: network?.name, hosts })
}

fn check_sandbox(checker: &mut Checker, table: &SandboxTable) -> Option<Check> {
    let on = checker.engine(&table.on);
    let network = checker.network(&table.network);
    let links = table.links.iter().filter_map(|text| check_interface_name(checker, text)).collect();
    if let Some(vni) = &table.vni
        && vni.value > VNI_LAST
    {
        let title = format!("{} is not a VNI", vni.value);
        checker.mistake(Mistake::new(title, &vni.span, format!("at most {VNI_LAST}")));
    }
    let vni = table.vni.as_ref().map(|vni| vni.value);
    Some(Check::Sandbox { on: on?, network: network?.name, links, vni, port: table.port })
}

fn check_address(checker: &mut Checker, table: &AddressTable) -> Option<Check> {
    let container = checker.container(&table.container);
    let network = check_via(checker, &table.network);
    let within = checker.any_net(&table.within);
    let (container, network) = (container?, network?);
    if let Via::Network(name) = &network
        && !container.networks.iter().any(|attachment| attachment.network == *name)
    {
        not_on(checker, &container.name, name, &table.network);
    }
    Some(Check::Addressed { container: container.name, network, within: within? })
}
