//! Traffic, sent and measured: on a bare veth, and in labs where it is lost, copied, overtaken and cut off.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::thread;
use std::time::{Duration, Instant};

use harness::fault::{
    Fault, Filter, Guard, Impairment, Partition, Pick, Protocol as Inner, Way as Direction,
};
use harness::topology::Topology;
use harness::traffic::{
    Connections, Cpus, Datagrams, Path, Protocol, Span, Stop, Streams, Traffic, Trips, Way,
};
use harness::{Kind, Lab, expect};
use kernel::Netns;

/// Long enough to see what is meant.
const SHORT: Span = Span { warm_up: Duration::from_millis(20), lasts: Duration::from_millis(100) };

fn veth() -> Path {
    Path::veth(1500).unwrap()
}

fn loopback() -> Path {
    Path::loopback().unwrap()
}

fn stop() -> Stop {
    Stop::default()
}

#[harness::isolate]
fn streams_carry_bytes_forth_back_and_both_ways() {
    let path = veth();
    for (way, forth, back) in [(Way::Forth, true, false), (Way::Back, false, true), (Way::Both, true, true)] {
        let carried = Streams { count: 2, way, cpus: Cpus::Free }.run(&path, SHORT, &stop()).unwrap();
        assert_eq!(carried.bytes.map(|bytes| bytes > 0), [forth, back], "{way:?}: {carried:?}");
        assert_eq!(carried.each.len(), if way == Way::Both { 4 } else { 2 });
        assert_eq!(carried.each.iter().sum::<u64>(), carried.all());
        // Of 1448 bytes each on this veth.
        assert_eq!(carried.segments, carried.each.iter().map(|bytes| bytes.div_ceil(1448)).sum::<u64>());
        assert!(!carried.cost.from.is_zero() && !carried.cost.to.is_zero(), "{carried:?}");
        assert_eq!(carried.lasted, SHORT.lasts);
    }
}

#[harness::isolate]
fn datagrams_of_every_size_arrive_at_the_rate_that_was_asked_for() {
    for path in [veth(), loopback()] {
        for size in [16, 64, 1472, 1473, 9000, 65_507] {
            let rate = u64::from(size) * 8 * 1000;
            let delivered = Datagrams::at(size, rate).run(&path, SHORT, &stop()).unwrap();
            // A thousand a second for a tenth of one, the first at once. A sender that was held up has sent fewer.
            assert!((30..=101).contains(&delivered.sent), "{delivered:?}");
            assert_eq!(delivered.arrivals.unique, delivered.sent, "{delivered:?}");
            assert_eq!((delivered.arrivals.duplicates, delivered.arrivals.reordered), (0, 0));
            assert_eq!((delivered.size, delivered.at_once), (size, 1));
        }
    }
}

#[harness::isolate]
fn datagrams_flat_out_are_counted_whether_they_go_together_or_not() {
    let path = veth();
    for offload in [false, true] {
        for size in [64, 1472, 1473, 65_507] {
            let asked = Datagrams { size, rate: None, offload, cpus: Cpus::Free };
            let delivered = asked.run(&path, SHORT, &stop()).unwrap();
            let arrivals = delivered.arrivals;
            assert!(arrivals.unique > 0 && arrivals.unique <= delivered.sent, "{delivered:?}");
            // What is longer than the MTU cannot be cut apart by the kernel.
            let together = offload && size <= 1472;
            assert_eq!(delivered.at_once > 1, together, "{delivered:?}");
            if !together {
                // On a veth only the receiver loses.
                assert!(delivered.lost() <= delivered.overflowed, "{delivered:?}");
            }
        }
    }
}

#[harness::isolate]
fn round_trips_have_a_distribution() {
    for path in [veth(), loopback()] {
        for (protocol, size) in
            [(Protocol::Udp, 64), (Protocol::Tcp, 64), (Protocol::Udp, 9000), (Protocol::Tcp, 60_000)]
        {
            let answered = Trips { protocol, size, ..Trips::default() }.run(&path, SHORT, &stop()).unwrap();
            let latency = &answered.latency;
            assert!(latency.count() > 10, "{protocol:?} {size}: {}", latency.count());
            assert_eq!(answered.unanswered, 0);
            assert!(latency.min() <= latency.at(0.5) && latency.at(0.5) <= latency.at(0.999), "{latency}");
            assert!(latency.at(0.999) <= latency.max() && !latency.min().is_zero(), "{latency}");
            assert!(!answered.cost.to.is_zero());
        }
    }
}

