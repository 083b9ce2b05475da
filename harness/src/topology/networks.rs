//! Overlay networks: where they are made, and subnets that overlap nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use overlay::docker::{IPV6_MTU, VXLAN_OVERHEAD};
use overlay::model::{Build, OPTION_DATAPATH};

use super::check::{Checker, taken};
use super::file::At;
use super::file::{NetworkTable, SubnetTable, WordOr};
use super::hosts::{misplaced, overlap, spares_gateway_bridge, usable, usable6};
use super::model::{Network, Subnet, Underlay};
use super::name::NetworkName;
use super::report::{Mistake, quote};

/// Docker's option for the MTU of an overlay's interfaces (libnetwork `netlabel.DriverMTU`).
const MTU_OPTION: &str = "com.docker.network.driver.mtu";

/// Least MTU of IPv4 (RFC 791), and the greatest of a veth.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;

/// Checks a network. `None`: it has no valid name, or one that is taken.
pub(crate) fn check_network(checker: &mut Checker, table: &At<NetworkTable>) -> Option<At<Network>> {
    let name: NetworkName = checker.name(&table.name)?;
    if let Some(first) = checker.networks.iter().find(|network| network.name == name) {
        let mistake = taken("networks", &table.name, &first.span.clone());
        checker.mistake(mistake);
        return None;
    }
    let on = checker.engine_or_first(table.on.as_ref(), &table.name.span);
    let subnets = check_subnets(checker, &name, table);
    // Without an underlay, what an engine refuses is no mistake.
    if checker.underlay.is_some() {
        check_ipv6(checker, table);
    }
    for (key, value) in &table.options {
        let mtu = value.parse().ok().filter(|mtu| MTUS.contains(mtu));
        if key == MTU_OPTION && mtu.is_none() {
            let title = format!("{} is not an MTU", quote(value));
            checker.mistake(Mistake::new(title, &value.span, format!("{} to {}", MTUS.start(), MTUS.end())));
        }
    }
    for (key, value) in table.options.iter().filter(|(key, _)| *key == OPTION_DATAPATH) {
        let options = [(key.clone(), value.value.clone())].into();
        if let Err(why) = Build::asked(&options) {
            checker.mistake(Mistake::new(why.to_string(), &value.span, "`bridge` or `macvlan`"));
        }
    }
    let network = Network {
        name,
        on: on.or_else(|| checker.hosts.first().map(|host| host.name.clone()))?,
        subnets,
        ipv6: table.ipv6,
        internal: table.internal,
        attachable: table.attachable,
        options: table.options.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect(),
        labels: table.labels.clone(),
    };
    Some(table.name.with(network))
}

/// Whether a network has as much IPv6 as it says.
fn check_ipv6(checker: &mut Checker, table: &NetworkTable) {
    let name = quote(&table.name);
    let several = table.subnets.iter().map(|entry| match &entry.value {
        WordOr::Word(text) => text,
        WordOr::Table(table) => &table.subnet.value,
    });
    // As they are written: what is wrong with one of them is said elsewhere.
    let all: Vec<&String> = table.subnet.iter().map(|text| &text.value).chain(several).collect();
    let v6 = all.iter().filter(|text| text.contains(':')).count();
    let v4 = (all.len() - v6).max(1);
    let least = IPV6_MTU + VXLAN_OVERHEAD;
    let mtu = table.options.get(MTU_OPTION);
    let narrow = mtu.filter(|text| text.parse::<u32>().is_ok_and(|mtu| (1..least).contains(&mtu)));
    if !table.ipv6 && v6 > 0 {
        let mistake = Mistake::new(format!("{name} has an IPv6 subnet"), &table.name.span, "without IPv6");
        checker.mistake(mistake.help("IPv6 has to be asked for: `ipv6 = true`"));
    } else if table.ipv6 && v6 == 0 {
        let mistake = Mistake::new(format!("{name} has no IPv6 subnet"), &table.name.span, "`ipv6 = true`");
        checker.mistake(
            mistake
                .help("there is none by default; add one: `subnets = [\"10.73.0.0/24\", \"fd00:1::/64\"]`"),
        );
    } else if v6 > v4 {
        let mistake = Mistake::new(
            format!("{name} has {v6} IPv6 subnets and {v4} of IPv4"),
            &table.name.span,
            "each goes with one of IPv4",
        );
        checker.mistake(mistake.help("give as many of IPv4"));
    } else if let Some(mtu) = narrow.filter(|_| table.ipv6) {
        let mistake = Mistake::new(
            format!("an MTU of {} is too small for IPv6", mtu.value),
            &mtu.span,
            "the underlay's",
        );
        checker.mistake(mistake.help(format!("IPv6 needs {IPV6_MTU} bytes inside, so {least} or more")));
    }
}

