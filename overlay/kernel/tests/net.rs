//! Links, tables and rules in real namespaces.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use kernel::capture::{RETIRE, Ring};
use kernel::conntrack::{Conntrack, Flow};
use kernel::icmp::{Echo, Pinger};
use kernel::nft::{Action, Base, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::packet::Tap;
use kernel::rtnl::{Bridge, Port, Vxlan};
use kernel::{Batch, Mac, Netns, NewLink, NewVxlan, Rtnl};

fn link(index: u32, name: &str) -> NewLink {
    NewLink { index, name: name.into(), ..NewLink::default() }
}

/// Two namespaces with a cable between them: eth0 with 10.0.0.1 and 10.0.0.2.
fn pair() -> (Netns, Netns) {
    let (a, b) = (Netns::new("a").unwrap(), Netns::new("b").unwrap());
    let peer = NewLink { mac: Some(Mac::of([10, 0, 0, 2].into())), mtu: Some(1400), ..link(7, "eth0") };
    let batch = Batch::new()
        .up(1, "lo")
        .veth(&NewLink { mtu: Some(1400), ..link(5, "eth0") }, &peer, Some(b.as_fd()))
        .address(5, "10.0.0.1/24".parse().unwrap());
    Rtnl::new(&a).unwrap().apply(&batch).unwrap();
    let batch = Batch::new().up(1, "lo").up(7, "eth0").address(7, "10.0.0.2/24".parse().unwrap());
    Rtnl::new(&b).unwrap().apply(&batch).unwrap();
    (a, b)
}

fn ping(from: &Netns, to: [u8; 4]) -> Echo {
    Pinger::new(from, to).unwrap().ping(Duration::from_millis(300)).unwrap()
}

/// Whether an answer comes, be it late: a link that has just been switched on drops packets until the kernel's link watch
/// has seen its carrier, which takes its time on a busy machine, and ARP asks once a second.
fn answers(from: &Netns, to: [u8; 4]) -> bool {
    let echo = Pinger::new(from, to).unwrap().ping(Duration::from_secs(10)).unwrap();
    matches!(echo, Echo::Reply(_))
}

#[kernel::isolate]
fn a_veth_pair_is_born_in_place() {
    let (a, b) = pair();
    let here = Rtnl::new(&a).unwrap().dump().unwrap();
    let there = Rtnl::new(&b).unwrap().dump().unwrap();
    let (near, far) = (here.link("eth0").unwrap(), there.link("eth0").unwrap());
    assert_eq!((near.index, far.index), (5, 7));
    assert_eq!((near.peer, far.peer), (Some(7), Some(5)));
    assert_eq!((near.mtu, far.mtu), (1400, 1400));
    assert_eq!(far.mac.unwrap().to_string(), "02:42:0a:00:00:02");
    assert!(near.carrier && far.carrier);
    assert_eq!(there.addresses_of("eth0"), ["10.0.0.2/24".parse().unwrap()]);
    assert!(there.addresses.iter().all(|address| address.broadcast.is_none()));
    assert!(answers(&a, [10, 0, 0, 2]));
    assert_eq!(ping(&a, [10, 0, 0, 9]), Echo::Silence);
    assert_eq!(ping(&a, [11, 0, 0, 9]), Echo::Unreachable);
}

#[kernel::isolate]
fn a_refused_request_says_what_and_why() {
    let (a, _b) = pair();
    let rtnl = Rtnl::new(&a).unwrap();
    let batch = Batch::new().up(99, "ghost").bridge(&link(5, "br0")).bridge(&link(8, "br1"));
    let errors = rtnl.apply_all(&batch);
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said[0], "cannot switch on link ghost in a: No such device");
    assert!(said[1].starts_with("cannot create bridge br0 in a:"), "{said:?}");
    assert!(errors[0].is_missing() && errors[1].is_taken() || errors[1].errno().is_some());
    // The rest of the batch was carried out.
    assert!(rtnl.dump().unwrap().link("br1").is_some());
}

#[kernel::isolate]
fn the_kernels_own_sentence_is_kept() {
    let a = Netns::new("a").unwrap();
    let vxlan = NewVxlan { link: link(5, "vxlan1"), settings: Vxlan { vni: 1 << 24, ..settings() } };
    let error = Rtnl::new(&a).unwrap().apply(&Batch::new().vxlan(&vxlan, None)).unwrap_err();
    assert!(error.to_string().contains("VXLAN ID must be lower than 16777216"), "{error}");
}

fn settings() -> Vxlan {
    Vxlan { vni: 256, port: 4789, proxy: true, learning: true, l2miss: true, l3miss: true, ageing: 300 }
}

