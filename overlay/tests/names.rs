//! The name server in each container, asked over real sockets: what is found, what is not, and when.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use kernel::nft::{Family, Nft};
use kernel::{Canary, Netns};
use lab::{Lab, holds, network};
use overlay::dns::{AskError, Data, Names, Question, Rcode, Resolv, Response, Server, Service, Type, ask};
use overlay::kv::{Kv, keys};
use overlay::{ContainerRef, JoinOptions, docker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};

/// More than three silent servers take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The outside, as hosts have it: the switch's own address.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

async fn asked(from: &Netns, name: &str, kind: Type) -> Result<Response, AskError> {
    ask(from, docker::NAME_SERVER, &Question { name: name.to_owned(), kind }, PATIENCE).await
}

async fn response(from: &Netns, name: &str, kind: Type) -> Response {
    asked(from, name, kind).await.unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The last numbers of a name's addresses, or why there are none.
async fn found(from: &Netns, name: &str) -> Result<Vec<u8>, Rcode> {
    let response = response(from, name, Type::A).await;
    let last = |data: &Data| if let Data::A(ip) = data { ip.octets()[3] } else { panic!("{data:?}") };
    match response.code {
        Rcode::NOERROR => Ok(response.answers.iter().map(|answer| last(&answer.data)).collect()),
        code => Err(code),
    }
}

/// Whether the port is nobody's. What came to a socket just before it was closed is lost without a word, so that this is asked
/// again soon.
async fn nobody_serves(netns: &Netns) -> bool {
    let question = Question { name: "C0".into(), kind: Type::A };
    let response = ask(netns, docker::NAME_SERVER, &question, Duration::from_millis(100)).await;
    matches!(response, Err(AskError::Unreachable(..)))
}

async fn joined(lab: &mut Lab, host: usize, name: &str, network: &str, aliases: &[&str]) -> ContainerRef {
    let container = lab.container(name);
    let aliases = aliases.iter().map(ToString::to_string).collect();
    let options = JoinOptions { aliases, ..JoinOptions::default() };
    lab.engine(host).join(&container, network, options).await.unwrap();
    container
}

#[kernel::isolate]
fn a_container_is_found_from_another_host_by_all_its_names() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &["db"]).await;
            let c1 = joined(&mut lab, 1, "C1", "demonet", &[]).await;
            lab.converged().await;
            let short = c0.id.to_string();
            for name in ["C0", "c0", "db", &short, "C0.demonet", "DB.DEMONET"] {
                assert_eq!(found(&c1.netns, name).await, Ok(vec![2]), "{name}");
            }
            assert_eq!(found(&c0.netns, "C1").await, Ok(vec![3]));
            assert_eq!(found(&c0.netns, "C0").await, Ok(vec![2]), "itself, too");

            let pointer = response(&c1.netns, "2.0.168.192.in-addr.arpa", Type::PTR).await;
            assert_eq!(pointer.answers[0].data, Data::Ptr("C0.demonet".into()));
            assert_eq!(pointer.answers[0].ttl, 600);
            let none = response(&c1.netns, "C0", Type::AAAA).await;
            assert_eq!((none.code, none.answers.len()), (Rcode::NOERROR, 0), "it has no IPv6 address");
            assert_eq!(found(&c1.netns, "C2").await, Err(Rcode::NXDOMAIN), "nobody outside is asked");
            assert_eq!(found(&c1.netns, "C0.other").await, Err(Rcode::NXDOMAIN));
        },
        2,
    );
}

#[kernel::isolate]
fn a_name_comes_with_its_container_and_goes_with_it() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c1 = joined(&mut lab, 1, "C1", "demonet", &[]).await;
            assert_eq!(found(&c1.netns, "C0").await, Err(Rcode::NXDOMAIN));
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            holds("it is found", || async { found(&c1.netns, "C0").await == Ok(vec![3]) }).await;
            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            holds("it is not", || async { found(&c1.netns, "C0").await == Err(Rcode::NXDOMAIN) }).await;
            holds("its own server is gone", || nobody_serves(&c0.netns)).await;
            // Nothing of the server holds the namespace.
            let canary = Canary::new(&[&c0.netns]).unwrap();
            lab.hosts[0].env.sandboxes.remove(&c0.sandbox.namespace());
            drop(c0);
            let freed = tokio::task::spawn_blocking(move || canary.wait(Duration::from_secs(20)));
            assert!(freed.await.unwrap().unwrap(), "something holds the namespace");
        },
        2,
    );
}

