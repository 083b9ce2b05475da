//! What is made of what a kernel tells.
#![expect(clippy::unwrap_used, reason = "tests")]

use kernel::Mac;
use kernel::rtnl::{Address, FdbEntry, Link, Neighbour, Route};
use proptest::prelude::*;

use super::*;

fn link(index: u32, name: &str, mtu: u32) -> Link {
    Link { index, name: name.to_owned(), mtu, ..Link::default() }
}

fn fdb(mac: [u8; 6], vtep: [u8; 4]) -> FdbEntry {
    FdbEntry { dev: 5, mac: Mac(mac), vtep: Some(vtep.into()), own: true, permanent: true }
}

fn notice(gone: bool, what: Noticed) -> Notice {
    Notice { gone, replaces: false, what }
}

fn view() -> View {
    View::new("docker0/N", Snapshot { links: vec![link(5, "vxlan1", 1450)], ..Snapshot::default() })
}

fn said(view: &mut View, gone: bool, what: Noticed) -> String {
    view.told(&notice(gone, what)).map_or_else(|| "nothing".to_owned(), |change| change.to_string())
}

#[test]
fn what_is_told_again_is_no_news() {
    let mut view = view();
    assert_eq!(said(&mut view, false, Noticed::Link(link(5, "vxlan1", 1450))), "nothing");
    let told = said(&mut view, false, Noticed::Link(link(5, "vxlan1", 1400)));
    assert_eq!(told, "docker0/N: ~ link vxlan1: mtu 1450 -> 1400");
    assert_eq!(
        said(&mut view, true, Noticed::Link(link(5, "vxlan1", 1400))),
        "docker0/N: - link vxlan1 mtu 1400"
    );
    assert_eq!(said(&mut view, true, Noticed::Link(link(5, "vxlan1", 1400))), "nothing");
}

#[test]
fn an_entry_that_is_replaced_has_moved_and_one_for_any_mac_is_one_more() {
    let mut view = view();
    let mac = [2, 0x42, 0xc0, 0xa8, 0, 2];
    let told = said(&mut view, false, Noticed::Fdb(fdb(mac, [10, 0, 0, 10])));
    assert_eq!(told, "docker0/N: + fdb 02:42:c0:a8:00:02 dev vxlan1 self behind 10.0.0.10 permanent");
    let told = said(&mut view, false, Noticed::Fdb(fdb(mac, [10, 0, 0, 11])));
    assert_eq!(told, "docker0/N: ~ fdb 02:42:c0:a8:00:02 dev vxlan1 self: behind 10.0.0.10 -> 10.0.0.11");
    for last in [10, 11] {
        let told = said(&mut view, false, Noticed::Fdb(fdb([0; 6], [10, 0, 0, last])));
        assert!(told.starts_with("docker0/N: + fdb 00:00:00:00:00:00"), "{told}");
    }
    let told = said(&mut view, true, Noticed::Fdb(fdb([0; 6], [10, 0, 0, 11])));
    assert_eq!(told, "docker0/N: - fdb 00:00:00:00:00:00 dev vxlan1 self behind 10.0.0.11 permanent");
    assert_eq!(said(&mut view, false, Noticed::Fdb(fdb([1, 0, 0x5e, 0, 0, 1], [10, 0, 0, 10]))), "nothing");
}

#[test]
fn there_may_be_two_ways_to_one_place() {
    let mut view = view();
    let by = |dev| Route {
        to: Some("10.9.0.0/16".parse().unwrap()),
        gateway: None,
        dev: Some(dev),
        source: None,
        by_kernel: false,
        link_scope: false,
    };
    assert_eq!(said(&mut view, false, Noticed::Route(by(5))), "docker0/N: + route 10.9.0.0/16 dev vxlan1");
    assert_eq!(said(&mut view, false, Noticed::Route(by(6))), "docker0/N: + route 10.9.0.0/16 dev 6");
    assert_eq!(said(&mut view, true, Noticed::Route(by(6))), "docker0/N: - route 10.9.0.0/16 dev 6");
    let instead = Notice { gone: false, replaces: true, what: Noticed::Route(by(7)) };
    let told = view.told(&instead).map(|change| change.to_string());
    assert_eq!(told.as_deref(), Some("docker0/N: ~ route 10.9.0.0/16: dev vxlan1 -> 7"));
    assert_eq!(said(&mut view, true, Noticed::Route(by(5))), "nothing");
    assert_eq!(said(&mut view, true, Noticed::Route(by(7))), "docker0/N: - route 10.9.0.0/16 dev 7");
}

#[test]
fn what_goes_with_a_link_has_to_be_looked_for() {
    let on = Link { up: true, ..link(5, "vxlan1", 1450) };
    let at = |link: &Link| {
        let address = Address { dev: 5, net: "192.168.0.1/24".parse().unwrap(), broadcast: None };
        Snapshot { links: vec![link.clone()], addresses: vec![address], ..Snapshot::default() }
    };
    let mut view = View::new("docker0/N", at(&on));
    let tells = |link: Link| notice(false, Noticed::Link(link));
    assert!(!view.is_part(&tells(Link { mtu: 1400, ..on.clone() })));
    assert!(view.is_part(&tells(Link { up: false, ..on.clone() })));
    assert!(view.is_part(&notice(true, Noticed::Link(on.clone()))));

    let renamed = Link { name: "vxlan9".to_owned(), ..on };
    assert!(view.is_part(&tells(renamed.clone())));
    assert_eq!(said(&mut view, false, Noticed::Link(renamed.clone())), "nothing");
    let told: Vec<String> = view.resynced(at(&renamed)).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "docker0/N: - link vxlan1 mtu 1450 up",
            "docker0/N: + link vxlan9 mtu 1450 up",
            "docker0/N: - address 192.168.0.1/24 dev vxlan1",
            "docker0/N: + address 192.168.0.1/24 dev vxlan9",
        ]
    );
}

#[test]
fn what_is_missed_is_told_each_time() {
    let mut view = view();
    for _ in 0..2 {
        let miss = Miss::Address(5, "192.168.0.9".parse().unwrap());
        assert_eq!(said(&mut view, false, Noticed::Missed(miss)), "docker0/N: + miss 192.168.0.9 dev vxlan1");
    }
}

#[test]
fn a_namespace_comes_with_all_that_it_holds() {
    let told: Vec<String> = view().appeared().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["docker0/N: + namespace", "docker0/N: + link vxlan1 mtu 1450"]);
    assert_eq!(view().vanished().to_string(), "docker0/N: - namespace");
}

proptest! {
    /// Told one by one or looked at in the end: the same is known.
    #[test]
    fn what_is_told_leads_to_what_is_there(
        steps in prop::collection::vec((any::<bool>(), 0..4_u8, prop::option::of(0..3_u8)), 0..20),
    ) {
        let mut view = view();
        let mut there: Vec<Neighbour> = Vec::new();
        for (gone, ip, mac) in steps {
            let mac = mac.map(|last| Mac([2, 0, 0, 0, 0, last]));
            let its = Neighbour { dev: 5, ip: [10, 0, 0, ip].into(), mac, permanent: mac.is_some() };
            there.retain(|other| other.ip != its.ip);
            if !gone {
                there.push(its.clone());
            }
            view.told(&notice(gone, Noticed::Neighbour(its)));
        }
        let holds = Snapshot { links: vec![link(5, "vxlan1", 1450)], neighbours: there, ..Snapshot::default() };
        prop_assert_eq!(view.resynced(holds), vec![]);
    }
}