#[kernel::isolate]
fn a_vxlan_lives_in_the_sandbox_and_travels_in_the_host() {
    // Two hosts with a cable, a sandbox each, VNI 256 and port 4789 in both.
    let (a, b) = pair();
    let mut sandboxes = Vec::new();
    for (host, mine, other) in [(&a, 1, 2), (&b, 2, 1)] {
        let sandbox = Netns::new("sandbox").unwrap();
        let device = NewLink { master: Some(2), mtu: Some(1350), ..link(9, "vxlan1") };
        let made = NewVxlan { link: device, settings: settings() };
        let inside = Rtnl::new(&sandbox).unwrap();
        let bridge = NewLink { mtu: Some(1350), ..link(2, "br0") };
        inside
            .apply(&Batch::new().bridge(&bridge).address(2, format!("192.168.0.{mine}/24").parse().unwrap()))
            .unwrap();
        Rtnl::new(host).unwrap().apply(&Batch::new().vxlan(&made, Some(sandbox.as_fd()))).unwrap();
        let peer = Ipv4Addr::new(192, 168, 0, other);
        // The bridges' own addresses stand in for containers.
        sandboxes.push((sandbox, inside, peer));
    }
    for at in 0..2 {
        let (_, inside, peer) = &sandboxes[at];
        let mac = sandboxes[1 - at].1.dump().unwrap().link("br0").unwrap().mac.unwrap();
        let vtep = if at == 0 { [10, 0, 0, 2] } else { [10, 0, 0, 1] };
        inside.apply(&Batch::new().neighbour(9, (*peer).into(), mac).fdb(9, mac, vtep.into())).unwrap();
        let seen = inside.dump().unwrap();
        let vxlan = seen.link("vxlan1").unwrap();
        assert_eq!((vxlan.master, vxlan.mtu), (Some(2), 1350));
        assert_eq!(vxlan.vxlan, Some(settings()));
        assert!(seen.neighbours.iter().any(|n| n.dev == 9 && n.mac == Some(mac) && n.permanent));
        assert!(seen.fdb.iter().any(|f| f.dev == 9 && f.mac == mac && f.own && f.vtep == Some(vtep.into())));
    }
    assert!(answers(&sandboxes[0].0, [192, 168, 0, 2]));
    assert_eq!(ping(&a, [192, 168, 0, 2]), Echo::Unreachable);
}

#[kernel::isolate]
fn a_table_is_replaced_whole_and_works() {
    let (a, b) = pair();
    let nft = Nft::new(&b).unwrap();
    let icmp_from =
        |net: &str| Rule::when([Match::Source(net.parse().unwrap()), Match::Protocol(1)], Action::Drop);
    let chain =
        Chain { name: "input".into(), hook: Hook::Input, priority: 0, accept: true, rules: Vec::new() };
    let table = |rules| Table {
        family: Family::Ip,
        name: "docker".into(),
        chains: vec![Chain { rules, ..chain.clone() }],
    };
    nft.replace(&table(vec![icmp_from("10.0.0.0/25")])).unwrap();
    assert_eq!(ping(&a, [10, 0, 0, 2]), Echo::Silence);
    nft.replace(&table(vec![icmp_from("10.0.0.128/25")])).unwrap();
    assert!(answers(&a, [10, 0, 0, 2]));
    assert_eq!(nft.rules().unwrap().len(), 1);
    nft.remove(Family::Ip, "docker").unwrap();
    assert!(nft.tables().unwrap().is_empty());
    assert!(nft.remove(Family::Ip, "docker").unwrap_err().is_missing());
}