#[kernel::isolate]
fn a_container_that_is_renamed_is_found_by_its_new_name_and_by_no_old_one() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mut vault = network("vault", "10.75.0.0/24");
            vault.internal = true;
            let vault = lab.engine(0).create_network(vault).await.unwrap();
            let c0 = joined(&mut lab, 0, "C0", "demonet", &["db"]).await;
            lab.engine(0).join(&c0, "vault", JoinOptions::default()).await.unwrap();
            let c1 = joined(&mut lab, 1, "C1", "demonet", &[]).await;
            let v1 = joined(&mut lab, 1, "V1", "vault", &[]).await;
            lab.converged().await;
            let record = async |lab: &Lab| {
                let all = Kv::Memory(lab.store.clone()).list(&keys::endpoints(vault)).await.unwrap();
                let mut texts =
                    all.pairs.iter().map(|pair| String::from_utf8_lossy(&pair.value).into_owned());
                texts.find(|text| text.contains("10.75.0.2/24")).unwrap()
            };
            let before = record(&lab).await;

            lab.engine(0).rename(&c0, "web").await.unwrap();
            assert_eq!(found(&c0.netns, "web").await, Ok(vec![2]), "on its own host at once");
            lab.converged().await;
            for (from, name, answer) in [
                (&c1, "web", Ok(vec![2])),
                (&c1, "web.demonet", Ok(vec![2])),
                (&c1, "db", Ok(vec![2])),
                (&c1, "C0", Err(Rcode::NXDOMAIN)),
                (&v1, "web", Ok(vec![2])),
                (&v1, "C0", Err(Rcode::NXDOMAIN)),
                (&c0, "C0", Err(Rcode::NXDOMAIN)),
            ] {
                assert_eq!(found(&from.netns, name).await, answer, "{name} from {}", from.name);
            }
            let pointer = response(&c1.netns, "2.0.168.192.in-addr.arpa", Type::PTR).await;
            assert_eq!(pointer.answers[0].data, Data::Ptr("web.demonet".into()));
            assert_eq!(record(&lab).await, before.replace("\"name\":\"C0\"", "\"name\":\"web\""));

            let taken = lab.engine(0).rename(&c0, "C1").await.unwrap_err().to_string();
            assert_eq!(taken, "endpoint with name C1 already exists in network demonet");
            assert_eq!(found(&v1.netns, "web").await, Ok(vec![2]), "on no network then");

            // A name that was drawn is nobody's, one that is given instead is.
            let c9 = lab.container("c9");
            let drawn = JoinOptions { anonymous: true, ..JoinOptions::default() };
            lab.engine(0).join(&c9, "demonet", drawn).await.unwrap();
            lab.engine(0).rename(&c9, "nine").await.unwrap();
            lab.converged().await;
            assert_eq!(found(&c1.netns, "nine").await, Ok(vec![4]));

            // Another engine, which takes over what is there, knows no other name.
            lab.hosts[0].engine.take().unwrap().abort();
            lab.start(0).await;
            lab.converged().await;
            assert_eq!(found(&c1.netns, "web").await, Ok(vec![2]));
        },
        2,
    );
}

#[kernel::isolate]
fn an_alias_of_two_leads_to_both_in_changing_order() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &["db"]).await;
            let _c1 = joined(&mut lab, 1, "C1", "demonet", &["db"]).await;
            lab.converged().await;
            let mut orders = BTreeSet::new();
            // By chance one order alone comes once in 2^99 times.
            for _ in 0..100 {
                orders.insert(found(&c0.netns, "db").await.unwrap());
            }
            assert_eq!(orders, BTreeSet::from([vec![2, 3], vec![3, 2]]));
        },
        2,
    );
}

