//! Scenarios that do not simply hold: what fails, hangs, comes late, lapses or drifts, and what is said of it.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use harness::report::{Human, Paint};
use harness::scenario::{Options, Played, RunEvent, StepEnd, Verdict, play};
use harness::topology::parse;
use harness::{Lab, expect};
use kernel::nft::Nft;
use kernel::{Batch, Mac, Netns, Rtnl};
use overlay::datapath;

/// Two hosts, a container on each.
const LAB: &str = r#"
[[host]]
name = "docker0"
[[host]]
name = "docker1"
[[network]]
name = "demonet"
subnet = "192.168.0.0/24"
[[container]]
name = "C0"
on = "docker0"
networks = ["demonet"]
[[container]]
name = "C1"
on = "docker1"
networks = ["demonet"]
"#;

/// A host alone, for steps that need no more.
const HOST: &str = "[[host]]\nname = \"h0\"\nengine = false\n";

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

async fn up(lab: &str, steps: &str) -> Lab {
    let topology = parse("x.toml", &format!("{lab}{steps}")).unwrap_or_else(|report| panic!("{report}"));
    Lab::up(topology).await.unwrap()
}

/// What happened, and what a person is shown of it, without its times.
struct Run {
    played: Played,
    events: Vec<RunEvent>,
    shown: String,
}

async fn played(lab: &Lab) -> Run {
    let mut human = Human::new("x.toml", Paint::Plain);
    let (mut events, mut shown) = (Vec::new(), String::new());
    let played = play(lab, Options::default(), |event| {
        shown += &human.show(&event);
        events.push(event);
    })
    .await;
    Run { played, events, shown }
}

impl Run {
    fn ends(&self) -> Vec<&StepEnd> {
        let ends = self.events.iter().filter_map(|event| match event {
            RunEvent::Done { end, .. } => Some(end),
            _ => None,
        });
        ends.collect()
    }

    fn tries(&self) -> Vec<u32> {
        let tries = self.events.iter().filter_map(|event| match event {
            RunEvent::Done { tries, .. } => Some(*tries),
            _ => None,
        });
        tries.collect()
    }

    fn got(&self) -> &str {
        &self.played.failure.as_ref().unwrap().1.got
    }
}

#[kernel::isolate]
fn a_failing_expectation_fails_and_is_explained() {
    let steps = r#"
        [[step]]
        ping = { from = "C1", to = "C0" }
        [[step]]
        name = "nobody has that address"
        ping = { from = "C1", to = "192.168.0.77", count = 2, interval = "10ms" }
        within = "1s"
        [[step]]
        ping = { from = "C0", to = "C1" }
    "#;
    let run = run(async { played(&up(LAB, steps).await).await });
    assert_eq!(run.played.verdict(), Verdict::Failed);
    assert_eq!((run.played.counts.held, run.played.counts.failed, run.played.counts.left), (1, 1, 1));
    // Compared here: not every user that runs the built test could read a file of snapshots. Times differ.
    let untimed = |line: &str| match line.strip_prefix("  ok ").or_else(|| line.strip_prefix("  FAIL ")) {
        Some(_) => line.rsplit_once(' ').map_or(line, |(line, _)| line).trim_end().to_owned(),
        None => line.to_owned(),
    };
    let shown: Vec<String> = run.shown.lines().map(untimed).collect();
    let expected = [
        "  ok    C1 pings C0",
        "  FAIL  nobody has that address",
        "        expected  a loss of 0%",
        "        got       0 of 2 answered",
        "        again     LAB_SEED=0 lab run x.toml",
    ];
    assert_eq!(shown, expected);
}

#[kernel::isolate]
fn a_hang_is_cut_by_the_step_s_time_limit() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["sleep", "30"] }
        timeout = "300ms"
    "#;
    let begun = Instant::now();
    let run = run(async { played(&up(HOST, steps).await).await });
    assert_eq!(run.got(), "no end: the step's 300ms were over");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[kernel::isolate]
fn a_hang_is_cut_by_the_scenario_s_time_limit() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["sleep", "30"] }
    "#;
    let run = run(async { played(&up(&format!("timeout = \"300ms\"\n{HOST}"), steps).await).await });
    assert_eq!(run.got(), "no end: the scenario's 300ms were over");
}