#[kernel::isolate]
fn every_kind_of_rule_is_understood_by_the_kernel() {
    let (a, _b) = pair();
    let net = "172.18.0.0/16".parse().unwrap();
    let filter = vec![
        Rule::when([Match::Established], Action::Accept),
        Rule::when([Match::In("x".into()), Match::Out("x".into())], Action::Drop),
        Rule::when(
            [Match::NotIn("x".into()), Match::NotOut("y".into()), Match::Destination(net)],
            Action::Drop,
        ),
        Rule::when([Match::Redirected, Match::Source(net)], Action::Accept).saying("bent"),
        Rule::when([Match::EtherType(0x0806)], Action::Drop),
        Rule::when([Match::Payload { base: Base::Transport, offset: 4, value: vec![0, 16] }], Action::Accept),
    ];
    let dnat = Action::Dnat("172.18.0.2:80".parse().unwrap());
    let published =
        vec![Rule::when([Match::DestinationIsLocal, Match::Protocol(6), Match::DestinationPort(8080)], dnat)];
    let masquerade =
        vec![Rule::when([Match::Source(net), Match::NotOut("docker_gwbridge".into())], Action::Masquerade)];
    let chain =
        |name: &str, hook, priority, rules| Chain { name: name.into(), hook, priority, accept: true, rules };
    let table = Table {
        family: Family::Ip,
        name: "docker".into(),
        chains: vec![
            chain("forward", Hook::Forward, 0, filter),
            chain("prerouting", Hook::Prerouting, -100, published.clone()),
            chain("output", Hook::NatOutput, -100, published),
            chain("postrouting", Hook::Postrouting, 100, masquerade),
        ],
    };
    let nft = Nft::new(&a).unwrap();
    nft.replace(&table).unwrap();
    let published = "fib daddr type local meta l4proto 6 th dport 8080 counter dnat to 172.18.0.2:80";
    let expected = [
        "docker forward: ct state established,related counter accept".to_owned(),
        "docker forward: iifname \"x\" oifname \"x\" counter drop".to_owned(),
        "docker forward: iifname != \"x\" oifname != \"y\" ip daddr 172.18.0.0/16 counter drop".to_owned(),
        "docker forward: ct status dnat ip saddr 172.18.0.0/16 counter accept comment \"bent\"".to_owned(),
        "docker forward: meta protocol 0x806 counter drop".to_owned(),
        "docker forward: @th,32,16 0x10 counter accept".to_owned(),
        format!("docker prerouting: {published}"),
        format!("docker output: {published}"),
        "docker postrouting: ip saddr 172.18.0.0/16 oifname != \"docker_gwbridge\" counter masquerade"
            .to_owned(),
    ];
    assert_eq!(nft.rules().unwrap(), expected);
    assert_eq!(table.lines(), expected);
}

#[kernel::isolate]
fn a_sysctl_belongs_to_its_namespace() {
    let (a, b) = pair();
    a.set_sysctl("ipv4/ip_forward", "1").unwrap();
    assert_eq!(a.sysctl("ipv4/ip_forward").unwrap(), "1");
    assert_eq!(b.sysctl("ipv4/ip_forward").unwrap(), "0");
    let error = a.set_sysctl("ipv4/no_such_thing", "1").unwrap_err();
    assert!(error.is_missing() || error.is_forbidden(), "{error}");
}

#[kernel::isolate]
fn a_namespaces_thread_ends_when_idle_and_comes_back() {
    let a = Netns::new("idle").unwrap();
    let first = a.run(|| std::thread::current().id()).unwrap();
    assert_eq!(a.run(|| std::thread::current().id()).unwrap(), first);
    let inside = |a: &Netns| a.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
    let here = inside(&a);
    // The fact waited for is the thread's own end: it shows in the list of this process's threads.
    let alive = || {
        std::fs::read_dir("/proc/self/task").unwrap().flatten().any(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == "idle")
        })
    };
    while alive() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(inside(&a), here);
}

#[kernel::isolate]
fn a_tap_sees_what_passes() {
    let (a, b) = pair();
    let tap = Tap::new(&b).unwrap();
    assert!(answers(&a, [10, 0, 0, 2]));
    let mut seen = Vec::new();
    while let Some(frame) = tap.next(Duration::ZERO).unwrap() {
        // Ethernet, then IPv4 with ICMP in it.
        if frame.bytes[12..14] == [8, 0] && frame.bytes[23] == 1 {
            seen.push((frame.link, frame.outgoing, frame.bytes[34]));
        }
    }
    // The request came in, the answer went out.
    assert_eq!(seen, [(7, false, 8), (7, true, 0)]);
}

#[kernel::isolate]
fn isolated_ports_of_a_bridge_reach_the_bridge_and_not_each_other() {
    let (switch, a, b) = (Netns::new("switch").unwrap(), Netns::new("a").unwrap(), Netns::new("b").unwrap());
    let rtnl = Rtnl::new(&switch).unwrap();
    let batch = Batch::new().bridge(&link(2, "sw0")).address(2, "10.0.0.9/24".parse().unwrap());
    rtnl.apply(&batch).unwrap();
    for (index, name, netns, address) in [(10, "a", &a, "10.0.0.1/24"), (11, "b", &b, "10.0.0.2/24")] {
        let port = NewLink { master: Some(2), ..link(index, name) };
        rtnl.apply(&Batch::new().veth(&port, &link(3, "eth0"), Some(netns.as_fd()))).unwrap();
        let batch = Batch::new().up(3, "eth0").address(3, address.parse().unwrap());
        Rtnl::new(netns).unwrap().apply(&batch).unwrap();
    }
    assert!(answers(&a, [10, 0, 0, 2]));
    rtnl.apply(&Batch::new().isolate(10, "a").isolate(11, "b").hairpin(11, "b")).unwrap();
    let have = rtnl.dump().unwrap();
    let settings = |name: &str| {
        let port = have.link(name).unwrap();
        (port.isolated, port.port.clone().unwrap())
    };
    assert_eq!(settings("a"), (true, Port { hairpin: false, learning: true, flood: true }));
    assert_eq!(settings("b"), (true, Port { hairpin: true, learning: true, flood: true }));
    assert!(!matches!(ping(&a, [10, 0, 0, 2]), Echo::Reply(_)));
    for from in [&a, &b] {
        assert!(answers(from, [10, 0, 0, 9]));
    }
}

