//! Labs built by the library, in namespaces of the test's own.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use harness::Lab;
use harness::lab::Echoed;
use harness::topology::Topology;

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

async fn ping(lab: &Lab, from: &str, to: &str) -> Vec<Echoed> {
    let address = lab.address(from, to).unwrap();
    let mut echoes = lab.echoes(&lab.place(from).unwrap(), address, 2, Duration::from_millis(50)).unwrap();
    let mut all = Vec::new();
    while let Some(echo) = echoes.recv().await {
        all.push(echo.unwrap());
    }
    all
}

fn answered(echoes: &[Echoed]) -> bool {
    echoes.iter().all(|echo| matches!(echo, Echoed::Answered(_)))
}

#[kernel::isolate]
fn the_articles_lab_comes_up_ready() {
    run(async {
        let lab = Lab::up(Topology::two_hosts()).await.unwrap();
        // Ready means that the first request is answered.
        let first = ping(&lab, "C1", "192.168.0.100").await;
        assert!(answered(&first), "{first:?}");
        assert!(answered(&ping(&lab, "C0", "8.8.8.8").await));
        assert!(!answered(&ping(&lab, "docker1", "192.168.0.100").await));
    });
}

#[kernel::isolate]
fn the_outside_sees_the_hosts_address() {
    run(async {
        let lab = Lab::up(Topology::two_hosts()).await.unwrap();
        let outside = lab.outside().unwrap().listen("8.8.8.8:9999".parse().unwrap()).unwrap();
        let outside = tokio::net::TcpListener::from_std(outside).unwrap();
        let socket = lab.place("C0").unwrap().netns().unwrap().tcp().unwrap();
        let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
        let (inner, outer) =
            tokio::join!(socket.connect("8.8.8.8:9999".parse().unwrap()), async { outside.accept().await });
        assert_eq!(inner.unwrap().local_addr().unwrap().ip().to_string(), "172.18.0.2");
        assert_eq!(outer.unwrap().1.ip().to_string(), "10.0.0.10");
    });
}

#[kernel::isolate]
fn two_labs_in_one_process_do_not_know_of_each_other() {
    run(async {
        let (one, other) = tokio::join!(Lab::up(Topology::two_hosts()), Lab::up(Topology::two_hosts()));
        let (one, other) = (one.unwrap(), other.unwrap());
        one.create_network("docker0", overlay::CreateNetwork { name: "mine".into(), ..Default::default() })
            .await
            .unwrap();
        let names = |networks: Vec<harness::lab::NetworkLine>| networks.into_iter().any(|n| n.name == "mine");
        assert!(names(one.networks("docker1").await.unwrap()));
        assert!(!names(other.networks("docker1").await.unwrap()));
        assert!(answered(&ping(&one, "C1", "C0").await) && answered(&ping(&other, "C1", "C0").await));
        one.crash("docker0").unwrap();
        assert!(!answered(&ping(&one, "C1", "192.168.0.100").await));
        assert!(answered(&ping(&other, "C1", "192.168.0.100").await));
    });
}

#[kernel::isolate]
fn a_container_can_be_removed_whose_network_the_store_has_lost() {
    run(async {
        let lab = Lab::up(Topology::two_hosts()).await.unwrap();
        let netns = lab.place("consul").unwrap().netns().unwrap();
        let dial: overlay::kv::consul::Dial = std::sync::Arc::new(move || {
            Ok(tokio::net::TcpSocket::from_std_stream(netns.tcp().unwrap().into()))
        });
        let store = "10.0.0.5:8500".parse().unwrap();
        let kv = overlay::kv::Kv::Consul(overlay::kv::consul::Client::new("consul:8500".into(), store, dial));
        kv.delete_tree("docker/").await.unwrap();
        assert!(kv.list("docker/network/").await.unwrap().pairs.is_empty());
        assert!(answered(&ping(&lab, "C1", "192.168.0.100").await), "what stands, stands");

        let links = |host: &str| {
            let netns = lab.place(host).unwrap().netns().unwrap();
            let links = kernel::Rtnl::new(&netns).unwrap().links().unwrap();
            links.into_iter().filter(|link| link.name.starts_with("veth")).count()
        };
        assert_eq!((links("docker0"), links("docker1")), (1, 1));
        lab.remove_container("C0").await.unwrap();
        lab.remove_container("C1").await.unwrap();
        while (links("docker0"), links("docker1")) != (0, 0) {
            tokio::task::yield_now().await;
        }
    });
}

#[kernel::isolate]
fn a_lab_that_cannot_be_built_leaves_nothing() {
    run(async {
        let mut topology = Topology::two_hosts();
        topology.containers[0].command = vec!["/no/such/program".into()];
        let error = Lab::up(topology).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot start container C0: cannot run `/no/such/program`: there is no such program"
        );
        // Nothing but this test is left in the PID namespace: init, the test, and who looks.
        let processes = || {
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            pids.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).count()
        };
        while processes() > 2 {
            tokio::task::yield_now().await;
        }
    });
}
