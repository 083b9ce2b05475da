//! Many at once.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeSet;
use std::time::Instant;

use lab::reaches;
use overlay::JoinOptions;

#[kernel::isolate]
fn containers_that_join_at_once_on_many_hosts_all_get_an_address_and_reach_each_other() {
    const HOSTS: usize = 4;
    const EACH: usize = 8;
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let start = Instant::now();
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
            let joined = start.elapsed();
            lab.converged().await;
            eprintln!("joined in {joined:?}, converged in {:?}", start.elapsed());
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
fn two_hosts_are_quick() {
    lab::run(
        |mut lab| async move {
            for round in 0..5 {
                let name = format!("net{round}");
                let times: Vec<_> = {
                    let start = Instant::now();
                    lab.engine(0)
                        .create_network(lab::network(&name, &format!("10.{}.0.0/24", round + 1)))
                        .await
                        .unwrap();
                    let created = start.elapsed();
                    let a = lab.joined(0, &format!("A{round}"), &name, None).await;
                    let first = start.elapsed();
                    let _b = lab.joined(1, &format!("B{round}"), &name, None).await;
                    let second = start.elapsed();
                    lab.converged().await;
                    let converged = start.elapsed();
                    assert!(reaches(&a.netns, [10, round + 1, 0, 3]).await);
                    vec![created, first, second, converged, start.elapsed()]
                };
                eprintln!("create, join, join, converge, ping: {times:?}");
            }
        },
        2,
    );
}
