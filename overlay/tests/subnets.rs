//! Networks of several subnets: a segment each, and routes between them on every host.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use kernel::{Batch, Rtnl};
use lab::{Lab, holds, look, network_of, reaches};
use overlay::ContainerRef;

/// `wide`: 10.70.0.0/24 and 10.71.0.0/24, made on docker0.
async fn wide(lab: &Lab) {
    lab.engine(0).create_network(network_of("wide", &["10.70.0.0/24", "10.71.0.0/24"])).await.unwrap();
}

/// Whether both reach each other.
async fn both(one: &ContainerRef, a: [u8; 4], other: &ContainerRef, b: [u8; 4]) -> bool {
    reaches(&one.netns, b).await && reaches(&other.netns, a).await
}

#[kernel::isolate]
fn containers_of_different_subnets_reach_each_other_wherever_they_are() {
    lab::run(
        |mut lab| async move {
            wide(&lab).await;
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            lab.converged().await;
            holds("across hosts", || both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9])).await;
            let near = lab.joined(0, "near", "wide", Some([10, 71, 0, 10])).await;
            lab.converged().await;
            holds("on one host", || both(&low, [10, 70, 0, 2], &near, [10, 71, 0, 10])).await;
            holds("within a subnet", || both(&near, [10, 71, 0, 10], &high, [10, 71, 0, 9])).await;

            // As observed in Docker: the route to the other subnet, and the container's own.
            let routes = look(&low.netns).routes;
            let to = |net: &str| routes.iter().find(|route| route.to == Some(net.parse().unwrap())).unwrap();
            assert_eq!(to("10.71.0.0/24").gateway, Some("10.70.0.1".parse().unwrap()));
            assert_eq!(to("10.70.0.0/24").gateway, None);
            // A bridge and a vxlan device for each subnet, by one counter; a VNI each.
            let name = lab.overlay(0);
            let sandbox = lab.look(0, &name);
            let names: Vec<&str> = sandbox.links.iter().map(|link| link.name.as_str()).collect();
            assert_eq!(names, ["lo", "br0", "vxlan1", "veth2", "br3", "vxlan4", "veth5"]);
            let vnis: Vec<u32> =
                sandbox.links.iter().filter_map(|link| Some(link.vxlan.as_ref()?.vni)).collect();
            assert_eq!(vnis, [256, 257]);
        },
        2,
    );
}

#[kernel::isolate]
fn a_host_that_comes_late_has_the_peers_of_subnets_it_does_not_use() {
    lab::run(
        |mut lab| async move {
            wide(&lab).await;
            let high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            lab.joined(0, "low", "wide", None).await;
            let late = lab.joined(2, "late", "wide", None).await;
            lab.converged().await;
            holds("the late one is routed", || both(&late, [10, 70, 0, 3], &high, [10, 71, 0, 9])).await;
        },
        3,
    );
}

#[kernel::isolate]
fn an_engine_that_takes_over_finds_all_segments_and_mends_them() {
    lab::run(
        |mut lab| async move {
            wide(&lab).await;
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            lab.converged().await;
            holds("before", || both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9])).await;
            let name = lab.overlay(0);
            let before = lab.look(0, &name);

            lab.hosts[0].engine.take().unwrap().abort();
            assert!(both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9]).await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            let links = |snapshot: &kernel::Snapshot| {
                snapshot
                    .links
                    .iter()
                    .map(|link| (link.index, link.name.clone(), link.mac))
                    .collect::<Vec<_>>()
            };
            assert_eq!(links(&lab.look(0, &name)), links(&before));
            assert!(both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9]).await, "with another one");

            // The device of the subnet that no container here is in.
            let netns = lab.hosts[0].env.sandboxes.get(&name).unwrap().netns().clone();
            let device = before.link("vxlan4").unwrap().index;
            Rtnl::new(&netns).unwrap().apply(&Batch::new().remove_link(device, "vxlan4")).unwrap();
            holds("it is mended", || both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9])).await;
            // And the route of a container.
            let (inside, index) =
                (Rtnl::new(&low.netns).unwrap(), look(&low.netns).link("eth0").unwrap().index);
            inside.apply(&Batch::new().remove_route(Some("10.71.0.0/24".parse().unwrap()), index)).unwrap();
            holds("the route is mended", || both(&low, [10, 70, 0, 2], &high, [10, 71, 0, 9])).await;
        },
        2,
    );
}

#[kernel::isolate]
fn the_last_leave_frees_the_vnis_of_all_subnets() {
    lab::run(
        |mut lab| async move {
            wide(&lab).await;
            let low = lab.joined(0, "low", "wide", None).await;
            let high = lab.joined(0, "high", "wide", Some([10, 71, 0, 9])).await;
            lab.engine(0).leave(&low, "wide").await.unwrap();
            lab.engine(0).leave(&high, "wide").await.unwrap();
            lab.engine(0).remove_network("wide").await.unwrap();
            // The kernel would refuse a device with a VNI that another has, in the same namespace.
            let list = "com.docker.network.driver.overlay.vxlanid_list".to_owned();
            let mut again = network_of("again", &["10.70.0.0/24", "10.71.0.0/24"]);
            again.options.insert(list, "256,257".to_owned());
            lab.engine(0).create_network(again).await.unwrap();
            let one = lab.joined(0, "one", "again", None).await;
            let two = lab.joined(0, "two", "again", Some([10, 71, 0, 2])).await;
            holds("the new one works", || both(&one, [10, 70, 0, 2], &two, [10, 71, 0, 2])).await;
        },
        1,
    );
}
