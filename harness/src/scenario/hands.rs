//! The tables of what is made by hand, checked: the place is there, names fit the kernel, addresses are such.

use kernel::header::{VNI_LAST, VXLAN};
use kernel::rtnl::Vxlan;
use overlay::docker::VXLAN_AGEING;

use super::facts::LONGEST_INTERFACE;
use super::file::{LegTable, MakeTable, UnmakeTable, VethTable, VxlanTable};
use super::verbs::check_target;
use crate::hand::{Leg, Make, Tunnel, Unmake};
use crate::topology::{At, Checker, Mistake, quote};

/// Where the article's daemon looks.
const PREFIX: &str = "demo/";

pub(super) fn check_make(checker: &mut Checker, table: &MakeTable) -> Option<Make> {
    Some(match table {
        MakeTable::Namespace(table) => {
            let host = checker.host(&table.on).map(|host| host.name.to_string());
            let name = check_name(checker, &table.name);
            Make::Namespace { host: host?, name: name? }
        }
        MakeTable::Bridge(table) => Make::Bridge(check_leg(checker, table)?),
        MakeTable::Vxlan(table) => check_vxlan(checker, table)?,
        MakeTable::Veth(table) => {
            let VethTable { at, name, mac, mtu, master, address, .. } = &**table;
            let leg = check_parts(
                checker,
                (at, name),
                mac.as_ref(),
                mtu.as_ref(),
                master.as_ref(),
                address.as_ref(),
            );
            let peer = check_leg(checker, &table.peer);
            Make::Veth { leg: leg?, peer: peer? }
        }
        MakeTable::Neighbour(table) => {
            let at = check_at(checker, &table.at);
            let (ip, mac) = (checker.any_address(&table.ip), checker.mac(&table.mac));
            Make::Neighbour { at: at?, dev: table.dev.value.clone(), ip: ip?, mac: mac? }
        }
        MakeTable::Fdb(table) => {
            let at = check_at(checker, &table.at);
            let (mac, behind) = (checker.mac(&table.mac), checker.any_address(&table.behind));
            Make::Fdb { at: at?, dev: table.dev.value.clone(), mac: mac?, behind: behind? }
        }
        MakeTable::Route(table) => {
            let at = check_at(checker, &table.at);
            let to = table.to.as_ref().map(|to| checker.any_net(to));
            let via = checker.any_address(&table.via);
            let to = match to {
                Some(to) => Some(to?),
                None => None,
            };
            Make::Route { at: at?, to, via: via? }
        }
        MakeTable::Setting(table) => {
            let at = check_at(checker, &table.at);
            let good = table.name.starts_with("net.") && !table.name.contains(['/', '\0']);
            if !good {
                let title = format!("{} is no setting of a network namespace", quote(&table.name));
                let mistake = Mistake::new(title, &table.name.span, "not of the network");
                checker.mistake(mistake.help("write `net.ipv4.ip_forward`"));
            }
            Make::Setting { at: at?, name: table.name.value.clone(), value: table.value.clone() }
        }
        MakeTable::Masquerade(table) => {
            let (at, source) = (check_at(checker, &table.at), checker.net(&table.source));
            let out = check_name(checker, &table.out);
            Make::Masquerade { at: at?, out: out?, source: source? }
        }
        MakeTable::Answerer(table) => {
            if checker.kv.is_none() {
                checker.mistake(Mistake::new("there is no store", &table.at.span, "answers from one"));
            }
            let prefix = table.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
            Make::Answerer { at: check_at(checker, &table.at)?, prefix }
        }
    })
}

pub(super) fn check_unmake(checker: &mut Checker, table: &UnmakeTable) -> Option<Unmake> {
    Some(match table {
        UnmakeTable::Namespace(table) => {
            let host = checker.host(&table.on).map(|host| host.name.to_string());
            Unmake::Namespace { host: host?, name: table.name.value.clone() }
        }
        UnmakeTable::Link(table) => {
            Unmake::Link { at: check_at(checker, &table.at)?, name: table.name.value.clone() }
        }
        UnmakeTable::Neighbour(table) => {
            let (at, ip) = (check_at(checker, &table.at), checker.any_address(&table.ip));
            Unmake::Neighbour { at: at?, dev: table.dev.value.clone(), ip: ip? }
        }
        UnmakeTable::Fdb(table) => {
            let (at, mac) = (check_at(checker, &table.at), checker.mac(&table.mac));
            Unmake::Fdb { at: at?, dev: table.dev.value.clone(), mac: mac? }
        }
        UnmakeTable::Answerer(table) => Unmake::Answerer { at: check_at(checker, &table.at)? },
    })
}

