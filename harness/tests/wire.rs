//! Impaired wires: each effect seen by traffic, and its end; and that the wires of others stay bare.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::fault::{Fault, Filter, Guard, Impairment, Pick, Protocol, Queue, Rate, Tunnel, Way};
use harness::lab::Backend;
use harness::topology::Topology;
use harness::{Lab, Result, expect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long what must not come is waited for.
const SILENCE: Duration = Duration::from_millis(200);
/// How long what has to come may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn plain() -> Topology {
    Topology::builder().seed(7).plain_hosts(["a", "b", "c"]).build().unwrap()
}

fn overlay() -> Topology {
    let builder = Topology::builder().seed(7).hosts(["a", "b", "c"]);
    let builder = builder.network("red", "192.168.1.0/24").network("blue", "192.168.2.0/24");
    let builder = builder.container("ra", "a", ["red"]).container("rb", "b", ["red"]);
    builder.container("ba", "a", ["blue"]).container("bb", "b", ["blue"]).build().unwrap()
}

/// Impairs the wire of host `a`.
async fn impair(lab: &Lab, way: Way, impairment: Impairment) -> Guard {
    let fault = Fault::Wire { host: "a".parse().unwrap(), way, impairment: Box::new(impairment) };
    lab.inject(fault).await.unwrap()
}

fn those(protocol: Protocol) -> Filter {
    Filter { protocol: Some(protocol), ..Filter::default() }
}

/// Echo requests from `a` to `b`, one after the other: the numbers of those that were not answered, from 1.
async fn unanswered(lab: &Lab, count: u64) -> BTreeSet<u64> {
    let mut lost = BTreeSet::new();
    for number in 1..=count {
        if lab.host("a").unwrap().ping("b").await.unwrap().answered() == 0 {
            lost.insert(number);
        }
    }
    lost
}

/// Sockets on `a` and `b`, and what `a` has sent to `b` with them: numbers, ten bytes each.
struct Datagrams {
    from: UdpSocket,
    to: UdpSocket,
}

impl Datagrams {
    async fn new(lab: &Lab) -> Datagrams {
        let (a, b) = (lab.host("a").unwrap(), lab.host("b").unwrap());
        // Both know each other's MAC before anything is wrong.
        expect!(a.ping(&b)).within("5s").await.unwrap();
        let (from, to) = (a.udp(0).await.unwrap(), b.udp(9).await.unwrap());
        from.connect((b.ip(), 9)).await.unwrap();
        Datagrams { from, to }
    }

    async fn send(&self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.from.send(format!("{number:010}").as_bytes()).await.unwrap();
        }
    }

    async fn next(&self, patience: Duration) -> Option<u32> {
        let mut text = [0; 2000];
        let read = timeout(patience, self.to.recv(&mut text)).await.ok()?.unwrap();
        String::from_utf8_lossy(&text[..read]).parse().ok()
    }

    async fn all(&self, count: usize) -> Vec<u32> {
        let mut came = Vec::new();
        while came.len() < count {
            came.push(self.next(PATIENCE).await.unwrap_or_else(|| panic!("{} of {count} came", came.len())));
        }
        assert_eq!(self.next(SILENCE).await, None, "no more than {count}");
        came
    }
}

#[harness::test(topology = plain())]
async fn frames_are_late_by_the_delay_and_nobody_elses_are(lab: Lab) -> Result {
    let (a, c) = (lab.host("a")?, lab.host("c")?);
    expect!(a.ping("b")).await?;
    let guard =
        impair(&lab, Way::Both, Impairment { delay: Duration::from_millis(10), ..Impairment::default() })
            .await;
    let slow = a.ping("b").count(5).await?.median().unwrap();
    assert!(slow >= Duration::from_millis(20) && slow < Duration::from_millis(200), "{slow:?}");
    let fast = c.ping("b").count(5).await?.median().unwrap();
    assert!(fast < Duration::from_millis(20), "{fast:?}");
    let report = &lab.wires()[0];
    assert_eq!((report.host.as_str(), lab.wires().len()), ("a", 1));
    assert!(report.up.observed.passed >= 5, "{report:?}");
    // The kernel does not say how long frames have waited.
    if report.backend != Backend::Netem {
        assert!(report.up.observed.delays.unwrap().min >= Duration::from_millis(10), "{report:?}");
    }
    guard.heal().await?;
    assert!(lab.wires().is_empty());
    let again = a.ping("b").count(5).await?;
    assert!(again.answered() == 5 && again.median().unwrap() < Duration::from_millis(20), "{again}");
    Ok(())
}

