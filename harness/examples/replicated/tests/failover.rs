//! The service on three hosts, each with a network of its own, and what it does when one is cut off.

use std::net::SocketAddr;

use harness::fault::{Fault, Partition};
use harness::topology::Topology;
use harness::{Lab, expect};
use replicated::{PORT, node};
use tokio::sync::watch;

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn three_hosts() -> Topology {
    Topology::builder().plain_hosts(HOSTS).build().expect("the names are good")
}

/// Starts a node on each host; whom each takes for the leader.
async fn start(lab: &Lab) -> harness::Result<Vec<watch::Receiver<Option<usize>>>> {
    let hosts = HOSTS.iter().map(|name| lab.host(name)).collect::<harness::Result<Vec<_>>>()?;
    let peers: Vec<SocketAddr> = hosts.iter().map(|host| SocketAddr::from((host.ip(), PORT))).collect();
    let mut leaders = Vec::new();
    for (me, host) in hosts.iter().enumerate() {
        let (leader, seen) = watch::channel(None);
        tokio::spawn(node(me, host.udp(PORT).await?, peers.clone(), leader));
        leaders.push(seen);
    }
    Ok(leaders)
}

#[harness::test(topology = three_hosts())]
async fn another_node_leads_while_the_leader_is_cut_off(lab: Lab) -> harness::Result {
    let leaders = start(&lab).await?;
    let seen = || leaders.iter().map(|leader| *leader.borrow()).collect::<Vec<_>>();
    expect!(seen()).equals([Some(0), Some(0), Some(0)]).within("5s").await?;

    let cut = lab.inject(Fault::Partition(Partition::Isolate("a".parse()?))).await?;
    // The old one steps down, since it hears no majority.
    expect!(seen()).equals([None, Some(1), Some(1)]).within("5s").await?;

    cut.heal().await?;
    expect!(seen()).equals([Some(0), Some(0), Some(0)]).within("5s").await
}

#[harness::test(topology = three_hosts())]
async fn nobody_leads_without_a_majority(lab: Lab) -> harness::Result {
    let leaders = start(&lab).await?;
    let seen = || leaders.iter().map(|leader| *leader.borrow()).collect::<Vec<_>>();
    expect!(seen()).equals([Some(0), Some(0), Some(0)]).within("5s").await?;
    let alone = Partition::Groups(vec![vec!["a".parse()?], vec!["b".parse()?], vec!["c".parse()?]]);
    let _cut = lab.inject(Fault::Partition(alone)).await?;
    expect!(seen()).equals([None, None, None]).within("5s").await?;
    expect!(seen().contains(&Some(1))).never("500ms").await
}
