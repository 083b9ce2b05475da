//! The transactions against the store's own rules.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::error::Result;
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::ipam::PoolRequest;
use crate::kv::store::{Config, Op, Store, Verb};
use crate::kv::{FLAGS, Listing, Pair, TxnOp, keys};
use crate::model::{Endpoint, Vni};

/// A store, and one who writes to it.
pub(super) struct Scene {
    store: Store,
    rng: fastrand::Rng,
}

impl Scene {
    pub(super) fn new() -> Scene {
        Scene { store: Store::new(Config::default()), rng: fastrand::Rng::with_seed(7) }
    }

    pub(super) fn view(&self) -> View {
        let pair = |key: &[u8], entry: &crate::kv::store::Entry| Pair {
            key: String::from_utf8_lossy(key).into_owned(),
            value: entry.value.to_vec(),
            flags: entry.flags,
            session: entry.session.clone(),
            create_index: entry.create_index,
            modify_index: entry.modify_index,
            lock_index: entry.lock_index,
        };
        let pairs = self.store.list(keys::ALL.as_bytes()).map(|(key, entry)| pair(key, entry)).collect();
        let view = View::read(&Listing { index: 1, pairs });
        assert!(view.unreadable.is_empty(), "{:?}", view.unreadable);
        view
    }

    pub(super) fn commit(&mut self, ops: Vec<TxnOp>) -> bool {
        let op = |op| match op {
            TxnOp::Cas { key, value, index } => {
                Op { value: value.into(), flags: FLAGS, index, ..Op::new(Verb::Cas, key) }
            }
            TxnOp::DeleteCas { key, index } => Op { index, ..Op::new(Verb::DeleteCas, key) },
            TxnOp::Delete { key } => Op::new(Verb::Delete, key),
            other => panic!("no transaction here has {other:?}"),
        };
        self.store.txn(&ops.into_iter().map(op).collect::<Vec<_>>()).is_ok()
    }

    pub(super) fn create(&mut self, request: &CreateNetwork) -> Result<NetworkId> {
        let id = NetworkId::random(&mut self.rng);
        let avoid = ["10.0.0.0/24".parse().unwrap()];
        let ops = create(&self.view(), request, id, "2026-11-22T21:11:13.546946772Z".to_owned(), &avoid)?;
        assert!(self.commit(ops));
        Ok(id)
    }

    pub(super) fn draw(&mut self) -> NetworkId {
        NetworkId::random(&mut self.rng)
    }

    pub(super) fn who(&mut self, name: &str, ip: Option<Ipv4Addr>) -> Joining {
        Joining {
            id: EndpointId::random(&mut self.rng),
            name: name.to_owned(),
            anonymous: false,
            sandbox: SandboxId::random(&mut self.rng),
            host: Ipv4Addr::new(10, 0, 0, 10),
            ip,
            mac: None,
            ip6: None,
            aliases: vec!["bae778722477".to_owned()],
            publish: vec![],
            half: "veth94f8360".to_owned(),
            last_vni: None,
        }
    }

    pub(super) fn join(&mut self, network: NetworkId, name: &str, ip: Option<Ipv4Addr>) -> Result<Endpoint> {
        let who = self.who(name, ip);
        let (endpoint, ops) = join(&self.view(), network, &who)?;
        assert!(self.commit(ops));
        Ok(endpoint)
    }