#[harness::test(topology = plain())]
async fn a_wire_that_is_asked_for_no_delay_is_bare(lab: Lab) -> Result {
    let nothing = Impairment { delay: Duration::ZERO, ..Impairment::default() };
    let guard = impair(&lab, Way::Both, nothing).await;
    assert!(lab.wires().is_empty(), "{:?}", lab.wires());
    guard.heal().await
}

#[harness::test(topology = plain(), limit = "2m")]
async fn whatever_a_wire_does_is_over_when_it_is_healed_and_others_never_notice(lab: Lab) -> Result {
    let (a, c) = (lab.host("a")?, lab.host("c")?);
    expect!(a.ping("b")).await?;
    expect!(c.ping("b")).await?;
    let delay = Duration::from_millis(30);
    let spread = harness::fault::Jitter { spread: delay, ..Default::default() };
    let slow = || Impairment { delay, ..Impairment::default() };
    let rate = Some(Rate { bits_per_second: 8_000, queue: Queue::Packets(1) });
    for impairment in [
        slow(),
        Impairment { jitter: spread, ..slow() },
        Impairment { reorder: Pick::Every(2), ..slow() },
        Impairment { loss: Pick::Every(2), ..Impairment::default() },
        Impairment { loss: Pick::Chance(0.9), ..Impairment::default() },
        Impairment { duplicate: Pick::Every(1), ..Impairment::default() },
        Impairment { corrupt: Pick::Every(1), ..Impairment::default() },
        Impairment { rate, ..Impairment::default() },
        Impairment { mtu: Some(68), ..Impairment::default() },
        Impairment { hold: true, ..Impairment::default() },
    ] {
        let shown = impairment.to_string();
        let guard = impair(&lab, Way::Up, impairment).await;
        // It is noticed by whom it is for: something was seen to happen to what a sends.
        a.ping("b").count(4).interval(Duration::from_millis(1)).await?;
        let (up, netem) = (lab.wires()[0].up.observed, lab.wires()[0].backend == Backend::Netem);
        let happened =
            [up.lost, up.too_long, up.overflowed, up.duplicated, up.reordered, up.corrupted, up.held];
        let late = up.delays.is_some_and(|delays| delays.max >= Duration::from_millis(1));
        assert!(netem || late || happened.iter().any(|count| *count > 0), "{shown}: {up}");
        // And not by others.
        let others = c.ping("b").count(4).interval(Duration::from_millis(1)).await?;
        assert_eq!(others.answered(), 4, "{shown}");
        assert!(others.median().unwrap() < delay / 2, "{shown}: {others}");
        guard.heal().await?;
        assert!(lab.wires().is_empty(), "{shown}");
        let again = a.ping("b").count(4).interval(Duration::from_millis(1)).await?;
        assert_eq!(again.answered(), 4, "{shown}");
        assert!(again.median().unwrap() < delay / 2, "{shown}: {again}");
    }
    Ok(())
}

#[harness::test(topology = plain())]
async fn exactly_these_are_lost(lab: Lab) -> Result {
    let loss = Pick::Exactly(BTreeSet::from([3, 7, 19]));
    let guard = impair(
        &lab,
        Way::Up,
        Impairment { loss, only: Some(those(Protocol::Icmp)), ..Impairment::default() },
    )
    .await;
    assert_eq!(unanswered(&lab, 20).await, BTreeSet::from([3, 7, 19]));
    let observed = lab.wires()[0].up.observed;
    assert_eq!((observed.matched, observed.lost), (20, 3));
    guard.heal().await?;
    assert_eq!(unanswered(&lab, 3).await, BTreeSet::new());
    Ok(())
}

#[harness::test(topology = plain())]
async fn every_fourth_is_lost_in_the_other_direction(lab: Lab) -> Result {
    let loss = Pick::Every(4);
    let _guard = impair(
        &lab,
        Way::Down,
        Impairment { loss, only: Some(those(Protocol::Icmp)), ..Impairment::default() },
    )
    .await;
    assert_eq!(unanswered(&lab, 9).await, BTreeSet::from([4, 8]));
    Ok(())
}

#[harness::test(topology = plain())]
async fn the_same_seed_loses_the_same_frames(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    let loss =
        || Impairment { loss: Pick::Chance(0.3), only: Some(those(Protocol::Udp)), ..Impairment::default() };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let guard = impair(&lab, Way::Up, loss()).await;
        datagrams.send(0..200).await;
        let lost = usize::try_from(expect_lost(&lab, 200).await).unwrap();
        runs.push(datagrams.all(200 - lost).await);
        guard.heal().await?;
    }
    assert_eq!(runs[0], runs[1]);
    // 99.9 % of binomials of 200 and 0.3 are in there.
    assert!((39..=82).contains(&(200 - runs[0].len())), "{}", runs[0].len());
    Ok(())
}