#[kernel::isolate]
fn within_tries_again_until_it_holds() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["sh", "-c", "(sleep 0.3; touch /run/late) > /dev/null 2>&1 &"] }
        [[step]]
        exec = { on = "h0", command = ["test", "-e", "/run/late"] }
        within = "10s"
    "#;
    let run = run(async { played(&up(HOST, steps).await).await });
    assert_eq!(run.played.verdict(), Verdict::Held, "{}", run.shown);
    assert!(run.tries()[1] > 1, "{:?}", run.tries());
}

#[kernel::isolate]
fn what_has_to_hold_for_a_time_may_not_lapse() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["sh", "-c", "touch /run/x; (sleep 0.3; rm /run/x) > /dev/null 2>&1 &"] }
        [[step]]
        exec = { on = "h0", command = ["test", "-e", "/run/x"] }
        for = "10s"
    "#;
    let run = run(async { played(&up(HOST, steps).await).await });
    let (_, failure) = run.played.failure.as_ref().unwrap();
    assert!(failure.notes[0].starts_with("it had held for "), "{:?}", failure.notes);
    assert!(failure.notes[0].ends_with(" of 10s"), "{:?}", failure.notes);
}

#[kernel::isolate]
fn how_a_value_came_closer_is_told() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["sh", "-c", "(for n in 1 2 3; do echo $n > /run/n; sleep 0.5; done) > /dev/null 2>&1 &"] }
        [[step]]
        exec = { on = "h0", command = ["cat", "/run/n"] }
        expect = { stdout = { equals = "4" } }
        within = "3s"
    "#;
    let run = run(async { played(&up(HOST, steps).await).await });
    let (_, failure) = run.played.failure.as_ref().unwrap();
    assert_eq!(failure.got, "\"3\"");
    let earlier: Vec<&str> = failure.earlier.iter().map(|seen| seen.got.as_str()).collect();
    assert!(earlier.ends_with(&["\"1\"", "\"2\""]), "{earlier:?}");
}

#[kernel::isolate]
fn a_missing_tool_skips_its_step_unless_it_is_required() {
    let steps = r#"
        [[step]]
        requires = ["sh", "no-such-tool"]
        exec = { on = "h0", command = ["no-such-tool"] }
        [[step]]
        exec = { on = "h0", command = ["true"] }
    "#;
    run(async {
        let lab = up(HOST, steps).await;
        let run = played(&lab).await;
        let reason = "this machine has no `no-such-tool`".to_owned();
        assert_eq!(run.ends(), [&StepEnd::Skipped { reason }, &StepEnd::Held]);
        let strict = play(&lab, Options { require: true }, drop).await;
        assert_eq!(strict.verdict(), Verdict::Failed);
    });
}

#[kernel::isolate]
fn a_program_that_does_not_exist_fails_its_step() {
    let steps = r#"
        [[step]]
        exec = { on = "h0", command = ["no-such-tool"] }
        expect = { status = 1 }
    "#;
    let run = run(async { played(&up(HOST, steps).await).await });
    assert_eq!(run.got(), "cannot run `no-such-tool`: there is no such program");
}

/// The namespace that has such a link.
fn with_link(lab: &Lab, name: &str) -> Netns {
    let has =
        |netns: &&Netns| Rtnl::new(netns).unwrap().links().unwrap().iter().any(|link| link.name == name);
    lab.namespaces().iter().find(has).unwrap().clone()
}

const DRIFT: &str = "[[step]]\ncheck.drift = \"none\"\n";

/// What a look at the drift says after `spoil`; once more if the engine has mended it before the look.
async fn drift(lab: &Lab, spoil: impl Fn()) -> String {
    assert_eq!(played(lab).await.played.verdict(), Verdict::Held);
    for _ in 0..20 {
        spoil();
        let run = played(lab).await;
        if run.played.failure.is_some() {
            return run.got().to_owned();
        }
    }
    panic!("twenty times the engine was faster");
}

/// Waits until engines have put right what was spoilt.
async fn mended(lab: &Lab) {
    assert_eq!(lab.check(true).await.unwrap().remaining, [""; 0]);
}

#[kernel::isolate]
fn an_entry_that_is_missing_is_drift() {
    run(async {
        let lab = up(LAB, DRIFT).await;
        let rtnl = Rtnl::new(&with_link(&lab, "vxlan1")).unwrap();
        let holds = rtnl.dump().unwrap();
        let tunnel = holds.link("vxlan1").unwrap().index;
        let entry = holds.neighbours.iter().find(|entry| entry.dev == tunnel && entry.permanent).unwrap();
        let got = drift(&lab, || rtnl.apply(&Batch::new().remove_neighbour(tunnel, entry.ip)).unwrap()).await;
        assert!(got.contains(&format!("demonet lacks the ARP entry {} ", entry.ip)), "{got}");
    });
}

