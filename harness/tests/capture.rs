//! Packets captured in labs: where they pass, when, and what is in them.
#![cfg(feature = "netns")]

use std::time::Duration;

use harness::capture::{Captured, Filter, Layer, Packet, Request};
use harness::fault::{Fault, Impairment, Partition, Pick, Way};
use harness::{Lab, expect};

/// The interfaces that packets passed, in that order, the overlays' namespaces by their hosts only.
fn way(captured: &Captured) -> Vec<String> {
    let short = |packet: &Packet| {
        let mut parts: Vec<&str> = captured.interface_of(packet).split('/').collect();
        if parts.len() == 3 {
            parts[1] = "overlay";
        }
        format!("{} {}", parts.join("/"), if packet.outgoing { "out" } else { "in" })
    };
    captured.packets.iter().map(short).collect()
}

fn vni(packet: &Packet) -> Option<u32> {
    packet.layers().iter().find_map(|layer| if let Layer::Vxlan { vni } = layer { Some(*vni) } else { None })
}

const THERE: [&str; 10] = [
    "C1/eth0 out",
    "docker1/overlay/veth2 in",
    "docker1/overlay/vxlan1 out",
    "docker1/eth0 out",
    "switch/port2 in",
    "switch/port1 out",
    "docker0/eth0 in",
    "docker0/overlay/vxlan1 in",
    "docker0/overlay/veth2 out",
    "C0/eth0 in",
];

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_ping_is_seen_at_every_interface_of_its_path_in_the_order_of_time(lab: Lab) -> harness::Result {
    let capture = lab.capture(Request::path("C1", "C0").filter("icmp and host 192.168.0.100")?).await?;
    expect!(lab.container("C1")?.ping("C0")).await?;
    let captured = capture.end().await?;
    let turned = |place: &str| match place.rsplit_once(' ') {
        Some((place, "in")) => format!("{place} out"),
        Some((place, _)) => format!("{place} in"),
        None => place.to_owned(),
    };
    let mut expected: Vec<String> = THERE.map(str::to_owned).into();
    expected.extend(THERE.iter().rev().map(|place| turned(place)));
    assert_eq!(way(&captured), expected);
    assert!(captured.packets.is_sorted_by_key(|packet| packet.at));
    // In the tunnel between the hosts, and nowhere else.
    for packet in &captured.packets {
        let name = captured.interface_of(packet);
        let between = matches!(name, "docker0/eth0" | "docker1/eth0") || name.starts_with("switch/");
        assert_eq!(vni(packet), between.then_some(256), "{name}");
    }
    assert_eq!((captured.lost, captured.forgotten), (0, 0));
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn containers_ask_nobody_on_the_underlay_for_an_address(lab: Lab) -> harness::Result {
    let capture = lab.capture(Request::of(["docker0:eth0", "docker1:eth0", "switch"])).await?;
    expect!(lab.container("C1")?.ping("C0")).await?;
    let captured = capture.end().await?;
    let of = |filter: &str| {
        let filter: Filter = filter.parse().expect("a filter");
        captured.packets.iter().filter(|packet| filter.fits(&packet.layers())).count()
    };
    assert_eq!(of("inner arp or arp and net 192.168.0.0/24"), 0);
    assert!(of("inner icmp") >= 8, "both hosts and both ports, there and back");
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_capture_of_everything_follows_what_comes_and_lets_go_of_what_goes(lab: Lab) -> harness::Result {
    let capture = lab.capture(Request::default().filter("icmp")?).await?;
    let down = lab.inject(Fault::Crash("docker1".parse()?)).await?;
    expect!(lab.container("C0")?.ping("docker1")).never("200ms").await?;
    down.heal().await?;
    expect!(lab.host("docker1")?.ping("docker0")).within("10s").await?;
    // Whoever has come back is asked again, until the capture has heard that it has.
    let heard = async || {
        lab.host("docker1")?.ping("docker0").await?;
        let captured = capture.so_far();
        Ok::<_, harness::Error>(
            captured.packets.iter().any(|packet| captured.interface_of(packet) == "docker1/eth0"),
        )
    };
    let begun = std::time::Instant::now();
    while !heard().await? {
        assert!(begun.elapsed().as_secs() < 10, "docker1 is not seen again");
    }
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_capture_ends_by_itself_when_it_has_what_it_was_asked_for(lab: Lab) -> harness::Result {
    let capture = lab.capture(Request::of(["C0:eth0"]).filter("icmp")?.count(3).snapshot(60)).await?;
    let c1 = lab.container("C1")?;
    for _ in 0..3 {
        expect!(c1.ping("C0")).await?;
    }
    let captured = capture.finished().await?;
    assert_eq!(way(&captured), ["C0/eth0 in", "C0/eth0 out", "C0/eth0 in"]);
    assert!(captured.packets.iter().all(|packet| packet.bytes.len() == 60 && packet.length == 98));
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn whoever_is_not_there_cannot_be_captured(lab: Lab) -> harness::Result {
    let refused = async |target: &str| match lab.capture(Request::of([target])).await {
        Ok(_) => panic!("{target} is captured"),
        Err(why) => why.to_string(),
    };
    assert_eq!(refused("C0:eth7").await, "no interface of C0 is named `eth7`; there is `lo`, `eth0`, `eth1`");
    assert!(
        refused("C7").await.starts_with("no host, container or overlay is named `C7`; there is `consul`")
    );
    let filter = Request::of(["C0"]).filter("icmp and").expect_err("it does not end");
    assert!(filter.to_string().contains("^^^ what follows this?"), "{filter}");
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn of_many_packets_a_second_each_is_captured_or_counted_as_lost(lab: Lab) -> harness::Result {
    const SIZE: u32 = 64;
    const RATE: u64 = 100_000 * 8 * SIZE as u64;
    let capture =
        lab.capture(Request::of(["C0:eth0"]).filter("udp dst net 192.168.0.0/24")?.snapshot(96)).await?;
    let sent =
        lab.container("C1")?.datagrams("C0", SIZE).rate(RATE).lasting(Duration::from_millis(500)).await?;
    let captured = capture.end().await?;
    let seen = u64::try_from(captured.packets.len()).expect("few") + captured.lost + captured.forgotten;
    // What the warm-up sent is seen, too.
    assert!(seen >= sent.arrivals.unique, "{seen} seen, {} arrived", sent.arrivals.unique);
    assert!(captured.packets.iter().all(|packet| packet.bytes.len() == 96 && packet.length == 106));
    let took = sent.sending.as_millis().max(1);
    let a_second = u128::from(sent.sent) * 1000 / took;
    eprintln!("{a_second} datagrams a second, {} captured, {} lost", captured.packets.len(), captured.lost);
    Ok(())
}

/// What is said of the echo requests that an interface sent, in order.
fn comments(captured: &Captured, interface: &str) -> Vec<String> {
    let sent = captured.packets.iter().filter(|p| captured.interface_of(p) == interface && p.outgoing);
    sent.map(|packet| packet.comment.clone().unwrap_or_default()).collect()
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_packet_that_a_wire_has_touched_says_so_where_it_was_sent(lab: Lab) -> harness::Result {
    let impairment = Impairment {
        loss: Pick::Every(3),
        duplicate: Pick::Exactly([2].into()),
        delay: Duration::from_millis(5),
        ..Impairment::default()
    };
    let bad = Fault::Wire { host: "docker1".parse()?, way: Way::Up, impairment: Box::new(impairment) };
    let fault = lab.inject(bad).await?;
    let requests = "inner icmp and inner dst host 192.168.0.100";
    let capture = lab.capture(Request::default().filter(requests)?).await?;
    let pinged = lab.container("C1")?.ping("C0").count(4).interval(Duration::from_millis(20)).await?;
    let captured = capture.end().await?;
    // Without a filter it means all frames, and the store is asked by that wire, too: so many are dropped, and which, is its affair.
    let said = comments(&captured, "docker1/eth0");
    let of = |word: &str| said.iter().filter(|comment| comment.starts_with(word)).count();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said.iter().all(|comment| comment.ends_with(" by fault 1")), "{said:?}");
    assert_eq!(of("dropped by fault 1") + of("delayed 5ms"), 4, "{said:?}");
    let arrived = captured.packets.iter().filter(|p| captured.interface_of(p) == "docker0/eth0").count();
    let twice = said.iter().filter(|comment| comment.contains(" and sent twice by ")).count();
    assert_eq!(arrived, of("delayed 5ms") + twice, "{said:?}, {pinged:?}");
    // In the file of it, too, and nowhere else.
    let elsewhere = |p: &&Packet| captured.interface_of(p) != "docker1/eth0" && p.comment.is_some();
    assert_eq!(captured.packets.iter().find(elsewhere), None);
    let file = String::from_utf8_lossy(&captured.pcapng()).into_owned();
    assert_eq!(file.matches(" by fault 1").count(), 4);
    fault.heal().await?;

    let capture = lab.capture(Request::default().filter(requests)?).await?;
    expect!(lab.container("C1")?.ping("C0")).within("5s").await?;
    let captured = capture.end().await?;
    assert!(captured.packets.iter().all(|packet| packet.comment.is_none()), "a bare wire touches nothing");
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_short_snapshot_has_what_is_said_of_packets(lab: Lab) -> harness::Result {
    let impairment =
        Impairment { delay: Duration::from_millis(5), duplicate: Pick::Every(1), ..Impairment::default() };
    let bad = Fault::Wire { host: "docker1".parse()?, way: Way::Up, impairment: Box::new(impairment) };
    let _fault = lab.inject(bad).await?;
    let capture = lab.capture(Request::of(["docker1:eth0"]).snapshot(60)).await?;
    lab.container("C1")?.ping("C0").await?;
    let captured = capture.end().await?;
    assert!(captured.packets.iter().all(|packet| packet.bytes.len() <= 60));
    let cut = captured.packets.iter().filter(|packet| packet.outgoing && packet.length > 60);
    let said: Vec<_> = cut.map(|packet| packet.comment.as_deref().unwrap_or_default()).collect();
    assert!(said.contains(&"delayed 5ms and sent twice by fault 1"), "{said:?}");
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_large_frame_says_how_many_of_its_packets_were_lost(lab: Lab) -> harness::Result {
    let impairment = Impairment { loss: Pick::Every(50), ..Impairment::default() };
    let bad = Fault::Wire { host: "docker0".parse()?, way: Way::Down, impairment: Box::new(impairment) };
    let _fault = lab.inject(bad).await?;
    let filter = "tcp and src host 10.0.0.11 and dst host 10.0.0.10";
    let capture = lab.capture(Request::of(["switch"]).filter(filter)?).await?;
    lab.host("docker1")?.streams("docker0").lasting(Duration::from_millis(200)).await?;
    let captured = capture.end().await?;
    let said = comments(&captured, "switch/plug1");
    let dropped = |comment: &&String| comment.ends_with("dropped by fault 1");
    assert!(said.iter().any(|comment| dropped(&comment)), "{} packets, {:?}", said.len(), said.first());
    Ok(())
}

#[harness::test(file = "scenarios/two-host.toml")]
async fn a_packet_that_the_switch_has_dropped_says_so_where_it_came_in(lab: Lab) -> harness::Result {
    // So that the hosts know each other's MACs, and do not ask for them first.
    expect!(lab.container("C1")?.ping("C0")).within("5s").await?;
    let between = Partition::Cut("docker0".parse()?, "docker1".parse()?);
    let fault = lab.inject(Fault::Partition(between)).await?;
    let requests = "inner icmp and inner dst host 192.168.0.100";
    let capture = lab.capture(Request::default().filter(requests)?).await?;
    let pinged = lab.container("C1")?.ping("C0").count(3).interval(Duration::from_millis(20)).await?;
    let captured = capture.end().await?;
    assert_eq!(pinged.answered(), 0);
    let said: Vec<_> = captured
        .packets
        .iter()
        .filter_map(|packet| {
            Some((captured.interface_of(packet), packet.outgoing, packet.comment.as_deref()?))
        })
        .collect();
    assert_eq!(said, [("switch/port2", false, "dropped by fault 1"); 3]);
    assert!(lab.losses().await?[&1].frames >= 3, "the kernel says so, too");
    fault.heal().await?;

    let capture = lab.capture(Request::default().filter(requests)?).await?;
    expect!(lab.container("C1")?.ping("C0")).within("5s").await?;
    let captured = capture.end().await?;
    assert!(captured.packets.iter().all(|packet| packet.comment.is_none()), "nothing is lost any more");
    Ok(())
}