/// Waits until so many frames have been matched; how many of them were lost.
async fn expect_lost(lab: &Lab, matched: u64) -> u64 {
    expect!(lab.wires()[0].up.observed.matched).equals(matched).within("10s").await.unwrap();
    lab.wires()[0].up.observed.lost
}

#[harness::test(topology = plain())]
async fn a_wire_is_held_and_released_in_order(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    let guard = impair(&lab, Way::Up, Impairment { hold: true, ..Impairment::default() }).await;
    datagrams.send(0..50).await;
    assert_eq!(datagrams.next(SILENCE).await, None);
    assert_eq!(lab.wires()[0].up.observed.held, 50);
    guard.heal().await?;
    assert_eq!(datagrams.all(50).await, (0..50).collect::<Vec<_>>());
    Ok(())
}

#[harness::test(topology = plain())]
async fn every_third_comes_twice(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    let duplicate = Pick::Every(3);
    let _guard = impair(
        &lab,
        Way::Up,
        Impairment { duplicate, only: Some(those(Protocol::Udp)), ..Impairment::default() },
    )
    .await;
    datagrams.send(1..=9).await;
    assert_eq!(datagrams.all(12).await, [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9]);
    Ok(())
}

#[harness::test(topology = plain())]
async fn every_third_overtakes_those_before_it(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    let impairment = Impairment {
        delay: Duration::from_millis(50),
        reorder: Pick::Every(3),
        only: Some(those(Protocol::Udp)),
        ..Impairment::default()
    };
    let _guard = impair(&lab, Way::Up, impairment).await;
    datagrams.send(1..=6).await;
    assert_eq!(datagrams.all(6).await, [3, 6, 1, 2, 4, 5]);
    Ok(())
}

#[harness::test(topology = plain())]
async fn a_flipped_bit_is_noticed(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    let corrupt = Pick::Exactly(BTreeSet::from([2, 5]));
    let _guard = impair(
        &lab,
        Way::Up,
        Impairment { corrupt, only: Some(those(Protocol::Udp)), ..Impairment::default() },
    )
    .await;
    datagrams.send(1..=6).await;
    // A header or a checksum is wrong, so the receiver throws them away.
    assert_eq!(datagrams.all(4).await, [1, 3, 4, 6]);
    assert_eq!(lab.wires()[0].up.observed.corrupted, 2);
    Ok(())
}

#[harness::test(topology = plain())]
async fn a_small_mtu_is_a_black_hole(lab: Lab) -> Result {
    let guard = impair(&lab, Way::Up, Impairment { mtu: Some(1300), ..Impairment::default() }).await;
    let datagrams = Datagrams::new(&lab).await;
    // 28 bytes of headers: one is just short enough, one is not.
    datagrams.from.send(format!("{:01272}", 1).as_bytes()).await.unwrap();
    datagrams.from.send(format!("{:01273}", 2).as_bytes()).await.unwrap();
    assert_eq!(datagrams.all(1).await, [1]);
    assert_eq!(lab.wires()[0].up.observed.too_long, 1);
    guard.heal().await?;
    datagrams.from.send(format!("{:01273}", 3).as_bytes()).await.unwrap();
    assert_eq!(datagrams.all(1).await, [3]);
    Ok(())
}

#[harness::test(topology = plain())]
async fn a_rate_has_a_queue_that_overflows(lab: Lab) -> Result {
    let datagrams = Datagrams::new(&lab).await;
    // A frame takes longer than sending all of them, also on a slow machine.
    let rate = Some(Rate { bits_per_second: 10_000, queue: Queue::Packets(10) });
    let _guard =
        impair(&lab, Way::Up, Impairment { rate, only: Some(those(Protocol::Udp)), ..Impairment::default() })
            .await;
    let begun = Instant::now();
    datagrams.send(1..=30).await;
    // One is being sent, ten wait, the rest has no room.
    assert_eq!(datagrams.all(11).await, (1..=11).collect::<Vec<_>>());
    // 52 bytes each, at 1,250 bytes a second.
    assert!(begun.elapsed() >= Duration::from_millis(11 * 52 * 1000 / 1_250));
    assert_eq!(lab.wires()[0].up.observed.overflowed, 19);
    Ok(())
}

/// Sends so many bytes from one handle's namespace to another's over TCP, and back a sum.
async fn transfer(lab: &Lab, from: &str, to: &str, bytes: usize) {
    let (netns, address) = (lab.place(to).unwrap().netns().unwrap(), lab.address(from, to).unwrap());
    let listener = netns.listen("0.0.0.0:5001".parse().unwrap()).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all
    });
    let socket = lab.place(from).unwrap().netns().unwrap().tcp().unwrap();
    let mut stream =
        tokio::net::TcpSocket::from_std_stream(socket.into()).connect((address, 5001).into()).await.unwrap();
    let sent: Vec<u8> = (0..bytes).map(|number| u8::try_from(number % 251).unwrap()).collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(receiver.await.unwrap() == sent, "what came is not what was sent");
}