#[kernel::isolate]
fn an_entry_of_nobody_is_drift() {
    run(async {
        let lab = up(LAB, DRIFT).await;
        let rtnl = Rtnl::new(&with_link(&lab, "vxlan1")).unwrap();
        let tunnel = rtnl.dump().unwrap().link("vxlan1").unwrap().index;
        let stale = Mac([2, 0x42, 0xc0, 0xa8, 0, 0x63]);
        let nobody = "10.0.0.99".parse().unwrap();
        let got = drift(&lab, || rtnl.apply(&Batch::new().fdb(tunnel, stale, nobody)).unwrap()).await;
        let entry = "demonet has the FDB entry 02:42:c0:a8:00:63 dst 10.0.0.99, of no live peer";
        assert!(got.contains(entry), "{got}");
    });
}

/// Two hosts, a container on each, on a network of two subnets of each family.
const BOTH_FAMILIES: &str = r#"
[[host]]
name = "docker0"
[[host]]
name = "docker1"
[[network]]
name = "v6net"
ipv6 = true
subnets = ["10.70.0.0/24", "10.71.0.0/24", "fd00:1::/64", "fd00:2::/64"]
[[container]]
name = "C0"
on = "docker0"
networks = ["v6net"]
[[container]]
name = "C1"
on = "docker1"
networks = ["v6net"]
"#;

#[kernel::isolate]
fn ipv6_that_was_taken_away_is_drift() {
    run(async {
        let lab = up(BOTH_FAMILIES, DRIFT).await;
        let rtnl = Rtnl::new(&with_link(&lab, "vxlan1")).unwrap();
        let holds = rtnl.dump().unwrap();
        let tunnel = holds.link("vxlan1").unwrap().index;
        let peers = holds.neighbours.iter().filter(|entry| entry.dev == tunnel && entry.permanent);
        let peer = peers.map(|entry| entry.ip).find(IpAddr::is_ipv6).unwrap();
        let got = drift(&lab, || rtnl.apply(&Batch::new().remove_neighbour(tunnel, peer)).unwrap()).await;
        assert!(got.contains(&format!("v6net lacks the neighbour entry {peer} ")), "{got}");

        let stale: IpAddr = "fd00:1::63".parse().unwrap();
        let mac = Mac([2, 0x42, 10, 70, 0, 0x63]);
        mended(&lab).await;
        let got = drift(&lab, || rtnl.apply(&Batch::new().neighbour(tunnel, stale, mac)).unwrap()).await;
        let entry = format!("v6net has the neighbour entry {stale} {mac}, of no live peer");
        assert!(got.contains(&entry), "{got}");

        // Without IPv6 a link has neither address nor entry of it.
        let netns = with_link(&lab, "vxlan1");
        let off = |link: &str| netns.set_sysctl(&format!("ipv6/conf/{link}/disable_ipv6"), "1").unwrap();
        mended(&lab).await;
        let got = drift(&lab, || off("br0")).await;
        assert!(got.contains("br0 of v6net has not the address fd00:1::1/64"), "{got}");
        mended(&lab).await;
        let got = drift(&lab, || off("vxlan1")).await;
        assert!(got.contains(&format!("v6net lacks the neighbour entry {peer} ")), "{got}");

        let c0 = lab.container("C0").unwrap().netns().unwrap();
        let (inside, index) = (Rtnl::new(&c0).unwrap(), Rtnl::new(&c0).unwrap());
        let eth0 = || index.links().unwrap().iter().find(|link| link.name == "eth0").unwrap().index;
        for net in ["fd00:1::/64", "fd00:2::/64", "10.71.0.0/24"] {
            let route = |rtnl: &Rtnl| {
                let failed = rtnl.apply_all(&Batch::new().remove_route(Some(net.parse().unwrap()), eth0()));
                // It may be gone, while an engine makes the interface anew.
                assert!(failed.iter().all(kernel::Error::is_missing), "{failed:?}");
            };
            mended(&lab).await;
            let got = drift(&lab, || route(&inside)).await;
            let expected = format!("C0 on v6net has no route to {net} by eth0: nobody there is reached");
            assert!(got.contains(&expected), "{got}");
        }
        c0.set_sysctl("ipv6/conf/eth0/disable_ipv6", "1").unwrap();
        mended(&lab).await;
        expect!(lab.container("C0").unwrap().ping("ipv6:C1")).await.unwrap();
    });
}

