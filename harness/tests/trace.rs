//! One packet, followed: at every interface if all is well, and if it is not, where and why it was lost. Each kind of broken lab
//! is a row of a table, and real.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::net::{IpAddr, Ipv4Addr};

use ground::{host, run};
use harness::Lab;
use harness::fault::{Fault, Impairment, Partition, Pick, Way};
use harness::lab::Run;
use harness::topology::Topology;
use harness::trace::{Journey, Outcome, Probe, Protocol};
use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::{Batch, Mac, Netns, Rtnl};

const C0: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);

/// `C0` on docker0; `C1` and `C2` on docker1; nobody of demonet on docker2. `vault` has no way out.
fn three_hosts() -> Topology {
    Topology::builder()
        .plain_hosts(["consul"])
        .at("10.0.0.5")
        .hosts(["docker0"])
        .at("10.0.0.10")
        .hosts(["docker1"])
        .at("10.0.0.11")
        .hosts(["docker2"])
        .at("10.0.0.12")
        .network("demonet", "192.168.0.0/24")
        .network("vault", "192.168.1.0/24")
        .internal()
        .container("C0", "docker0", ["demonet"])
        .container("C1", "docker1", ["demonet"])
        .container("C2", "docker1", ["demonet"])
        .container("V1", "docker1", ["vault"])
        .build()
        .unwrap()
}

/// What is wrong with a lab.
#[derive(Clone, Copy, Debug)]
enum Ill {
    MissingFdbEntry,
    MissingArpEntry,
    WrongVtep,
    Partition,
    LossyWire,
    TunnelBlocked,
    NarrowWire,
    HostDown,
    EngineDeadBeforeJoin,
    Nothing,
}

/// docker1's overlay for demonet: the one that has a tunnel to docker0.
fn overlay_of_docker1(lab: &Lab) -> (Netns, u32) {
    let leads_to_docker0 = |netns: &Netns| {
        let holds = Rtnl::new(netns).ok()?.dump().ok()?;
        let entry = holds.fdb.iter().find(|entry| entry.vtep == Some(IpAddr::from([10, 0, 0, 10])))?;
        Some(entry.dev)
    };
    lab.namespaces().into_iter().find_map(|netns| leads_to_docker0(&netns).map(|dev| (netns, dev))).unwrap()
}