#[harness::test(topology = overlay(), limit = "2m")]
async fn streams_come_whole_through_whatever_a_wire_does(lab: Lab) -> Result {
    let impairments = [
        Impairment { delay: Duration::from_millis(1), ..Impairment::default() },
        Impairment { loss: Pick::Chance(0.01), ..Impairment::default() },
        Impairment { corrupt: Pick::Every(50), duplicate: Pick::Every(7), ..Impairment::default() },
        Impairment {
            rate: Some(Rate { bits_per_second: 50_000_000, queue: Queue::Bytes(100_000) }),
            ..Impairment::default()
        },
    ];
    for impairment in impairments {
        let _guard = impair(&lab, Way::Both, impairment).await;
        transfer(&lab, "a", "b", 1 << 20).await;
        transfer(&lab, "b", "a", 1 << 20).await;
        // Encapsulated, the kernel cuts frames of several packets before the wire.
        transfer(&lab, "ra", "rb", 1 << 20).await;
    }
    transfer(&lab, "ra", "rb", 1 << 20).await;
    Ok(())
}

#[harness::test(topology = overlay())]
async fn one_network_is_impaired_inside_its_tunnel(lab: Lab) -> Result {
    let inside = Some(Tunnel::Network("red".parse()?));
    let filter = Filter { inside, protocol: Some(Protocol::Icmp), ..Filter::default() };
    let _guard = impair(
        &lab,
        Way::Up,
        Impairment { loss: Pick::Every(2), only: Some(filter), ..Impairment::default() },
    )
    .await;
    let pinged = lab.container("ra")?.ping("rb").count(6).interval(Duration::from_millis(5)).await?;
    assert_eq!(pinged.answered(), 3);
    expect!(lab.container("ba")?.ping("bb").count(6).interval(Duration::from_millis(5))).await?;
    expect!(lab.host("a")?.ping("b").count(6).interval(Duration::from_millis(5))).await
}

fn both_families() -> Topology {
    let red = ["192.168.1.0/24", "fd00:1::/64"];
    let builder = Topology::builder().seed(7).hosts(["a", "b"]).network_of("red", red);
    let builder = builder.container("ra", "a", ["red"]).container("rb", "b", ["red"]);
    builder.container("rd", "b", ["red"]).build().unwrap()
}

#[harness::test(topology = both_families())]
async fn one_ipv6_address_is_impaired_inside_its_tunnel(lab: Lab) -> Result {
    let inside = Some(Tunnel::Network("red".parse()?));
    let ip = lab.container("rb")?.ip6("red")?;
    let filter = Filter { inside, address: Some(ip.into()), ..Filter::default() };
    let impairment = Impairment { loss: Pick::Every(2), only: Some(filter), ..Impairment::default() };
    let _guard = impair(&lab, Way::Up, impairment).await;
    let (ra, apart) = (lab.container("ra")?, Duration::from_millis(5));
    assert_eq!(ra.ping(ip).count(6).interval(apart).await?.answered(), 3);
    expect!(ra.ping("rb").count(6).interval(apart)).await?;
    expect!(ra.ping("ipv6:rd").count(6).interval(apart)).await
}

#[harness::test(topology = plain())]
async fn a_wire_is_spliced_in_and_out_under_traffic(lab: Lab) -> Result {
    let going = tokio::spawn({
        let lab = lab.clone();
        async move { transfer(&lab, "a", "b", 64 << 20).await }
    });
    for _ in 0..5 {
        let delay = Impairment { delay: Duration::from_micros(100), ..Impairment::default() };
        impair(&lab, Way::Both, delay).await.heal().await?;
    }
    going.await.unwrap();
    expect!(lab.host("b")?.ping("a")).await
}

#[harness::test(topology = overlay())]
async fn a_host_that_comes_back_has_the_wire_it_had(lab: Lab) -> Result {
    let guard =
        impair(&lab, Way::Both, Impairment { delay: Duration::from_millis(10), ..Impairment::default() })
            .await;
    lab.host("a")?.crash().await?.heal().await?;
    let slow = lab.container("rb")?.ping("ra").await?.median().unwrap();
    assert!(slow >= Duration::from_millis(20), "{slow:?}");
    guard.heal().await?;
    expect!(lab.container("rb")?.ping("ra")).await
}