#[kernel::isolate]
fn a_rule_that_was_taken_away_is_drift() {
    run(async {
        let lab = up(LAB, DRIFT).await;
        let host = Nft::new(&with_link(&lab, "docker_gwbridge")).unwrap();
        let mut table = datapath::rules("172.18.0.0/16".parse().unwrap(), &[]);
        for (chain, rule, missing, breaks) in [
            (
                "forward",
                1,
                "iifname \"docker_gwbridge\" oifname \"docker_gwbridge\" counter drop",
                "nothing but the rule behind it keeps containers from one another",
            ),
            (
                "postrouting",
                0,
                "ip saddr 172.18.0.0/16 oifname != \"docker_gwbridge\" counter masquerade",
                "containers get no answers from outside, where nobody knows their addresses",
            ),
        ] {
            let at = table.chains.iter().position(|its| its.name == chain).unwrap();
            let taken = table.chains[at].rules.remove(rule);
            let got = drift(&lab, || host.replace(&table).unwrap()).await;
            let expected = format!("docker lacks the rule `{chain}: {missing}`: {breaks}");
            assert!(got.contains(&expected), "{got}");
            table.chains[at].rules.insert(rule, taken);
            mended(&lab).await;
        }
        let got = drift(&lab, || host.remove(kernel::nft::Family::Ip, "docker").unwrap()).await;
        assert!(got.contains("the nftables table docker has no rules: containers do not"), "{got}");
    });
}

#[kernel::isolate]
fn what_has_to_hold_always_is_looked_at_after_each_step() {
    let steps = r#"
        [[always]]
        absent = { on = "C0", interface = "eth9" }
        [[always]]
        mtu = { container = "C0", network = "demonet", is = 1400 }
        [[step]]
        ping = { from = "C1", to = "C0" }
        [[step]]
        ping = { from = "C1", to = "C0" }
    "#;
    let run = run(async { played(&up(LAB, steps).await).await });
    let (number, failure) = run.played.failure.as_ref().unwrap();
    assert_eq!((*number, failure.always.as_deref()), (1, Some("the MTU of C0 on demonet is 1400")));
    assert_eq!(failure.got, "eth0 1450, veth2 1450, br0 1450, vxlan1 1450");
}

#[kernel::isolate]
fn networks_and_containers_come_and_go_and_leave_nothing() {
    let steps = r#"
        [[always]]
        drift = "none"
        [[step]]
        network.create = { name = "vault", subnet = "192.168.1.0/24", internal = true }
        [[step]]
        network.create = { name = "vault", subnet = "192.168.2.0/24" }
        expect.error = { contains = "exists" }
        [[step]]
        container.run = { name = "C2", on = "docker0", networks = ["demonet", "vault"] }
        [[step]]
        container.run = { name = "C3", on = "docker1", networks = ["vault"] }
        [[step]]
        ping = { from = "C3", to = "C2" }
        [[step]]
        check.peer = { at = "docker1", network = "vault", container = "C2" }
        [[step]]
        udp = { from = "C3", to = "C2@vault", listen = true }
        expect.reply.equals = "ping"
        [[step]]
        udp = { from = "C3", to = "C2@vault" }
        expect.answered = false
        [[step]]
        tcp = { from = "C2", to = "C3", send = "hello", listen = true }
        expect.reply.equals = "hello"
        [[step]]
        name = "the echo server is gone"
        tcp = { from = "C2", to = "C3" }
        expect.connected = false
        [[step]]
        network.rm = { name = "vault" }
        expect.error = { contains = "active endpoints" }
        [[step]]
        container.rm = { name = "C3" }
        [[step]]
        container.rm = { name = "C2" }
        [[step]]
        network.rm = { name = "vault" }
        [[step]]
        kv.ls = {}
        expect.no_keys = ["*192.168.1.0*"]
    "#;
    let run = run(async { played(&up(LAB, steps).await).await });
    assert_eq!(run.played.verdict(), Verdict::Held, "{}", run.shown);
}

#[kernel::isolate]
fn a_host_that_is_down_pings_nobody() {
    run(async {
        let steps = "[[step]]\nping = { from = \"C1\", to = \"C0\" }\nexpect.loss = \"100%\"\n";
        let lab = up(LAB, steps).await;
        lab.crash("docker1").unwrap();
        assert_eq!(played(&lab).await.played.verdict(), Verdict::Held);
    });
}
