//! Frames carried by somebody in between, and frames lost in a bridge, as tests see them by ping.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use kernel::icmp::{Echo, Pinger};
use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::offload::set_tunnel_segmentation;
use kernel::vnet::{VnetHeader, gso};
use kernel::wire::{Bell, End, TapDevice, wait};
use kernel::{Batch, Netns, NewLink, Rtnl};

fn link(index: u32, name: &str) -> NewLink {
    NewLink { index, name: name.into(), ..NewLink::default() }
}

/// Two hosts, 10.0.0.1 and 10.0.0.2, each on a cable to the middle: its legs there are `pa` (11) and `pb` (12), in no bridge.
struct Middle {
    a: Netns,
    _b: Netns,
    between: Netns,
    rtnl: Rtnl,
}

impl Middle {
    fn new() -> Middle {
        let (a, b, between) =
            (Netns::new("a").unwrap(), Netns::new("b").unwrap(), Netns::new("middle").unwrap());
        let rtnl = Rtnl::new(&between).unwrap();
        for (index, name, host, address) in [(11, "pa", &a, "10.0.0.1/24"), (12, "pb", &b, "10.0.0.2/24")] {
            let batch = Batch::new().veth(&link(index, name), &link(2, "eth0"), Some(host.as_fd()));
            rtnl.apply(&batch).unwrap();
            let batch = Batch::new().up(1, "lo").up(2, "eth0").address(2, address.parse().unwrap());
            Rtnl::new(host).unwrap().apply(&batch).unwrap();
        }
        for (index, name) in [(11, "pa"), (12, "pb")] {
            rtnl.wait_running(index, name, Duration::from_secs(5)).unwrap();
        }
        Middle { a, _b: b, between, rtnl }
    }

    /// Whether b answers a in so long.
    fn answers(&self, patience: Duration) -> bool {
        let echo = Pinger::new(&self.a, [10, 0, 0, 2]).unwrap().ping(patience).unwrap();
        matches!(echo, Echo::Reply(_))
    }

    fn come(&self) -> bool {
        self.answers(Duration::from_secs(10))
    }

    fn stay_away(&self) -> bool {
        !self.answers(Duration::from_millis(200))
    }
}

/// Carries frames from one end to another for as long as `body` runs.
fn carrying<R>(ways: Vec<(End, End)>, body: impl FnOnce() -> R) -> R {
    let bells: Vec<Bell> = ways.iter().map(|_| Bell::new().unwrap()).collect();
    let over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for ((mut from, to), bell) in ways.into_iter().zip(&bells) {
            let over = &over;
            scope.spawn(move || {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    wait(&from, bell, None).unwrap();
                    while let Some(frame) = from.receive().unwrap() {
                        to.send(&frame.header, &frame.bytes).unwrap();
                    }
                }
            });
        }
        let result = body();
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        bells.iter().for_each(Bell::ring);
        result
    })
}

#[kernel::isolate]
fn packet_sockets_carry_what_passes_between_two_legs() {
    let lab = Middle::new();
    assert!(lab.stay_away());
    let receiving = |index, name| End::receiving(&lab.between, index, name).unwrap();
    let sending = |index, name| End::sending(&lab.between, index, name).unwrap();
    let ways = vec![(receiving(11, "pa"), sending(12, "pb")), (receiving(12, "pb"), sending(11, "pa"))];
    carrying(ways, || assert!(lab.come()));
    assert!(lab.stay_away());
    assert!(End::receiving(&lab.between, 99, "ghost").is_err());
}

/// A frame of that length, of nobody's protocol.
fn frame(length: usize) -> Vec<u8> {
    let mut bytes = vec![2; length];
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes
}

/// How many frames of nobody's protocol wait at an end, by their lengths.
fn lengths(end: &mut End) -> Vec<usize> {
    let all = std::iter::from_fn(|| end.receive().unwrap());
    all.filter(|frame| frame.bytes[12..14] == [0x88, 0xb5]).map(|frame| frame.bytes.len()).collect()
}

#[kernel::isolate]
fn frames_that_find_no_room_are_missed_and_counted() {
    const SENT: u64 = 80_000;
    let lab = Middle::new();
    let from = End::sending(&lab.a, 2, "eth0").unwrap();
    let mut to = End::receiving(&lab.between, 11, "pa").unwrap();
    let missed = to.missed();
    assert_eq!(missed.count(), 0);
    let bytes = frame(1500);
    for _ in 0..SENT {
        assert!(from.send(&VnetHeader::default(), &bytes).unwrap());
    }
    let received = lengths(&mut to).len() as u64;
    let counted = missed.count();
    // Those of others are among them.
    assert!(received < SENT && received + counted >= SENT, "{received} received, {counted} missed");
    assert_eq!(missed.count(), counted, "they are counted once");
}