/// The subnets that a network says it has, by its own keys or by a list; those that are right.
fn check_subnets(checker: &mut Checker, name: &NetworkName, table: &NetworkTable) -> Vec<Subnet> {
    let others = [&table.gateway, &table.ip_range].into_iter().flatten().chain(table.aux.values()).next();
    match (&table.subnet, &table.subnets[..]) {
        (None, []) => {
            if let Some(text) = others {
                let mistake =
                    Mistake::new("this needs a `subnet`", &text.span, "an address of which subnet?");
                checker.mistake(mistake.help(format!("add `subnet = …` to `{name}`")));
            }
            Vec::new()
        }
        (Some(subnet), []) => {
            let one = SubnetTable {
                subnet: subnet.clone(),
                gateway: table.gateway.clone(),
                ip_range: table.ip_range.clone(),
                aux: table.aux.clone(),
            };
            check_subnet(checker, name, &one, &[]).into_iter().collect()
        }
        (subnet, several) => {
            let title = if subnet.is_some() {
                "a network has `subnet` or `subnets`"
            } else {
                "this belongs to one of the `subnets`"
            };
            if let Some(text) = subnet.as_ref().or(others) {
                let mistake = Mistake::new(title, &text.span, "not beside the list");
                let help = "put it into the list: `subnets = [{ subnet = …, gateway = … }, …]`";
                checker.mistake(mistake.beside(&several[0].span, "the list").help(help));
            }
            let mut subnets = Vec::new();
            for entry in several {
                let one = match &entry.value {
                    WordOr::Table(table) => table.clone(),
                    WordOr::Word(text) => SubnetTable {
                        subnet: entry.with(text.clone()),
                        gateway: None,
                        ip_range: None,
                        aux: BTreeMap::new(),
                    },
                };
                subnets.extend(check_subnet(checker, name, &one, &subnets));
            }
            subnets
        }
    }
}

/// A subnet of a network that has those `before` it.
fn check_subnet(
    checker: &mut Checker,
    name: &NetworkName,
    table: &SubnetTable,
    before: &[Subnet],
) -> Option<Subnet> {
    let text = &table.subnet;
    let subnet = checker.any_net(text)?;
    let usable = match subnet {
        IpNet::V4(subnet) => usable(checker, subnet, text),
        IpNet::V6(subnet) => usable6(checker, subnet, text),
    };
    if !usable || !alone(checker, subnet, text) {
        return None;
    }
    if let Some(other) = before.iter().find(|other| overlap(other.subnet, subnet)) {
        let title = format!("{subnet} overlaps {}", other.subnet);
        checker.mistake(Mistake::new(title, &text.span, format!("`{name}` has both")));
        return None;
    }
    let whose = format!("the subnet of `{name}`");
    let mut taken: BTreeMap<IpAddr, &At<String>> = BTreeMap::new();
    let mut claim = |checker: &mut Checker, text| {
        let text: &At<String> = text;
        let address = checker.any_address(text)?;
        if let Some(mistake) = misplaced(subnet, address, &text.span, &whose) {
            checker.mistake(mistake);
            return None;
        }
        if let Some(first) = taken.insert(address, text) {
            let mistake = Mistake::new(format!("{address} is taken"), &text.span, "again");
            checker.mistake(mistake.beside(&first.span, "taken here"));
        }
        Some(address)
    };
    let gateway = table.gateway.as_ref().and_then(|text| claim(checker, text));
    let aux = table
        .aux
        .iter()
        .filter_map(|(key, text)| claim(checker, text).map(|address| (key.clone(), address)))
        .collect();
    let ip_range = table.ip_range.as_ref().and_then(|text| {
        let range = checker.any_net(text)?;
        if !subnet.contains(&range) {
            let title = format!("{range} is outside {subnet}");
            checker.mistake(Mistake::new(title, &text.span, format!("not in {whose}")));
        }
        Some(range)
    });
    Some(Subnet { subnet, gateway, ip_range, aux })
}

/// Whether a subnet overlaps nothing that was declared before it; notes what it overlaps. Without an underlay, nothing is
/// to be compared.
fn alone(checker: &mut Checker, subnet: IpNet, text: &At<String>) -> bool {
    let Some(underlay) = checker.underlay.clone() else { return true };
    if let IpNet::V4(subnet) = subnet
        && !beside_the_hosts(checker, &underlay, subnet, text)
    {
        return false;
    }
    let other = checker.networks.iter().find_map(|network| {
        let pool = network.subnets.iter().find(|pool| overlap(pool.subnet, subnet))?;
        Some((network.name.clone(), pool.subnet, network.span.clone()))
    });
    if let Some((name, pool, span)) = other {
        let mistake = Mistake::new(format!("{subnet} overlaps {pool}"), &text.span, "this subnet");
        checker.mistake(mistake.beside(&span, format!("`{name}` has {pool}")));
        return false;
    }
    true
}

/// Whether a subnet has nothing of what hosts have, and the outside world; notes what it has. All of that is IPv4.
fn beside_the_hosts(checker: &mut Checker, underlay: &Underlay, subnet: Ipv4Net, text: &At<String>) -> bool {
    if !spares_gateway_bridge(checker, subnet, text) {
        return false;
    }
    if overlap(subnet, underlay.subnet) {
        let title = format!("{subnet} overlaps the underlay, {}", underlay.subnet);
        let mistake = Mistake::new(title, &text.span, "the hosts are there");
        checker.mistake(mistake.help("an overlay's addresses are other than its hosts'"));
        return false;
    }
    if let Some(outside) = underlay.internet.iter().find(|address| subnet.contains(*address)) {
        let mistake =
            Mistake::new(format!("{subnet} covers {outside}"), &text.span, "which is in `internet`");
        checker.mistake(mistake.help("choose another subnet, or another outside address"));
        return false;
    }
    true
}
