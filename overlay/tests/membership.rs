//! Hosts that die, and hosts that come back.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use lab::{holds, reaches};
use overlay::kv::memory::Reach;
use overlay::kv::{Kv, keys};

#[kernel::isolate]
fn a_dead_hosts_entries_go_and_then_its_endpoints() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let _c0 = lab.joined(0, "C0", "demonet", None).await;
            let _c1 = lab.joined(1, "C1", "demonet", None).await;
            lab.converged().await;
            let name = lab.overlay(0);
            assert_eq!(lab.look(0, &name).fdb.iter().filter(|entry| entry.vtep.is_some()).count(), 1);
            lab.hosts[1].engine = None;
            holds("its entries go", || async {
                let have = lab.look(0, &name);
                have.fdb.iter().all(|entry| entry.vtep.is_none())
                    && have.neighbours.iter().all(|entry| !entry.permanent)
            })
            .await;
            holds("its endpoint goes", || async {
                let shown = lab.engine(0).inspect_network("demonet").await.unwrap();
                shown.containers.values().all(|member| member.name != "C1")
            })
            .await;
            // Its address can be had again.
            let c2 = lab.joined(0, "C2", "demonet", None).await;
            assert_eq!(lab::look(&c2.netns).addresses_of("eth0"), ["192.168.0.3/24".parse().unwrap()]);
        },
        2,
    );
}

#[kernel::isolate]
fn a_host_whose_key_is_deleted_takes_it_again() {
    lab::run(
        |lab| async move {
            let kv = Kv::Memory(lab.store.clone());
            let key = keys::node(lab.hosts[0].env.advertise);
            kv.delete(&key).await.unwrap();
            holds("the key is there", || async {
                kv.get(&key)
                    .await
                    .unwrap()
                    .is_some_and(|pair| pair.session.is_some() && pair.value == b"10.0.0.10:2376")
            })
            .await;
        },
        1,
    );
}

#[kernel::isolate]
fn a_host_that_was_given_up_takes_its_endpoints_again() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            let c1 = lab.joined(1, "C1", "demonet", None).await;
            lab.converged().await;
            // As the others would do it: the session ends, then the endpoint is crossed out.
            let kv = Kv::Memory(lab.store.clone());
            let node = kv.get(&keys::node(lab.hosts[1].env.advertise)).await.unwrap().unwrap();
            let network = lab.engine(0).networks().await.unwrap()[0].id;
            let endpoint = lab.engine(1).endpoints(c1.sandbox).await.unwrap()[0].endpoint;
            let ops = vec![
                overlay::kv::TxnOp::Delete { key: node.key.clone() },
                overlay::kv::TxnOp::Delete { key: keys::endpoint(network, endpoint) },
                overlay::kv::TxnOp::Set { key: keys::bitmap("192.168.0.0/24".parse().unwrap()), value: br#"{"id":"GlobalDefault/192.168.0.0/24","sequence":"AAAAAAAAAQAAAAAAAAAA/OAAAAAAAAAAAAAAAQAAAAAAAAAAAAAABgAAAAEAAAAAAAAAAQ=="}"#.to_vec() },
            ];
            kv.session_destroy(node.session.as_deref().unwrap()).await.unwrap();
            kv.txn(ops).await.unwrap().unwrap();
            holds("it is there again", || async {
                let pair = kv.get(&keys::endpoint(network, endpoint)).await.unwrap();
                pair.is_some() && reaches(&c0.netns, [192, 168, 0, 3]).await
            })
            .await;
            assert_eq!(lab::look(&c1.netns).link("eth0").unwrap().index, 6, "it never went");
        },
        2,
    );
}

#[kernel::isolate]
fn a_host_that_was_given_up_while_it_had_no_store_takes_its_endpoints_again() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            let _c1 = lab.joined(1, "C1", "demonet", None).await;
            lab.converged().await;
            lab.hosts[1].line.set(Reach::Refused);
            holds("its endpoint goes", || async {
                lab.engine(0).inspect_network("demonet").await.unwrap().containers.len() == 1
            })
            .await;
            // It registers before it reads again, and mends its kernel in between.
            lab.hosts[1].line.set(Reach::Whole);
            holds("it is there again", || async {
                let shown = lab.engine(0).inspect_network("demonet").await.unwrap();
                shown.containers.len() == 2 && reaches(&c0.netns, [192, 168, 0, 3]).await
            })
            .await;
        },
        2,
    );
}

#[kernel::isolate]
fn a_container_whose_namespace_is_gone_leaves_by_itself() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let _c0 = lab.joined(0, "C0", "demonet", None).await;
            let c1 = lab.joined(1, "C1", "demonet", None).await;
            lab.hosts[1].env.sandboxes.remove(&c1.sandbox.namespace());
            drop(c1);
            holds("only C0 is left", || async {
                let shown = lab.engine(0).inspect_network("demonet").await.unwrap();
                shown.containers.len() == 1
            })
            .await;
            holds("no overlay is left on docker1", || async { lab.hosts[1].env.sandboxes.list().is_empty() })
                .await;
        },
        2,
    );
}

#[kernel::isolate]
fn a_host_that_was_given_up_is_joined_as_soon_as_it_is_back() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = lab.joined(0, "C0", "demonet", None).await;
            let _c1 = lab.joined(1, "C1", "demonet", None).await;
            for round in 0..5 {
                lab.engine(1).pause();
                holds("it is given up", || async {
                    lab.engine(0).inspect_network("demonet").await.unwrap().containers.len() == 1
                })
                .await;
                lab.engine(1).resume();
                // The others cross out what is written down before its key is there again.
                let late = lab.joined(1, &format!("C{}", round + 2), "demonet", None).await;
                let ip = lab.engine(1).endpoints(late.sandbox).await.unwrap()[0].address.addr();
                holds("it is reached", || async { reaches(&c0.netns, ip).await }).await;
                lab.engine(1).leave(&late, "demonet").await.unwrap();
            }
        },
        2,
    );
}
