//! Partitions: who is cut off from whom, that nobody else notices, and that it is over when it is healed.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::collections::BTreeSet;

use ground::{comes_back, four_hosts, host, reaches, run};
use harness::Lab;
use harness::fault::{Fault, Partition};

const HOSTS: [&str; 5] = ["consul", "a", "b", "c", "d"];

/// Every ordered pair of hosts of which the first cannot ping the second: one direction is enough to lose an echo.
async fn silent(lab: &Lab) -> BTreeSet<(&'static str, &'static str)> {
    let mut pairs = Vec::new();
    for from in HOSTS {
        for to in HOSTS.into_iter().filter(|to| *to != from) {
            pairs.push((from, to));
        }
    }
    let asked = pairs.into_iter().map(|(from, to)| {
        let lab = lab.clone();
        tokio::spawn(async move { (from, to, reaches(&lab, from, to).await) })
    });
    let mut silent = BTreeSet::new();
    for answer in asked.collect::<Vec<_>>() {
        let (from, to, reached) = answer.await.unwrap();
        if !reached {
            silent.insert((from, to));
        }
    }
    silent
}

/// Both orders of each pair.
fn both(pairs: &[(&'static str, &'static str)]) -> BTreeSet<(&'static str, &'static str)> {
    pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect()
}

/// Injects, looks, heals, looks again.
async fn cuts(lab: &Lab, partition: Partition, expected: &[(&'static str, &'static str)]) {
    assert_eq!(silent(lab).await, BTreeSet::new(), "before {partition}");
    let said = partition.to_string();
    let guard = lab.inject(Fault::Partition(partition)).await.unwrap();
    assert_eq!(silent(lab).await, both(expected), "{said}");
    assert!(lab.losses().await.unwrap()[&guard.id()].frames > 0, "{said}");
    guard.heal().await.unwrap();
    assert!(lab.faults().is_empty());
    for (from, to) in expected {
        comes_back(lab, from, to).await;
    }
    assert_eq!(silent(lab).await, BTreeSet::new(), "after {said}");
}

#[kernel::isolate]
fn a_partition_cuts_what_it_says_and_nothing_else() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        cuts(&lab, Partition::Isolate(host("d")), &[("d", "consul"), ("d", "a"), ("d", "b"), ("d", "c")])
            .await;
        cuts(&lab, Partition::Cut(host("a"), host("b")), &[("a", "b")]).await;
        cuts(&lab, Partition::OneWay { from: host("a"), to: host("b") }, &[("a", "b")]).await;
        let ring = [("consul", "b"), ("consul", "c"), ("a", "c"), ("a", "d"), ("b", "d")];
        cuts(&lab, Partition::Ring, &ring).await;
        let halves = [("consul", "b"), ("consul", "c"), ("consul", "d"), ("a", "b"), ("a", "c"), ("a", "d")];
        cuts(&lab, Partition::Halves, &halves).await;
        let bridge = [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")];
        cuts(&lab, Partition::Bridge(host("consul")), &bridge).await;
    });
}

#[kernel::isolate]
fn one_way_is_heard_in_the_other_direction() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        // Answers to b's questions come by the same way as a's questions: only datagrams tell the directions apart.
        let listen = |place: &str| {
            lab.place(place).unwrap().netns().unwrap().udp("0.0.0.0:9".parse().unwrap()).unwrap()
        };
        let (a, b) = (listen("a"), listen("b"));
        let (a, b) =
            (tokio::net::UdpSocket::from_std(a).unwrap(), tokio::net::UdpSocket::from_std(b).unwrap());
        let (to_a, to_b) = (lab.address("b", "a").unwrap(), lab.address("a", "b").unwrap());
        // Both know each other's MAC from here on.
        assert!(reaches(&lab, "a", "b").await);
        let _cut =
            lab.inject(Fault::Partition(Partition::OneWay { from: host("a"), to: host("b") })).await.unwrap();
        let mut text = [0; 8];
        b.send_to(b"heard", (to_a, 9)).await.unwrap();
        assert_eq!(a.recv(&mut text).await.unwrap(), 5);
        a.send_to(b"unheard", (to_b, 9)).await.unwrap();
        let limit = std::time::Duration::from_millis(300);
        assert!(tokio::time::timeout(limit, b.recv(&mut text)).await.is_err());
    });
}

#[kernel::isolate]
fn containers_are_cut_off_with_their_hosts_and_the_engines_agree_again() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        assert!(reaches(&lab, "ra", "rd").await);
        let guard = lab.inject(Fault::Partition(Partition::Isolate(host("d")))).await.unwrap();
        assert!(!reaches(&lab, "ra", "rd").await);
        assert!(reaches(&lab, "ra", "rb").await && reaches(&lab, "bc", "ba").await);
        // The store is heard by the others: what happens meanwhile is known on d afterwards.
        let run = harness::lab::Run {
            name: Some("late".into()),
            on: "b".into(),
            networks: vec!["red".into()],
            ..Default::default()
        };
        let others = tokio::spawn({
            let lab = lab.clone();
            async move { lab.run(run).await }
        });
        guard.heal().await.unwrap();
        others.await.unwrap().unwrap();
        comes_back(&lab, "rd", "late").await;
        comes_back(&lab, "ra", "rd").await;
    });
}

#[kernel::isolate]
fn a_guard_heals_when_it_is_dropped_unless_it_is_forgotten() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let cut = || Fault::Partition(Partition::Cut(host("a"), host("b")));
        drop(lab.inject(cut()).await.unwrap());
        comes_back(&lab, "a", "b").await;
        let id = lab.inject(cut()).await.unwrap().forget();
        assert!(!reaches(&lab, "a", "b").await);
        assert_eq!(lab.faults().len(), 1);
        lab.heal(id).await.unwrap();
        comes_back(&lab, "a", "b").await;
        let gone = lab.heal(id).await.unwrap_err();
        assert_eq!(gone.to_string(), format!("no fault is named `{id}`; there is none"));
    });
}

#[kernel::isolate]
fn a_fault_is_listed_once_it_is_there_and_until_nothing_of_it_is() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        for _ in 0..20 {
            let (coming, going) = (lab.clone(), lab.clone());
            let cut = Fault::Partition(Partition::Cut(host("a"), host("b")));
            let coming = tokio::spawn(async move { coming.inject(cut).await.unwrap().forget() });
            while lab.faults().is_empty() {
                tokio::task::yield_now().await;
            }
            // What its rules have counted says that they are there.
            assert_eq!(lab.losses().await.unwrap().len(), 1, "listed before it was there");
            let id = coming.await.unwrap();
            let going = tokio::spawn(async move { going.heal(id).await });
            while !lab.faults().is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(lab.losses().await.unwrap().len(), 0, "there although it is listed no more");
            going.await.unwrap().unwrap();
        }
    });
}

#[kernel::isolate]
fn a_partition_of_strangers_is_refused_and_leaves_nothing() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let refused = lab.inject(Fault::Partition(Partition::Isolate(host("z")))).await.unwrap_err();
        assert_eq!(refused.to_string(), "no host is named `z`; there is `consul`, `a`, `b`, `c`, `d`");
        assert!(lab.faults().is_empty());
        assert_eq!(silent(&lab).await, BTreeSet::new());
    });
}
