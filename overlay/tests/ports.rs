//! Published ports: who reaches a container by its host, who does not, and what stays of it.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::conntrack::{Conntrack, Flow};
use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::{Batch, Netns, NewLink, Rtnl};
use lab::{Lab, holds, look, network, reaches};
use overlay::kv::{Kv, keys};
use overlay::model::{Binding, Protocol, Publish};
use overlay::{ContainerRef, JoinOptions, Witness};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long an answer is waited for: one lost SYN is survived (RFC 6298, 2.1). Where none comes there is mostly a refusal; behind
/// a drop this is waited in full.
const PATIENCE: Duration = Duration::from_secs(2);

/// The hosts' addresses, and what a host has everywhere.
const DOCKER0: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const BRIDGE: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);
const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn any(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

/// A server in a container that says its name, and whom it sees.
fn serve(container: &ContainerRef, port: u16) -> [JoinHandle<()>; 2] {
    serve_at(&container.netns, &container.name, any(port))
}

fn serve_at(netns: &Netns, name: &str, at: SocketAddr) -> [JoinHandle<()>; 2] {
    let name = name.to_owned();
    let listener = TcpListener::from_std(netns.listen(at).unwrap()).unwrap();
    let tcp = tokio::spawn({
        let name = name.clone();
        async move {
            loop {
                let (mut stream, peer) = listener.accept().await.unwrap();
                let _ = stream.write_all(format!("{name} {}", peer.ip()).as_bytes()).await;
            }
        }
    });
    let socket = UdpSocket::from_std(netns.udp(at).unwrap()).unwrap();
    let udp = tokio::spawn(async move {
        loop {
            let (_, peer) = socket.recv_from(&mut [0; 64]).await.unwrap();
            let _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer).await;
        }
    });
    [tcp, udp]
}

/// What a connection from there brings; None: it does not come about, or nothing is said.
async fn tcp(from: &Netns, to: Ipv4Addr, port: u16) -> Option<String> {
    let socket = TcpSocket::from_std_stream(from.tcp().unwrap().into());
    let said = async {
        let mut stream = socket.connect(SocketAddr::from((to, port))).await.ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await.ok()?;
        Some(said)
    };
    timeout(PATIENCE, said).await.ok().flatten().filter(|said| !said.is_empty())
}

/// What a datagram brings.
async fn udp(from: &Netns, to: Ipv4Addr, port: u16) -> Option<String> {
    let socket = UdpSocket::from_std(from.udp(any(0)).unwrap()).unwrap();
    let said = async {
        socket.connect(SocketAddr::from((to, port))).await.ok()?;
        socket.send(b"?").await.ok()?;
        let mut said = [0; 64];
        let length = socket.recv(&mut said).await.ok()?;
        Some(String::from_utf8_lossy(&said[..length]).into_owned())
    };
    timeout(PATIENCE, said).await.ok().flatten()
}

fn wants(texts: &[&str]) -> Vec<Publish> {
    texts.iter().flat_map(|text| Publish::parse(text).unwrap()).collect()
}

/// A container with published ports, on no network yet.
fn publishing(lab: &mut Lab, name: &str, ports: &[&str]) -> ContainerRef {
    ContainerRef { publish: wants(ports), ..lab.container(name) }
}

async fn join(lab: &Lab, container: &ContainerRef, network: &str) -> overlay::Result<overlay::EndpointInfo> {
    lab.engine(0).join(container, network, JoinOptions::default()).await
}

/// demonet with C0 on docker0, which publishes these ports and serves at 80.
async fn with_c0(lab: &mut Lab, ports: &[&str]) -> (ContainerRef, [JoinHandle<()>; 2]) {
    lab.demonet().await;
    let c0 = publishing(lab, "C0", ports);
    join(lab, &c0, "demonet").await.unwrap();
    let server = serve(&c0, 80);
    (c0, server)
}