#[kernel::isolate]
fn names_are_those_of_ones_own_networks() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mut vault = network("vault", "10.75.0.0/24");
            vault.internal = true;
            lab.engine(0).create_network(vault).await.unwrap();
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            let v0 = joined(&mut lab, 0, "V0", "vault", &[]).await;
            let v1 = joined(&mut lab, 1, "V1", "vault", &[]).await;
            lab.converged().await;
            assert_eq!(found(&c0.netns, "V1").await, Err(Rcode::NXDOMAIN));
            assert_eq!(found(&v0.netns, "C0").await, Err(Rcode::NXDOMAIN));
            assert_eq!(found(&v0.netns, "V1").await, Ok(vec![3]));
            let backwards = response(&c0.netns, "3.0.75.10.in-addr.arpa", Type::PTR).await;
            assert_eq!(backwards.code, Rcode::NXDOMAIN);
            // On both networks, one sees both.
            lab.engine(1).join(&v1, "demonet", JoinOptions::default()).await.unwrap();
            lab.converged().await;
            assert_eq!(found(&v1.netns, "C0").await, Ok(vec![2]));
            assert_eq!(found(&v1.netns, "V0").await, Ok(vec![2]));
            // A name that was drawn is not to be found, its id is.
            let c9 = lab.container("c9");
            let drawn = JoinOptions { anonymous: true, ..JoinOptions::default() };
            lab.engine(0).join(&c9, "demonet", drawn).await.unwrap();
            assert_eq!(found(&c0.netns, "c9").await, Err(Rcode::NXDOMAIN));
            assert_eq!(found(&c0.netns, &c9.id.to_string()).await, Ok(vec![4]));
        },
        2,
    );
}

#[kernel::isolate]
fn the_names_of_a_host_that_is_gone_go_within_twice_its_ttl() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &["db"]).await;
            let _c1 = joined(&mut lab, 1, "C1", "demonet", &["db"]).await;
            lab.converged().await;
            assert_eq!(found(&c0.netns, "C1").await, Ok(vec![3]));
            // Away, without a word; `holds` waits ten times longer than it may take.
            lab.hosts[1].engine.take().unwrap().abort();
            holds("it is gone", || async { found(&c0.netns, "C1").await == Err(Rcode::NXDOMAIN) }).await;
            assert_eq!(found(&c0.netns, "db").await, Ok(vec![2]), "the other holder remains");
        },
        2,
    );
}

#[kernel::isolate]
fn another_engine_serves_again_and_a_paused_one_does_not() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            let c1 = joined(&mut lab, 1, "C1", "demonet", &[]).await;
            lab.converged().await;
            assert_eq!(found(&c0.netns, "C1").await, Ok(vec![3]));
            lab.hosts[0].engine.take().unwrap().abort();
            holds("nobody serves", || nobody_serves(&c0.netns)).await;
            assert_eq!(found(&c1.netns, "C1").await, Ok(vec![3]), "elsewhere somebody does");
            lab.start(0).await;
            holds("served again", || async {
                asked(&c0.netns, "C1", Type::A).await.is_ok_and(|response| response.answers.len() == 1)
            })
            .await;

            lab.engine(0).pause();
            let question = Question { name: "C1".into(), kind: Type::A };
            let short = Duration::from_millis(200);
            let silent = ask(&c0.netns, docker::NAME_SERVER, &question, short).await;
            assert!(matches!(silent, Err(AskError::Silent(..))), "{silent:?}");
            lab.engine(0).resume();
            assert_eq!(found(&c0.netns, "C1").await, Ok(vec![3]));
            // The last handle goes, and the server with it.
            drop(lab.hosts[0].engine.take());
            holds("nobody serves", || nobody_serves(&c0.netns)).await;
        },
        2,
    );
}

#[kernel::isolate]
fn what_a_datagram_does_not_hold_comes_by_tcp() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let mut crowd = Vec::new();
            for number in 0..80 {
                crowd.push(joined(&mut lab, 0, &format!("C{number}"), "demonet", &["crowd"]).await);
            }
            let netns = &crowd[0].netns;
            // Asked by hand, without EDNS.
            let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05crowd\x00\x00\x01\x00\x01";
            let socket = UdpSocket::from_std(netns.udp(any()).unwrap()).unwrap();
            socket.send_to(query, server()).await.unwrap();
            let mut reply = [0; 2000];
            let read = socket.recv(&mut reply).await.unwrap();
            let response = Response::read(query, &reply[..read]).unwrap();
            assert!(read <= 512 && response.is_truncated && response.answers.len() < 80, "{read} bytes");
            // Our client says that it holds more, and then comes by TCP.
            let all = found(netns, "crowd").await.unwrap();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 80);
            // Two queries on one connection.
            let mut stream =
                TcpSocket::from_std_stream(netns.tcp().unwrap().into()).connect(server()).await.unwrap();
            for _ in 0..2 {
                stream.write_u16(u16::try_from(query.len()).unwrap()).await.unwrap();
                stream.write_all(query).await.unwrap();
                let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut reply).await.unwrap();
                assert_eq!(Response::read(query, &reply).unwrap().answers.len(), 80);
            }
        },
        1,
    );
}