#[kernel::isolate]
fn a_flow_goes_where_it_went_until_it_is_forgotten() {
    let netns = Netns::new("flows").unwrap();
    Rtnl::new(&netns).unwrap().apply(&Batch::new().up(1, "lo")).unwrap();
    let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let open = |port: u16| {
        let socket = netns.udp(local(port).into()).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    };
    let nft = Nft::new(&netns).unwrap();
    let lead = |port| {
        let matches = [Match::Protocol(17), Match::DestinationPort(9000)];
        let chain = Chain {
            name: "output".into(),
            hook: Hook::NatOutput,
            priority: -100,
            accept: true,
            rules: vec![Rule::when(matches, Action::Dnat(local(port)))],
        };
        nft.replace(&Table { family: Family::Ip, name: "t".into(), chains: vec![chain] }).unwrap();
    };
    let (one, other, client) = (open(9001), open(9002), open(5000));
    let arrives = |at: &UdpSocket| {
        client.send_to(b"?", local(9000)).unwrap();
        at.recv(&mut [0; 8]).unwrap();
    };
    lead(9001);
    arrives(&one);
    let conntrack = Conntrack::new(&netns).unwrap();
    let flow = Flow { protocol: 17, from: local(5000), to: local(9000), at: local(9001) };
    assert_eq!(conntrack.flows().unwrap(), [flow]);

    lead(9002);
    arrives(&one);
    assert_eq!(conntrack.forget(|flow| flow.to == local(9009)).unwrap(), 0, "none of this");
    assert_eq!(conntrack.forget(|flow| flow.to == local(9000)).unwrap(), 1);
    assert_eq!(conntrack.flows().unwrap(), []);
    arrives(&other);
}

#[kernel::isolate]
fn a_bridge_has_no_vlans_and_each_entry_once() {
    let (switch, container) = (Netns::new("switch").unwrap(), Netns::new("a").unwrap());
    let rtnl = Rtnl::new(&switch).unwrap();
    let port = NewLink { master: Some(2), ..link(10, "a") };
    let batch = Batch::new().bridge(&link(2, "br0"));
    rtnl.apply(&batch.veth(&port, &link(3, "eth0"), Some(container.as_fd()))).unwrap();
    let have = rtnl.dump().unwrap();
    let settings = Bridge { stp: false, vlan_filtering: false, snooping: true, ageing: 30_000 };
    assert_eq!(have.link("br0").unwrap().bridge, Some(settings));
    let its = have.fdb.iter().filter(|entry| entry.dev == 10 && !entry.own);
    assert_eq!(its.map(|entry| Some(entry.mac)).collect::<Vec<_>>(), [have.link("a").unwrap().mac]);
}