#[harness::isolate]
fn connections_come_and_go_without_using_up_the_ports() {
    let path = veth();
    for at_once in [1, 4] {
        let connected = Connections { at_once }.run(&path, SHORT, &stop()).unwrap();
        assert!(connected.latency.count() > 10, "{connected:?}");
        assert_eq!(connected.failed, 0, "{connected:?}");
    }
}

#[harness::isolate]
fn what_nobody_answers_is_no_error_of_the_traffic() {
    // 10.0.0.9 is nobody's.
    let (a, b) = (Netns::new("a").unwrap(), Netns::new("b").unwrap());
    let path = Path::new(a, b, [10, 0, 0, 9]);
    let refused = Streams::default().run(&path, SHORT, &stop()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused, "{refused}");
    assert!(refused.to_string().contains("cannot connect from a to 10.0.0.9:"), "{refused}");
}

#[harness::isolate]
fn traffic_that_is_stopped_ends_long_before_its_time() {
    type Run = fn(&Path, Span, &Stop);
    let path = veth();
    let forever = Span { warm_up: Duration::ZERO, lasts: Duration::from_hours(1) };
    let runs: [Run; 4] = [
        |path, span, stop| drop(Streams::default().run(path, span, stop)),
        |path, span, stop| drop(Datagrams::at(64, 1000).run(path, span, stop)),
        |path, span, stop| drop(Trips::default().run(path, span, stop)),
        |path, span, stop| drop(Connections::default().run(path, span, stop)),
    ];
    for run in runs {
        let (stop, path) = (Stop::default(), path.clone());
        let running = thread::spawn({
            let stop = stop.clone();
            move || run(&path, forever, &stop)
        });
        stop.stop();
        let begun = Instant::now();
        running.join().unwrap();
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
}

fn plain() -> Topology {
    Topology::builder().seed(7).plain_hosts(["a", "b"]).build().unwrap()
}

fn between(lab: &Lab) -> Path {
    let netns = |name: &str| lab.host(name).unwrap().netns().unwrap();
    Path::new(netns("a"), netns("b"), lab.host("b").unwrap().ip())
}

/// Beside the runtime, since traffic blocks.
async fn beside<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(f).await.unwrap()
}

async fn impair(lab: &Lab, impairment: Impairment) -> Guard {
    let only = Some(Filter { protocol: Some(Inner::Udp), ..Filter::default() });
    let impairment = Box::new(Impairment { only, ..impairment });
    let fault = Fault::Wire { host: "a".parse().unwrap(), way: Direction::Up, impairment };
    lab.inject(fault).await.unwrap()
}

#[harness::test(topology = plain())]
async fn what_a_wire_loses_copies_and_overtakes_is_seen(lab: Lab) {
    let seen = |path: Path| {
        beside(move || {
            // Ten thousand a second.
            let span = Span { warm_up: Duration::from_millis(50), lasts: Duration::from_millis(500) };
            Datagrams::at(100, 8_000_000).run(&path, span, &Stop::default()).unwrap()
        })
    };
    let guard = impair(&lab, Impairment { loss: Pick::Chance(0.1), ..Impairment::default() }).await;
    let delivered = seen(between(&lab)).await;
    // Five thousand draws of a tenth: six standard deviations are 2.5 %.
    assert!((0.06..0.14).contains(&delivered.loss()), "{delivered:?}");
    assert_eq!((delivered.arrivals.duplicates, delivered.arrivals.reordered), (0, 0));
    guard.heal().await.unwrap();

    let guard = impair(&lab, Impairment { duplicate: Pick::Every(4), ..Impairment::default() }).await;
    let delivered = seen(between(&lab)).await;
    let (copies, quarter) = (delivered.arrivals.duplicates, delivered.sent / 4);
    assert!(copies.abs_diff(quarter) <= 2, "{delivered:?}");
    assert_eq!(delivered.lost(), 0, "{delivered:?}");
    guard.heal().await.unwrap();

    let delay = Duration::from_millis(5);
    let guard = impair(&lab, Impairment { delay, reorder: Pick::Every(10), ..Impairment::default() }).await;
    let delivered = seen(between(&lab)).await;
    // Each tenth comes early, and overtakes those of the five milliseconds before it, which are late therefore.
    assert!(delivered.arrivals.reordered > delivered.sent / 4, "{delivered:?}");
    assert_eq!((delivered.lost(), delivered.arrivals.duplicates), (0, 0), "{delivered:?}");
    guard.heal().await.unwrap();
}