    pub(super) fn leave(&mut self, endpoint: &Endpoint) {
        let ops = leave(&self.view(), endpoint.network, endpoint.id).unwrap();
        assert!(self.commit(ops));
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<()> {
        let view = self.view();
        let ops = remove(&view, view.find(name)?)?;
        assert!(self.commit(ops));
        Ok(())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.store.get(key.as_bytes()).map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
    }
}

pub(super) fn asked(name: &str, subnet: &str) -> CreateNetwork {
    asked_in(name, if subnet.is_empty() { &[] } else { std::slice::from_ref(&subnet) })
}

fn asked_in(name: &str, subnets: &[&str]) -> CreateNetwork {
    let pool = |subnet: &&str| PoolRequest { subnet: Some((*subnet).to_owned()), ..PoolRequest::default() };
    let pools = subnets.iter().map(pool).collect();
    CreateNetwork { name: name.to_owned(), pools, ..CreateNetwork::default() }
}

fn option(name: &str, subnet: &str, key: &str, value: &str) -> CreateNetwork {
    let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    CreateNetwork { options, ..asked(name, subnet) }
}

#[test]
fn the_articles_documents_are_those_of_a_docker() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    // As in the trace of a 20.10: before the first join no VNI is drawn.
    let driver = r#"{"mtu":0,"secure":false,"subnets":[{"SubnetIP":"192.168.0.0/24","GwIP":"192.168.0.1/24","Vni":0}]}"#;
    assert_eq!(scene.text(&keys::driver(id)).unwrap(), driver);
    assert_eq!(scene.text(&keys::endpoint_count(id)).unwrap(), r#"{"Count":0}"#);
    let none = r#"{"id":"vxlan-id","sequence":"AAAAAAD//wAAAAAAAP//AAAAAAAAAAAAAAf/+A=="}"#;
    assert_eq!(scene.text(keys::VNIS).unwrap(), none);
    assert_eq!(scene.text(keys::NETWORKS).unwrap(), "");

    let c0 = scene.join(id, "C0", Some(Ipv4Addr::new(192, 168, 0, 100))).unwrap();
    scene.join(id, "C1", None).unwrap();
    for (key, observed) in [
        (keys::POOLS.to_owned(), include_str!("../../tests/fixtures/kv/pools.json")),
        (
            keys::bitmap("192.168.0.0/24".parse().unwrap()),
            include_str!("../../tests/fixtures/kv/bitmap.json"),
        ),
        (keys::VNIS.to_owned(), include_str!("../../tests/fixtures/kv/vnis.json")),
        (keys::driver(id), include_str!("../../tests/fixtures/kv/driver.json")),
        (keys::endpoint_count(id), include_str!("../../tests/fixtures/kv/endpoint_count.json")),
    ] {
        assert_eq!(scene.text(&key).unwrap(), observed, "{key}");
    }
    let alike = |text: &str, id: &str, from: &str| text.replace(from, id);
    let network = include_str!("../../tests/fixtures/kv/network.json");
    let observed = "da1d1a26f90657daf05c57390ac4dee60667218b4c431964b639273d3a4e0b0b";
    assert_eq!(scene.text(&keys::network(id)).unwrap(), alike(network, &format!("{id:#}"), observed));
    let endpoint = include_str!("../../tests/fixtures/kv/endpoint-c0.json");
    let observed = "ab8516c59c7c11124696d8112866dbd1d10bf520a226d75e389ba1daee737c2d";
    let endpoint = alike(endpoint, &format!("{:#}", c0.id), observed);
    let observed = "00bd02585abf6514affb4761761266d6cf684dad1fcad792e99d9287e46ea9a1";
    let endpoint = alike(&endpoint, &format!("{:#}", c0.sandbox.unwrap()), observed);
    assert_eq!(scene.text(&keys::endpoint(id, c0.id)).unwrap(), endpoint);
}

#[test]
fn a_network_is_refused_in_dockers_words() {
    let mut scene = Scene::new();
    scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let mut refused = |request: &CreateNetwork| {
        let error = scene.create(request).unwrap_err();
        (error.status(), error.to_string())
    };
    let overlap = "Pool overlaps with other one on this address space".to_owned();
    assert_eq!(refused(&asked("dup", "192.168.0.0/24")), (403, overlap.clone()));
    assert_eq!(refused(&asked("conflicthost", "10.0.0.0/24")), (403, overlap));
    let taken = "network with name demonet already exists".to_owned();
    assert_eq!(refused(&asked("demonet", "")), (409, taken));
    let predefined = "operation is not permitted on predefined host network".to_owned();
    assert_eq!(refused(&asked("host", "")), (403, predefined));
    assert_eq!(refused(&asked("", "")).1, "invalid name: ");
    let invalid = "Invalid subnet 300.1.1.0/24 : invalid CIDR address: 300.1.1.0/24".to_owned();
    assert_eq!(refused(&asked("bad", "300.1.1.0/24")), (500, invalid));
    let mtu = "com.docker.network.driver.mtu";
    assert_eq!(refused(&option("mtunet", "10.75.0.0/24", mtu, "-5")).1, "invalid MTU value: -5");
}

#[test]
fn a_container_is_refused_in_dockers_words() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let hundred = Some(Ipv4Addr::new(192, 168, 0, 100));
    scene.join(id, "C0", hundred).unwrap();
    let mut refused = |network, name: &str, ip: Option<[u8; 4]>| {
        let error = scene.join(network, name, ip.map(Into::into)).unwrap_err();
        (error.status(), error.to_string())
    };
    let in_use = "Address already in use".to_owned();
    assert_eq!(refused(id, "C2", Some([192, 168, 0, 100])), (403, in_use.clone()));
    assert_eq!(refused(id, "C2", Some([192, 168, 0, 1])), (403, in_use));
    let foreign =
        "Invalid address 192.168.9.1: It does not belong to any of this network's subnets".to_owned();
    assert_eq!(refused(id, "C2", Some([192, 168, 9, 1])), (500, foreign));
    let twice = "endpoint with name C0 already exists in network demonet".to_owned();
    assert_eq!(refused(id, "C0", None), (403, twice));

