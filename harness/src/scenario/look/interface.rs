//! Facts about what one namespace holds: interfaces and routes. Pure.

use super::Finding;
use crate::scenario::fact::{DEFAULT, Route};
use ipnet::IpNet;
use kernel::{Mac, Snapshot};

/// What an interface should be like, as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) mtu: Option<u32>,
    pub(super) mac: Option<Mac>,
    pub(super) address: Option<IpNet>,
}

/// Whether there is such an interface, up.
pub(super) fn compare(holds: &Snapshot, name: &str, wanted: &Wanted<'_>) -> Finding {
    let Some(link) = holds.link(name) else {
        return Err(format!("there is no {name}, but {}", names(holds)));
    };
    let mut differs = Vec::new();
    if !link.up {
        differs.push("it is down".to_owned());
    }
    let kind = link.kind.as_deref().unwrap_or("none");
    if wanted.kind.is_some_and(|wanted| wanted != kind) {
        differs.push(format!("its kind is {kind}"));
    }
    if wanted.mtu.is_some_and(|wanted| wanted != link.mtu) {
        differs.push(format!("its MTU is {}", link.mtu));
    }
    if wanted.mac.is_some_and(|wanted| link.mac != Some(wanted)) {
        let mac = link.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string());
        differs.push(format!("its MAC is {mac}"));
    }
    let addresses = holds.addresses_of(name);
    if wanted.address.is_some_and(|wanted| !addresses.contains(&wanted)) {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        differs.push(match &addresses[..] {
            [] => "it has no address".to_owned(),
            _ => format!("it has {}", addresses.join(", ")),
        });
    }
    if differs.is_empty() { Ok(()) } else { Err(format!("{name}: {}", differs.join(", "))) }
}

/// Whether there is no such interface.
pub(super) fn absent(holds: &Snapshot, name: &str) -> Finding {
    match holds.link(name) {
        None => Ok(()),
        Some(link) => Err(format!(
            "there is {name}, of kind {}, {}",
            link.kind.as_deref().unwrap_or("none"),
            if link.up { "up" } else { "down" }
        )),
    }
}

/// Whether the main table has exactly these routes, and none to those subnets.
pub(super) fn routes(holds: &Snapshot, equals: Option<&[Route]>, lacks: &[IpNet]) -> Finding {
    let mut have: Vec<Route> = holds.routes.iter().map(|route| read(holds, route)).collect();
    have.sort();
    let found = have.iter().find(|route| lacks.contains(&route.to));
    if let Some(found) = found {
        return Err(format!("there is {found}"));
    }
    let Some(want) = equals else { return Ok(()) };
    let missing = want.iter().filter(|route| !have.contains(route)).map(|route| format!("no {route}"));
    let more = have.iter().filter(|route| !want.contains(route)).map(|route| format!("there is {route}"));
    let differs: Vec<String> = missing.chain(more).collect();
    if differs.is_empty() { Ok(()) } else { Err(differs.join(", ")) }
}

fn read(holds: &Snapshot, route: &kernel::rtnl::Route) -> Route {
    let (to, via) = (route.to.unwrap_or(DEFAULT), route.gateway);
    let dev = route.dev.and_then(|dev| holds.by_index(dev)).map(|link| link.name.clone());
    Route { to, via, dev: dev.unwrap_or_else(|| "nothing".to_owned()) }
}

/// The interfaces beside the loopback, for messages.
pub(super) fn names(holds: &Snapshot) -> String {
    let names: Vec<&str> =
        holds.links.iter().map(|link| link.name.as_str()).filter(|name| *name != "lo").collect();
    if names.is_empty() { "nothing beside lo".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::rtnl::{Address, Link};

    fn container() -> Snapshot {
        let link = |index, name: &str, mtu| Link {
            index,
            name: name.into(),
            kind: Some("veth".into()),
            mtu,
            mac: Some(Mac([2, 0x42, 0xc0, 0xa8, 0, 0x64])),
            up: true,
            ..Link::default()
        };
        let route = |to: Option<&str>, via: Option<&str>, dev| kernel::rtnl::Route {
            to: to.map(|to| to.parse().expect("a subnet")),
            gateway: via.map(|via| via.parse().expect("an address")),
            dev: Some(dev),
            source: None,
            by_kernel: via.is_none(),
            link_scope: via.is_none(),
        };
        Snapshot {
            links: vec![link(7, "eth0", 1450), link(9, "eth1", 1500)],
            addresses: vec![Address {
                dev: 7,
                net: "192.168.0.100/24".parse().expect("an address"),
                broadcast: None,
            }],
            routes: vec![route(None, Some("172.18.0.1"), 9), route(Some("192.168.0.0/24"), None, 7)],
            ..Snapshot::default()
        }
    }

    #[test]
    fn an_interface_is_compared_in_what_was_said_of_it() {
        let wanted = Wanted {
            kind: Some("veth"),
            mtu: Some(1450),
            mac: Some(Mac([2, 0x42, 0xc0, 0xa8, 0, 0x64])),
            address: "192.168.0.100/24".parse().ok(),
        };
        assert_eq!(compare(&container(), "eth0", &wanted), Ok(()));
        assert_eq!(compare(&container(), "eth1", &Wanted::default()), Ok(()));
        assert_eq!(
            compare(&container(), "eth1", &wanted),
            Err("eth1: its MTU is 1500, it has no address".into())
        );
        assert_eq!(compare(&container(), "eth2", &wanted), Err("there is no eth2, but eth0, eth1".into()));
        let mut down = container();
        down.links[0].up = false;
        assert_eq!(compare(&down, "eth0", &wanted), Err("eth0: it is down".into()));
        assert_eq!(absent(&down, "eth2"), Ok(()));
        assert_eq!(absent(&down, "eth0"), Err("there is eth0, of kind veth, down".into()));
    }

    #[test]
    fn routes_are_compared_in_any_order() {
        let all = ["192.168.0.0/24 dev eth0", "default via 172.18.0.1 dev eth1"];
        let parsed: Vec<Route> = all.iter().map(|text| text.parse().expect("a route")).collect();
        assert_eq!(routes(&container(), Some(&parsed), &[]), Ok(()));
        assert_eq!(
            routes(&container(), Some(&parsed[..1]), &[]),
            Err("there is default via 172.18.0.1 dev eth1".into())
        );
        let other = ["10.0.0.0/24 dev eth0".parse().expect("a route")];
        assert_eq!(
            routes(&Snapshot::default(), Some(&other), &[DEFAULT]),
            Err("no 10.0.0.0/24 dev eth0".into())
        );
        assert_eq!(
            routes(&container(), None, &[DEFAULT]),
            Err("there is default via 172.18.0.1 dev eth1".into())
        );
    }
}
