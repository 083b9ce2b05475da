//! Networks of both families: IPv6 between containers, over what IPv4 has already.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use kernel::icmp::Echo;
use kernel::{Batch, Mac, Netns, Rtnl, Snapshot};
use lab::{Lab, holds, look, network_of, ping, reaches};
use overlay::dns::{Data, Question, Type, ask};
use overlay::{ContainerRef, JoinOptions, Resolution, docker};

/// `v6net`: 10.73.0.0/24 and fd00:1::/64, made on docker0.
async fn v6net(lab: &Lab) {
    lab.engine(0).create_network(network_of("v6net", &["fd00:1::/64", "10.73.0.0/24"])).await.unwrap();
}

/// fd00:1:: and these last bits.
fn six(last: u16) -> IpAddr {
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, last).into()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// C0 on docker0 has 10.73.0.2 and fd00:1::2, C1 on docker1 the next ones.
async fn two_hosts(lab: &mut Lab) -> (ContainerRef, ContainerRef) {
    v6net(lab).await;
    let c0 = lab.joined(0, "C0", "v6net", None).await;
    let c1 = lab.joined(1, "C1", "v6net", None).await;
    lab.converged().await;
    (c0, c1)
}

/// Whether both reach each other, by both families.
async fn both(one: &ContainerRef, other: &ContainerRef) -> bool {
    reaches(&one.netns, six(3)).await
        && reaches(&other.netns, six(2)).await
        && reaches(&one.netns, [10, 73, 0, 3]).await
}

/// The permanent neighbour entries of a host's vxlan devices.
fn known(lab: &Lab, host: usize) -> BTreeSet<(IpAddr, Option<Mac>)> {
    let have = lab.look(host, &lab.overlay(host));
    have.neighbours.iter().filter(|entry| entry.permanent).map(|entry| (entry.ip, entry.mac)).collect()
}

/// Through whom a route leads that has to be there.
fn through(have: &Snapshot, to: &str) -> Option<IpAddr> {
    have.routes.iter().find(|route| route.to == Some(net(to))).unwrap().gateway
}

fn off(netns: &Netns, link: &str) -> bool {
    netns.sysctl(&format!("ipv6/conf/{link}/disable_ipv6")).unwrap() == "1"
}

#[kernel::isolate]
fn containers_of_different_hosts_reach_each_other_by_ipv6() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            assert!(both(&c0, &c1).await);

            // As observed in Docker, but for the bridge and the entries, which it does not have.
            let have = look(&c0.netns);
            assert_eq!(have.addresses_of("eth0"), [net("10.73.0.2/24"), net("fd00:1::2/64")]);
            assert_eq!(have.addresses_of("lo"), [net("127.0.0.1/8"), net("::1/128")]);
            assert_eq!(have.link("eth0").unwrap().mac.unwrap().to_string(), "02:42:0a:49:00:02");
            assert_eq!(through(&have, "fd00:1::/64"), None);
            assert!(!off(&c0.netns, "eth0") && off(&c0.netns, "eth1"), "there is none on docker_gwbridge");
            let name = lab.overlay(0);
            let sandbox = lab.look(0, &name);
            assert_eq!(sandbox.addresses_of("br0"), [net("10.73.0.1/24"), net("fd00:1::1/64")]);
            let mac = Some(Mac::of([10, 73, 0, 3].into()));
            assert_eq!(known(&lab, 0), BTreeSet::from([([10, 73, 0, 3].into(), mac), (six(3), mac)]));
            let netns = lab.hosts[0].env.sandboxes.get(&name).unwrap().netns().clone();
            assert!(off(&netns, "veth2"), "a port of the bridge has none");
            assert!(reaches(&c0.netns, six(1)).await, "the gateway");

            // A static one, far out.
            let c2 = lab.container("C2");
            let ip6 = "fd00:1::dead:beef".parse().unwrap();
            let options = JoinOptions { ip6: Some(ip6), ..JoinOptions::default() };
            let info = lab.engine(1).join(&c2, "v6net", options).await.unwrap();
            assert_eq!(info.address6.map(IpNet::V6), Some(net("fd00:1::dead:beef/64")));
            lab.converged().await;
            assert!(reaches(&c0.netns, ip6).await && reaches(&c1.netns, ip6).await);

            // What goes takes its entries along.
            lab.engine(1).leave(&c2, "v6net").await.unwrap();
            lab.converged().await;
            assert_eq!(known(&lab, 0).len(), 2);
        },
        2,
    );
}