fn any() -> SocketAddr {
    "0.0.0.0:0".parse().unwrap()
}

fn server() -> SocketAddr {
    (docker::NAME_SERVER, 53).into()
}

#[kernel::isolate]
fn what_is_no_query_hurts_nobody() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            let socket = UdpSocket::from_std(c0.netns.udp(any()).unwrap()).unwrap();
            let mut rng = fastrand::Rng::with_seed(1);
            for _ in 0..2000 {
                let bytes: Vec<u8> = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect();
                socket.send_to(&bytes, server()).await.unwrap();
            }
            for bytes in
                [&b""[..], b"\0", b"\xff\xff", b"\0\x05ab", b"\0\x0c\x12\x34\x01\0\0\x09\0\0\0\0\0\0"]
            {
                let connect = TcpSocket::from_std_stream(c0.netns.tcp().unwrap().into()).connect(server());
                connect.await.unwrap().write_all(bytes).await.unwrap();
            }
            let asked = b"\x12\x34\x01\0\0\x09\0\0\0\0\0\0";
            let socket = UdpSocket::from_std(c0.netns.udp(any()).unwrap()).unwrap();
            let mut reply = [0; 64];
            // What came before may have filled the server's socket: then this one was lost, and is sent again.
            let read = loop {
                socket.send_to(asked, server()).await.unwrap();
                let heard = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut reply));
                if let Ok(read) = heard.await {
                    break read.unwrap();
                }
            };
            assert_eq!(reply[..read], *b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0", "FORMERR");
            assert_eq!(found(&c0.netns, "C0").await, Ok(vec![2]));
        },
        1,
    );
}

/// Knows one name, and that there are no others.
struct World;

impl Names for World {
    const IS_AUTHORITY: bool = true;

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        (name == "example.org").then(|| vec![[8, 8, 8, 80].into()])
    }

    fn name_of(&self, _: IpAddr) -> Option<String> {
        None
    }
}

/// How a name is answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// By these last numbers of addresses of containers.
    Addresses(&'static [u8]),
    /// By a name.
    Name(String),
    /// It exists, and has nothing of the kind.
    Nothing,
    /// Nobody here knows it, and the world says that it does not exist.
    Outside,
    /// The world knows it.
    World,
}

impl Answer {
    fn of(response: &Response) -> Answer {
        match (response.code, response.is_authoritative, &response.answers[..]) {
            (Rcode::NXDOMAIN, true, []) => Answer::Outside,
            (Rcode::NOERROR, true, [_]) => Answer::World,
            (Rcode::NOERROR, false, []) => Answer::Nothing,
            (Rcode::NOERROR, false, [only]) => match &only.data {
                Data::A(ip) => Answer::Addresses(match ip.octets()[3] {
                    2 => &[2],
                    3 => &[3],
                    _ => &[],
                }),
                Data::Ptr(name) => Answer::Name(name.clone()),
                Data::Aaaa(_) => panic!("{response:?}"),
            },
            _ => panic!("{response:?}"),
        }
    }
}

