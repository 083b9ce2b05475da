//! Handles of hosts, containers, networks and processes, and what is expected of them.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ground/mod.rs"]
mod ground;

use std::time::Duration;

use ground::run;
use harness::fault::Fault;
use harness::topology::Topology;
use harness::{Kind, Lab, Ready, State, expect};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn lab() -> Lab {
    Lab::up(Topology::two_hosts()).await.unwrap()
}

#[kernel::isolate]
fn a_wrong_name_lists_the_right_ones() {
    run(async {
        let lab = lab().await;
        let said = |error: harness::Error| (error.kind(), error.to_string());
        let host = said(lab.host("docker9").unwrap_err());
        assert_eq!(
            host,
            (Kind::NoSuch, "no host is named `docker9`; there is `consul`, `docker0`, `docker1`".into())
        );
        let container = said(lab.container("C9").unwrap_err());
        assert_eq!(container, (Kind::NoSuch, "no container is named `C9`; there is `C0`, `C1`".into()));
        let network = said(lab.network("x").await.unwrap_err());
        assert_eq!(
            network,
            (Kind::NoSuch, "no network is named `x`; there is `demonet`, `docker_gwbridge`".into())
        );
        let nowhere = said(lab.container("C0").unwrap().ip("x").unwrap_err());
        assert_eq!(nowhere.1, "container C0 has no address on network x; it is on demonet");
    });
}

#[kernel::isolate]
fn sockets_are_made_there_and_used_here() {
    run(async {
        let lab = lab().await;
        let (c0, c1) = (lab.container("C0").unwrap(), lab.container("C1").unwrap());
        let listener = c0.listen(80).await.unwrap();
        let (client, server) = tokio::join!(c1.connect(&c0, 80), listener.accept());
        let (mut client, (mut server, from)) = (client.unwrap(), server.unwrap());
        assert_eq!(from.ip(), c1.ip("demonet").unwrap());
        client.write_all(b"over the overlay").await.unwrap();
        let mut text = [0; 16];
        server.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"over the overlay");
        let (one, other) = (c0.udp(9).await.unwrap(), c1.udp(0).await.unwrap());
        other.send_to(b"datagram", (c1.address_of(&c0).unwrap(), 9)).await.unwrap();
        assert_eq!(one.recv(&mut text).await.unwrap(), 8);
        let refused = c1.connect(&c0, 81).await.unwrap_err();
        assert!(refused.to_string().starts_with("cannot connect from C1 to 192.168.0.100:81: "), "{refused}");
    });
}

#[kernel::isolate]
fn containers_are_reached_by_their_ipv6_addresses_too() {
    run(async {
        let topology = Topology::builder()
            .hosts(["docker0", "docker1"])
            .network_of("v6net", ["10.73.0.0/24", "fd00:1::/64"])
            .network("plain", "10.75.0.0/24")
            .container("C0", "docker0", ["v6net"])
            .container("C1", "docker1", ["v6net", "plain"]);
        let lab = Lab::up(topology.build().unwrap()).await.unwrap();
        let (c0, c1) = (lab.container("C0").unwrap(), lab.container("C1").unwrap());
        let ip = c0.ip6("v6net").unwrap();
        assert_eq!(ip.to_string(), "fd00:1::2");
        assert_eq!(c1.ip6("plain").unwrap_err().to_string(), "container:C1@plain has no IPv6 address");
        assert_eq!(c1.resolve6("C0").await.unwrap(), [ip]);
        expect!(c1.ping(ip)).await.unwrap();
        expect!(c1.ping("ipv6:C0")).await.unwrap();
        let address = format!("[{ip}]:80").parse().unwrap();
        let listener =
            tokio::net::TcpListener::from_std(c0.netns().unwrap().listen(address).unwrap()).unwrap();
        let (client, server) = tokio::join!(c1.connect("ipv6:C0@v6net", 80), listener.accept());
        assert_eq!(client.unwrap().peer_addr().unwrap().ip(), ip);
        assert_eq!(server.unwrap().1.ip(), c1.ip6("v6net").unwrap());
        let report = lab.report().await.unwrap();
        assert_eq!(report.networks[1].subnet6.as_deref(), Some("fd00:1::/64"));
        assert_eq!(report.containers[0].networks[0].address6.as_deref(), Some("fd00:1::2/64"));
        // Run again with its host, it has both of its addresses again.
        let crash = Fault::Crash("docker1".parse().unwrap());
        lab.inject(crash).await.unwrap().heal().await.unwrap();
        expect!(c0.ping("ipv6:C1")).await.unwrap();
    });
}

