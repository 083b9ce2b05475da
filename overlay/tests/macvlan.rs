//! Networks without bridge and veth: containers' interfaces are MACVLANs of the vxlan device.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::net::IpAddr;

use kernel::rtnl::Vxlan;
use kernel::{Batch, Netns, NewLink, NewVxlan, Rtnl, Snapshot};
use lab::{Lab, holds, look, network, network_of, reaches};
use overlay::model::OPTION_DATAPATH;
use overlay::{ContainerRef, CreateNetwork, JoinOptions, Resolution};

fn direct(network: CreateNetwork) -> CreateNetwork {
    CreateNetwork { options: [(OPTION_DATAPATH.to_owned(), "macvlan".to_owned())].into(), ..network }
}

/// `thin`, 10.73.0.0/24 and fd00:1::/64: C0 and C2 on docker0 have .2 and .4, C1 on docker1 has .3.
async fn three(lab: &mut Lab) -> [ContainerRef; 3] {
    lab.engine(0).create_network(direct(network_of("thin", &["10.73.0.0/24", "fd00:1::/64"]))).await.unwrap();
    let c0 = lab.joined(0, "C0", "thin", None).await;
    let c1 = lab.joined(1, "C1", "thin", None).await;
    let c2 = lab.joined(0, "C2", "thin", None).await;
    lab.converged().await;
    [c0, c1, c2]
}

/// Whether all reach each other, by both families.
async fn all_reach([c0, c1, c2]: &[ContainerRef; 3]) -> bool {
    let six = |last: u16| IpAddr::from([0xfd00, 1, 0, 0, 0, 0, 0, last]);
    let four = |last: u8| IpAddr::from([10, 73, 0, last]);
    reaches(&c0.netns, four(3)).await
        && reaches(&c1.netns, four(2)).await
        && reaches(&c0.netns, four(4)).await
        && reaches(&c1.netns, six(2)).await
        && reaches(&c2.netns, six(3)).await
        && reaches(&c2.netns, six(2)).await
}

fn names(netns: &Netns) -> Vec<String> {
    look(netns).links.into_iter().map(|link| link.name).collect()
}

fn kind<'a>(have: &'a Snapshot, link: &str) -> Option<&'a str> {
    have.link(link)?.kind.as_deref()
}

#[kernel::isolate]
fn containers_reach_each_other_and_nothing_is_between_them_and_the_tunnel() {
    lab::run(
        |mut lab| async move {
            let all = three(&mut lab).await;
            holds("all reach each other", || all_reach(&all)).await;
            let (sandbox, inside) = (lab.look(0, &lab.overlay(0)), look(&all[0].netns));
            let names: Vec<&str> = sandbox.links.iter().map(|link| link.name.as_str()).collect();
            assert_eq!((kind(&sandbox, "br0"), names.len()), (Some("macvlan"), 3), "{names:?}");
            let vxlan = sandbox.link("vxlan1").unwrap();
            assert_eq!((vxlan.master, vxlan.mtu), (None, 1450));
            let eth0 = inside.link("eth0").unwrap();
            assert_eq!(
                (kind(&inside, "eth0"), eth0.peer, eth0.mtu),
                (Some("macvlan"), Some(vxlan.index), 1450)
            );
            // The way outside is Docker's still.
            assert_eq!(kind(&inside, "eth1"), Some("veth"));
        },
        2,
    );
}

#[kernel::isolate]
fn who_leaves_takes_its_interface_along_and_the_last_one_all() {
    lab::run(
        |mut lab| async move {
            let [c0, c1, c2] = three(&mut lab).await;
            let name = lab.overlay(0);
            lab.engine(0).leave(&c2, "thin").await.unwrap();
            assert!(look(&c2.netns).link("eth0").is_none());
            assert!(reaches(&c0.netns, [10, 73, 0, 3]).await && reaches(&c1.netns, [10, 73, 0, 2]).await);
            lab.engine(0).leave(&c0, "thin").await.unwrap();
            assert!(look(&c0.netns).link("eth0").is_none());
            assert!(lab.hosts[0].env.sandboxes.get(&name).is_none(), "the overlay is gone");
        },
        2,
    );
}

#[kernel::isolate]
fn subnets_are_routed_as_over_bridges() {
    lab::run(
        |mut lab| async move {
            let wide = direct(network_of("wide", &["10.70.0.0/24", "10.71.0.0/24"]));
            lab.engine(0).create_network(wide).await.unwrap();
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            let near = lab.joined(0, "near", "wide", Some([10, 71, 0, 10])).await;
            lab.converged().await;
            holds("across hosts", || reaches(&low.netns, [10, 71, 0, 9])).await;
            holds("and back", || reaches(&high.netns, [10, 70, 0, 2])).await;
            holds("on one host", || reaches(&near.netns, [10, 70, 0, 2])).await;
        },
        2,
    );
}