    let drawn = scene.create(&asked("drawn", "")).unwrap();
    let error = scene.join(drawn, "C0", Some(Ipv4Addr::new(10, 0, 1, 9))).unwrap_err().to_string();
    assert!(error.starts_with("user specified IP address is supported only when"), "{error}");
    let tiny = scene.create(&asked("tiny", "10.9.0.0/30")).unwrap();
    scene.join(tiny, "C0", None).unwrap();
    let error = scene.join(tiny, "C1", None).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("no available IPv4 addresses on this network's address pools: tiny ({tiny:#})")
    );
    let secret = scene.create(&option("encnet", "10.74.0.0/24", "encrypted", "")).unwrap();
    let error = scene.join(secret, "C0", None).unwrap_err().to_string();
    assert_eq!(error, "cannot join secure network: encryption keys not present");
}

#[test]
fn a_name_of_two_networks_is_ambiguous_in_dockers_words() {
    let mut scene = Scene::new();
    let one = scene.create(&asked("twin", "10.1.0.0/24")).unwrap();
    // As two Dockers write that create it at the same moment; and its id begins like the other's.
    let last = if format!("{one:#}").ends_with('0') { "1" } else { "0" };
    let two = format!("{}{last}", &format!("{one:#}")[..63]);
    let document = scene.text(&keys::network(one)).unwrap().replace(&format!("{one:#}"), &two);
    let key = keys::network(two.parse().unwrap());
    assert!(scene.commit(vec![TxnOp::Cas { key, value: document.into_bytes(), index: 0 }]));
    let view = scene.view();
    let refused =
        |name: &str| view.find(name).map(|_| ()).map_err(|error| (error.status(), error.to_string()));
    let ambiguous =
        |name: &str, how| Err((400, format!("network {name} is ambiguous (2 matches found {how})")));
    assert_eq!(refused("twin"), ambiguous("twin", "on name"));
    assert_eq!(refused(&two[..12]), ambiguous(&two[..12], "based on ID prefix"));
    assert_eq!(refused(&two), Ok(()));
}

#[test]
fn networks_are_found_by_id_then_name_then_the_beginning_of_an_id() {
    let mut scene = Scene::new();
    let one = scene.create(&asked("one", "10.1.0.0/24")).unwrap();
    let short = one.to_string();
    let two = scene.create(&asked(&short, "10.2.0.0/24")).unwrap();
    let view = scene.view();
    let found = |name: &str| view.find(name).map(|found| found.network.id).map_err(|error| error.to_string());
    assert_eq!(found(&format!("{one:#}")), Ok(one));
    assert_eq!(found(&short), Ok(two), "a name goes before the beginning of an id");
    assert_eq!(found(&short[..11]), Ok(one));
    assert_eq!(found("nosuch"), Err("network nosuch not found".to_owned()));
    assert_eq!(found(""), Err("network  not found".to_owned()));
}

#[test]
fn chosen_vnis_are_kept_apart_from_drawn_ones() {
    let list = "com.docker.network.driver.overlay.vxlanid_list";
    let mut scene = Scene::new();
    scene.create(&option("chosen", "10.1.0.0/24", list, "256")).unwrap();
    let drawn = scene.create(&asked("drawn", "10.2.0.0/24")).unwrap();
    scene.join(drawn, "C0", None).unwrap();
    let vni = scene.view().networks[&drawn].value.network.subnets[0].vni.unwrap();
    assert_eq!(vni.get(), 257);
    let error = scene.create(&option("thief", "10.3.0.0/24", list, "257")).unwrap_err();
    assert_eq!(error.to_string(), "vxlan id 257 is in use by another network");
    scene.remove("chosen").unwrap();
    let again = scene.create(&option("again", "10.1.0.0/24", list, "256,300")).unwrap();
    assert_eq!(scene.view().networks[&again].value.network.subnets[0].vni.unwrap().get(), 256);
}

