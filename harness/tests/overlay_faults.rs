//! Faults that see through VXLAN: one network, one protocol, one address, one pair of hosts; the rest stays healthy.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use ground::{answers, answers_of, connects, connects_to, four_hosts, host, reaches, run};
use harness::Lab;
use harness::fault::{Fault, Filter, Guard, Protocol, Tunnel};
use harness::topology::Topology;

async fn lose(lab: &Lab, only: Filter, ends: Option<(&str, &str)>) -> Guard {
    let (from, to) = ends.map(|(from, to)| (host(from), host(to))).unzip();
    lab.inject(Fault::Drop { only, from, to, both: true }).await.unwrap()
}

fn within(network: &str) -> Filter {
    Filter { inside: Some(Tunnel::Network(network.parse().unwrap())), ..Filter::default() }
}

/// What a fault has taken, in frames.
async fn taken(lab: &Lab, guard: &Guard) -> u64 {
    lab.losses().await.unwrap()[&guard.id()].frames
}

#[kernel::isolate]
fn one_network_is_lost_and_another_one_between_the_same_hosts_is_not() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard = lose(&lab, within("red"), None).await;
        assert_eq!(answers(&lab, "ra", "rb", 3).await, 0);
        // Three requests came as far as the switch, and nothing else of that network.
        assert_eq!(taken(&lab, &guard).await, 3);
        assert_eq!(answers(&lab, "ba", "bb", 3).await, 3);
        assert!(reaches(&lab, "a", "b").await);
        guard.heal().await.unwrap();
        assert_eq!(answers(&lab, "ra", "rb", 3).await, 3);
    });
}

#[kernel::isolate]
fn one_protocol_inside_a_network_is_lost() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard = lose(&lab, Filter { protocol: Some(Protocol::Icmp), ..within("red") }, None).await;
        assert_eq!(answers(&lab, "ra", "rb", 3).await, 0);
        assert_eq!(taken(&lab, &guard).await, 3);
        assert!(connects(&lab, "ra", "rb", 80).await);
        assert!(reaches(&lab, "ba", "bb").await && reaches(&lab, "a", "b").await);
        guard.heal().await.unwrap();
        assert!(reaches(&lab, "ra", "rb").await);
    });
}

#[kernel::isolate]
fn one_port_inside_a_network_is_lost() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard =
            lose(&lab, Filter { protocol: Some(Protocol::Tcp), port: Some(80), ..within("red") }, None).await;
        assert!(!connects(&lab, "ra", "rb", 80).await);
        assert!(connects(&lab, "ra", "rb", 81).await);
        assert!(connects(&lab, "ba", "bb", 80).await);
        assert!(reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        assert!(connects(&lab, "ra", "rb", 80).await);
    });
}

#[kernel::isolate]
fn one_address_inside_a_network_is_lost() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let address = Some(lab.address("ra", "rb").unwrap().into());
        let guard = lose(&lab, Filter { address, ..within("red") }, None).await;
        assert_eq!(answers(&lab, "ra", "rb", 2).await, 0);
        assert_eq!(answers(&lab, "rb", "rc", 2).await, 0);
        assert_eq!(answers(&lab, "ra", "rc", 2).await, 2);
        guard.heal().await.unwrap();
        assert!(reaches(&lab, "ra", "rb").await && reaches(&lab, "rb", "rc").await);
    });
}

/// As [`four_hosts`], with less of everything, and `red` of both families.
fn both_families() -> Topology {
    let hosts = ["a", "b", "c"];
    let builder = Topology::builder().hosts(hosts).network_of("red", ["192.168.1.0/24", "fd00:1::/64"]);
    let joined = hosts.iter().fold(builder, |b, host| b.container(&format!("r{host}"), host, ["red"]));
    joined.build().unwrap()
}

/// Whether an echo request is answered over IPv6.
async fn reaches6(lab: &Lab, from: &str, to: &str) -> bool {
    answers_of(lab, from, lab.address6(from, to).unwrap(), 1).await > 0
}

