#![expect(clippy::unwrap_used, reason = "a test")]
use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::{Ipv4Net, Ipv6Net};

use super::*;
use crate::id::{EndpointId, SandboxId};
use crate::ipam::PoolRequest;
use crate::ledger::{Found, Stored};
use crate::model::{Mac, Pool, Subnet};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);

/// Documents, as they grow.
struct Story {
    view: View,
    rng: fastrand::Rng,
}

impl Story {
    fn new() -> Story {
        let mut view = View::default();
        for host in [HERE, THERE] {
            view.nodes.insert(host, SocketAddr::from((host, 2376)));
        }
        Story { view, rng: fastrand::Rng::with_seed(1) }
    }

    fn network(&mut self, name: &str, internal: bool) -> NetworkId {
        let id = NetworkId::random(&mut self.rng);
        let net = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 24);
        let network = Network {
            id,
            name: name.to_owned(),
            created: String::new(),
            subnets: vec![Subnet {
                v4: Pool { net, range: None, gateway: net.network(), aux: BTreeMap::new() },
                v6: None,
                vni: None,
            }],
            internal,
            attachable: false,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        let value = Found { network, requests: vec![PoolRequest::default()] };
        self.view.networks.insert(id, Stored { index: 1, value });
        id
    }

    fn endpoint(
        &mut self,
        network: NetworkId,
        name: &str,
        last: u8,
        host: Ipv4Addr,
        aliases: &[&str],
    ) -> EndpointId {
        let id = EndpointId::random(&mut self.rng);
        let ip = Ipv4Addr::new(192, 168, 0, last);
        let value = Endpoint {
            id,
            network,
            name: name.to_owned(),
            anonymous: false,
            address: Ipv4Net::new_assert(ip, 24),
            address6: None,
            mac: Mac::of(ip),
            sandbox: Some(SandboxId::random(&mut self.rng)),
            host,
            aliases: aliases.iter().map(ToString::to_string).collect(),
            publish: vec![],
        };
        self.view.endpoints.entry(network).or_default().insert(id, Stored { index: 1, value });
        id
    }

    fn zone(&self, networks: &[NetworkId]) -> Zone {
        Zone::of(Arc::new(self.view.clone()), HERE, networks.iter().copied())
    }
}

fn found(zone: &Zone, name: &str) -> Vec<u8> {
    let v4 = |ip| if let IpAddr::V4(ip) = ip { Some(ip.octets()[3]) } else { None };
    zone.addresses(name).unwrap_or_default().into_iter().filter_map(v4).collect()
}

#[test]
fn a_container_has_its_name_its_aliases_and_its_short_id_in_any_case() {
    let mut story = Story::new();
    let demonet = story.network("demonet", false);
    story.endpoint(demonet, "C0", 2, THERE, &["db", "bae778722477"]);
    let zone = story.zone(&[demonet]);
    for name in ["C0", "c0", "DB", "bae778722477", "C0.demonet", "db.DemoNet", "bae778722477.demonet"] {
        assert_eq!(found(&zone, name), [2], "{name}");
    }
    for name in ["C1", "C0.other", "demonet", "", ".", "C0.", ".demonet", "x.C0"] {
        assert_eq!(zone.addresses(name), None, "{name}");
    }
    assert_eq!(zone.name_of([192, 168, 0, 2].into()).unwrap(), "C0.demonet");
    assert_eq!(zone.name_of([192, 168, 0, 3].into()), None);
}

#[test]
fn only_networks_that_the_container_is_on_have_names() {
    let mut story = Story::new();
    let (demonet, other) = (story.network("demonet", false), story.network("other", false));
    story.endpoint(demonet, "C0", 2, HERE, &[]);
    story.endpoint(other, "C1", 3, HERE, &[]);
    let zone = story.zone(&[demonet]);
    assert_eq!((found(&zone, "C0"), found(&zone, "C1"), found(&zone, "C1.other")), (vec![2], vec![], vec![]));
    assert_eq!(zone.name_of([192, 168, 0, 3].into()), None);
    assert_eq!(found(&story.zone(&[demonet, other]), "C1"), [3]);
    assert_eq!(story.zone(&[]).addresses("C0"), None);
}

#[test]
fn the_first_network_that_has_a_name_answers_internal_ones_last() {
    let mut story = Story::new();
    let (z, b, a) = (story.network("z", false), story.network("b", false), story.network("a", true));
    for (network, last) in [(z, 1), (b, 2), (a, 3)] {
        story.endpoint(network, "web", last, HERE, &[]);
    }
    let zone = story.zone(&[z, a, b]);
    assert_eq!(found(&zone, "web"), [2]);
    assert_eq!((found(&zone, "web.a"), found(&zone, "web.z")), (vec![3], vec![1]));
}

#[test]
fn every_dot_may_be_the_one_before_the_network() {
    let mut story = Story::new();
    let (net, dotted) = (story.network("net", false), story.network("b.net", false));
    story.endpoint(net, "a.b", 2, HERE, &[]);
    let zone = story.zone(&[net, dotted]);
    assert_eq!((found(&zone, "a.b"), found(&zone, "a.b.net")), (vec![2], vec![2]));
    story.endpoint(dotted, "a", 3, HERE, &[]);
    let zone = story.zone(&[net, dotted]);
    assert_eq!(found(&zone, "a.b.net"), [2], "the last dot first");
    assert_eq!(found(&story.zone(&[dotted]), "a.b.net"), [3]);
}

#[test]
fn an_alias_of_several_leads_to_all_of_them_that_are_alive() {
    let mut story = Story::new();
    let demonet = story.network("demonet", false);
    for (name, last, host) in [("C0", 2, HERE), ("C1", 3, THERE), ("C2", 4, THERE)] {
        story.endpoint(demonet, name, last, host, &["db"]);
    }
    assert_eq!(found(&story.zone(&[demonet]), "db"), [2, 3, 4]);
    story.view.nodes.clear();
    let zone = story.zone(&[demonet]);
    assert_eq!(found(&zone, "db"), [2], "this host's are, whatever the store says");
    assert_eq!((zone.addresses("C1"), zone.name_of([192, 168, 0, 3].into())), (None, None));
}

#[test]
fn a_name_that_was_drawn_is_nobodys() {
    let mut story = Story::new();
    let demonet = story.network("demonet", false);
    let id = story.endpoint(demonet, "c1234", 2, HERE, &["db", "bae778722477"]);
    story.view.endpoints.get_mut(&demonet).unwrap().get_mut(&id).unwrap().value.anonymous = true;
    let zone = story.zone(&[demonet]);
    assert_eq!((found(&zone, "c1234"), found(&zone, "db")), (vec![], vec![2]));
    assert_eq!(zone.name_of([192, 168, 0, 2].into()).unwrap(), "db.demonet");
}

#[test]
fn who_has_an_ipv6_address_is_found_by_it_and_has_it_by_name() {
    let mut story = Story::new();
    let demonet = story.network("demonet", false);
    let id = story.endpoint(demonet, "C0", 2, THERE, &[]);
    let six: Ipv6Net = "fd00:1::2/64".parse().unwrap();
    let stored = story.view.endpoints.get_mut(&demonet).unwrap().get_mut(&id).unwrap();
    stored.value.address6 = Some(six);
    let zone = story.zone(&[demonet]);
    assert_eq!(zone.addresses("C0"), Some(vec![[192, 168, 0, 2].into(), six.addr().into()]));
    assert_eq!(zone.name_of(six.addr().into()).unwrap(), "C0.demonet");
    assert_eq!(zone.name_of("fd00:1::3".parse().unwrap()), None);
}