#[test]
fn a_network_of_two_subnets_has_a_vni_for_each_that_was_joined() {
    let mut scene = Scene::new();
    let id = scene.create(&asked_in("wide", &["10.70.0.0/30", "10.71.0.0/24"])).unwrap();
    let vnis = |scene: &Scene| {
        let subnets = scene.view().networks[&id].value.network.subnets.clone();
        subnets.iter().map(|subnet| subnet.vni.map(Vni::get)).collect::<Vec<_>>()
    };
    assert_eq!(vnis(&scene), [None, None]);
    // The first subnet that has room, in their order.
    assert_eq!(scene.join(id, "C0", None).unwrap().address.to_string(), "10.70.0.2/30");
    assert_eq!(vnis(&scene), [Some(256), None]);
    assert_eq!(scene.join(id, "C1", None).unwrap().address.to_string(), "10.71.0.2/24");
    assert_eq!(vnis(&scene), [Some(256), Some(257)]);
    let asked = scene.join(id, "C2", Some(Ipv4Addr::new(10, 71, 0, 9))).unwrap();
    assert_eq!(asked.address.to_string(), "10.71.0.9/24");
    let driver = r#"{"mtu":0,"secure":false,"subnets":[{"SubnetIP":"10.70.0.0/30","GwIP":"10.70.0.1/30","Vni":256},{"SubnetIP":"10.71.0.0/24","GwIP":"10.71.0.1/24","Vni":257}]}"#;
    assert_eq!(scene.text(&keys::driver(id)).unwrap(), driver);
    let foreign = scene.join(id, "C3", Some(Ipv4Addr::new(10, 72, 0, 9))).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "Invalid address 10.72.0.9: It does not belong to any of this network's subnets"
    );
    for endpoint in scene.view().endpoints_of(id).cloned().collect::<Vec<_>>() {
        scene.leave(&endpoint);
    }
    scene.remove("wide").unwrap();
    assert!(scene.view().bitmaps.is_empty() && scene.view().pools.unwrap().value.nets().next().is_none());
    assert_eq!(scene.view().vnis.map(|vnis| vnis.value.len() - vnis.value.free()), Some(0));
}

#[test]
fn every_subnet_needs_a_vni_if_any_is_chosen() {
    let list = |vnis: &str| CreateNetwork {
        options: BTreeMap::from([(
            "com.docker.network.driver.overlay.vxlanid_list".to_owned(),
            vnis.to_owned(),
        )]),
        ..asked_in("wide", &["10.70.0.0/24", "10.71.0.0/24"])
    };
    let mut scene = Scene::new();
    let error = scene.create(&list("300")).unwrap_err();
    assert_eq!(error.to_string(), "insufficient vnis(1) passed to overlay");
    let id = scene.create(&list("300, 301")).unwrap();
    let vnis: Vec<u32> = scene.view().networks[&id].value.network.vnis().map(Vni::get).collect();
    assert_eq!(vnis, [300, 301]);
}

#[test]
fn whoever_was_slower_changes_nothing() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let view = scene.view();
    let (one, two) = (scene.who("C0", None), scene.who("C1", None));
    let (first, second) = (join(&view, id, &one).unwrap().1, join(&view, id, &two).unwrap().1);
    let removal = remove(&view, view.find("demonet").unwrap()).unwrap();
    assert!(scene.commit(first));
    assert!(!scene.commit(second), "it had the same address");
    assert!(!scene.commit(removal), "somebody is on it");
    assert_eq!(scene.view().endpoints_of(id).count(), 1);
    let other =
        create(&view, &asked("x", "10.1.0.0/24"), NetworkId::random(&mut scene.rng), String::new(), &[]);
    let same =
        create(&view, &asked("x", "10.2.0.0/24"), NetworkId::random(&mut scene.rng), String::new(), &[]);
    assert!(scene.commit(other.unwrap()));
    assert!(!scene.commit(same.unwrap()), "it had the same name");
}

#[test]
fn an_endpoint_is_reclaimed_unless_its_address_is_another_s() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let c0 = scene.join(id, "C0", None).unwrap();
    scene.leave(&c0);
    let ops = reclaim(&scene.view(), &c0, "veth94f8360").unwrap();
    assert!(scene.commit(ops));
    assert_eq!(scene.view().endpoints_of(id).collect::<Vec<_>>(), [&c0]);
    scene.leave(&c0);
    scene.join(id, "C1", Some(c0.address.addr())).unwrap();
    let error = reclaim(&scene.view(), &c0, "veth94f8360").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the address 192.168.0.2 was taken by another endpoint while this host was away"
    );
}