#[kernel::isolate]
fn each_kind_of_question_is_answered_as_dockers_server_does() {
    lab::run(
        |mut lab| async move {
            let names = || World;
            let service = Service { names, upstreams: vec![], seed: 1, gate: overlay::Gate::default() };
            let _world = Server::start(&lab.switch, (OUTSIDE, docker::NAME_PORT).into(), service).unwrap();
            lab.hosts[1].engine.take().unwrap().abort();
            lab.hosts[1].config.nameservers = vec![OUTSIDE];
            lab.start(1).await;
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &["db"]).await;
            let mut asking = Vec::new();
            for (name, options) in [("plain", &[][..]), ("ndots-1", &["ndots:1"]), ("ndots-0", &["ndots:0"])]
            {
                let options = options.iter().map(ToString::to_string).collect();
                let container =
                    ContainerRef { dns: Resolv { options, ..Resolv::default() }, ..lab.container(name) };
                lab.engine(1).join(&container, "demonet", JoinOptions::default()).await.unwrap();
                asking.push(container);
            }
            lab.converged().await;
            let [plain, one, zero] = &asking[..] else { unreachable!() };
            let short = c0.id.to_string();
            let here = || Answer::Addresses(&[2]);
            let pointer = || Answer::Name("C0.demonet".into());
            for (from, name, kind, answer, what) in [
                (plain, "C0", Type::A, here(), "a container's name"),
                (plain, "c0", Type::A, here(), "in any case"),
                (plain, "C0.", Type::A, here(), "whole"),
                (plain, "db", Type::A, here(), "an alias"),
                (plain, &*short, Type::A, here(), "a short id"),
                (plain, "C0.demonet", Type::A, here(), "qualified by its network"),
                (plain, "DB.DemoNet.", Type::A, here(), "qualified, in any case, whole"),
                (plain, "C0.other", Type::A, Answer::Outside, "qualified by another network"),
                (plain, "C0.demonet.local", Type::A, Answer::Outside, "qualified by more"),
                (plain, "demonet", Type::A, Answer::Outside, "a network is nobody"),
                (plain, "C0", Type::AAAA, Answer::Nothing, "it has no IPv6 address"),
                (plain, "C0", Type::MX, Answer::Nothing, "it takes no mail"),
                (
                    plain,
                    "C0",
                    Type::SRV,
                    Answer::Nothing,
                    "it is there, whatever is asked for; Docker asks outside",
                ),
                (plain, "_http._tcp.C0", Type::SRV, Answer::Outside, "services are a Swarm's"),
                (plain, "_http._tcp.C0.demonet", Type::SRV, Answer::Outside, "services, qualified"),
                (plain, "2.0.168.192.in-addr.arpa", Type::PTR, pointer(), "backwards"),
                (plain, "2.0.168.192.IN-ADDR.ARPA.", Type::PTR, pointer(), "backwards, in any case, whole"),
                (
                    plain,
                    "2.0.18.172.in-addr.arpa",
                    Type::PTR,
                    Answer::Outside,
                    "the gateway bridge has no names",
                ),
                (plain, "example.org", Type::A, Answer::World, "a name of the world"),
                (plain, "nobody", Type::A, Answer::Outside, "one word that nobody here has"),
                (zero, "nobody", Type::A, Answer::Outside, "zero dots are what Docker sets itself"),
                (one, "nobody", Type::A, Answer::Nothing, "with ndots, one word is not for the outside"),
                (one, "nobody.", Type::AAAA, Answer::Nothing, "nor is it whole, for IPv6"),
                (one, "nobody", Type::TXT, Answer::Outside, "but for other types"),
                (one, "nobody.demonet", Type::A, Answer::Outside, "with ndots, more than one word is"),
                (one, "C0", Type::A, here(), "with ndots, a container's name"),
            ] {
                let response = response(&from.netns, name, kind).await;
                assert_eq!(Answer::of(&response), answer, "{kind} of {name}: {what}");
            }
        },
        2,
    );
}