#[kernel::isolate]
fn a_closure_runs_there_and_its_panic_comes_back() {
    run(async {
        let host = lab().await.host("docker0").unwrap();
        let links = host.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
        assert!(links.contains("docker_gwbridge") && links.contains("eth0"), "{links}");
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.run(|| panic!("there"))));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"there"));
        assert_eq!(host.run(|| 1).unwrap(), 1);
    });
}

#[kernel::isolate]
fn a_process_is_ready_by_a_fact() {
    run(async {
        let lab = lab().await;
        let host = lab.host("docker1").unwrap();
        let shell = |script: &str| host.command("sh").args(["-c", script]);
        let line = shell("echo on its way; echo listening; sleep 60")
            .ready(Ready::line("listening"))
            .spawn()
            .await
            .unwrap();
        assert_eq!(line.lines().len(), 2);
        let file = shell("sleep 0.05; touch /run/there; sleep 60")
            .ready(Ready::file("/run/there"))
            .spawn()
            .await
            .unwrap();
        assert!(!std::path::Path::new("/run/there").exists(), "it is the machine's own /run");
        assert_eq!(file.state(), State::Running);
        let listener = host.listen(8080).await.unwrap();
        drop(shell("sleep 60").ready(Ready::port(8080)).spawn().await.unwrap());
        drop(listener);
        let late = shell("echo not yet; sleep 60")
            .ready(Ready::port(8080))
            .within(Duration::from_millis(50))
            .spawn();
        let late = late.await.unwrap_err();
        assert_eq!(
            late.to_string(),
            "`sh -c echo not yet; sleep 60` is not ready: it was not so within 50ms: somebody listened on TCP port 8080\n    not yet"
        );
        let dead = shell("echo no disk >&2; exit 3").ready(Ready::notify()).spawn().await.unwrap_err();
        assert_eq!(
            dead.to_string(),
            "`sh -c echo no disk >&2; exit 3` is not ready: it ended with status 3 before READY=1 was said to \
             $NOTIFY_SOCKET\n    no disk"
        );
    });
}

#[kernel::isolate]
fn a_process_says_so_itself_as_a_service_of_systemd_does() {
    run(async {
        let host = lab().await.host("docker1").unwrap();
        // What sd_notify does, by the one tool that every machine with Python has; without it there is nothing to show.
        let say = "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                   s.sendto(b'STATUS=up\\nREADY=1', os.environ['NOTIFY_SOCKET']); time.sleep(60)";
        let python = host.exec(&["python3", "-c", ""]).await;
        if !python.is_ok_and(|output| output.status == 0) {
            eprintln!("skipped: this machine has no `python3`");
            return;
        }
        let process = host.command("python3").args(["-c", say]).ready(Ready::notify()).spawn().await.unwrap();
        assert_eq!(process.state(), State::Running);
    });
}

#[kernel::isolate]
fn a_process_is_heard_signalled_and_waited_for_and_ends_with_its_handle() {
    run(async {
        let lab = lab().await;
        let c0 = lab.container("C0").unwrap();
        let trap = "trap 'echo got it; exit 7' TERM; echo up; while :; do sleep 0.01; done";
        let process = c0.command("sh").args(["-c", trap]).ready(Ready::line("up")).spawn().await.unwrap();
        process.signal(Signal::SIGTERM).unwrap();
        assert_eq!(process.wait().await, 7);
        assert_eq!(process.lines().last().unwrap().text, "got it");
        process.signal(Signal::SIGTERM).unwrap();
        let sleeps = async || c0.exec(&["sh", "-c", "ps ax | grep -c '[s]leep 12345'"]).await.unwrap().stdout;
        let kept = c0.command("sleep").arg("12345").spawn().await.unwrap();
        expect!(sleeps()).equals("1\n").within("5s").await.unwrap();
        drop(kept);
        expect!(sleeps()).equals("0\n").within("5s").await.unwrap();
        c0.command("sleep").arg("12345").spawn().await.unwrap().forget();
        expect!(sleeps()).equals("1\n").lasting("100ms").await.unwrap();
        let output = c0.exec(&["sh", "-c", "cat; echo $0 >&2; exit 4"]).await.unwrap();
        assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (4, "", "sh\n"));
        let fed = c0.command("cat").stdin("said").output().await.unwrap();
        assert_eq!(fed.stdout, "said\n");
    });
}