fn check_vxlan(checker: &mut Checker, table: &VxlanTable) -> Option<Make> {
    let VxlanTable { on, at, name, mac, mtu, master, address, .. } = table;
    let host = checker.host(on).map(|host| host.name.to_string());
    let at = at.as_ref().unwrap_or(on);
    let leg = check_parts(checker, (at, name), mac.as_ref(), mtu.as_ref(), master.as_ref(), address.as_ref());
    if table.id.value > VNI_LAST {
        let title = format!("{} is no VNI", table.id.value);
        checker.mistake(Mistake::new(title, &table.id.span, format!("at most {VNI_LAST}")));
    }
    let settings = Vxlan {
        vni: table.id.value,
        port: table.port.as_ref().map_or(VXLAN, |port| port.value),
        proxy: table.proxy,
        learning: table.learning,
        l2miss: table.l2miss,
        l3miss: table.l3miss,
        ageing: VXLAN_AGEING,
    };
    Some(Make::Vxlan { host: host?, leg: leg?, settings: Tunnel(settings) })
}

fn check_leg(checker: &mut Checker, table: &LegTable) -> Option<Leg> {
    let LegTable { at, name, mac, mtu, master, address } = table;
    check_parts(checker, (at, name), mac.as_ref(), mtu.as_ref(), master.as_ref(), address.as_ref())
}

fn check_parts(
    checker: &mut Checker,
    (at, name): (&At<String>, &At<String>),
    mac: Option<&At<String>>,
    mtu: Option<&At<u32>>,
    master: Option<&At<String>>,
    address: Option<&At<String>>,
) -> Option<Leg> {
    // All of them, so that all mistakes are found.
    let (at, name) = (check_at(checker, at), check_name(checker, name));
    let mac = mac.map(|mac| checker.mac(mac));
    let address = address.map(|text| check_interface(checker, text));
    let leg = Leg { at: at?, name: name?, mtu: mtu.map(|mtu| mtu.value), ..Leg::default() };
    Some(Leg {
        mac: mac.map_or(Some(None), |mac| mac.map(Some))?,
        address: address.map_or(Some(None), |net| net.map(Some))?,
        master: master.map(|master| master.value.clone()),
        ..leg
    })
}

/// An address with its prefix.
fn check_interface(checker: &mut Checker, text: &At<String>) -> Option<ipnet::IpNet> {
    let net = text.parse().ok().filter(|_| text.contains('/'));
    if net.is_none() {
        let title = format!("{} is not an address with its prefix", quote(text));
        checker.mistake(Mistake::new(title, &text.span, "such as 192.168.0.2/24"));
    }
    net
}

fn check_name(checker: &mut Checker, name: &At<String>) -> Option<String> {
    let good = !name.is_empty()
        && name.len() <= LONGEST_INTERFACE
        && !matches!(name.as_str(), "." | "..")
        && name.chars().all(|c| c.is_ascii_graphic() && !"/:@".contains(c));
    if !good {
        let title = format!("nothing can be called {}", quote(name));
        let mistake = Mistake::new(title, &name.span, "in a kernel");
        checker.mistake(mistake.help(format!(
            "at most {LONGEST_INTERFACE} letters, digits and signs, but for `/`, `:` and `@`"
        )));
    }
    good.then(|| name.value.clone())
}

/// A host, a container, or what is behind a slash on a host; what that is called is known only when it is there.
fn check_at(checker: &mut Checker, at: &At<String>) -> Option<String> {
    let known = match at.split_once('/') {
        None => check_target(checker, at).is_some(),
        Some((host, _)) => checker.host(&at.with(host.to_owned())).is_some(),
    };
    known.then(|| at.value.clone())
}