#[kernel::isolate]
fn networks_with_and_without_ipv6_do_not_disturb_each_other() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            lab.engine(0).create_network(network_of("plain", &["10.74.0.0/24"])).await.unwrap();
            lab.engine(0).join(&c0, "plain", JoinOptions::default()).await.unwrap();
            assert!(off(&c0.netns, "eth2") && !off(&c0.netns, "eth0"));
            assert!(both(&c0, &c1).await);
            // And the other way round.
            let c2 = lab.joined(0, "C2", "plain", None).await;
            assert!(off(&c2.netns, "lo") && off(&c2.netns, "eth0"));
            lab.engine(0).join(&c2, "v6net", JoinOptions::default()).await.unwrap();
            lab.converged().await;
            assert!(reaches(&c2.netns, six(3)).await && reaches(&c1.netns, six(4)).await);
            assert!(off(&c2.netns, "eth0"));
            lab.engine(0).leave(&c0, "v6net").await.unwrap();
            lab.converged().await;
            assert!(!reaches(&c2.netns, six(2)).await && reaches(&c2.netns, [10, 74, 0, 2]).await);
        },
        2,
    );
}

#[kernel::isolate]
fn two_ipv6_subnets_are_routed_wherever_their_containers_are() {
    lab::run(
        |mut lab| async move {
            let subnets = ["10.70.0.0/24", "10.71.0.0/24", "fd00:70::/64", "fd00:71::/64"];
            lab.engine(0).create_network(network_of("wide", &subnets)).await.unwrap();
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            let late = lab.joined(2, "late", "wide", Some([10, 71, 0, 10])).await;
            lab.converged().await;
            let ip = |net: u16, last: u16| IpAddr::from([0xfd00, net, 0, 0, 0, 0, 0, last]);
            assert_eq!(through(&look(&low.netns), "fd00:71::/64"), Some(ip(0x70, 1)));
            holds("low and high", || async {
                reaches(&low.netns, ip(0x71, 2)).await && reaches(&high.netns, ip(0x70, 2)).await
            })
            .await;
            // It has no container of the first subnet, and yet its peers.
            holds("low and late", || async {
                reaches(&low.netns, ip(0x71, 3)).await && reaches(&late.netns, ip(0x70, 2)).await
            })
            .await;
            let near = lab.joined(0, "near", "wide", Some([10, 71, 0, 11])).await;
            lab.converged().await;
            holds("on one host", || async {
                reaches(&low.netns, ip(0x71, 4)).await && reaches(&near.netns, ip(0x70, 2)).await
            })
            .await;
        },
        3,
    );
}

#[kernel::isolate]
fn an_engine_that_takes_over_finds_both_families_and_mends_them() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            let (name, entries) = (lab.overlay(0), known(&lab, 0));
            let before = lab.look(0, &name);
            lab.hosts[0].engine.take().unwrap().abort();
            assert!(both(&c0, &c1).await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            let indexes = |have: &Snapshot| have.links.iter().map(|link| link.index).collect::<Vec<_>>();
            assert_eq!(indexes(&lab.look(0, &name)), indexes(&before));
            assert!(both(&c0, &c1).await, "with another one");

            let netns = lab.hosts[0].env.sandboxes.get(&name).unwrap().netns().clone();
            let rtnl = Rtnl::new(&netns).unwrap();
            let device = before.link("vxlan1").unwrap().index;
            rtnl.apply(&Batch::new().remove_neighbour(device, six(3))).unwrap();
            holds("the entry is back", || async { known(&lab, 0) == entries }).await;
            // With IPv6 the kernel takes the addresses and the entries away.
            for link in ["br0", "vxlan1"] {
                netns.set_sysctl(&format!("ipv6/conf/{link}/disable_ipv6"), "1").unwrap();
                holds(link, || async {
                    let bridge = lab.look(0, &name).addresses_of("br0");
                    known(&lab, 0) == entries && bridge.contains(&net("fd00:1::1/64"))
                })
                .await;
                holds("and works", || both(&c0, &c1)).await;
            }
            c0.netns.set_sysctl("ipv6/conf/eth0/disable_ipv6", "1").unwrap();
            holds("the container is whole", || both(&c0, &c1)).await;
        },
        2,
    );
}

#[kernel::isolate]
fn an_ipv6_peer_is_known_when_it_is_missed_and_the_first_packet_is_not_lost() {
    lab::run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            assert!(known(&lab, 0).is_empty() && known(&lab, 1).is_empty());
            // Within the third of a second that `ping` waits; without the announcement the asker would ask again after one.
            assert!(matches!(ping(&c0.netns, six(3)).await, Echo::Reply(_)));
            let ips = |host| known(&lab, host).into_iter().map(|(ip, _)| ip).collect::<Vec<_>>();
            assert_eq!((ips(0), ips(1)), (vec![six(3)], vec![six(2)]));
            let counts = lab.engine(0).misses().await.unwrap();
            assert_eq!(counts.answered, 1, "{counts:?}");
            assert!(!reaches(&c0.netns, six(77)).await);
            assert!(reaches(&c0.netns, [10, 73, 0, 3]).await);
        },
        2,
    );
}

