//! Networks that are in a host's kernel and not in the store: because they were removed, or because the store lost them.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::time::Duration;

use lab::{Lab, holds, look, network, reaches};
use overlay::kv::memory::Reach;
use overlay::kv::store::{Config, Store};
use overlay::kv::{Kv, keys};
use overlay::{ContainerRef, JoinOptions};

/// demonet with C0 (192.168.0.2) on docker0 and C1 on docker1.
async fn two_hosts(lab: &mut Lab) -> (ContainerRef, ContainerRef) {
    lab.demonet().await;
    let c0 = lab.joined(0, "C0", "demonet", None).await;
    let c1 = lab.joined(1, "C1", "demonet", None).await;
    lab.converged().await;
    (c0, c1)
}

/// Waits until a container is on no network, and its host has no overlay.
async fn is_off(lab: &Lab, host: usize, container: &ContainerRef) {
    holds("it goes", || async {
        let all = lab.hosts[host].env.sandboxes.list();
        look(&container.netns).links.len() == 1 && all.iter().all(|(name, _)| !name.contains('-'))
    })
    .await;
    assert_eq!(lab.engine(host).faults(), [""; 0]);
}

/// Takes all of Docker's keys from the store, and waits until the hosts are members again.
async fn wipe(lab: &Lab) {
    let kv = Kv::Memory(lab.store.clone());
    kv.delete_tree(keys::ALL).await.unwrap();
    are_members(lab).await;
}

async fn are_members(lab: &Lab) {
    let kv = Kv::Memory(lab.store.clone());
    holds("they are members", || async {
        let nodes = kv.list(keys::NODES).await.unwrap().pairs;
        nodes.iter().filter(|pair| pair.session.is_some()).count() == lab.hosts.len()
    })
    .await;
    lab.converged().await;
}

#[kernel::isolate]
fn a_network_that_was_removed_while_a_host_had_no_store_goes_from_there() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            lab.hosts[1].line.set(Reach::Refused);
            holds("it is given up", || async {
                lab.engine(0).inspect_network("demonet").await.unwrap().containers.len() == 1
            })
            .await;
            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            lab.engine(0).remove_network("demonet").await.unwrap();
            assert_eq!(look(&c1.netns).links.len(), 3, "nobody has told it");
            lab.hosts[1].line.set(Reach::Whole);
            is_off(&lab, 1, &c1).await;
            // Its subnet and its VNI are free.
            lab.engine(1).create_network(network("anew", "192.168.0.0/24")).await.unwrap();
            for (host, container) in [(0, &c0), (1, &c1)] {
                lab.engine(host).join(container, "anew", JoinOptions::default()).await.unwrap();
            }
            lab.converged().await;
            assert!(reaches(&c1.netns, [192, 168, 0, 2]).await);
        },
        2,
    );
}

#[kernel::isolate]
fn a_network_that_the_store_has_lost_stands_beside_others() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            let before = look(&c1.netns);
            wipe(&lab).await;
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await, "after the store lost it");
            // docker0 has drawn the first VNI, and goes on with the next one.
            lab.engine(1).create_network(network("other", "192.168.1.0/24")).await.unwrap();
            let c2 = lab.joined(0, "C2", "other", None).await;
            let _c3 = lab.joined(1, "C3", "other", None).await;
            lab.converged().await;
            assert!(reaches(&c2.netns, [192, 168, 1, 3]).await);
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await, "beside another network");
            assert_eq!(look(&c1.netns).links, before.links);
        },
        2,
    );
}

#[kernel::isolate]
fn a_lost_network_goes_once_its_vni_is_anothers() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            wipe(&lab).await;
            lab.engine(2).create_network(network("other", "192.168.1.0/24")).await.unwrap();
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await, "before");
            // docker2 has drawn none yet, and takes the first.
            let c2 = lab.joined(2, "C2", "other", None).await;
            is_off(&lab, 0, &c0).await;
            is_off(&lab, 1, &c1).await;
            lab.engine(0).join(&c0, "other", JoinOptions::default()).await.unwrap();
            lab.converged().await;
            assert!(reaches(&c2.netns, [192, 168, 1, 3]).await);
        },
        3,
    );
}

#[kernel::isolate]
fn a_lost_network_goes_once_its_subnet_is_anothers() {
    lab::run(
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            wipe(&lab).await;
            lab.demonet().await;
            is_off(&lab, 0, &c0).await;
            is_off(&lab, 1, &c1).await;
            for (host, container) in [(0, &c0), (1, &c1)] {
                lab.engine(host).join(container, "demonet", JoinOptions::default()).await.unwrap();
            }
            lab.converged().await;
            assert!(reaches(&c1.netns, [192, 168, 0, 2]).await);
        },
        2,
    );
}

#[kernel::isolate]
fn a_network_stands_that_was_lost_by_a_store_which_began_anew_as_it_did_before() {
    lab::run(
        |mut lab| async move {
            lab.engine(0).create_network(network("first", "192.168.7.0/24")).await.unwrap();
            let (c0, _c1) = two_hosts(&mut lab).await;
            let begun = |lab: &Lab| {
                lab.store.with(|store| store.get(keys::NETWORKS.as_bytes()).unwrap().modify_index)
            };
            let before = begun(&lab);
            lab.hosts.iter().for_each(|host| host.line.set(Reach::Refused));
            holds("nobody waits for it", || async { lab.store.blocked() == 0 }).await;
            let session_ttl_min = Duration::from_millis(10);
            let anew = Config { seed: 1, session_ttl_min, ..Config::default() };
            lab.store.with(|store| *store = Store::new(anew));
            lab.hosts.iter().for_each(|host| host.line.set(Reach::Whole));
            are_members(&lab).await;
            lab.engine(0).create_network(network("first", "192.168.7.0/24")).await.unwrap();
            // No engine may have noticed by now.
            let c2 = lab.joined(0, "C2", "first", None).await;
            let _c3 = lab.joined(1, "C3", "first", None).await;
            lab.converged().await;
            assert!(reaches(&c2.netns, [192, 168, 7, 3]).await);
            assert_eq!(begun(&lab), before, "its index does not tell");
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await);
        },
        2,
    );
}