/// What a ring hears until nothing has come for some turns of the kernel's timer.
fn heard(ring: &mut Ring) -> Vec<(u32, bool, u32, usize)> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut all = Vec::new();
    loop {
        let mut fds = [PollFd::new(ring.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(20 * RETIRE).unwrap();
        if poll(&mut fds, patience).unwrap() == 0 {
            return all;
        }
        ring.each(|seen| all.push((seen.link, seen.outgoing, seen.length, seen.bytes.len())));
    }
}

#[kernel::isolate]
fn a_ring_hears_what_passes_its_links_and_no_others() {
    let (a, b) = pair();
    assert!(answers(&a, [10, 0, 0, 2]));
    let (mut all, mut one) =
        (Ring::open(&a, &[], 96, 1 << 20).unwrap(), Ring::open(&b, &[7], 20, 1 << 20).unwrap());
    let mut other = Ring::open(&b, &[1], 96, 1 << 20).unwrap();
    assert!(answers(&a, [10, 0, 0, 2]));
    let echo = |heard: Vec<(u32, bool, u32, usize)>| {
        // ARP is 42 bytes long, an echo of ours 98.
        heard.into_iter().filter(|(_, _, length, _)| *length == 98).collect::<Vec<_>>()
    };
    assert_eq!(echo(heard(&mut all)), [(5, true, 98, 96), (5, false, 98, 96)]);
    assert_eq!(echo(heard(&mut one)), [(7, false, 98, 20), (7, true, 98, 20)]);
    assert_eq!(heard(&mut other), []);
    assert_eq!((all.lost(), one.lost()), (0, 0));
}

#[kernel::isolate]
fn what_finds_no_room_in_a_ring_is_counted() {
    const SENT: u64 = 2000;
    let a = Netns::new("a").unwrap();
    Rtnl::new(&a).unwrap().apply(&Batch::new().up(1, "lo")).unwrap();
    let mut ring = Ring::open(&a, &[], kernel::capture::LONGEST, 1).unwrap();
    let socket = a.udp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    for _ in 0..SENT {
        // To itself, so that no error comes back; what finds no room there was seen all the same.
        socket.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
    }
    let heard = u64::try_from(heard(&mut ring).len()).unwrap();
    let lost = ring.lost();
    assert!(heard > 0 && lost > 0, "{heard} heard, {lost} lost");
    // The loopback's own copies, on their way out, take room as well.
    assert!(heard + lost >= SENT && heard + lost <= 2 * SENT, "{heard} heard, {lost} lost");
    assert_eq!(ring.lost(), lost, "nothing more is lost");
}

#[kernel::isolate]
fn what_has_passed_a_link_is_counted_at_both_ends() {
    let (a, b) = pair();
    assert!(answers(&a, [10, 0, 0, 2]));
    let of = |netns: &Netns| {
        let all = Rtnl::new(netns).unwrap().counters().unwrap();
        all.into_iter().find(|counters| counters.link == "eth0").unwrap()
    };
    let (near, far) = (of(&a), of(&b));
    for _ in 0..5 {
        assert!(matches!(ping(&a, [10, 0, 0, 2]), Echo::Reply(_)));
    }
    // Frames of Ethernet, IPv4 and ICMP; the kernels have a word to say beside.
    let few = |packets: u64, bytes: u64| (5..50).contains(&packets) && bytes >= 5 * (14 + 20 + 8);
    let (now, there) = (of(&a), of(&b));
    assert!(few(now.sent - near.sent, now.sent_bytes - near.sent_bytes), "{near:?}, {now:?}");
    assert!(
        few(there.received - far.received, there.received_bytes - far.received_bytes),
        "{far:?}, {there:?}"
    );
    assert!(there.sent - far.sent >= 5 && now.received - near.received >= 5, "{now:?}, {there:?}");
    assert_eq!((now.errors, there.errors), (0, 0));
}

#[kernel::isolate]
fn macvlans_of_one_device_are_born_in_place_and_reach_each_other() {
    let (sandbox, inside) = (Netns::new("sandbox").unwrap(), [Netns::new("a"), Netns::new("b")]);
    let inside = inside.map(Result::unwrap);
    let rtnl = Rtnl::new(&sandbox).unwrap();
    let device = NewLink { mtu: Some(1350), ..link(5, "vxlan1") };
    rtnl.apply(&Batch::new().vxlan(&NewVxlan { link: device, settings: settings() }, None)).unwrap();
    for (netns, last) in inside.iter().zip([1, 2]) {
        let mac = Some(Mac::of([192, 168, 0, last].into()));
        let made = NewLink { mac, mtu: Some(1350), ..link(7, "eth0") };
        rtnl.apply(&Batch::new().macvlan(&made, 5, Some(netns.as_fd()))).unwrap();
        let there = Rtnl::new(netns).unwrap();
        there.apply(&Batch::new().address(7, format!("192.168.0.{last}/24").parse().unwrap())).unwrap();
        let seen = there.dump().unwrap();
        let eth0 = seen.link("eth0").unwrap();
        assert_eq!((eth0.index, eth0.kind.as_deref(), eth0.mtu), (7, Some("macvlan"), 1350));
        assert_eq!((eth0.mac, eth0.peer), (mac, Some(5)));
        assert!(eth0.up && eth0.peer_netns.is_some());
    }
    assert_eq!(rtnl.links().unwrap().len(), 2, "nothing of it is in the sandbox");
    assert!(answers(&inside[0], [192, 168, 0, 2]));
    // With the device its macvlans go.
    rtnl.apply(&Batch::new().remove_link(5, "vxlan1")).unwrap();
    assert!(Rtnl::new(&inside[0]).unwrap().dump().unwrap().link("eth0").is_none());
}
