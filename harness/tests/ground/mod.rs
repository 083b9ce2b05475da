//! What tests of faults stand on: four hosts, two networks, and questions about who reaches whom.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its part")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use harness::Lab;
use harness::lab::Echoed;
use harness::topology::{Builder, HostName, Topology};

/// Four Docker hosts a, b, c and d, and a store on disk; `red` and `blue` on all of them, with a container each: `ra` is on host a and network red.
pub(crate) fn four_hosts() -> Topology {
    four_hosts_of(Topology::builder())
}

/// The same hosts and networks in a lab of which something was said before.
pub(crate) fn four_hosts_of(lab: Builder) -> Topology {
    let hosts = ["a", "b", "c", "d"];
    let mut builder = lab.persist().plain_hosts(["consul"]).at("10.0.0.5").hosts(hosts);
    for (network, subnet) in [("red", "192.168.1.0/24"), ("blue", "192.168.2.0/24")] {
        builder = builder.network(network, subnet);
        for host in hosts {
            builder = builder.container(&format!("{}{host}", &network[..1]), host, [network]);
        }
    }
    builder.build().unwrap()
}

pub(crate) fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

pub(crate) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

/// How many of so many echo requests are answered, ten milliseconds apart.
pub(crate) async fn answers(lab: &Lab, from: &str, to: &str, count: u32) -> u32 {
    answers_of(lab, from, lab.address(from, to).unwrap(), count).await
}

/// The same of an address.
pub(crate) async fn answers_of(lab: &Lab, from: &str, to: impl Into<IpAddr>, count: u32) -> u32 {
    let mut echoes = lab.echoes(&lab.place(from).unwrap(), to, count, Duration::from_millis(10)).unwrap();
    let mut answered = 0;
    while let Some(echo) = echoes.recv().await {
        answered += u32::from(matches!(echo, Ok(Echoed::Answered(_))));
    }
    answered
}

/// Whether an echo request is answered.
pub(crate) async fn reaches(lab: &Lab, from: &str, to: &str) -> bool {
    answers(lab, from, to, 1).await > 0
}

/// Waits until an echo request is answered: tables of neighbours may have to be asked for anew.
pub(crate) async fn comes_back(lab: &Lab, from: &str, to: &str) {
    let begun = Instant::now();
    while !reaches(lab, from, to).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{from} does not reach {to} again");
    }
}

/// Whether a TCP connection can be made to a listener that is opened for it, within a second.
pub(crate) async fn connects(lab: &Lab, from: &str, to: &str, port: u16) -> bool {
    connects_to(lab, from, to, (lab.address(from, to).unwrap(), port)).await
}

/// The same, to that address of `to`.
pub(crate) async fn connects_to(lab: &Lab, from: &str, to: &str, address: impl Into<SocketAddr>) -> bool {
    let address = address.into();
    let _listener = lab.place(to).unwrap().netns().unwrap().listen(address).unwrap();
    let socket = lab.place(from).unwrap().netns().unwrap().tcp_to(address.ip()).unwrap();
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    let connected = tokio::time::timeout(Duration::from_secs(1), socket.connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