/// An IPv6 address goes to a container with another MAC, and those who have talked to the one before reach it.
fn an_address_changes_hands(resolution: Resolution) {
    lab::run_with(
        resolution,
        |mut lab| async move {
            v6net(&lab).await;
            let near = lab.joined(0, "near", "v6net", None).await;
            let far = lab.joined(1, "far", "v6net", None).await;
            lab.converged().await;
            let ip: IpAddr = "fd00:1::99".parse().unwrap();
            // On the host of one of the two each time; the next one has another IPv4 address, and so another MAC.
            for (number, host) in [0, 1, 1, 0].into_iter().enumerate() {
                let next = lab.container(&format!("C{number}"));
                let last = 10 + u8::try_from(number).unwrap();
                let ip4 = Some([10, 73, 0, last].into());
                let IpAddr::V6(ip6) = ip else { unreachable!() };
                let options = JoinOptions { ip: ip4, ip6: Some(ip6), ..JoinOptions::default() };
                lab.engine(host).join(&next, "v6net", options).await.unwrap();
                lab.converged().await;
                for from in [&near, &far] {
                    let what = format!("{} reaches C{number}", from.name);
                    match resolution {
                        Resolution::Store => assert!(reaches(&from.netns, ip).await, "not so: {what}"),
                        // What is sent to a MAC that is missed is lost. Without a word the kernel trusts the MAC it knows for at
                        // least 15 s (RFC 4861 §6.3.2), which is longer than this waits.
                        Resolution::OnMiss => holds(&what, || reaches(&from.netns, ip)).await,
                    }
                }
                lab.engine(host).leave(&next, "v6net").await.unwrap();
                lab.converged().await;
            }
        },
        2,
    );
}

#[kernel::isolate]
fn an_ipv6_address_that_goes_to_another_container_is_reached_at_once() {
    an_address_changes_hands(Resolution::Store);
}

#[kernel::isolate]
fn an_ipv6_address_that_goes_to_another_container_is_missed_anew() {
    an_address_changes_hands(Resolution::OnMiss);
}

#[kernel::isolate]
fn names_lead_to_ipv6_addresses_and_back() {
    lab::run(
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            let answer = async |question: Question| {
                let patience = Duration::from_secs(5);
                let response = ask(&c0.netns, docker::NAME_SERVER, &question, patience).await.unwrap();
                response.answers.into_iter().map(|record| record.data).collect::<Vec<_>>()
            };
            let about = |kind| Question { name: "C1.v6net".to_owned(), kind };
            assert_eq!(answer(about(Type::AAAA)).await, [Data::Aaaa("fd00:1::3".parse().unwrap())]);
            assert_eq!(answer(about(Type::A)).await, [Data::A([10, 73, 0, 3].into())]);
            assert_eq!(answer(Question::backwards(six(3))).await, [Data::Ptr("C1.v6net".to_owned())]);
        },
        2,
    );
}

#[kernel::isolate]
fn what_both_families_have_is_shown_as_docker_shows_it() {
    lab::run(
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            let network =
                serde_json::to_value(lab.engine(1).inspect_network("v6net").await.unwrap()).unwrap();
            assert_eq!(network["EnableIPv6"], true);
            let config = serde_json::json!([{ "Subnet": "10.73.0.0/24" }, { "Subnet": "fd00:1::/64" }]);
            assert_eq!(network["IPAM"]["Config"], config);
            let containers = network["Containers"].as_object().unwrap();
            let addresses: BTreeSet<&str> =
                containers.values().map(|container| container["IPv6Address"].as_str().unwrap()).collect();
            assert_eq!(addresses, BTreeSet::from(["fd00:1::2/64", "fd00:1::3/64"]));
            let settings = serde_json::to_value(lab.engine(0).inspect_container(&c0).await.unwrap()).unwrap();
            let its = &settings["Networks"]["v6net"];
            assert_eq!(its["GlobalIPv6Address"], "fd00:1::2");
            assert_eq!(its["GlobalIPv6PrefixLen"], 64);
            // Nothing leads outside from an overlay.
            assert_eq!((its["IPv6Gateway"].as_str(), its["Gateway"].as_str()), (Some(""), Some("")));
        },
        2,
    );
}
