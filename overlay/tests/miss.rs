//! Peers that become known when they are missed, and misses that nobody can answer.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::net::Ipv6Addr;
use std::time::Duration;

use kernel::icmp::Echo;
use kernel::{Batch, Mac, Rtnl};
use lab::{Lab, holds, network_of, ping, reaches, run_with};
use overlay::{ContainerRef, Resolution};

const C0: [u8; 4] = [192, 168, 0, 100];
const C1: [u8; 4] = [192, 168, 0, 2];

async fn two_hosts(lab: &mut Lab) -> (ContainerRef, ContainerRef) {
    lab.demonet().await;
    let c0 = lab.joined(0, "C0", "demonet", Some(C0)).await;
    let c1 = lab.joined(1, "C1", "demonet", None).await;
    lab.converged().await;
    (c0, c1)
}

/// The permanent entries of a host's vxlan devices: addresses known, and MACs placed.
fn entries(lab: &Lab, host: usize) -> (usize, usize) {
    let have = lab.look(host, &lab.overlay(host));
    let arp = have.neighbours.iter().filter(|entry| entry.permanent).count();
    let fdb = have.fdb.iter().filter(|entry| entry.permanent && entry.vtep.is_some()).count();
    (arp, fdb)
}

#[kernel::isolate]
fn a_peer_is_known_when_it_is_missed_and_the_first_packet_is_not_lost() {
    run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            assert_eq!((entries(&lab, 0), entries(&lab, 1)), ((0, 0), (0, 0)));
            // Within the third of a second that `ping` waits; without the announcement the asker would ask again after one.
            assert!(matches!(ping(&c0.netns, C1).await, Echo::Reply(_)));
            assert_eq!((entries(&lab, 0), entries(&lab, 1)), ((1, 1), (1, 1)));
            let counts = lab.engine(0).misses().await.unwrap();
            assert!(counts.addresses >= 1 && counts.answered == 1, "{counts:?}");
        },
        2,
    );
}

#[kernel::isolate]
fn a_peer_of_another_subnet_is_known_when_it_is_missed_and_the_first_packet_is_not_lost() {
    run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let wide = network_of("wide", &["10.70.0.0/24", "10.71.0.0/24", "fd00:70::/64", "fd00:71::/64"]);
            lab.engine(0).create_network(wide).await.unwrap();
            let low = lab.joined(0, "low", "wide", None).await;
            let _high = lab.joined(1, "high", "wide", Some([10, 71, 0, 9])).await;
            lab.converged().await;
            // It is the bridge that asks, since it routes; it would ask again after a second.
            assert!(matches!(ping(&low.netns, [10, 71, 0, 9]).await, Echo::Reply(_)));
            let six: Ipv6Addr = "fd00:71::2".parse().unwrap();
            assert!(matches!(ping(&low.netns, six).await, Echo::Reply(_)));
        },
        2,
    );
}

#[kernel::isolate]
fn what_nobody_has_is_missed_and_counted_and_holds_up_nothing() {
    run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            assert!(!reaches(&c0.netns, [192, 168, 0, 77]).await);
            holds("it is counted", || async { lab.engine(0).misses().await.unwrap().strangers >= 1 }).await;
            assert!(reaches(&c0.netns, C1).await);
            assert_eq!(entries(&lab, 0), (1, 1));
        },
        2,
    );
}

#[kernel::isolate]
fn a_peer_that_leaves_is_forgotten_and_missed_again() {
    run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let (c0, c1) = two_hosts(&mut lab).await;
            assert!(reaches(&c0.netns, C1).await);
            lab.engine(1).leave(&c1, "demonet").await.unwrap();
            lab.converged().await;
            assert_eq!(entries(&lab, 0), (0, 0));
            let again = lab.joined(1, "C2", "demonet", Some(C1)).await;
            lab.converged().await;
            assert_eq!(entries(&lab, 0), (0, 0));
            assert!(reaches(&again.netns, C0).await);
            // The way back was learned from what came, and C0 still knew the MAC.
            assert_eq!(entries(&lab, 1), (1, 1));
        },
        2,
    );
}

#[kernel::isolate]
fn an_engine_that_takes_over_keeps_what_was_known_and_goes_on_to_listen() {
    run_with(
        Resolution::OnMiss,
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            assert!(reaches(&c0.netns, C1).await);
            let third = lab.joined(1, "C2", "demonet", None).await;
            lab.hosts[0].engine.take().unwrap().abort();
            assert!(reaches(&c0.netns, C1).await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            assert_eq!(entries(&lab, 0), (1, 1));
            assert!(reaches(&c0.netns, [192, 168, 0, 3]).await);
            assert_eq!(entries(&lab, 0), (2, 2));
            drop(third);
        },
        2,
    );
}

#[kernel::isolate]
fn an_entry_that_somebody_took_away_is_back_when_it_is_missed() {
    run_with(
        Resolution::Store,
        |mut lab| async move {
            let (c0, _c1) = two_hosts(&mut lab).await;
            assert_eq!(entries(&lab, 0), (1, 1));
            assert!(reaches(&c0.netns, C1).await);
            // No engine looks at its kernel by itself any more in this test.
            let netns = lab.hosts[0].env.sandboxes.get(&lab.overlay(0)).unwrap().netns().clone();
            let vtep = "10.0.0.11".parse().unwrap();
            Rtnl::new(&netns)
                .unwrap()
                .apply(&Batch::new().remove_fdb(5, Mac::of(C1.into()), Some(vtep)))
                .unwrap();
            holds("it is back", || async {
                ping(&c0.netns, C1).await;
                entries(&lab, 0) == (1, 1) && lab.engine(0).misses().await.unwrap().macs >= 1
            })
            .await;
            assert!(matches!(ping(&c0.netns, C1).await, Echo::Reply(took) if took < Duration::from_secs(1)));
        },
        2,
    );
}
