//! Faults of the store in a lab: who is befallen sees them by real requests over the underlay, nobody else does, and engines work on.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::time::{Duration, Instant};

use ground::{four_hosts, host, reaches, run};
use harness::fault::{Ailment, Comeback, Fault, KvFault};
use harness::lab::Run;
use harness::topology::{self, Topology};
use harness::{Kind, Lab};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// Long enough for what happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// What a host hears that asks the store, to the end of the connection; an error if that is reset.
async fn ask(lab: &Lab, from: &str, method: &str, target: &str) -> std::io::Result<String> {
    let socket = TcpSocket::from_std_stream(lab.place(from).unwrap().netns().unwrap().tcp().unwrap().into());
    let mut stream = socket.connect("10.0.0.5:8500".parse().unwrap()).await?;
    let length = if method == "PUT" { "Content-Length: 0\r\n" } else { "" };
    let request =
        format!("{method} /v1/{target} HTTP/1.1\r\nHost: consul\r\nConnection: close\r\n{length}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await?;
    Ok(heard)
}

/// Whether a host is answered with a 200.
async fn is_served(lab: &Lab, from: &str) -> bool {
    ask(lab, from, "GET", "kv/docker/nodes/?keys").await.is_ok_and(|heard| heard.starts_with("HTTP/1.1 200"))
}

/// Runs a container on host b, until that works.
async fn join_on_b(lab: &Lab, name: &str) {
    let begun = Instant::now();
    let wish = || Run {
        name: Some(name.to_owned()),
        on: "b".into(),
        networks: vec!["red".into()],
        ..Run::default()
    };
    while let Err(why) = lab.run(wish()).await {
        assert!(begun.elapsed() < SOON, "{name} did not come about: {why}");
    }
}

/// Waits until a container is reached, and what store and kernels hold agrees.
async fn is_well(lab: &Lab, name: &str) {
    let begun = Instant::now();
    while !reaches(lab, "ra", name).await {
        assert!(begun.elapsed() < SOON, "{name} is not reached");
    }
    loop {
        let findings = lab.check(false).await.unwrap().findings;
        if findings.is_empty() {
            return;
        }
        assert!(begun.elapsed() < SOON, "{findings:?}");
        tokio::task::yield_now().await;
    }
}

#[kernel::isolate]
fn a_late_store_is_late_for_one_host_and_containers_join_all_the_same() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let late = Duration::from_millis(300);
        let guard = lab.inject(Fault::kv_for(host("b"), Ailment::Delay(late))).await.unwrap();
        let begun = Instant::now();
        assert!(is_served(&lab, "b").await && begun.elapsed() >= late);
        let (begun, others) = (Instant::now(), ["a", "c", "d", "consul"]);
        for other in others {
            assert!(is_served(&lab, other).await);
        }
        assert!(begun.elapsed() < late * 4, "somebody else was kept waiting");
        join_on_b(&lab, "new").await;
        is_well(&lab, "new").await;
        guard.heal().await.unwrap();
        assert!(is_served(&lab, "b").await && lab.faults().is_empty());
    });
}

#[kernel::isolate]
fn a_host_that_is_answered_errors_keeps_what_it_has_and_goes_on_when_that_is_over() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard = lab.inject(Fault::kv_for(host("b"), Ailment::Error)).await.unwrap();
        let heard = ask(&lab, "b", "GET", "kv/docker/nodes/?keys").await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 500") && heard.ends_with("\r\n\r\nNo cluster leader"), "{heard}");
        assert!(is_served(&lab, "a").await);
        let wish =
            Run { name: Some("new".into()), on: "b".into(), networks: vec!["red".into()], ..Run::default() };
        let refused = lab.run(wish).await.unwrap_err();
        assert!(refused.to_string().contains("No cluster leader"), "{refused}");
        assert!(reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        join_on_b(&lab, "new").await;
        is_well(&lab, "new").await;
        is_well(&lab, "rb").await;
    });
}

#[kernel::isolate]
fn a_host_whose_watches_are_dropped_or_asleep_hears_of_others_later_or_when_that_is_over() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        for how in [Ailment::DropWatches, Ailment::StallWatches] {
            let guard = lab.inject(Fault::kv_for(host("a"), how)).await.unwrap();
            assert!(is_served(&lab, "a").await);
            let name = format!("new-{}", if how == Ailment::DropWatches { "dropped" } else { "asleep" });
            join_on_b(&lab, &name).await;
            assert!(reaches(&lab, "rc", &name).await, "a bystander has noticed");
            guard.heal().await.unwrap();
            is_well(&lab, &name).await;
        }
    });
}

#[kernel::isolate]
fn an_engine_whose_watches_are_dropped_asks_again_and_again_but_not_at_once() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let mut from = lab.trace().next();
        let _guard = lab.inject(Fault::kv_for(host("a"), Ailment::DropWatches)).await.unwrap();
        let (begun, mut dropped) = (Instant::now(), 0);
        while dropped < 4 {
            let (asked, next) = lab.trace().follow(from).await;
            from = next;
            let of_a = asked.iter().filter(|traced| traced.host.as_ref() == Some(&host("a")));
            dropped += of_a.filter(|traced| traced.index.is_some() && traced.status.is_none()).count();
        }
        // The first was there before. The others are half a second apart.
        assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < SOON);
    });
}