#[test]
fn a_chosen_mac_is_one_endpoint_s_and_no_other_address_s() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let other = scene.create(&asked("other", "10.1.0.0/24")).unwrap();
    let mut join_with = |network, name: &str, ip: Option<[u8; 4]>, mac: &str| {
        let who = Joining { mac: Some(mac.parse().unwrap()), ..scene.who(name, ip.map(Ipv4Addr::from)) };
        let (endpoint, ops) =
            join(&scene.view(), network, &who).map_err(|error| (error.status(), error.to_string()))?;
        assert!(scene.commit(ops));
        assert_eq!(scene.view().endpoints[&network][&who.id].value, endpoint);
        Ok(endpoint.mac.to_string())
    };
    let mac = "92:d0:c6:0a:29:33".to_owned();
    assert_eq!(join_with(id, "C0", None, &mac), Ok(mac.clone()));
    let taken = "MAC address 92:d0:c6:0a:29:33 is already in use by C0 on network demonet".to_owned();
    assert_eq!(join_with(id, "C1", None, &mac), Err((403, taken)));
    assert_eq!(join_with(other, "C1", None, &mac), Ok(mac), "another network is another segment");
    // What Docker makes of an address is for who has it; asked for together they fit.
    let another = "MAC address 02:42:c0:a8:00:09 is that of 192.168.0.9 on network demonet: choose another one, or ask for that address";
    let made = "02:42:c0:a8:00:09".to_owned();
    assert_eq!(join_with(id, "C1", None, &made), Err((403, another.to_owned())));
    assert_eq!(join_with(id, "C1", Some([192, 168, 0, 9]), &made), Ok(made));
    let group =
        "01:00:5e:00:00:01 cannot be a container's MAC address: it is a group's, or nobody's".to_owned();
    assert_eq!(join_with(id, "C2", None, "01:00:5e:00:00:01"), Err((500, group)));
}

#[test]
fn an_endpoint_is_not_reclaimed_if_its_mac_is_another_s() {
    let mut scene = Scene::new();
    let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
    let mac = Some("92:d0:c6:0a:29:33".parse().unwrap());
    let who = Joining { mac, ..scene.who("C0", None) };
    let (c0, ops) = join(&scene.view(), id, &who).unwrap();
    assert!(scene.commit(ops));
    scene.leave(&c0);
    let who = Joining { mac, ..scene.who("C1", Some(Ipv4Addr::new(192, 168, 0, 9))) };
    let ops = join(&scene.view(), id, &who).unwrap().1;
    assert!(scene.commit(ops));
    let error = reclaim(&scene.view(), &c0, "veth94f8360").unwrap_err();
    assert_eq!(error.to_string(), "MAC address 92:d0:c6:0a:29:33 is already in use by C1 on network demonet");
}

fn dual(name: &str, subnets: &[&str]) -> CreateNetwork {
    CreateNetwork { ipv6: true, ..asked_in(name, subnets) }
}