#[kernel::isolate]
fn other_names_are_asked_for_outside_from_where_the_container_is() {
    lab::run(
        |mut lab| async move {
            let names = || World;
            let service = Service { names, upstreams: vec![], seed: 1, gate: overlay::Gate::default() };
            let world = Server::start(&lab.switch, (OUTSIDE, docker::NAME_PORT).into(), service).unwrap();
            lab.hosts[0].engine.take().unwrap().abort();
            // The first of them is nobody's, and answers for itself that it is not there.
            lab.hosts[0].config.nameservers = vec![Ipv4Addr::new(10, 0, 0, 10), OUTSIDE];
            lab.start(0).await;
            lab.demonet().await;
            let mut vault = network("vault", "10.75.0.0/24");
            vault.internal = true;
            lab.engine(0).create_network(vault).await.unwrap();
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            assert_eq!(found(&c0.netns, "example.org").await, Ok(vec![80]));
            assert_eq!(found(&c0.netns, "C0").await, Ok(vec![2]), "a container's own names come first");
            let missing = response(&c0.netns, "example.com", Type::A).await;
            assert_eq!(
                (missing.code, missing.is_authoritative),
                (Rcode::NXDOMAIN, true),
                "in the world's words"
            );
            let text = response(&c0.netns, "C0", Type::TXT).await;
            assert_eq!((text.code, text.answers.len()), (Rcode::NOERROR, 0), "it is not asked for outside");
            let by_tcp =
                b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";
            let mut stream =
                TcpSocket::from_std_stream(c0.netns.tcp().unwrap().into()).connect(server()).await.unwrap();
            stream.write_u16(u16::try_from(by_tcp.len()).unwrap()).await.unwrap();
            stream.write_all(by_tcp).await.unwrap();
            let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(Response::read(by_tcp, &reply).unwrap().answers.len(), 1);

            // From an internal network nobody outside can be reached; the container's own names are there.
            let v0 = joined(&mut lab, 0, "V0", "vault", &[]).await;
            assert_eq!(found(&v0.netns, "example.org").await, Err(Rcode::SERVFAIL));
            assert_eq!(found(&v0.netns, "V0").await, Ok(vec![2]));

            // `--dns` is asked instead of the host's.
            let c1 = ContainerRef {
                dns: Resolv { servers: vec![Ipv4Addr::new(10, 0, 0, 10)], ..Resolv::default() },
                ..lab.container("C1")
            };
            lab.engine(0).join(&c1, "demonet", JoinOptions::default()).await.unwrap();
            assert_eq!(found(&c1.netns, "example.org").await, Err(Rcode::SERVFAIL));
            assert_eq!(found(&c1.netns, "C0").await, Ok(vec![2]));

            // Nobody there any more, but somebody who has the port and says nothing: four seconds, not for ever.
            drop(world);
            let at = SocketAddr::from((OUTSIDE, 53));
            let mut silent = None;
            holds("the port is free", || {
                silent = lab.switch.udp(at).ok();
                let there = silent.is_some();
                async move { there }
            })
            .await;
            let start = Instant::now();
            assert_eq!(found(&c0.netns, "example.org").await, Err(Rcode::SERVFAIL));
            assert!(start.elapsed() >= Duration::from_secs(4), "it was given its time");
            assert_eq!(found(&c0.netns, "C0").await, Ok(vec![2]), "and nobody waits meanwhile");
        },
        1,
    );
}

#[kernel::isolate]
fn a_container_may_have_the_port_for_itself_beside_its_name_server() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = lab.container("C0");
            let early = c0.netns.udp("0.0.0.0:53".parse().unwrap()).unwrap();
            lab.engine(0).join(&c0, "demonet", JoinOptions::default()).await.unwrap();
            let finds =
                async || asked(&c0.netns, "C0", Type::A).await.is_ok_and(|found| found.answers.len() == 1);
            assert!(finds().await);
            drop(early);
            let late =
                (c0.netns.udp("0.0.0.0:53".parse().unwrap()), c0.netns.listen("0.0.0.0:53".parse().unwrap()));
            assert!(late.0.is_ok() && late.1.is_ok(), "{late:?}");
            assert!(finds().await);
        },
        1,
    );
}

#[kernel::isolate]
fn rules_that_lead_to_a_name_server_come_back_and_go_with_it() {
    lab::run(
        |mut lab| async move {
            lab.demonet().await;
            let c0 = joined(&mut lab, 0, "C0", "demonet", &[]).await;
            let nft = Nft::new(&c0.netns).unwrap();
            assert_eq!(nft.tables().unwrap(), ["docker_dns"]);
            nft.remove(Family::Ip, "docker_dns").unwrap();
            holds("they are mended", || async { nft.tables().unwrap() == ["docker_dns"] }).await;
            assert_eq!(found(&c0.netns, "C0").await, Ok(vec![2]));
            lab.engine(0).leave(&c0, "demonet").await.unwrap();
            assert!(nft.tables().unwrap().is_empty());
        },
        1,
    );
}
