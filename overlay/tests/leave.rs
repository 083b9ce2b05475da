//! What is left when a container leaves, a network goes, a join fails: nothing.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use kernel::rtnl::Vxlan;
use kernel::{Batch, NewLink, Rtnl};
use lab::{look, network, reaches};
use overlay::JoinOptions;
use overlay::kv::{Kv, keys};

#[kernel::isolate]
fn an_address_that_moves_is_not_looked_for_where_bridges_learned_it() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            let c1 = lab.joined(1, "C1", "demonet", None).await;
            let moves = [192, 168, 0, 100];
            // Both bridges hear it on each side, and it never speaks first.
            for round in 0..2 {
                for host in [0, 1] {
                    let name = format!("X{round}{host}");
                    let container = lab.joined(host, &name, "demonet", Some(moves)).await;
                    lab.converged().await;
                    for asker in [&c0, &c1] {
                        assert!(reaches(&asker.netns, moves).await, "{} does not reach {name}", asker.name);
                    }
                    lab.engine(host).leave(&container, "demonet").await.unwrap();
                }
            }
        },
        2,
    );
}

#[kernel::isolate]
fn nothing_is_left_of_a_network_that_was_used_and_removed() {
    lab::run(
        |mut lab| async move {
            let kv = Kv::Memory(lab.store.clone());
            lab.demonet().await;
            let fresh: Vec<String> = values(&kv).await;
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            let c1 = lab.joined(1, "C1", "demonet", None).await;
            lab.converged().await;
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await);

            let error = lab.engine(1).remove_network("demonet").await.unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("error while removing network: network demonet id "), "{text}");
            assert!(text.ends_with(" has active endpoints") && error.status() == 403, "{text}");

            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            lab.converged().await;
            let have = lab.look(1, &lab.overlay(1));
            assert!(have.fdb.iter().all(|entry| entry.vtep.is_none()), "{:?}", have.fdb);
            assert!(have.neighbours.iter().all(|entry| !entry.permanent), "{:?}", have.neighbours);
            let error = lab.engine(0).leave(&c0, "demonet").await.unwrap_err();
            assert!(error.is_not_found(), "{error}");
            lab.engine(1).leave(&c1, "demonet").await.unwrap();
            for (host, container) in [(0, &c0), (1, &c1)] {
                assert_eq!(look(&container.netns).links.len(), 1, "only lo");
                let sandboxes = lab.hosts[host].env.sandboxes.list();
                assert!(sandboxes.iter().all(|(name, _)| !name.contains('-')), "{sandboxes:?}");
                let names: Vec<String> =
                    look(&lab.hosts[host].env.netns).links.into_iter().map(|link| link.name).collect();
                assert_eq!(names, ["lo", "eth0", "docker_gwbridge"]);
            }
            let id = lab.engine(0).networks().await.unwrap()[0].id;
            // But for the VNI, which stays with the network, all is as before the first join.
            let now = values(&kv).await;
            assert_eq!(now.len(), fresh.len() + 1, "{now:#?}");
            assert!(now.contains(&keys::endpoints(id)));

            lab.engine(1).remove_network("demonet").await.unwrap();
            let left: Vec<String> =
                values(&kv).await.into_iter().filter(|key| key.contains(&format!("{id:#}"))).collect();
            assert!(left.is_empty(), "{left:?}");
            let vnis = kv.get(keys::VNIS).await.unwrap().unwrap().value;
            assert_eq!(
                String::from_utf8(vnis).unwrap(),
                r#"{"id":"vxlan-id","sequence":"AAAAAAD//wAAAAAAAP//AAAAAAAAAAAAAAf/+A=="}"#
            );
            let pools = kv.get(keys::POOLS).await.unwrap().unwrap().value;
            assert_eq!(String::from_utf8(pools).unwrap(), r#"{"Scope":"global","Subnets":{}}"#);
        },
        2,
    );
}

async fn values(kv: &Kv) -> Vec<String> {
    let listing = kv.list(keys::ALL).await.unwrap();
    listing.pairs.into_iter().map(|pair| pair.key).filter(|key| !key.starts_with(keys::NODES)).collect()
}

#[kernel::isolate]
fn of_a_join_that_the_kernel_refuses_nothing_remains() {
    lab::run(
        |mut lab| async move {
            let kv = Kv::Memory(lab.store.clone());
            lab.demonet().await;
            // Somebody has the VNI on this host, as a Docker that shares it would.
            let host = Rtnl::new(&lab.hosts[0].env.netns).unwrap();
            let vxlan = kernel::NewVxlan {
                link: NewLink { index: 77, name: "theirs".into(), ..NewLink::default() },
                settings: Vxlan { vni: 256, port: 4789, learning: true, ageing: 300, ..Vxlan::default() },
            };
            host.apply(&Batch::new().vxlan(&vxlan, None)).unwrap();
            let before = look(&lab.hosts[0].env.netns);
            let container = lab.container("C0");
            let error = lab.engine(0).join(&container, "demonet", JoinOptions::default()).await.unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("network sandbox join failed: cannot create vxlan vxlan1 with id 256"),
                "{text}"
            );

            assert_eq!(look(&container.netns).links.len(), 1, "only lo");
            assert_eq!(look(&lab.hosts[0].env.netns).links, before.links);
            assert!(lab.hosts[0].env.sandboxes.list().iter().all(|(name, _)| !name.contains('-')));
            let left = values(&kv).await;
            assert!(
                left.iter().all(
                    |key| keys::Key::parse(key).is_none_or(|key| !matches!(key, keys::Key::Endpoint(..)))
                ),
                "{left:?}"
            );

            // And with the obstacle gone, it is as if nothing had been.
            host.apply(&Batch::new().remove_link(77, "theirs")).unwrap();
            let info = lab.engine(0).join(&container, "demonet", JoinOptions::default()).await.unwrap();
            assert_eq!(
                (info.interface.as_str(), info.address.to_string().as_str()),
                ("eth0", "192.168.0.2/24")
            );
            assert_eq!(look(&container.netns).link("eth0").unwrap().index, 6);
            assert!(info.overlay.starts_with("1-"));
        },
        1,
    );
}

#[kernel::isolate]
fn two_networks_of_one_container_are_two_interfaces_and_one_way_outside() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            lab.engine(0).create_network(network("other", "10.75.0.0/24")).await.unwrap();
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            lab.engine(0).join(&c0, "other", JoinOptions::default()).await.unwrap();
            let names = |netns: &kernel::Netns| {
                look(netns).links.into_iter().map(|link| link.name).collect::<Vec<_>>()
            };
            assert_eq!(names(&c0.netns), ["lo", "eth0", "eth1", "eth2"]);
            assert_eq!(look(&c0.netns).addresses_of("eth2"), ["10.75.0.2/24".parse().unwrap()]);
            assert_eq!(lab.hosts[0].env.sandboxes.list().len(), 3);
            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            assert_eq!(names(&c0.netns), ["lo", "eth1", "eth2"]);
            assert!(reaches(&c0.netns, [10, 0, 0, 1]).await);
            lab.engine(0).leave(&c0, "other").await.unwrap();
            assert_eq!(names(&c0.netns), ["lo"]);
        },
        1,
    );
}