#[test]
fn a_dual_stack_networks_documents_are_those_of_a_docker() {
    let mut scene = Scene::new();
    // As observed: `--ipv6 --subnet fd00:1::/64 --subnet 10.73.0.0/24`.
    let id = scene.create(&dual("v6net", &["fd00:1::/64", "10.73.0.0/24"])).unwrap();
    let c0 = scene.join(id, "C0", None).unwrap();
    assert_eq!(
        (c0.address.to_string(), c0.address6.map(|net| net.to_string()), c0.mac.to_string()),
        ("10.73.0.2/24".to_owned(), Some("fd00:1::2/64".to_owned()), "02:42:0a:49:00:02".to_owned())
    );
    // The fields, their order and their escapes are those of `network.go`, `endpoint.go` and `driverapi/ipamdata.go` (20.10).
    let network = scene.text(&keys::network(id)).unwrap();
    let ipam = concat!(
        r#""ipamV4Config":"[{\"PreferredPool\":\"10.73.0.0/24\",\"SubPool\":\"\",\"Gateway\":\"\",\"AuxAddresses\":null}]","#,
        r#""ipamV4Info":"[{\"IPAMData\":\"{\\\"AddressSpace\\\":\\\"GlobalDefault\\\",\\\"Gateway\\\":\\\"10.73.0.1/24\\\",\\\"Pool\\\":\\\"10.73.0.0/24\\\"}\",\"PoolID\":\"GlobalDefault/10.73.0.0/24\"}]","#,
        r#""ipamV6Config":"[{\"PreferredPool\":\"fd00:1::/64\",\"SubPool\":\"\",\"Gateway\":\"\",\"AuxAddresses\":null}]","#,
        r#""ipamV6Info":"[{\"IPAMData\":\"{\\\"AddressSpace\\\":\\\"GlobalDefault\\\",\\\"Gateway\\\":\\\"fd00:1::1/64\\\",\\\"Pool\\\":\\\"fd00:1::/64\\\"}\",\"PoolID\":\"GlobalDefault/fd00:1::/64\"}]","labels":{}"#
    );
    assert!(network.contains(ipam), "{network}");
    let enabled = r#""enableIPv6":true,"generic":{"com.docker.network.enable_ipv6":true,"#;
    assert!(network.contains(enabled), "{network}");
    let endpoint = scene.text(&keys::endpoint(id, c0.id)).unwrap();
    let interface = concat!(
        r#""ep_iface":{"addr":"10.73.0.2/24","addrv6":"fd00:1::2/64","dstPrefix":"eth","mac":"02:42:0a:49:00:02","routes":null,"#,
        r#""srcName":"veth94f8360","v4PoolID":"GlobalDefault/10.73.0.0/24","v6PoolID":"GlobalDefault/fd00:1::/64"}"#
    );
    assert!(endpoint.contains(interface), "{endpoint}");
    // The network's own address, the gateway's and the container's.
    let bitmap = scene.text(&keys::bitmap("fd00:1::/64".parse().unwrap())).unwrap();
    assert_eq!(
        bitmap,
        r#"{"id":"GlobalDefault/fd00:1::/64","sequence":"/////////////////////OAAAAAAAAAAAAAAAQAAAAAH/////////w=="}"#
    );
    // The driver's record has nothing of it.
    let driver =
        r#"{"mtu":0,"secure":false,"subnets":[{"SubnetIP":"10.73.0.0/24","GwIP":"10.73.0.1/24","Vni":256}]}"#;
    assert_eq!(scene.text(&keys::driver(id)).unwrap(), driver);
    let view = scene.view();
    assert_eq!(view.contradictions(), [""; 0]);
    assert_eq!(view.networks[&id].value.network.subnets[0].gateways().count(), 2);
    scene.leave(&c0);
    scene.remove("v6net").unwrap();
    assert!(scene.view().bitmaps.is_empty() && scene.view().pools.unwrap().value.nets().next().is_none());
}

#[test]
fn what_has_no_ipv6_or_too_much_of_it_is_refused() {
    let mut scene = Scene::new();
    scene.create(&dual("v6net", &["fd00:1::/64", "10.73.0.0/24"])).unwrap();
    let mut said = |request: &CreateNetwork| scene.create(request).unwrap_err().to_string();
    assert_eq!(
        said(&dual("nothing", &["10.74.0.0/24"])),
        "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network"
    );
    assert_eq!(
        said(&dual("dup", &["10.74.0.0/24", "fd00::/16"])),
        "Pool overlaps with other one on this address space"
    );
    assert_eq!(
        said(&asked_in("off", &["10.74.0.0/24", "fd00:2::/64"])),
        "Invalid subnet fd00:2::/64 : the network is without IPv6, which has to be asked for (--ipv6, ipv6 = true)"
    );
    assert_eq!(
        said(&dual("two", &["10.74.0.0/24", "fd00:2::/64", "fd00:3::/64"])),
        "2 IPv6 subnets and 1 IPv4 ones: each IPv6 subnet goes with an IPv4 one, give as many"
    );
    let narrow = option("narrow", "10.74.0.0/24", "com.docker.network.driver.mtu", "1300");
    let narrow =
        CreateNetwork { pools: asked_in("", &["10.74.0.0/24", "fd00:2::/64"]).pools, ipv6: true, ..narrow };
    assert!(said(&narrow).starts_with("invalid MTU value: 1300: 1250 bytes"), "{}", said(&narrow));
    // Without an IPv4 subnet there is a default one, as in Docker.
    let id = scene.create(&dual("only", &["fd00:2::/64"])).unwrap();
    let subnet = &scene.view().networks[&id].value.network.subnets[0];
    assert_eq!(subnet.nets().map(|net| net.to_string()).collect::<Vec<_>>(), ["10.0.1.0/24", "fd00:2::/64"]);
}

