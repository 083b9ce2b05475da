//! The article's set-up: two hosts, one overlay, a container on each, and what can be seen of them.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use kernel::Netns;
use lab::{Lab, look, ping, reaches};

/// demonet with C0 (192.168.0.100) on docker0 and C1 on docker1.
async fn two_hosts(lab: &mut Lab) -> (Netns, Netns) {
    lab.demonet().await;
    let c0 = lab.joined(0, "C0", "demonet", Some([192, 168, 0, 100])).await;
    let c1 = lab.joined(1, "C1", "demonet", None).await;
    lab.converged().await;
    (c0.netns, c1.netns)
}

#[kernel::isolate]
fn containers_reach_each_other_across_hosts() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            assert!(reaches(&c1, [192, 168, 0, 100]).await);
            assert!(reaches(&c0, [192, 168, 0, 2]).await);
            // The host itself is outside: it only knows its own way.
            assert!(!reaches(&lab.hosts[1].env.netns, [192, 168, 0, 100]).await);
        },
        2,
    );
}

#[kernel::isolate]
fn a_container_has_the_articles_interfaces() {
    lab::run(
        |mut lab| async move {
            let (c0, _) = two_hosts(&mut lab).await;
            let have = look(&c0);
            let eth0 = have.link("eth0").unwrap();
            assert_eq!((eth0.index, eth0.peer, eth0.mtu), (6, Some(7), 1450));
            assert_eq!(eth0.mac.unwrap().to_string(), "02:42:c0:a8:00:64");
            assert_eq!(have.addresses_of("eth0"), ["192.168.0.100/24".parse().unwrap()]);
            let eth1 = have.link("eth1").unwrap();
            assert_eq!((eth1.index, eth1.peer, eth1.mtu), (9, Some(10), 1500));
            assert_eq!(eth1.mac.unwrap().to_string(), "02:42:ac:12:00:02");
            assert_eq!(have.addresses_of("eth1"), ["172.18.0.2/16".parse().unwrap()]);
            assert!(have.addresses.iter().all(|address| address.broadcast.is_none()));
            let default = have.routes.iter().find(|route| route.to.is_none()).unwrap();
            assert_eq!((default.gateway, default.dev), (Some("172.18.0.1".parse().unwrap()), Some(9)));
        },
        2,
    );
}

#[kernel::isolate]
fn an_overlays_namespace_has_the_articles_devices() {
    lab::run(
        |mut lab| async move {
            two_hosts(&mut lab).await;
            let name = lab.overlay(0);
            let id = lab.engine(0).networks().await.unwrap()[0].id;
            assert_eq!(name, format!("1-{:.10}", format!("{id:#}")));
            let have = lab.look(0, &name);
            let names: Vec<(u32, &str)> =
                have.links.iter().map(|link| (link.index, link.name.as_str())).collect();
            assert_eq!(names, [(1, "lo"), (2, "br0"), (5, "vxlan1"), (7, "veth2")]);
            assert_eq!(have.addresses_of("br0"), ["192.168.0.1/24".parse().unwrap()]);
            let vxlan1 = have.link("vxlan1").unwrap();
            assert_eq!((vxlan1.master, vxlan1.mtu), (Some(2), 1450));
            let is = vxlan1.vxlan.as_ref().unwrap();
            assert_eq!((is.vni, is.port, is.ageing), (256, 4789, 300));
            assert!(is.proxy && is.l2miss && is.l3miss && is.learning);
            assert_eq!(have.link("veth2").unwrap().master, Some(2));

            let arp: Vec<String> = have
                .neighbours
                .iter()
                .map(|entry| format!("{} {:?} {}", entry.ip, entry.mac, entry.permanent))
                .collect();
            assert_eq!(arp, ["192.168.0.2 Some(02:42:c0:a8:00:02) true"]);
            let fdb: Vec<_> = have.fdb.iter().filter(|entry| entry.vtep.is_some()).collect();
            assert_eq!(fdb.len(), 1);
            assert_eq!((fdb[0].mac.to_string().as_str(), fdb[0].dev), ("02:42:c0:a8:00:02", 5));
            assert_eq!(fdb[0].vtep, Some("10.0.0.11".parse().unwrap()));
        },
        2,
    );
}

#[kernel::isolate]
fn the_host_has_the_gateway_bridge() {
    lab::run(
        |mut lab| async move {
            let (c0, _) = two_hosts(&mut lab).await;
            let other = lab.joined(0, "C2", "demonet", None).await;
            let host = &lab.hosts[0].env.netns;
            let have = look(host);
            let bridge = have.link("docker_gwbridge").unwrap();
            assert_eq!((bridge.index, bridge.mtu), (8, 1500));
            assert_eq!(have.addresses_of("docker_gwbridge"), ["172.18.0.1/16".parse().unwrap()]);
            let port = have.by_index(10).unwrap();
            assert!(port.name.starts_with("veth") && port.name.len() == 11, "{}", port.name);
            assert_eq!(port.master, Some(8));

            // Outside, the containers are the host; to one another they are not there.
            assert!(reaches(&c0, [10, 0, 0, 1]).await);
            assert!(reaches(&c0, [172, 18, 0, 1]).await);
            assert!(reaches(&other.netns, [192, 168, 0, 100]).await);
            assert!(!reaches(&other.netns, [172, 18, 0, 2]).await);
            let names: Vec<String> =
                lab.engine(0).networks().await.unwrap().into_iter().map(|net| net.name).collect();
            assert_eq!(names, ["demonet", "docker_gwbridge"]);
        },
        2,
    );
}

#[kernel::isolate]
fn an_internal_network_has_no_way_outside() {
    lab::run(
        |mut lab| async move {
            let mut request = lab::network("intnet", "10.66.0.0/24");
            request.internal = true;
            lab.engine(0).create_network(request).await.unwrap();
            let c0 = lab.joined(0, "C0", "intnet", None).await;
            let c1 = lab.joined(1, "C1", "intnet", None).await;
            lab.converged().await;
            let have = look(&c0.netns);
            assert_eq!(have.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["lo", "eth0"]);
            assert!(have.routes.iter().all(|route| route.to.is_some()));
            assert!(reaches(&c1.netns, [10, 66, 0, 2]).await);
            assert_eq!(ping(&c0.netns, [10, 0, 0, 1]).await, kernel::icmp::Echo::Unreachable);
            assert!(look(&lab.hosts[0].env.netns).link("docker_gwbridge").is_none());
        },
        2,
    );
}
