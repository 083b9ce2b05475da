//! Faults of hosts and processes: what they do, that it is over when they are healed, and that nobody else notices.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ground::{comes_back, four_hosts, host, reaches};
use harness::fault::{Fault, Process};
use harness::lab::{Connect, Run};
use harness::topology::Topology;
use harness::{Lab, Result, expect};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Pings from one container to another for as long as `meanwhile` takes, and fails if one is lost.
async fn undisturbed<T>(lab: &Lab, from: &str, to: &str, meanwhile: impl Future<Output = T>) -> T {
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let (pinger, to) = (lab.container(from).unwrap(), lab.address(from, to).unwrap());
    let pings = tokio::spawn(async move {
        let mut pings = 0;
        // At least one while it is so, and one afterwards.
        while pings < 2 || !ended.load(Ordering::SeqCst) {
            assert_eq!(pinger.ping(to).await.unwrap().answered(), 1, "after {pings} answers");
            pings += 1;
        }
    });
    let done = meanwhile.await;
    over.store(true, Ordering::SeqCst);
    pings.await.unwrap();
    done
}

#[harness::test(topology = four_hosts())]
async fn a_host_comes_back_with_all_it_had(lab: Lab) -> Result {
    let seen = |name: &str| {
        let container = lab.container(name).unwrap();
        (container.networks().unwrap(), container.ip("red").unwrap())
    };
    let before = seen("ra");
    let mac =
        async || lab.host("a").unwrap().exec(&["cat", "/sys/class/net/eth0/address"]).await.unwrap().stdout;
    let (mac_before, name) = (mac().await, lab.host("a")?.exec(&["hostname"]).await?.stdout);
    undisturbed(&lab, "rb", "rc", async {
        let crash = lab.host("a")?.crash().await?;
        expect!(lab.host("b")?.ping("a")).never("100ms").await?;
        expect!(lab.container("rb")?.ping(before.1)).never("100ms").await?;
        crash.heal().await
    })
    .await?;
    expect!(lab.container("rb")?.ping(before.1)).await?;
    expect!(lab.container("ra")?.ping("rb")).await?;
    expect!(lab.container("ba")?.ping("bd")).await?;
    assert_eq!(seen("ra"), before);
    assert_eq!((mac().await, name), (mac_before, "a\n".to_owned()));
    Ok(())
}

#[harness::test(topology = four_hosts(), limit = "2m")]
async fn a_host_comes_back_again_and_again_and_nothing_gathers(lab: Lab) -> Result {
    for _ in 0..10 {
        lab.host("a")?.crash().await?.heal().await?;
        expect!(lab.container("rb")?.ping("ra")).await?;
    }
    Ok(())
}

#[harness::test(topology = four_hosts())]
async fn a_host_whose_init_was_killed_comes_back_too(lab: Lab) -> Result {
    let process = lab.host("a")?.command("sleep").arg("600").spawn().await?;
    let init = lab.place("a")?.machine().await?.pid();
    kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
    expect!(!lab.host("a")?.is_up()).within("5s").await?;
    assert_eq!(process.wait().await, 128 + 9);
    lab.restart("a").await?;
    expect!(lab.container("rb")?.ping("ra")).await?;
    expect!(lab.host("a")?.exec(&["true"])).await
}

/// Four hosts, of which one that is gone is soon given up.
fn soon_given_up() -> Topology {
    ground::four_hosts_of(Topology::builder().session_ttl_min("1s"))
}

#[harness::test(topology = soon_given_up())]
async fn what_was_taken_meanwhile_is_said_and_the_rest_comes_back(lab: Lab) -> Result {
    let lost = lab.container("ra")?.ip("red")?;
    let crash = lab.host("a")?.crash().await?;
    let thief = Run {
        name: Some("thief".into()),
        on: "b".into(),
        networks: vec!["red".into()],
        ip: Some(lost),
        ..Run::default()
    };
    // Away for longer than endpoints are kept: its record goes, and another one may have its address.
    expect!(lab.run(thief.clone())).that("it has the address", |_| true).within("50s").await?;
    let error = crash.heal().await.unwrap_err().to_string();
    assert!(error.starts_with("container ra did not come back: "), "{error}");
    expect!(lab.container("ba")?.ping("bb")).await?;
    lab.remove_container("thief").await?;
    lab.restart("a").await?;
    expect!(lab.container("rb")?.ping(lost)).await
}

#[harness::test(topology = four_hosts())]
async fn the_store_comes_back_with_what_it_held(lab: Lab) -> Result {
    undisturbed(&lab, "ra", "rb", async {
        let crash = lab.host("consul")?.crash().await?;
        expect!(lab.networks("a")).that("nobody answers", |_| true).never("300ms").await?;
        crash.heal().await
    })
    .await?;
    let run =
        Run { name: Some("late".into()), on: "c".into(), networks: vec!["red".into()], ..Run::default() };
    lab.run(run).await?;
    comes_back(&lab, "ra", "late").await;
    Ok(())
}