#[kernel::isolate]
fn one_ipv6_address_inside_a_network_is_lost_and_ipv4_between_the_same_containers_is_not() {
    run(async {
        let lab = Lab::up(both_families()).await.unwrap();
        let address = lab.address6("ra", "rb").unwrap();
        let guard = lose(&lab, Filter { address: Some(address.into()), ..within("red") }, None).await;
        assert_eq!(answers_of(&lab, "ra", address, 2).await, 0);
        // Two requests came as far as the switch: whom they are for, `ra` knows without asking.
        assert_eq!(taken(&lab, &guard).await, 2);
        assert!(!reaches6(&lab, "rb", "rc").await);
        assert!(reaches6(&lab, "ra", "rc").await && reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        assert!(reaches6(&lab, "ra", "rb").await && reaches6(&lab, "rb", "rc").await);
    });
}

#[kernel::isolate]
fn protocols_and_ports_are_those_of_both_families_but_for_icmp() {
    run(async {
        let lab = Lab::up(both_families()).await.unwrap();
        let of = |protocol, port| Filter { protocol, port, ..within("red") };
        let guard = lose(&lab, of(Some(Protocol::Icmpv6), None), None).await;
        assert!(!reaches6(&lab, "ra", "rb").await && reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        let guard = lose(&lab, of(Some(Protocol::Icmp), None), None).await;
        assert!(reaches6(&lab, "ra", "rb").await && !reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        for lost in [of(Some(Protocol::Tcp), Some(80)), of(None, Some(80))] {
            let guard = lose(&lab, lost, None).await;
            assert!(!connects(&lab, "ra", "rb", 80).await && connects(&lab, "ra", "rb", 81).await);
            let ip = lab.address6("ra", "rb").unwrap();
            assert!(!connects_to(&lab, "ra", "rb", (ip, 80)).await);
            assert!(connects_to(&lab, "ra", "rb", (ip, 81)).await);
            guard.heal().await.unwrap();
        }
    });
}

#[kernel::isolate]
fn what_means_no_frame_is_refused() {
    run(async {
        let lab = Lab::up(both_families()).await.unwrap();
        let address = Some(lab.address6("ra", "rb").unwrap().into());
        let outside = Filter { address, ..Filter::default() };
        let icmp = Filter { address, protocol: Some(Protocol::Icmp), ..within("red") };
        let ports = Filter { port: Some(80), protocol: Some(Protocol::Icmpv6), ..within("red") };
        for (only, said) in [
            (outside, "hosts have no IPv6: say in which tunnel, by `network`, `vni` or `encapsulated`"),
            (icmp, "ARP and ICMP are of IPv4; what IPv6 has is `icmpv6`"),
            (ports, "neither ARP nor ICMP has ports"),
        ] {
            let fault = Fault::Drop { only, from: None, to: None, both: true };
            assert_eq!(lab.inject(fault).await.unwrap_err().to_string(), said);
        }
        assert!(lab.faults().is_empty());
    });
}

#[kernel::isolate]
fn what_two_hosts_encapsulate_for_each_other_is_lost() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let tunnels = Filter { inside: Some(Tunnel::Any), ..Filter::default() };
        let guard = lose(&lab, tunnels, Some(("a", "b"))).await;
        assert!(!reaches(&lab, "ra", "rb").await && !reaches(&lab, "bb", "ba").await);
        assert!(reaches(&lab, "a", "b").await && reaches(&lab, "b", "a").await);
        assert!(reaches(&lab, "ra", "rc").await && reaches(&lab, "rb", "rc").await);
        guard.heal().await.unwrap();
        assert!(reaches(&lab, "ra", "rb").await && reaches(&lab, "bb", "ba").await);
    });
}

#[kernel::isolate]
fn vxlans_port_is_blocked_and_the_hosts_still_hear_each_other() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let blocked = Filter { protocol: Some(Protocol::Udp), port: Some(4789), ..Filter::default() };
        let guard = lose(&lab, blocked, None).await;
        assert!(!reaches(&lab, "ra", "rb").await && !reaches(&lab, "bc", "bd").await);
        assert!(reaches(&lab, "a", "b").await && connects(&lab, "c", "d", 80).await);
        guard.heal().await.unwrap();
        assert!(reaches(&lab, "ra", "rb").await && reaches(&lab, "bc", "bd").await);
    });
}

#[kernel::isolate]
fn a_network_that_gets_its_vni_later_is_lost_from_then_on() {
    run(async {
        let mut topology = four_hosts();
        topology.containers.retain(|container| container.name.as_str().starts_with('b'));
        let lab = Lab::up(topology).await.unwrap();
        let guard = lose(&lab, within("red"), None).await;
        for host in ["a", "b"] {
            let run = harness::lab::Run {
                name: Some(format!("r{host}")),
                on: host.into(),
                networks: vec!["red".into()],
                ..Default::default()
            };
            lab.run(run).await.unwrap();
        }
        assert!(!reaches(&lab, "ra", "rb").await && reaches(&lab, "ba", "bb").await);
        guard.heal().await.unwrap();
        assert!(reaches(&lab, "ra", "rb").await);
    });
}

#[kernel::isolate]
fn a_network_that_nobody_knows_is_refused() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let fault = Fault::Drop { only: within("green"), from: None, to: None, both: true };
        let refused = lab.inject(fault).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("no network is named `green`; there is `blue`,"),
            "{refused}"
        );
        assert!(lab.faults().is_empty());
    });
}