#[test]
fn a_container_of_a_dual_stack_network_gets_both_addresses_of_one_subnet() {
    let mut scene = Scene::new();
    let subnets = ["10.70.0.0/24", "10.71.0.0/24", "fd00:70::/126", "fd00:71::/64"];
    let id = scene.create(&dual("wide", &subnets)).unwrap();
    let mut join = |name: &str, ip: Option<&str>, ip6: Option<&str>| -> Result<String, String> {
        let mut who = scene.who(name, ip.map(|ip| ip.parse().unwrap()));
        who.ip6 = ip6.map(|ip| ip.parse().unwrap());
        let (endpoint, ops) = super::join(&scene.view(), id, &who).map_err(|why| why.to_string())?;
        assert!(scene.commit(ops));
        Ok(endpoint.addresses().map(|net| net.addr().to_string()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(join("a", None, None).as_deref(), Ok("10.70.0.2 fd00:70::2"));
    assert_eq!(join("b", None, Some("fd00:71::9")).as_deref(), Ok("10.71.0.2 fd00:71::9"));
    assert_eq!(join("c", Some("10.70.0.9"), Some("fd00:70::3")).as_deref(), Ok("10.70.0.9 fd00:70::3"));
    // The first subnet has no IPv6 address left.
    assert_eq!(join("d", None, None).as_deref(), Ok("10.71.0.3 fd00:71::2"));
    let full = join("e", Some("10.70.0.10"), None).unwrap_err();
    assert!(
        full.starts_with("no available IPv6 addresses on this network's address pools: wide ("),
        "{full}"
    );
    assert_eq!(
        join("e", Some("10.70.0.10"), Some("fd00:71::10")).unwrap_err(),
        "Invalid addresses 10.70.0.10 and fd00:71::10: they belong to different subnets of the network, and a container is in one"
    );
    assert_eq!(
        join("e", None, Some("fd00:72::1")).unwrap_err(),
        "Invalid address fd00:72::1: It does not belong to any of this network's subnets"
    );
    assert_eq!(join("e", None, Some("fd00:71::9")).unwrap_err(), "Address already in use");
    assert_eq!(scene.view().contradictions(), [""; 0]);

    let plain = scene.create(&asked("plain", "10.9.0.0/24")).unwrap();
    let mut who = scene.who("C0", None);
    who.ip6 = Some("fd00:71::9".parse().unwrap());
    let error = super::join(&scene.view(), plain, &who).unwrap_err().to_string();
    assert!(error.starts_with("user specified IP address is supported only when"), "{error}");
}

#[test]
fn an_ipv6_address_that_was_taken_meanwhile_is_lost() {
    let mut scene = Scene::new();
    let id = scene.create(&dual("v6net", &["fd00:1::/64", "10.73.0.0/24"])).unwrap();
    let c0 = scene.join(id, "C0", None).unwrap();
    scene.leave(&c0);
    let ops = reclaim(&scene.view(), &c0, "veth94f8360").unwrap();
    assert!(scene.commit(ops));
    assert_eq!(scene.view().endpoints_of(id).collect::<Vec<_>>(), [&c0]);
    assert_eq!(scene.view().contradictions(), [""; 0]);
    scene.leave(&c0);
    scene.join(id, "C1", Some([10, 73, 0, 9].into())).unwrap();
    let error = reclaim(&scene.view(), &c0, "veth94f8360").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the address fd00:1::2 was taken by another endpoint while this host was away"
    );
}

/// Something that somebody does.
#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Join(u8, u8),
    Leave(u8, u8),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..4).prop_map(Step::Create),
        (0_u8..4, 0_u8..8).prop_map(|(net, name)| Step::Join(net, name)),
        (0_u8..4, 0_u8..8).prop_map(|(net, name)| Step::Leave(net, name)),
        (0_u8..4).prop_map(Step::Remove),
    ]
}