#[kernel::isolate]
fn a_host_that_reads_the_past_finds_the_present_when_that_is_over() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard = lab.inject(Fault::kv_for(host("a"), Ailment::Stale)).await.unwrap();
        join_on_b(&lab, "new").await;
        assert!(reaches(&lab, "rc", "new").await);
        let endpoints = async |from: &str| {
            let heard = ask(&lab, from, "GET", "kv/docker/network/v1.0/endpoint/?keys").await.unwrap();
            heard.matches("docker/network/v1.0/endpoint/").count()
        };
        assert_eq!(
            (endpoints("a").await + 1, endpoints("b").await),
            (endpoints("b").await, endpoints("c").await)
        );
        guard.heal().await.unwrap();
        assert_eq!(endpoints("a").await, endpoints("b").await);
        is_well(&lab, "new").await;
    });
}

#[kernel::isolate]
fn a_host_that_is_refused_is_reset_and_the_others_are_served() {
    run(async {
        let lab = Lab::up(four_hosts()).await.unwrap();
        let guard = lab.inject(Fault::kv_for(host("b"), Ailment::Refuse)).await.unwrap();
        assert!(ask(&lab, "b", "GET", "kv/docker/nodes/?keys").await.is_err());
        for other in ["a", "c", "d"] {
            assert!(is_served(&lab, other).await);
        }
        assert!(reaches(&lab, "ra", "rb").await);
        guard.heal().await.unwrap();
        assert!(is_served(&lab, "b").await);
        join_on_b(&lab, "new").await;
        is_well(&lab, "new").await;
    });
}

fn two_hosts(kv: &str) -> Topology {
    let text = format!(
        r#"
        kv = {{ host = "consul", {kv} }}
        host = [
          {{ name = "consul", ip = "10.0.0.5", engine = false }},
          {{ name = "a" }},
          {{ name = "b" }},
        ]
        network = [{{ name = "red", subnet = "192.168.1.0/24" }}]
        container = [
          {{ name = "ra", on = "a", networks = ["red"] }},
          {{ name = "rb", on = "b", networks = ["red"] }},
        ]
        "#
    );
    topology::parse("kv.toml", &text).map_err(|report| report.plain()).unwrap()
}

async fn endpoints(lab: &Lab) -> usize {
    let heard = ask(lab, "a", "GET", "kv/docker/network/v1.0/endpoint/?keys").await.unwrap();
    heard.matches("docker/network/v1.0/endpoint/").count()
}

#[kernel::isolate]
fn a_store_begins_anew_from_its_disk_or_empty_and_nothing_is_left_to_heal() {
    run(async {
        let lab = Lab::up(two_hosts("persist = true")).await.unwrap();
        let before = endpoints(&lab).await;
        let restart = |comeback| Fault::Kv(KvFault::Restart(comeback));
        lab.inject(restart(Comeback::Disk)).await.unwrap().heal().await.unwrap();
        assert_eq!(endpoints(&lab).await, before);
        join_on_b(&lab, "new").await;
        is_well(&lab, "new").await;
        lab.inject(restart(Comeback::Empty)).await.unwrap().heal().await.unwrap();
        assert_eq!(endpoints(&lab).await, 0);
        assert!(lab.faults().is_empty());
        // What stands, stands.
        assert!(reaches(&lab, "ra", "new").await && reaches(&lab, "rb", "ra").await);
        let named = lab.inject_as("again", restart(Comeback::Empty)).await.unwrap_err();
        assert!(named.to_string().starts_with("there is nothing that `again` would heal"), "{named}");
    });
}

#[kernel::isolate]
fn a_store_without_a_disk_does_not_come_back_from_it() {
    run(async {
        let lab = Lab::up(two_hosts("")).await.unwrap();
        let refused = lab.inject(Fault::Kv(KvFault::Restart(Comeback::Disk))).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Input);
        assert!(refused.to_string().contains("persist = true"), "{refused}");
        assert!(lab.faults().is_empty() && endpoints(&lab).await > 0);
    });
}

#[kernel::isolate]
fn what_ails_a_store_is_healed_while_its_host_is_down() {
    run(async {
        let lab = Lab::up(two_hosts("persist = true")).await.unwrap();
        let ailing = lab.inject(Fault::kv(Ailment::Error)).await.unwrap();
        assert!(!is_served(&lab, "a").await && !is_served(&lab, "consul").await);
        let crash = lab.inject(Fault::Crash(host("consul"))).await.unwrap();
        let down = lab.inject(Fault::kv(Ailment::Stale)).await.unwrap_err();
        assert_eq!(down.to_string(), "host consul is down");
        ailing.heal().await.unwrap();
        crash.heal().await.unwrap();
        assert!(is_served(&lab, "a").await);
        let ailing = lab.inject(Fault::kv(Ailment::Error)).await.unwrap();
        lab.crash("consul").unwrap();
        lab.restart("consul").await.unwrap();
        assert!(!is_served(&lab, "a").await, "the next life of the store is as unwell");
        assert_eq!(lab.heal_all().await.unwrap(), 1);
        ailing.forget();
        assert!(is_served(&lab, "a").await);
    });
}