#[harness::test(topology = four_hosts())]
async fn nothing_runs_on_a_paused_host_and_all_of_it_is_there(lab: Lab) -> Result {
    let tick = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done";
    let ticking = lab.container("ra")?.command("sh").args(["-c", tick]).spawn().await?;
    let nested = lab.host("a")?.command("sh").args(["-c", tick]).spawn().await?;
    expect!(ticking.lines().len() > 3 && nested.lines().len() > 3).within("5s").await?;
    let pause = undisturbed(&lab, "rb", "rc", async { lab.host("a")?.pause().await }).await?;
    // What was on its way when it was stopped arrives.
    expect!({
        let before = ticking.lines().len();
        tokio::time::sleep(Duration::from_millis(50)).await;
        ticking.lines().len() - before
    })
    .equals(0)
    .within("5s")
    .await?;
    let (one, other) = (ticking.lines().len(), nested.lines().len());
    expect!(ticking.lines().len() == one && nested.lines().len() == other).lasting("200ms").await?;
    expect!(lab.networks("a")).that("its engine answers", |_| true).never("200ms").await.unwrap();
    pause.heal().await?;
    expect!(ticking.lines().len() > one && nested.lines().len() > other).within("5s").await?;
    assert!(lab.networks("a").await?.iter().any(|network| network.name == "red"));
    Ok(())
}

#[harness::test(topology = four_hosts())]
async fn a_paused_store_answers_nobody_until_it_goes_on(lab: Lab) -> Result {
    let pause = lab.host("consul")?.pause().await?;
    expect!(lab.host("a")?.exec(&["sh", "-c", "exec 3<>/dev/tcp/consul/8500"])).await.ok();
    let asked = tokio::spawn({
        let lab = lab.clone();
        async move { lab.networks("a").await }
    });
    expect!(asked.is_finished()).never("300ms").await?;
    pause.heal().await?;
    assert!(!asked.await.unwrap()?.is_empty());
    Ok(())
}

#[harness::test(topology = four_hosts())]
async fn an_engine_dies_and_another_takes_over_while_traffic_goes_on(lab: Lab) -> Result {
    undisturbed(&lab, "ra", "rb", async {
        let dead = lab.inject(Fault::Engine(host("a"))).await?;
        let refused = lab.networks("a").await.unwrap_err().to_string();
        assert_eq!(refused, "no engine runs on host a");
        // It hears of this only when it is back.
        let run =
            Run { name: Some("late".into()), on: "b".into(), networks: vec!["red".into()], ..Run::default() };
        lab.run(run).await?;
        dead.heal().await
    })
    .await?;
    comes_back(&lab, "ra", "late").await;
    assert!(reaches(&lab, "ba", "bb").await);
    lab.disconnect("ra", "red").await?;
    lab.connect(Connect { container: "ra".into(), network: "red".into(), ..Connect::default() }).await?;
    comes_back(&lab, "rb", "ra").await;
    Ok(())
}

#[harness::test(topology = harness::topology::Topology::two_hosts())]
async fn a_killed_command_is_started_again(lab: Lab) -> Result {
    let fault = Fault::Kill(Process { container: "C0".parse()?, signal: 9 });
    let state = async || Ok::<_, harness::Error>(lab.report().await?.containers[0].state.clone());
    let kill = undisturbed(&lab, "C1", "C0", async { lab.inject(fault).await }).await?;
    expect!(state()).equals("exited (137)").within("5s").await?;
    kill.heal().await?;
    expect!(state()).equals("running").await
}

#[harness::test(topology = four_hosts())]
async fn clocks_are_off_for_processes_that_come_until_they_are_right_again(lab: Lab) -> Result {
    /// The boot clock of a new process there, in seconds.
    async fn uptime(lab: &Lab, container: &str) -> f64 {
        let output = lab.container(container).unwrap().exec(&["cat", "/proc/uptime"]).await.unwrap();
        output.stdout.split(' ').next().unwrap().parse().unwrap()
    }
    let before = uptime(&lab, "ra").await;
    let fault = lab.inject(Fault::Clock { host: host("a"), offset: 1_000_000_500 }).await?;
    assert!((uptime(&lab, "ra").await - before - 1_000_000.5).abs() < 60.0);
    assert!((uptime(&lab, "ba").await - before - 1_000_000.5).abs() < 60.0, "a machine that came later");
    assert!((uptime(&lab, "rb").await - before).abs() < 60.0, "another host");
    fault.heal().await?;
    assert!((uptime(&lab, "ra").await - before).abs() < 60.0);
    let refused = lab.inject(Fault::Clock { host: host("a"), offset: -1_000_000_000_000 }).await.unwrap_err();
    assert!(refused.to_string().contains("a clock cannot be before its machine's start"), "{refused}");
    Ok(())
}