#[harness::test(topology = plain())]
async fn a_path_that_is_cut_meanwhile_makes_figures_small_and_no_run_long(lab: Lab) {
    let span = Span { warm_up: Duration::from_secs(1), lasts: Duration::from_millis(500) };
    let path = between(&lab);
    let whole = {
        let path = path.clone();
        beside(move || Streams::default().run(&path, SHORT, &Stop::default()).unwrap()).await
    };
    let running = thread::spawn(move || {
        let streams = {
            let path = path.clone();
            thread::spawn(move || Streams::default().run(&path, span, &Stop::default()))
        };
        let datagrams = {
            let path = path.clone();
            thread::spawn(move || Datagrams::at(100, 800_000).run(&path, span, &Stop::default()))
        };
        let trips = Trips::default().run(&path, span, &Stop::default()).unwrap();
        (streams.join().unwrap().unwrap(), datagrams.join().unwrap().unwrap(), trips)
    });
    // They run once the stream is there.
    let b = lab.host("b").unwrap();
    let established =
        || b.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap()).unwrap().contains(" 01 ");
    while !established() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let cut = Partition::Cut("a".parse().unwrap(), "b".parse().unwrap());
    let cut = lab.inject(Fault::Partition(cut)).await.unwrap();
    let in_time = begun.elapsed() < Duration::from_millis(900);
    let (streams, datagrams, trips) = beside(move || running.join().unwrap()).await;
    assert!(begun.elapsed() < Duration::from_mins(1));
    if in_time {
        assert!(streams.bits_per_second() < whole.bits_per_second() / 2.0, "{streams:?}, {whole:?}");
        assert!((datagrams.loss() - 1.0).abs() < f64::EPSILON, "{datagrams:?}");
        assert_eq!(trips.latency.count(), 0, "{trips:?}");
    }
    cut.heal().await.unwrap();
}

fn overlay() -> Topology {
    let builder = Topology::builder().seed(7).hosts(["a", "b"]).network("red", "192.168.1.0/24");
    builder.container("ra", "a", ["red"]).container("rb", "b", ["red"]).build().unwrap()
}

#[harness::test(topology = overlay())]
async fn handles_send_traffic_of_every_kind(lab: Lab) -> harness::Result {
    let (ra, rb) = (lab.container("ra")?, lab.container("rb")?);
    let short = Duration::from_millis(100);
    expect!(ra.streams(&rb).cpus(Cpus::Apart).lasting(short)).await?;
    expect!(ra.streams(&rb).count(2).way(Way::Both).lasting(short)).await?;
    expect!(ra.datagrams(&rb, 1000).rate(1_000_000).lasting(short)).await?;
    expect!(ra.round_trips("rb@red").lasting(short)).await?;
    expect!(ra.round_trips(&rb).cpus(Cpus::Shared).lasting(short)).await?;
    expect!(ra.round_trips(&rb).cpus(Cpus::Apart).lasting(short)).await?;
    expect!(ra.round_trips(&rb).tcp().size(1000).lasting(short)).await?;
    expect!(ra.connections(&rb).at_once(2).lasting(short)).await?;
    let nowhere = ra.streams("10.0.0.99").await.unwrap_err();
    assert_eq!(nowhere.kind(), Kind::Input, "{nowhere}");
    Ok(())
}

#[harness::test(topology = overlay())]
async fn traffic_ends_with_the_host_that_it_comes_from(lab: Lab) -> harness::Result {
    let (ra, rb) = (lab.container("ra")?, lab.container("rb")?);
    let running =
        tokio::spawn(
            async move { ra.datagrams(&rb, 100).rate(100_000).lasting(Duration::from_hours(1)).await },
        );
    // It runs once somebody receives.
    let rb = lab.container("rb")?;
    while rb.run(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap().lines().count())? < 2 {
        tokio::task::yield_now().await;
    }
    let guard = lab.inject(Fault::Crash("a".parse()?)).await?;
    let ended = running.await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), Kind::Down);
    guard.heal().await?;
    Ok(())
}
