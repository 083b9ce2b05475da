//! Containers as those that a Docker Engine 20.10 was seen to make: interfaces, MTUs, MACs, addresses, routes.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use kernel::nft::Nft;
use kernel::{Netns, Snapshot};
use lab::{look, network, network_of};
use overlay::ipam::PoolRequest;
use overlay::model::Publish;
use overlay::{ContainerRef, CreateNetwork, JoinOptions};

/// A container each on networks of several kinds, on the host of C0.
const BY_NETWORK: &str = include_str!("fixtures/containers-by-network.txt");

/// A container on demonet with 8080:80 published, then connected to mtunet.
const ON_TWO: &str = include_str!("fixtures/publish-and-two-networks.txt");

/// A container's interfaces, `eth0 mtu 1450 02:42:c0:a8:00:03 192.168.0.3/24`, and its routes without what the kernel adds, sorted.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    links: Vec<String>,
    routes: Vec<String>,
}

/// That of a container of ours.
fn ours(netns: &Netns) -> Shape {
    let have = look(netns);
    let links = have.links.iter().filter(|link| link.name != "lo").map(|link| {
        let address = have.addresses_of(&link.name)[0];
        format!("{} mtu {} {} {address}", link.name, link.mtu, link.mac.unwrap())
    });
    let mut routes: Vec<String> = have.routes.iter().map(|route| shown(&have, route)).collect();
    routes.sort_unstable();
    Shape { links: links.collect(), routes }
}

/// As `ip route` begins.
fn shown(have: &Snapshot, route: &kernel::rtnl::Route) -> String {
    let to = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
    let via = route.gateway.map_or_else(String::new, |via| format!(" via {via}"));
    format!("{to}{via} dev {}", have.by_index(route.dev.unwrap()).unwrap().name)
}

/// From what `ip addr` and `ip route` printed, as far as it is IPv4.
fn docker(text: &str) -> Shape {
    let mut links: Vec<String> = Vec::new();
    let mut routes = Vec::new();
    for line in text.lines().take_while(|line| !line.starts_with("nameserver") && !line.starts_with('*')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, name, _, "mtu", mtu, ..] if name.starts_with("eth") => {
                links.push(format!("{} mtu {mtu}", name.split('@').next().unwrap()));
            }
            ["link/ether", mac, ..] => *links.last_mut().unwrap() += &[" ", mac].concat(),
            ["inet", address, ..] if !links.is_empty() => {
                *links.last_mut().unwrap() += &[" ", address].concat();
            }
            // Routes of IPv6 have a metric.
            [.., "dev", _] | [.., "dev", _, "scope", "link", "src", _] if !words.contains(&"metric") => {
                routes.push(line.split(" scope ").next().unwrap().trim().to_owned());
            }
            _ => {}
        }
    }
    routes.sort_unstable();
    Shape { links, routes }
}

/// The networks as they were created.
fn networks() -> Vec<CreateNetwork> {
    let option = |name: &str, subnet: &str, key: &str, value: &str| CreateNetwork {
        options: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..network(name, subnet)
    };
    let mut auxnet = network("auxnet", "10.77.0.0/24");
    auxnet.pools = vec![PoolRequest {
        ip_range: Some("10.77.0.128/25".to_owned()),
        aux: BTreeMap::from([("a".to_owned(), "10.77.0.5".to_owned())]),
        ..auxnet.pools.remove(0)
    }];
    vec![
        CreateNetwork { internal: true, ..network("intnet", "10.66.0.0/24") },
        network("v6net", "10.73.0.0/24"),
        network_of("multinet", &["10.70.0.0/24", "10.71.0.0/24"]),
        option("mtunet", "10.75.0.0/24", "com.docker.network.driver.mtu", "1300"),
        option("vninet", "10.76.0.0/24", "com.docker.network.driver.overlay.vxlanid_list", "777"),
        auxnet,
        option("encnet", "10.74.0.0/24", "encrypted", ""),
    ]
}

#[kernel::isolate]
fn a_container_on_each_kind_of_network_is_as_one_of_dockers() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            // The addresses that others had there.
            lab.joined(0, "C0", "demonet", Some([192, 168, 0, 100])).await;
            for network in networks() {
                lab.engine(0).create_network(network).await.unwrap();
            }
            let mut seen = 0;
            for block in BY_NETWORK.split("=== container on ").skip(1) {
                let (network, text) = block.split_once(" (host docker0)\n").unwrap();
                let container = lab.container(&format!("on-{network}"));
                let joined = lab.engine(0).join(&container, network, JoinOptions::default()).await;
                // Docker made a container there, and none ever ran.
                if text.contains("is not running") {
                    assert_eq!(network, "encnet");
                    assert_eq!(
                        joined.unwrap_err().to_string(),
                        "cannot join secure network: encryption keys not present"
                    );
                } else {
                    let info = joined.unwrap();
                    assert_eq!(ours(&container.netns), docker(text), "{network}");
                    let vni = (network == "vninet").then_some(777);
                    let sandbox = lab.look(0, &info.overlay);
                    let vnis: Vec<u32> =
                        sandbox.links.iter().filter_map(|link| Some(link.vxlan.as_ref()?.vni)).collect();
                    assert!(vni.is_none_or(|vni| vnis == [vni]), "{vnis:?}");
                }
                seen += 1;
            }
            assert_eq!(seen, networks().len());
        },
        1,
    );
}

#[kernel::isolate]
fn a_container_with_two_networks_and_a_published_port_is_as_one_of_dockers() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mtunet = networks().into_iter().find(|network| network.name == "mtunet").unwrap();
            lab.engine(0).create_network(mtunet).await.unwrap();
            // The addresses that others had there.
            lab.joined(1, "C1", "demonet", Some([192, 168, 0, 2])).await;
            lab.joined(0, "on-mtunet", "mtunet", None).await;
            for number in 100..105 {
                lab.joined(0, &format!("C{number}"), "demonet", Some([192, 168, 0, number])).await;
            }
            let c0 = ContainerRef { publish: Publish::parse("8080:80").unwrap(), ..lab.container("C0") };
            for network in ["demonet", "mtunet"] {
                lab.engine(0).join(&c0, network, JoinOptions::default()).await.unwrap();
            }
            assert_eq!(ours(&c0.netns), docker(ON_TWO));

            // One port, redirected to the same place; both say it in the words of their tool.
            let to = SocketAddrV4::new(Ipv4Addr::new(172, 18, 0, 8), 80);
            assert!(ON_TWO.contains(&format!("-p tcp -m tcp --dport 8080 -j DNAT --to-destination {to}\n")));
            let rules = Nft::new(&lab.hosts[0].env.netns).unwrap().rules().unwrap();
            assert!(rules.iter().any(|rule| rule.starts_with("docker prerouting:")
                && rule.ends_with(&format!("meta l4proto 6 th dport 8080 counter dnat to {to}"))));
        },
        2,
    );
}