#[kernel::isolate]
fn a_frame_that_is_longer_than_any_is_missed_and_those_behind_it_come() {
    let lab = Middle::new();
    let longer = lab.a.run(|| {
        let ip = std::process::Command::new("ip");
        let set = { ip }.args(["link", "set", "eth0", "gso_max_size", "200000"]).output();
        set.is_ok_and(|set| set.status.success())
    });
    if !longer.unwrap() {
        // BIG TCP is of Linux 5.19.
        eprintln!("skipped: gso_max_size cannot be set here");
        return;
    }
    let from = End::sending(&lab.a, 2, "eth0").unwrap();
    let mut to = End::receiving(&lab.between, 11, "pa").unwrap();
    let missed = to.missed();
    let mut long = frame(100_000);
    long[12..14].copy_from_slice(&[0x86, 0xdd]);
    // IPv6, TCP, no options.
    (long[14], long[20], long[66]) = (0x60, 6, 0x50);
    let several =
        VnetHeader { gso_type: gso::TCP_V6, hdr_len: 74, gso_size: 1400, ..VnetHeader::unfinished(54, 16) };
    if !from.send(&several, &long).unwrap() {
        // Linux 6.1 takes none from a packet socket.
        eprintln!("skipped: this kernel lets nobody send a frame that is so long");
        return;
    }
    assert!(from.send(&VnetHeader::default(), &frame(100)).unwrap());
    assert_eq!(lengths(&mut to), [100]);
    assert_eq!(missed.count(), 1);
}

#[kernel::isolate]
fn a_tap_device_is_a_port_of_a_bridge() {
    let lab = Middle::new();
    let tap = match TapDevice::open(&lab.between, 30, "tap") {
        Ok(tap) => tap,
        Err(why) => {
            // Whoever is not root may not, and a kernel before 6.17 cannot: packet sockets are used then.
            assert!(!std::env::var("LAB_REQUIRE").is_ok_and(|value| value == "1"), "{why}");
            eprintln!("not tried: {why}");
            return;
        }
    };
    let batch = Batch::new().switch(&link(20, "br")).mtu(30, "tap", 1400).up(30, "tap");
    let batch = batch.master(30, "tap", Some(20)).master(12, "pb", Some(20));
    lab.rtnl.apply(&batch).unwrap();
    lab.rtnl.wait_running(30, "tap", Duration::from_secs(5)).unwrap();
    assert_eq!(lab.rtnl.dump().unwrap().link("tap").unwrap().mtu, 1400);
    tap.leave_tunnels(false).unwrap();
    tap.leave_tunnels(true).unwrap();
    let pa = |way: fn(&Netns, u32, &str) -> kernel::Result<End>| way(&lab.between, 11, "pa").unwrap();
    let ways = vec![(pa(End::receiving), tap.end("tap")), (tap.end("tap"), pa(End::sending))];
    carrying(ways, || assert!(lab.come()));
    // It goes with its last handle.
    drop(tap);
    let begun = Instant::now();
    while lab.rtnl.dump().unwrap().link("tap").is_some() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still there");
    }
}

#[kernel::isolate]
fn a_bridge_loses_what_a_rule_says_and_counts_it() {
    let lab = Middle::new();
    let batch = Batch::new().switch(&link(20, "br")).master(11, "pa", Some(20)).master(12, "pb", Some(20));
    lab.rtnl.apply(&batch).unwrap();
    assert!(lab.come());
    let nft = Nft::new(&lab.between).unwrap();
    let matches = [Match::In("pa".into()), Match::EtherType(0x0800)];
    let icmp = Rule::when(matches, Action::Drop).saying("the reason");
    let chain = Chain {
        name: "forward".into(),
        hook: Hook::Forward,
        priority: -200,
        accept: true,
        rules: vec![icmp],
    };
    let table = Table { family: Family::Bridge, name: "cuts".into(), chains: vec![chain] };
    nft.replace(&table).unwrap();
    assert!(lab.stay_away());
    let counted = nft.counted().unwrap();
    assert_eq!((counted[0].comment.as_str(), counted[0].packets), ("the reason", 1));
    nft.remove(Family::Bridge, "cuts").unwrap();
    assert!(lab.come());
}

#[kernel::isolate]
fn what_a_link_leaves_to_others_can_be_set() {
    let lab = Middle::new();
    set_tunnel_segmentation(&lab.between, "pa", false).unwrap();
    set_tunnel_segmentation(&lab.between, "pa", true).unwrap();
    let error = set_tunnel_segmentation(&lab.between, "ghost", true).unwrap_err().to_string();
    assert_eq!(error, "cannot switch on the tunnel offload of ghost in middle: No such device");
}
