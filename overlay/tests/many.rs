//! Many at once.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use kernel::Mac;
use lab::{network, reaches};
use overlay::JoinOptions;
use overlay::id::EndpointId;
use overlay::kv::{Kv, keys};

#[kernel::isolate]
fn containers_that_join_at_once_on_many_hosts_all_get_an_address_and_reach_each_other() {
    const HOSTS: usize = 4;
    const EACH: usize = 8;
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mut joins = Vec::new();
            for number in 0..HOSTS * EACH {
                let container = lab.container(&format!("C{number}"));
                let engine = lab.engine(number % HOSTS).clone();
                joins.push(tokio::spawn(async move {
                    let info = engine.join(&container, "demonet", JoinOptions::default()).await.unwrap();
                    (container, info.address.addr())
                }));
            }
            let mut all = Vec::new();
            for join in joins {
                all.push(join.await.unwrap());
            }
            lab.converged().await;
            let addresses: BTreeSet<_> = all.iter().map(|(_, ip)| *ip).collect();
            assert_eq!(addresses.len(), HOSTS * EACH);
            for (container, _) in all.iter().take(HOSTS) {
                for (_, ip) in all.iter().rev().take(HOSTS) {
                    assert!(reaches(&container.netns, ip.octets()).await, "{} to {ip}", container.name);
                }
            }
        },
        4,
    );
}

#[kernel::isolate]
fn an_engine_that_was_ended_does_nothing_more() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let container = lab.container("C0");
            let engine = lab.engine(0).clone();
            engine.abort();
            let error = engine.join(&container, "demonet", JoinOptions::default()).await.unwrap_err();
            assert_eq!(error.to_string(), "the engine has ended");
            assert_eq!(lab::look(&container.netns).links.len(), 1, "only lo");
        },
        1,
    );
}

/// More than a kernel's table has room for of neighbours that it learned (`net.ipv4.neigh.default.gc_thresh3`, 1024).
const PEERS: u32 = 1100;

#[kernel::isolate]
fn more_peers_than_a_neighbour_table_has_room_for_are_all_programmed() {
    lab::run(
        |mut lab| async move {
            let id = lab.engine(0).create_network(network("wide", "10.64.0.0/20")).await.unwrap();
            let here = lab.joined(0, "C0", "wide", None).await;
            let there = lab.joined(1, "C1", "wide", None).await;
            // A third host that is there only in the store, as another Docker's would be, with all those containers.
            let kv = Kv::Memory(lab.store.clone());
            let session = kv.session_create(Duration::from_mins(10)).await.unwrap();
            let key = keys::node("10.0.0.99:2376".parse().unwrap());
            assert!(kv.acquire(&key, b"10.0.0.99:2376", &session).await.unwrap());
            let written = kv.list(&keys::endpoints(id)).await.unwrap().pairs;
            let c1 = written
                .iter()
                .find(|pair| String::from_utf8_lossy(&pair.value).contains(r#""name":"C1""#))
                .unwrap();
            let mut document: serde_json::Value = serde_json::from_slice(&c1.value).unwrap();
            let mut rng = fastrand::Rng::with_seed(7);
            for number in 0..PEERS {
                let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 64, 4, 0)) + number);
                let endpoint = EndpointId::random(&mut rng);
                document["id"] = format!("{endpoint:#}").into();
                document["name"] = format!("P{number}").into();
                document["locator"] = "10.0.0.99".into();
                document["ep_iface"]["addr"] = format!("{ip}/20").into();
                document["ep_iface"]["mac"] = Mac::of(ip).to_string().into();
                kv.put(&keys::endpoint(id, endpoint), document.to_string().as_bytes()).await.unwrap();
            }
            lab.converged().await;
            for host in 0..2 {
                let have = lab.look(host, &lab.overlay(host));
                let known = have.neighbours.iter().filter(|entry| entry.permanent).count();
                let placed = have.fdb.iter().filter(|entry| entry.permanent && entry.vtep.is_some()).count();
                let peers = PEERS as usize + 1;
                assert_eq!((known, placed), (peers, peers));
            }
            assert!(
                reaches(&here.netns, [10, 64, 0, 3]).await && reaches(&there.netns, [10, 64, 0, 2]).await
            );
        },
        2,
    );
}
