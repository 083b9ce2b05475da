//! What is shown of the observed documents is what a Docker showed of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use kernel::Netns;
use serde::Serialize;

use super::*;
use crate::kv::{FLAGS, Listing, Pair, keys};

const NETWORK: &str = "da1d1a26f90657daf05c57390ac4dee60667218b4c431964b639273d3a4e0b0b";
const C0: &str = "ab8516c59c7c11124696d8112866dbd1d10bf520a226d75e389ba1daee737c2d";
const C1: &str = "10fb38cdf1d76720c6e4ca4bbba76493873278fd269736119ab39d260df27e7a";

fn view() -> View {
    let pair = |key: String, value: &str| Pair {
        key,
        value: value.as_bytes().to_vec(),
        flags: FLAGS,
        session: None,
        create_index: 1,
        modify_index: 1,
        lock_index: 0,
    };
    let id = NETWORK.parse().unwrap();
    let node =
        |node: &str| Pair { session: Some("s".to_owned()), ..pair(keys::node(node.parse().unwrap()), node) };
    let pairs = vec![
        node("10.0.0.10:2376"),
        node("10.0.0.11:2376"),
        pair(keys::network(id), include_str!("../../tests/fixtures/kv/network.json")),
        pair(
            keys::endpoint(id, C0.parse().unwrap()),
            include_str!("../../tests/fixtures/kv/endpoint-c0.json"),
        ),
        pair(
            keys::endpoint(id, C1.parse().unwrap()),
            include_str!("../../tests/fixtures/kv/endpoint-c1.json"),
        ),
    ];
    View::read(&Listing { index: 1, pairs })
}

/// C0, as docker0 has it.
fn c0() -> ContainerRef {
    ContainerRef {
        id: "bae7787224779cb421395841180ad227763c09a5ab4ca44919e8e467900a18ac".parse().unwrap(),
        name: "C0".to_owned(),
        sandbox: "00bd02585abf6514affb4761761266d6cf684dad1fcad792e99d9287e46ea9a1".parse().unwrap(),
        netns: Netns::current("C0").unwrap(),
        publish: Vec::new(),
        dns: crate::dns::Resolv::default(),
    }
}

fn shown(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn a_network_is_shown_as_docker_shows_it() {
    let here = Sandboxes::new();
    here.insert_container(c0());
    let view = view();
    let details = overlay(&view, view.find("demonet").unwrap(), &here);
    assert_eq!(shown(&[details]), include_str!("../../tests/fixtures/inspect/demonet.json"));
}

#[test]
fn peers_are_shown_beside_what_docker_shows_and_only_if_asked_for() {
    let view = view();
    let found = view.find("demonet").unwrap();
    let plain = overlay(&view, found, &Sandboxes::new());
    let hosts: Vec<Ipv4Addr> = view.endpoints_of(found.network.id).map(|endpoint| endpoint.host).collect();
    let [here, there] = hosts[..] else { panic!("{hosts:?}") };
    let verbose = NetworkDetails { peers: Some(peers(&view, found.network.id, here)), ..plain.clone() };
    let mut document = serde_json::to_value(&verbose).unwrap();
    let name =
        view.endpoints_of(found.network.id).find(|endpoint| endpoint.host == there).unwrap().name.clone();
    let its = plain.containers.values().find(|member| member.name == name).unwrap();
    assert_eq!(
        document.as_object_mut().unwrap().remove("Peers").unwrap(),
        serde_json::json!([{ "Name": format!("{there}:2376"), "IP": there, "Endpoints": [its] }])
    );
    assert_eq!(document, serde_json::to_value(&plain).unwrap());
    // A host that is gone is nobody's peer.
    let mut gone = view.clone();
    gone.nodes.remove(&there);
    assert_eq!(peers(&gone, found.network.id, here), []);
}

#[test]
fn the_gateway_bridge_is_shown_as_docker_shows_it() {
    let network = LocalNetwork {
        id: "80b76665a858813d5df9e38084649354e1985a798b0df66bd1b0c715b08b20bb".parse().unwrap(),
        created: "2026-11-22T21:11:14.880593569Z".to_owned(),
    };
    let endpoint = "20b8009ee8a9b6e7da385bcc7de014809c1b444c7b151c1bb4b3da79d99356c6".parse().unwrap();
    let ip = std::net::Ipv4Addr::new(172, 18, 0, 2);
    let subnet = ("172.18.0.0/16".parse().unwrap(), std::net::Ipv4Addr::new(172, 18, 0, 1));
    let details = gateway(&network, subnet, vec![(c0(), endpoint, ip)]);
    assert_eq!(shown(&[details]), include_str!("../../tests/fixtures/inspect/gw.json"));
}

#[test]
fn a_container_is_shown_as_docker_shows_it() {
    let view = view();
    let endpoint =
        view.endpoints_of(NETWORK.parse().unwrap()).find(|endpoint| endpoint.name == "C0").unwrap();
    let settings = container(
        &c0(),
        vec![(
            "demonet".to_owned(),
            endpoint.clone(),
            Some(Asked { ip: Some(endpoint.address.addr()), ip6: None }),
        )],
        &[],
    );
    assert_eq!(shown(&settings), include_str!("../../tests/fixtures/inspect/C0.json"));
}