#[kernel::isolate]
fn an_engine_that_takes_over_finds_it_and_mends_what_somebody_breaks() {
    lab::run(
        |mut lab| async move {
            let all = three(&mut lab).await;
            let name = lab.overlay(0);
            let indexes = |have: Snapshot| have.links.iter().map(|link| link.index).collect::<Vec<_>>();
            let before = (indexes(lab.look(0, &name)), indexes(look(&all[0].netns)));
            lab.hosts[0].engine.take().unwrap().abort();
            assert!(all_reach(&all).await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            assert_eq!((indexes(lab.look(0, &name)), indexes(look(&all[0].netns))), before);
            assert!(all_reach(&all).await, "with another one");

            let inside = Rtnl::new(&all[0].netns).unwrap();
            let eth0 = look(&all[0].netns).link("eth0").unwrap().index;
            inside.apply(&Batch::new().remove_link(eth0, "eth0")).unwrap();
            holds("an interface is back", || all_reach(&all)).await;
            for link in ["br0", "vxlan1"] {
                let netns = lab.hosts[0].env.sandboxes.get(&lab.overlay(0)).unwrap().netns().clone();
                let index = look(&netns).link(link).unwrap().index;
                Rtnl::new(&netns).unwrap().apply(&Batch::new().remove_link(index, link)).unwrap();
                holds(link, || all_reach(&all)).await;
            }
        },
        2,
    );
}

#[kernel::isolate]
fn what_is_missed_is_made_known_without_a_bridge_too() {
    lab::run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let all = three(&mut lab).await;
            holds("all reach each other", || all_reach(&all)).await;
            assert!(lab.engine(0).misses().await.unwrap().answered > 0);
        },
        2,
    );
}

#[kernel::isolate]
fn both_ways_of_building_are_beside_each_other_and_no_third_is_there() {
    lab::run(
        |mut lab| async move {
            let all = three(&mut lab).await;
            lab.engine(0).create_network(network("thick", "10.74.0.0/24")).await.unwrap();
            let d0 = lab.joined(0, "D0", "thick", None).await;
            let d1 = lab.joined(1, "D1", "thick", None).await;
            lab.converged().await;
            holds("all reach each other", || all_reach(&all)).await;
            holds("theirs, too", || reaches(&d0.netns, [10, 74, 0, 3])).await;
            assert!(!reaches(&d1.netns, [10, 73, 0, 2]).await, "through the tunnels of others");

            let odd = CreateNetwork {
                options: [(OPTION_DATAPATH.to_owned(), "ipvlan".to_owned())].into(),
                ..network("odd", "10.75.0.0/24")
            };
            let refused = lab.engine(0).create_network(odd).await.unwrap_err().to_string();
            assert!(refused.contains("\"ipvlan\" is neither \"bridge\" nor \"macvlan\""), "{refused}");
            assert!(lab.engine(0).networks().await.unwrap().iter().all(|network| network.name != "odd"));
        },
        2,
    );
}

#[kernel::isolate]
fn of_what_the_kernel_refuses_nothing_remains() {
    lab::run(
        |mut lab| async move {
            lab.engine(0).create_network(direct(network("thin", "10.73.0.0/24"))).await.unwrap();
            // Somebody has the VNI.
            let host = Rtnl::new(&lab.hosts[0].env.netns).unwrap();
            let link = NewLink { index: 77, name: "theirs".into(), ..NewLink::default() };
            let settings = Vxlan { vni: 256, port: 4789, ..Vxlan::default() };
            host.apply(&Batch::new().vxlan(&NewVxlan { link, settings }, None)).unwrap();
            let before = look(&lab.hosts[0].env.netns).links;
            let low = lab.container("low");
            let error = lab.engine(0).join(&low, "thin", JoinOptions::default()).await.unwrap_err();
            assert!(error.to_string().contains("cannot create vxlan vxlan1 with id 256"), "{error}");
            assert_eq!(names(&low.netns), ["lo"]);
            assert_eq!(look(&lab.hosts[0].env.netns).links, before);
            host.apply(&Batch::new().remove_link(77, "theirs")).unwrap();
            lab.engine(0).join(&low, "thin", JoinOptions::default()).await.unwrap();

            // The container has another way outside, which is found out when its links are there.
            let taken = lab.container("taken");
            let inside = Rtnl::new(&taken.netns).unwrap();
            let theirs = NewLink { index: 99, name: "theirs".into(), ..NewLink::default() };
            let batch = Batch::new().bridge(&theirs).address(99, "10.9.0.2/24".parse().unwrap());
            inside.apply(&batch.default_route([10, 9, 0, 1].into(), 99)).unwrap();
            let error = lab.engine(0).join(&taken, "thin", JoinOptions::default()).await.unwrap_err();
            assert!(error.to_string().contains("cannot add default route"), "{error}");
            assert_eq!(names(&taken.netns), ["lo", "theirs"]);
        },
        1,
    );
}