#[kernel::isolate]
fn a_handle_outlives_its_hosts_end() {
    run(async {
        let lab = lab().await;
        let (host, container) = (lab.host("docker0").unwrap(), lab.container("C0").unwrap());
        assert!(host.is_up());
        host.crash().await.unwrap().forget();
        assert!(!host.is_up());
        assert_eq!(container.exec(&["true"]).await.unwrap_err().to_string(), "host docker0 is down");
        assert_eq!(container.host().unwrap().name(), "docker0");
    });
}

#[kernel::isolate]
fn expectations_hold_or_say_what_came() {
    run(async {
        let lab = lab().await;
        let (c0, c1) = (lab.container("C0").unwrap(), lab.container("C1").unwrap());
        expect!(c1.ping(&c0)).await.unwrap();
        expect!(c1.ping(&c0).count(3).interval(Duration::from_millis(5))).within("2s").await.unwrap();
        expect!(lab.host("docker1")?.ping(c0.ip("demonet")?)).never("300ms").await.unwrap();
        expect!(c1.exec(&["hostname"])).that("it is C1", |output| output.stdout == "C1\n").await.unwrap();
        expect!(lab.network("demonet").await?.inspect())
            .json(json!({ "Driver": "overlay", "IPAM": { "Config": [{ "Subnet": "192.168.0.0/24" }] } }))
            .await
            .unwrap();
        expect!(lab.faults().len()).equals(0).await.unwrap();
        expect!(lab.faults().is_empty()).lasting(Duration::from_millis(20)).await.unwrap();

        let error = expect!(c1.ping("192.168.0.77")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unmet);
        assert_eq!(
            error.to_string(),
            "c1.ping(\"192.168.0.77\")\n  expected  that it holds\n  got       0 of 1 answered"
        );
        let error = expect!(lab.network("demonet").await?.inspect())
            .json(json!({ "Driver": "bridge", "X": 1 }))
            .await;
        assert_eq!(
            error.unwrap_err().to_string(),
            "lab.network(\"demonet\").await?.inspect()\n  expected  JSON with {\"Driver\":\"bridge\",\"X\":1}\n  \
             got       /Driver: expected \"bridge\", got \"overlay\"\n            /X: expected 1, there is none"
        );
        let error = expect!(lab.container("C7")?.ping(&c0)).await.unwrap_err();
        assert!(
            error.to_string().ends_with("got       no container is named `C7`; there is `C0`, `C1`"),
            "{error}"
        );
        let error = expect!(c1.ping(&c0)).never("1s").await.unwrap_err();
        assert!(
            error.to_string().starts_with("c1.ping(&c0): it was never to hold, and did after "),
            "{error}"
        );
        let error = expect!(true).within("soon").await.unwrap_err();
        assert!(error.to_string().starts_with("`soon` is not a time: "), "{error}");
    });
}

#[kernel::isolate]
fn an_expectation_that_is_not_met_says_how_it_came_closer() {
    run(async {
        let count = std::sync::atomic::AtomicU32::new(0);
        let next = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst).min(2);
        let error = expect!(next()).equals(9).within("60ms").await.unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[..3], ["next()", "  expected  9", "  got       2"], "{error}");
        assert!(lines[3].starts_with("  before") && lines[3].ends_with("  0"), "{error}");
        assert!(lines[4].ends_with("  1") && lines[5].starts_with("  tried     "), "{error}");
    });
}