fn bindings(lab: &Lab, container: &ContainerRef) -> Vec<String> {
    lab.hosts[0].env.sandboxes.bindings(container.sandbox).iter().map(ToString::to_string).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may not come")]
fn some(said: &str) -> Option<String> {
    Some(said.to_owned())
}

#[kernel::isolate]
fn a_published_port_leads_to_its_container_from_everywhere() {
    lab::run(
        |mut lab| async move {
            let (c0, _server) = with_c0(&mut lab, &["8080:80", "5353:80/udp"]).await;
            let _unpublished = serve(&c0, 81);
            let c1 = lab.joined(0, "C1", "demonet", None).await;
            let far = lab.joined(1, "far", "demonet", None).await;
            let (host, other) = (lab.hosts[0].env.netns.clone(), lab.hosts[1].env.netns.clone());

            // The container sees who calls, but where the answer would not come back by the host.
            for (from, to, seen) in [
                (&lab.switch, DOCKER0, "10.0.0.1"),
                (&other, DOCKER0, "10.0.0.11"),
                (&far.netns, DOCKER0, "10.0.0.11"),
                (&host, DOCKER0, "10.0.0.10"),
                (&host, BRIDGE, "172.18.0.1"),
                (&host, LOCALHOST, "172.18.0.1"),
                (&c1.netns, DOCKER0, "172.18.0.1"),
                (&c1.netns, BRIDGE, "172.18.0.1"),
                (&c0.netns, DOCKER0, "172.18.0.1"),
            ] {
                let expected = Some(format!("C0 {seen}"));
                assert_eq!(tcp(from, to, 8080).await, expected, "TCP from {from:?} to {to}");
                assert_eq!(udp(from, to, 5353).await, expected, "UDP from {from:?} to {to}");
            }
            // Where bridged packets do not pass the filter, they are redirected a layer above.
            host.set_sysctl("bridge/bridge-nf-call-iptables", "0").unwrap();
            for from in [&c0.netns, &c1.netns] {
                assert_eq!(tcp(from, DOCKER0, 8080).await, some("C0 172.18.0.1"), "{from:?}");
            }
            host.set_sysctl("bridge/bridge-nf-call-iptables", "1").unwrap();
            // Nothing else has opened: no other port, no other protocol, and no way between containers.
            for from in [&lab.switch, &other, &host, &c1.netns] {
                assert_eq!(tcp(from, DOCKER0, 80).await, None, "{from:?}");
                assert_eq!(tcp(from, DOCKER0, 81).await, None, "{from:?}");
                assert_eq!(tcp(from, DOCKER0, 5353).await, None, "{from:?}");
                assert_eq!(udp(from, DOCKER0, 8080).await, None, "{from:?}");
            }
            assert_eq!(
                tcp(&other, Ipv4Addr::new(10, 0, 0, 11), 8080).await,
                None,
                "another host forwards nothing"
            );
            let bridged = Ipv4Addr::new(172, 18, 0, 2);
            assert_eq!(tcp(&host, bridged, 80).await, some("C0 172.18.0.1"));
            assert_eq!(tcp(&c1.netns, bridged, 80).await, None);
            assert!(!reaches(&c1.netns, bridged.octets()).await);
            assert_eq!(tcp(&c1.netns, DOCKER0, 8080).await, some("C0 172.18.0.1"), "still");
        },
        2,
    );
}

#[kernel::isolate]
fn a_port_of_one_address_is_a_port_of_no_other() {
    lab::run(
        |mut lab| async move {
            let (c0, _server) = with_c0(&mut lab, &["127.0.0.1:8080:80", "10.0.0.10:8081:80"]).await;
            let host = lab.hosts[0].env.netns.clone();
            assert_eq!(bindings(&lab, &c0), ["127.0.0.1:8080->80/tcp", "10.0.0.10:8081->80/tcp"]);
            assert_eq!(tcp(&host, LOCALHOST, 8080).await, some("C0 172.18.0.1"));
            assert_eq!(tcp(&host, DOCKER0, 8081).await, some("C0 10.0.0.10"));
            assert_eq!(tcp(&lab.switch, DOCKER0, 8081).await, some("C0 10.0.0.1"));
            for from in [&host, &lab.switch, &c0.netns] {
                assert_eq!(tcp(from, DOCKER0, 8080).await, None, "{from:?}");
            }
            assert_eq!(tcp(&host, LOCALHOST, 8081).await, None);
        },
        1,
    );
}

#[kernel::isolate]
fn the_loopback_of_a_host_is_not_open_to_its_containers() {
    lab::run(
        |mut lab| async move {
            let (_c0, _server) = with_c0(&mut lab, &["8080:80"]).await;
            let host = lab.hosts[0].env.netns.clone();
            let own = SocketAddr::from((LOCALHOST, 9000));
            let _own = serve_at(&host, "docker0", own);
            assert_eq!(tcp(&host, LOCALHOST, 9000).await, some("docker0 127.0.0.1"));

            // One on the bridge that has no loopback, so that it sends there over its default route.
            let intruder = Netns::new("intruder").unwrap();
            let bridge = look(&host).link("docker_gwbridge").unwrap().index;
            let port =
                NewLink { index: 700, name: "port".into(), master: Some(bridge), ..NewLink::default() };
            let eth0 = NewLink { index: 701, name: "eth0".into(), ..NewLink::default() };
            let pair = Batch::new().veth(&port, &eth0, Some(intruder.as_fd()));
            Rtnl::new(&host).unwrap().apply(&pair).unwrap();
            let inside = Batch::new().up(701, "eth0").address(701, "172.18.0.77/16".parse().unwrap());
            Rtnl::new(&intruder).unwrap().apply(&inside.default_route(BRIDGE, 701)).unwrap();
            intruder.set_sysctl("ipv4/conf/eth0/route_localnet", "1").unwrap();
            holds("it is on the bridge", async || {
                tcp(&intruder, DOCKER0, 8080).await == some("C0 172.18.0.1")
            })
            .await;
            lab.hosts[0].engine = None;
            assert_eq!(tcp(&intruder, LOCALHOST, 9000).await, None);
            assert_eq!(
                tcp(&host, LOCALHOST, 8080).await,
                some("C0 172.18.0.1"),
                "the answers to the host pass"
            );
            // It is the rules that keep it out: the bridge does not.
            Nft::new(&host).unwrap().remove(Family::Ip, "docker").unwrap();
            holds("the engine has ended, and mends nothing", async || {
                tcp(&intruder, LOCALHOST, 9000).await == some("docker0 172.18.0.77")
            })
            .await;
        },
        1,
    );
}

#[kernel::isolate]
fn a_port_is_given_away_once_and_what_fails_leaves_nothing() {
    lab::run(
        |mut lab| async move {
            let (c0, _server) = with_c0(&mut lab, &["8080:80"]).await;
            let host = lab.hosts[0].env.netns.clone();
            let rules = Nft::new(&host).unwrap();
            let before = (look(&host).links, rules.rules().unwrap());

            // Another container's, whoever asks for which address; and a process's, which the earlier of both ports is not.
            let own = host.listen(SocketAddr::from((LOCALHOST, 9000))).unwrap();
            for (ports, complaint) in [
                (&["8080:80"][..], "Bind for 0.0.0.0:8080 failed: port is already allocated"),
                (
                    &["8081:80", "127.0.0.1:8080:81"],
                    "Bind for 127.0.0.1:8080 failed: port is already allocated",
                ),
                (&["8081:80", "9000:80"], "listen tcp 0.0.0.0:9000: bind: address already in use"),
                (&["10.9.9.9:8081:80"], "listen tcp 10.9.9.9:8081: bind: cannot assign requested address"),
                (&["8080-8080:81"], "Bind for 0.0.0.0:8080 failed: port is already allocated"),
            ] {
                let c1 = publishing(&mut lab, "C1", ports);
                let error = join(&lab, &c1, "demonet").await.unwrap_err().to_string();
                let said = error.strip_prefix("driver failed programming external connectivity on endpoint ");
                let said = said.unwrap_or_else(|| panic!("{error}"));
                assert!(said.starts_with(&format!("gateway_{} (", c1.sandbox)), "{error}");
                assert!(said.ends_with(&format!("): {complaint}")), "{error}");
                assert_eq!(look(&c1.netns).links.len(), 1, "only lo");
                assert_eq!(bindings(&lab, &c1), [""; 0]);
                lab.hosts[0].env.sandboxes.remove(&c1.sandbox.namespace());
            }
            assert_eq!((look(&host).links, rules.rules().unwrap()), before);
            assert_eq!(tcp(&lab.switch, DOCKER0, 8080).await, some("C0 10.0.0.1"));

            // What does not collide can be had, the port of the failed ones too; and of several the first that is free.
            drop(own);
            let c1 = publishing(&mut lab, "C1", &["8080:80/udp", "8080-8082:80", "9000:80"]);
            join(&lab, &c1, "demonet").await.unwrap();
            assert_eq!(
                bindings(&lab, &c1),
                ["0.0.0.0:8080->80/udp", "0.0.0.0:8081->80/tcp", "0.0.0.0:9000->80/tcp"]
            );
            // No process of the host gets what a container has, until that is gone.
            assert!(host.listen(any(9000)).unwrap_err().is_in_use());
            assert!(host.udp(any(8080)).unwrap_err().is_in_use());
            lab.engine(0).leave(&c1, "demonet").await.unwrap();
            host.listen(any(9000)).unwrap();
            assert_eq!(rules.rules().unwrap(), before.1);
            assert_eq!(bindings(&lab, &c0), ["0.0.0.0:8080->80/tcp"]);
        },
        1,
    );
}

#[kernel::isolate]
fn a_port_that_is_not_said_is_drawn_from_the_kernels_range_and_by_the_seed() {
    lab::run(
        |mut lab| async move {
            lab.hosts[0].env.netns.set_sysctl("ipv4/ip_local_port_range", "40000 40002").unwrap();
            lab.demonet().await;
            let mut drawn = Vec::new();
            for name in ["C0", "C1", "C2"] {
                let container = publishing(&mut lab, name, &["80"]);
                join(&lab, &container, "demonet").await.unwrap();
                let _server = serve(&container, 80);
                let [Binding { host_port, host_ip, port: 80, protocol: Protocol::Tcp }] =
                    lab.hosts[0].env.sandboxes.bindings(container.sandbox)[..]
                else {
                    panic!("{:?}", bindings(&lab, &container))
                };
                assert_eq!(host_ip, Ipv4Addr::UNSPECIFIED);
                let said = tcp(&lab.switch, DOCKER0, host_port).await;
                assert_eq!(said, Some(format!("{name} 10.0.0.1")));
                drawn.push(host_port);
            }
            drawn.sort_unstable();
            assert_eq!(drawn, [40000, 40001, 40002], "each once");
            let c3 = publishing(&mut lab, "C3", &["80"]);
            let error = join(&lab, &c3, "demonet").await.unwrap_err().to_string();
            assert!(error.ends_with("): Bind for 0.0.0.0:80 failed: all ports are allocated"), "{error}");
        },
        1,
    );
}

/// The rules of a host's table.
fn rules(host: &Netns) -> Vec<String> {
    Nft::new(host).unwrap().rules().unwrap()
}

#[kernel::isolate]
fn a_flow_follows_its_port_to_the_container_that_has_it_next() {
    lab::run(
        |mut lab| async move {
            let (c0, _server) = with_c0(&mut lab, &["5353:80/udp"]).await;
            let host = lab.hosts[0].env.netns.clone();
            // One socket each, whose port stays what it is.
            let mut clients = Vec::new();
            for (from, to) in [(&lab.switch, DOCKER0), (&host, LOCALHOST)] {
                let client = UdpSocket::from_std(from.udp(any(0)).unwrap()).unwrap();
                client.connect((to, 5353)).await.unwrap();
                clients.push(client);
            }
            let said = async |client: &UdpSocket| {
                let mut said = [0; 64];
                let heard = async {
                    client.send(b"?").await.ok()?;
                    client.recv(&mut said).await.ok()
                };
                let length = timeout(PATIENCE, heard).await.ok().flatten()?;
                String::from_utf8_lossy(&said[..length]).split(' ').next().map(str::to_owned)
            };
            for client in &clients {
                assert_eq!(said(client).await, some("C0"));
            }
            let conntrack = Conntrack::new(&host).unwrap();
            let to_c0 = |flow: &Flow| flow.to.port() == 5353 && flow.at.port() == 80;
            assert_eq!(conntrack.flows().unwrap().iter().filter(|flow| to_c0(flow)).count(), 2);

            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            assert_eq!(conntrack.flows().unwrap().iter().filter(|flow| to_c0(flow)).count(), 0);
            // Another one has its address on the bridge by now, and nothing to do with the port.
            let other = lab.joined(0, "other", "demonet", None).await;
            let _other = serve(&other, 80);
            for client in &clients {
                assert_eq!(said(client).await, None, "nobody has the port");
            }
            let c1 = publishing(&mut lab, "C1", &["5353:80/udp"]);
            join(&lab, &c1, "demonet").await.unwrap();
            let _server = serve(&c1, 80);
            for client in &clients {
                // What nobody answered before may be told first.
                holds("it reaches the next one", async || said(client).await == some("C1")).await;
            }
        },
        1,
    );
}

#[kernel::isolate]
fn published_ports_outlive_their_engine_and_somebodys_hands() {
    lab::run(
        |mut lab| async move {
            let (c0, _server) = with_c0(&mut lab, &["8080:80", "80", "80/udp"]).await;
            let host = lab.hosts[0].env.netns.clone();
            let (had, as_they_were) = (lab.hosts[0].env.sandboxes.bindings(c0.sandbox), rules(&host));
            let switch = lab.switch.clone();
            let all_lead_there = async || {
                for binding in &had {
                    let port = binding.host_port;
                    let said = match binding.protocol {
                        Protocol::Tcp => tcp(&switch, DOCKER0, port).await,
                        Protocol::Udp => udp(&switch, DOCKER0, port).await,
                    };
                    if said != some("C0 10.0.0.1") {
                        return false;
                    }
                }
                true
            };
            assert!(all_lead_there().await);

            // Nobody needs an engine for it; another one takes over the ports that it did not draw, and holds them.
            lab.hosts[0].engine = None;
            assert!(all_lead_there().await, "without an engine");
            lab.start(0).await;
            lab.converged().await;
            assert!(all_lead_there().await, "with another engine");
            assert_eq!(lab.hosts[0].env.sandboxes.bindings(c0.sandbox), had);
            assert_eq!(rules(&host), as_they_were);
            holds("the ports are held", async || {
                host.listen(any(8080)).is_err_and(|error| error.is_in_use())
            })
            .await;
            let c1 = publishing(&mut lab, "C1", &["8080:80"]);
            let error = join(&lab, &c1, "demonet").await.unwrap_err().to_string();
            assert!(error.ends_with("port is already allocated"), "{error}");

            // Whatever somebody does to the rules is undone.
            let nft = Nft::new(&host).unwrap();
            let chain = Chain {
                name: "forward".into(),
                hook: Hook::Forward,
                priority: 0,
                accept: true,
                rules: vec![Rule::when([Match::Out("docker_gwbridge".into())], Action::Drop)],
            };
            let damaged = Table { family: Family::Ip, name: "docker".into(), chains: vec![chain] };
            nft.replace(&damaged).unwrap();
            holds("the changed rules are mended", async || rules(&host) == as_they_were).await;
            nft.remove(Family::Ip, "docker").unwrap();
            holds("the removed rules are mended", async || rules(&host) == as_they_were).await;
            assert!(all_lead_there().await, "mended");

            // And what is built again has the port that it had, drawn ones too.
            for link in ["eth1", "docker_gwbridge"] {
                let netns = if link == "eth1" { &c0.netns } else { &host };
                let found = look(netns).link(link).unwrap().index;
                Rtnl::new(netns).unwrap().apply(&Batch::new().remove_link(found, link)).unwrap();
                holds("it leads there again", &all_lead_there).await;
                assert_eq!(tcp(&host, LOCALHOST, 8080).await, some("C0 172.18.0.1"), "after {link}");
                assert_eq!(lab.hosts[0].env.sandboxes.bindings(c0.sandbox), had, "after {link}");
            }
        },
        1,
    );
}

#[kernel::isolate]
fn ports_come_and_go_with_the_way_outside() {
    lab::run(
        |mut lab| async move {
            let heard: Arc<Mutex<Vec<String>>> = Arc::default();
            let witness = Arc::clone(&heard);
            lab.hosts[0].witness(Witness::new(move |said| witness.lock().unwrap().push(said.to_owned())));
            lab.start(0).await;
            lab.demonet().await;
            lab.engine(0).create_network(network("other", "10.75.0.0/24")).await.unwrap();
            let internal = overlay::CreateNetwork { internal: true, ..network("vault", "10.76.0.0/24") };
            lab.engine(0).create_network(internal).await.unwrap();
            let host = lab.hosts[0].env.netns.clone();

            // On internal networks only: not published, not refused, but said.
            let c0 = publishing(&mut lab, "C0", &["8080:80"]);
            let _server = serve(&c0, 80);
            join(&lab, &c0, "vault").await.unwrap();
            assert_eq!((tcp(&host, DOCKER0, 8080).await, bindings(&lab, &c0).len()), (None, 0));
            let said = "C0 has no way outside: none of its ports is published";
            assert!(heard.lock().unwrap().iter().any(|heard| heard == said), "{heard:?}");
            assert_eq!(noted(&lab, "vault").await, "[]");

            // Of two networks that lead outside it does not matter which is left first.
            for last in ["demonet", "other"] {
                for network in ["demonet", "other"] {
                    join(&lab, &c0, network).await.unwrap();
                    assert!(tcp(&lab.switch, DOCKER0, 8080).await.is_some(), "on {network}");
                }
                assert_eq!(
                    noted(&lab, "demonet").await,
                    r#"[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}]"#
                );
                assert_eq!(noted(&lab, "other").await, "[]", "only with the first that leads outside");
                let first = if last == "demonet" { "other" } else { "demonet" };
                lab.engine(0).leave(&c0, first).await.unwrap();
                assert!(tcp(&lab.switch, DOCKER0, 8080).await.is_some(), "off {first}");
                lab.engine(0).leave(&c0, last).await.unwrap();
                assert_eq!(tcp(&lab.switch, DOCKER0, 8080).await, None, "off {last}");
                assert_eq!(tcp(&host, LOCALHOST, 8080).await, None, "off {last}");
                assert_eq!(bindings(&lab, &c0), [""; 0]);
                host.listen(any(8080)).unwrap();
            }
            // The numbers of interfaces go on: nothing has had one twice.
            join(&lab, &c0, "demonet").await.unwrap();
            let names: Vec<String> = look(&c0.netns).links.into_iter().map(|link| link.name).collect();
            assert_eq!(names, ["lo", "eth0", "eth7", "eth8"]);
            let shown = lab.engine(0).inspect_container(&c0).await.unwrap();
            let ports = serde_json::to_string(&shown.ports).unwrap();
            assert_eq!(ports, r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}"#);
        },
        1,
    );
}

/// The published ports in the record of the only endpoint of a network, as the store has them.
async fn noted(lab: &Lab, network: &str) -> String {
    let id = lab.engine(0).inspect_network(network).await.unwrap().id;
    let all = Kv::Memory(lab.store.clone()).list(&keys::endpoints(id)).await.unwrap();
    let found = all.pairs.iter().find(|pair| !pair.value.is_empty()).expect("an endpoint");
    let record: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
    record["generic"]["com.docker.network.portmap"].to_string()
}

/// A container on demonet with 8080:80 published, then connected to mtunet, on a Docker Engine 20.10.
const OBSERVED: &str = include_str!("fixtures/publish-and-two-networks.txt");

#[kernel::isolate]
fn a_container_with_two_networks_and_a_published_port_is_as_one_of_dockers() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mut mtunet = network("mtunet", "10.75.0.0/24");
            mtunet.options.insert("com.docker.network.driver.mtu".into(), "1300".into());
            lab.engine(0).create_network(mtunet).await.unwrap();
            // The addresses that others had there.
            lab.joined(1, "C1", "demonet", Some([192, 168, 0, 2])).await;
            lab.joined(0, "on-mtunet", "mtunet", None).await;
            for number in 100..105 {
                lab.joined(0, &format!("C{number}"), "demonet", Some([192, 168, 0, number])).await;
            }
            let c0 = publishing(&mut lab, "C0", &["8080:80"]);
            join(&lab, &c0, "demonet").await.unwrap();
            join(&lab, &c0, "mtunet").await.unwrap();

            let have = look(&c0.netns);
            let seen = have.links.iter().filter(|link| link.name != "lo").map(|link| {
                let address = have.addresses_of(&link.name)[0];
                format!("{} mtu {} {} {address}", link.name, link.mtu, link.mac.unwrap())
            });
            assert_eq!(seen.collect::<Vec<_>>(), observed_links());
            let mut routes: Vec<String> = have
                .routes
                .iter()
                .map(|route| {
                    let dev = route.dev.and_then(|dev| have.by_index(dev)).map_or("", |link| &link.name);
                    match (route.to, route.gateway) {
                        (Some(to), _) => format!("{to} dev {dev}"),
                        (None, via) => format!("default via {} dev {dev}", via.unwrap()),
                    }
                })
                .collect();
            routes.sort_unstable();
            let mut expected: Vec<String> = OBSERVED
                .lines()
                .filter(|line| line.contains(" dev eth"))
                .map(|line| line.split(" scope ").next().unwrap().trim().to_owned())
                .collect();
            expected.sort_unstable();
            assert_eq!(routes, expected);

            // One port, redirected to the same place; both say it in the words of their tool.
            let to = SocketAddrV4::new(Ipv4Addr::new(172, 18, 0, 8), 80);
            assert!(
                OBSERVED.contains(&format!("-p tcp -m tcp --dport 8080 -j DNAT --to-destination {to}\n"))
            );
            let rules = rules(&lab.hosts[0].env.netns);
            assert!(rules.iter().any(|rule| rule.starts_with("docker prerouting:")
                && rule.ends_with(&format!("meta l4proto 6 th dport 8080 counter dnat to {to}"))));
        },
        2,
    );
}

/// `eth0 mtu 1450 02:42:c0:a8:00:03 192.168.0.3/24`, from what `ip addr` printed.
fn observed_links() -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for line in OBSERVED.lines().take_while(|line| !line.starts_with("default")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, name, _, "mtu", mtu, ..] if name.starts_with("eth") => {
                links.push(format!("{} mtu {mtu}", name.split('@').next().unwrap()));
            }
            ["link/ether", mac, ..] => *links.last_mut().unwrap() += &[" ", mac].concat(),
            ["inet", address, ..] if !links.is_empty() => {
                *links.last_mut().unwrap() += &[" ", address].concat();
            }
            _ => {}
        }
    }
    links
}
