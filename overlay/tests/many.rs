//! Many at once.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeSet;

use lab::reaches;
use overlay::JoinOptions;

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