/// Changes docker1's overlay behind its back: its engine, which would put it right again, is dead.
async fn edit(lab: &Lab, change: impl FnOnce(Batch<'static>, u32) -> Batch<'static>) {
    let (netns, vxlan) = overlay_of_docker1(lab);
    lab.inject(Fault::Engine(host("docker1"))).await.unwrap().forget();
    Rtnl::new(&netns).unwrap().apply(&change(Batch::new(), vxlan)).unwrap();
}

async fn break_it(lab: &Lab, ill: Ill) {
    // So that hosts and containers know one another; whose table lacks somebody has not asked yet.
    if !matches!(ill, Ill::MissingArpEntry) {
        assert!(ground::reaches(lab, "C1", "C0").await);
    }
    let wire = |name: &str, impairment: Impairment| Fault::Wire {
        host: host(name),
        way: Way::Up,
        impairment: Box::new(impairment),
    };
    let fault = match ill {
        Ill::Nothing => return,
        Ill::MissingFdbEntry => {
            return edit(lab, |batch, vxlan| batch.remove_fdb(vxlan, Mac::of(C0), None)).await;
        }
        Ill::MissingArpEntry => {
            return edit(lab, |batch, vxlan| batch.remove_neighbour(vxlan, C0.into())).await;
        }
        Ill::WrongVtep => {
            let elsewhere = IpAddr::from([10, 0, 0, 12]);
            return edit(lab, |batch, vxlan| {
                batch.remove_fdb(vxlan, Mac::of(C0), None).fdb(vxlan, Mac::of(C0), elsewhere)
            })
            .await;
        }
        Ill::TunnelBlocked => {
            let udp = [Match::Protocol(17), Match::DestinationPort(4789)];
            let chain = Chain {
                name: "input".into(),
                hook: Hook::Input,
                priority: 0,
                accept: true,
                rules: vec![Rule::when(udp, Action::Drop)],
            };
            let table = Table { family: Family::Ip, name: "firewall".into(), chains: vec![chain] };
            let netns = lab.host("docker0").unwrap().netns().unwrap();
            return Nft::new(&netns).unwrap().replace(&table).unwrap();
        }
        Ill::Partition => Fault::Partition(Partition::Cut(host("docker0"), host("docker1"))),
        Ill::LossyWire => wire("docker0", Impairment { loss: Pick::Chance(1.0), ..Impairment::default() }),
        Ill::NarrowWire => wire("docker1", Impairment { mtu: Some(1000), ..Impairment::default() }),
        Ill::HostDown => Fault::Crash(host("docker0")),
        Ill::EngineDeadBeforeJoin => Fault::Engine(host("docker0")),
    };
    lab.inject(fault).await.unwrap().forget();
    if matches!(ill, Ill::EngineDeadBeforeJoin) {
        let late = Run {
            name: Some("late".into()),
            on: "docker1".into(),
            networks: vec!["demonet".into()],
            ..Run::default()
        };
        lab.run(late).await.unwrap();
    }
}

/// What is wrong, from where to where, bytes of the probe, the beginning of where it is last seen, what the cause says.
type Row<'a> = (Ill, [&'a str; 2], Option<u16>, &'a str, &'a [&'a str]);

const ROWS: [Row<'_>; 12] = [
    (
        Ill::MissingFdbEntry,
        ["C1", "C0"],
        None,
        "docker1/1-",
        &["has no fdb entry for 02:42:c0:a8:00:02 on vxlan1"],
    ),
    (
        Ill::MissingArpEntry,
        ["C1", "C0"],
        None,
        "",
        &["has no ARP entry for 192.168.0.2 on vxlan1", "the engine of docker1 is dead"],
    ),
    (
        Ill::WrongVtep,
        ["C1", "C0"],
        None,
        "docker2/eth0, in",
        &["wrong VTEP: 10.0.0.12, which is docker2", "C0 is on docker0 (10.0.0.10)"],
    ),
    (Ill::Partition, ["C1", "C0"], None, "switch/port2, in", &["fault 1 took it in the switch", "docker0"]),
    (Ill::LossyWire, ["C1", "C0"], None, "switch/", &["the wire from docker0 took it", "lost", "loss 100%"]),
    (
        Ill::TunnelBlocked,
        ["C1", "C0"],
        None,
        "docker0/eth0, in",
        &["a rule in docker0 drops it", "th dport 4789 counter drop"],
    ),
    (
        Ill::NarrowWire,
        ["C1", "C0"],
        Some(1200),
        "switch/",
        &["the wire from docker1 took it", "longer than its MTU"],
    ),
    (
        Ill::Nothing,
        ["V1", "C0"],
        None,
        "",
        &["V1 is not on demonet", "V1 has no route to 192.168.0.2", "internal"],
    ),
    (
        Ill::Nothing,
        ["C1", "C2@docker_gwbridge"],
        None,
        "docker1/veth",
        &["a rule in docker1 drops it", "icc is off"],
    ),
    (Ill::HostDown, ["C1", "C0"], None, "", &["host docker0 is down, and C0 with it"]),
    (
        Ill::EngineDeadBeforeJoin,
        ["late", "C0"],
        None,
        "C0/eth0, in, on its way there",
        &["no answer can be sent", "has no ARP entry for 192.168.0.", "the engine of docker0 is dead"],
    ),
    (
        Ill::Nothing,
        ["C1", "192.168.7.9"],
        None,
        "",
        &["nobody in this lab has 192.168.7.9", "docker1 has no route to 192.168.7.9"],
    ),
];

async fn trace(lab: &Lab, [from, to]: [&str; 2], size: Option<u16>) -> Journey {
    lab.follow(from, to, &Probe { size, ..Probe::default() }).await.unwrap()
}

#[kernel::isolate]
fn the_cause_is_named_in_each_broken_lab() {
    run(async {
        let mut wrong = Vec::new();
        for (number, (ill, ends, size, last, whys)) in (1..).zip(ROWS) {
            let lab = Lab::up(three_hosts()).await.unwrap();
            break_it(&lab, ill).await;
            let journey = trace(&lab, ends, size).await;
            let Some(end) = &journey.end else {
                wrong.push(format!("{number}, {ill:?}: it is answered\n{journey}"));
                continue;
            };
            let at = end.last.clone().unwrap_or_default();
            if !at.starts_with(last) || !whys.iter().all(|why| end.why.contains(why)) {
                wrong.push(format!("{number}, {ill:?}: expected {last}: {whys:?}\n{journey}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[kernel::isolate]
fn a_packet_that_is_answered_is_seen_everywhere_and_what_decided_is_told() {
    run(async {
        let lab = Lab::up(three_hosts()).await.unwrap();
        let journey = trace(&lab, ["C1", "C0"], None).await;
        assert!(journey.is_answered() && journey.end.is_none(), "{journey}");
        assert_eq!(journey.hops.iter().filter(|hop| hop.back).count(), 10, "{journey}");
        assert_eq!(journey.hops.len(), 20, "{journey}");
        assert!(journey.hops.is_sorted_by_key(|hop| hop.since));
        let text = journey.to_string();
        for said in [
            "route: 192.168.0.0/24 dev eth0",
            "neighbour: 192.168.0.2 at 02:42:c0:a8:00:02",
            "fdb of br0: 02:42:c0:a8:00:02 at vxlan1",
            "fdb: 02:42:c0:a8:00:02 behind 10.0.0.10; encapsulated for VNI 256",
            "route: 10.0.0.0/24 dev eth0",
            "neighbour: 10.0.0.10 at 02:42:0a:00:00:0a",
            "fdb of switch: 02:42:0a:00:00:0a at port1",
            "decapsulated: VNI 256 is docker0/1-",
            "10.0.0.11 > 10.0.0.10 VXLAN 256  192.168.0.3 > 192.168.0.2 ICMP echo request",
        ] {
            assert!(text.contains(said), "{said} is missing:\n{text}");
        }
    });
}

#[kernel::isolate]
fn a_refusal_has_arrived() {
    run(async {
        let lab = Lab::up(three_hosts()).await.unwrap();
        for protocol in [Protocol::Tcp(81), Protocol::Udp(81)] {
            let journey = lab.follow("C1", "C0", &Probe { protocol, size: None }).await.unwrap();
            assert!(matches!(journey.outcome, Outcome::Refused(_)), "{journey}");
            let end = journey.end.as_ref().unwrap();
            assert!(end.why.contains("C0 refuses it: connection refused"), "{journey}");
            assert_eq!(
                end.last.as_deref(),
                Some(if protocol == Protocol::Tcp(81) {
                    "C1/eth0, in, on its way back"
                } else {
                    "C0/eth0, in, on its way there"
                }),
                "{journey}"
            );
        }
    });
}