/// A network of two subnets, in which six containers have room; every second one has IPv6 as well.
fn some(net: u8) -> CreateNetwork {
    let ipv6 = net % 2 == 1;
    let mut subnets = vec![format!("10.{}.0.0/30", net + 1), format!("10.{}.1.0/29", net + 1)];
    if ipv6 {
        subnets.extend([format!("fd00:{net}:1::/64"), format!("fd00:{net}:2::/120")]);
    }
    let subnets: Vec<&str> = subnets.iter().map(String::as_str).collect();
    CreateNetwork { ipv6, ..asked_in(&format!("n{net}"), &subnets) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done, the documents agree with one another, and when all is undone nothing is left.
    #[test]
    fn documents_agree_after_any_history(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::new();
        let mut members: BTreeMap<u8, BTreeMap<u8, Endpoint>> = BTreeMap::new();
        let mut ids: BTreeMap<u8, NetworkId> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create(net) => match scene.create(&some(net)) {
                    Ok(id) => prop_assert!(ids.insert(net, id).is_none()),
                    Err(error) => prop_assert!(error.is_conflict() && ids.contains_key(&net)),
                },
                Step::Join(net, name) => {
                    let Some(id) = ids.get(&net) else { continue };
                    let all = members.entry(net).or_default();
                    match scene.join(*id, &format!("c{name}"), None) {
                        Ok(endpoint) => prop_assert!(all.insert(name, endpoint).is_none()),
                        Err(_) => prop_assert!(all.contains_key(&name) || all.len() == 6),
                    }
                }
                Step::Leave(net, name) => {
                    let endpoint = members.get_mut(&net).and_then(|all| all.remove(&name));
                    if let Some(endpoint) = endpoint {
                        scene.leave(&endpoint);
                    }
                }
                Step::Remove(net) => {
                    let used = members.get(&net).is_some_and(|all| !all.is_empty());
                    match scene.remove(&format!("n{net}")) {
                        Ok(()) => prop_assert!(!used && ids.remove(&net).is_some()),
                        Err(_) => prop_assert!(used || !ids.contains_key(&net)),
                    }
                }
            }
            let view = scene.view();
            prop_assert_eq!(view.contradictions(), Vec::<String>::new());
            prop_assert_eq!(view.networks.len(), ids.len());
            prop_assert_eq!(view.bitmaps.len(), ids.keys().map(|net| if net % 2 == 1 { 4 } else { 2 }).sum::<usize>());
            let mut vnis = BTreeSet::new();
            for (net, id) in &ids {
                let found = &view.networks[id].value;
                let all: Vec<&Endpoint> = view.endpoints_of(*id).collect();
                prop_assert_eq!(all.len(), members.get(net).map_or(0, BTreeMap::len));
                prop_assert_eq!(view.counts[id].value.count, all.len() as u64);
                for subnet in &found.network.subnets {
                    // Network, broadcast, gateway, and one for each endpoint.
                    let bits = &view.bitmaps[&subnet.v4.net.into()].value;
                    let its = all.iter().filter(|endpoint| subnet.contains(endpoint.address.addr().into()));
                    let its = its.count() as u64;
                    prop_assert_eq!(bits.len() - bits.free(), 3 + its);
                    // Of IPv6 there is no broadcast address.
                    if let Some(v6) = &subnet.v6 {
                        let bits = &view.bitmaps[&v6.net.into()].value;
                        prop_assert_eq!(bits.len() - bits.free(), 2 + its);
                    }
                }
                let addresses: BTreeSet<_> = all.iter().flat_map(|endpoint| endpoint.addresses()).collect();
                prop_assert_eq!(addresses.len(), all.len() * if net % 2 == 1 { 2 } else { 1 });
                for vni in found.network.vnis() {
                    prop_assert!(vnis.insert(vni), "{vni} twice");
                }
            }
            let drawn = view.vnis.as_ref().map_or(0, |vnis| vnis.value.len() - vnis.value.free());
            prop_assert_eq!(drawn, vnis.len() as u64);
        }
    }
}

#[test]
fn a_store_whose_index_goes_back_has_begun_another_life() {
    let mut known = View::read(&Listing { index: 40, pairs: Vec::new() });
    known.life = 3;
    let at = |index| View::since(&known, &Listing { index, pairs: Vec::new() }).moment();
    assert_eq!((at(40), at(41)), (known.moment(), Moment { life: 3, index: 41 }));
    assert_eq!(at(7), Moment { life: 4, index: 7 });
    assert!(at(7) > at(41));
}

#[test]
fn a_store_that_has_other_beginnings_has_begun_another_life_whatever_its_index() {
    let parent = |key: &str, modify_index| Pair {
        key: key.to_owned(),
        value: Vec::new(),
        flags: 0,
        session: None,
        create_index: modify_index,
        modify_index,
        lock_index: 0,
    };
    for key in [keys::NODES, keys::NETWORKS] {
        let read = |index, begun: Option<u64>| Listing {
            index,
            pairs: begun.map(|begun| parent(key, begun)).into_iter().collect(),
        };
        let known = View::read(&read(10, Some(4)));
        let life = |listing| View::since(&known, &listing).life;
        assert_eq!(life(read(12, Some(4))), 0);
        assert_eq!((life(read(10, Some(5))), life(read(12, Some(5))), life(read(12, None))), (1, 1, 1));
        // Nothing was there that could be lost.
        assert_eq!(View::since(&View::read(&read(10, None)), &read(12, Some(11))).life, 0);
    }
}
