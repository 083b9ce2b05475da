//! Datagrams that are encrypted on their way between two namespaces. A kernel without ESP skips this, and says what it lacks.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::nft::{Action, Base, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::packet::Tap;
use kernel::probe::esp;
use kernel::xfrm::{Association, Policy, Secret, Xfrm};
use kernel::{Batch, Netns, NewLink, Notices, Rtnl};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 4789;
const MARK: u32 = 0xd000_0100;
const PATIENCE: Duration = Duration::from_secs(5);
/// What nobody on the wire is to read.
const INNER: &[u8] = b"the inner packet";

/// Whether the kernel lacks ESP, in which case a test says so and ends.
fn lacks_esp() -> bool {
    let Err(why) = esp() else { return false };
    assert!(!std::env::var("LAB_REQUIRE").is_ok_and(|value| value == "1"), "{why}");
    eprintln!("skipped: {why}");
    true
}

/// Two namespaces with a cable between them.
fn pair() -> (Netns, Netns) {
    let (a, b) = (Netns::new("a").unwrap(), Netns::new("b").unwrap());
    let link = |index| NewLink { index, name: "eth0".into(), ..NewLink::default() };
    let batch = Batch::new().up(1, "lo").veth(&link(5), &link(7), Some(b.as_fd()));
    Rtnl::new(&a).unwrap().apply(&batch.address(5, "10.0.0.1/24".parse().unwrap())).unwrap();
    let batch = Batch::new().up(1, "lo").up(7, "eth0").address(7, "10.0.0.2/24".parse().unwrap());
    Rtnl::new(&b).unwrap().apply(&batch).unwrap();
    Rtnl::new(&a).unwrap().wait_running(5, "eth0", PATIENCE).unwrap();
    Rtnl::new(&b).unwrap().wait_running(7, "eth0", PATIENCE).unwrap();
    (a, b)
}

fn association(spi: u32) -> Association {
    Association { source: A, destination: B, spi, reqid: MARK }
}

fn secret(number: u8) -> Secret {
    Secret { key: [number; 16], salt: [number; 4] }
}

/// VXLAN of a VNI, in the sense of the rules.
fn of(vni: u8) -> Vec<Match> {
    let value = vec![0, 1, vni];
    vec![
        Match::Protocol(17),
        Match::DestinationPort(PORT),
        Match::Payload { base: Base::Transport, offset: 12, value },
    ]
}

/// A table with one chain.
fn rules(name: &str, hook: Hook, priority: i32, rule: Rule) -> Table {
    let chain = Chain { name: name.into(), hook, priority, accept: true, rules: vec![rule] };
    Table { family: Family::Ip, name: name.into(), chains: vec![chain] }
}

fn datagram(vni: u8) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 1, vni, 0], INNER].concat()
}

/// Both ends' sockets, of which the second waits.
fn sockets(a: &Netns, b: &Netns) -> (UdpSocket, UdpSocket) {
    let (from, to) = (a.udp((A, 0).into()).unwrap(), b.udp((B, PORT).into()).unwrap());
    to.set_nonblocking(false).unwrap();
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    (from, to)
}

fn receives(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).ok()?;
    Some(buffer[..length].to_vec())
}

/// The next frame of IPv4 that `eth0` sends: its protocol, and all of it.
fn next(tap: &Tap) -> (u8, Vec<u8>) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(frame) = tap.next(PATIENCE).unwrap()
            && frame.outgoing
            && frame.bytes[12..14] == [8, 0]
        {
            return (frame.bytes[23], frame.bytes);
        }
    }
    panic!("nothing was sent");
}

#[kernel::isolate]
fn what_is_marked_is_encrypted_and_nothing_else() {
    if lacks_esp() {
        return;
    }
    let (a, b) = pair();
    let (sender, receiver) = (Xfrm::new(&a).unwrap(), Xfrm::new(&b).unwrap());
    let policy = Policy { by: association(0x1000), port: PORT, mark: MARK };
    for end in [&sender, &receiver] {
        end.add(&policy.by, &secret(1)).unwrap();
    }
    sender.set_policy(&policy).unwrap();
    assert_eq!(sender.policies().unwrap(), [policy]);
    assert_eq!(receiver.states().unwrap()[0].association, policy.by);
    let marked = rules("mark", Hook::Reroute, -150, Rule::when(of(0), Action::Mark(MARK)));
    let nft = Nft::new(&a).unwrap();
    nft.replace(&marked).unwrap();
    assert_eq!(nft.rules().unwrap(), marked.lines());
    let refused = rules(
        "input",
        Hook::Input,
        0,
        Rule::when([of(0), vec![Match::CameInClear]].concat(), Action::Drop).saying("in clear"),
    );
    let filter = Nft::new(&b).unwrap();
    filter.replace(&refused).unwrap();
    assert_eq!(filter.rules().unwrap(), refused.lines());

    let (from, to) = sockets(&a, &b);
    let tap = Tap::new(&a).unwrap();
    from.send_to(&datagram(0), (B, PORT)).unwrap();
    let (protocol, bytes) = next(&tap);
    assert_eq!(protocol, 50, "ESP");
    assert!(!bytes.windows(INNER.len()).any(|window| window == INNER));
    assert_eq!(receives(&to).unwrap(), datagram(0));

    // Another network's, in clear, is let through; this one's is not.
    from.send_to(&datagram(1), (B, PORT)).unwrap();
    assert_eq!(next(&tap).0, 17, "UDP");
    assert_eq!(receives(&to).unwrap(), datagram(1));
    nft.remove(Family::Ip, "mark").unwrap();
    from.send_to(&datagram(0), (B, PORT)).unwrap();
    assert_eq!(next(&tap).0, 17, "UDP");
    from.send_to(&datagram(1), (B, PORT)).unwrap();
    // Those of one sender come in their order.
    assert_eq!(receives(&to).unwrap(), datagram(1));
    assert_eq!(filter.counted().unwrap()[0].packets, 1);
}

#[kernel::isolate]
fn what_would_leave_in_clear_is_kept_back_where_a_rule_says_so() {
    if lacks_esp() {
        return;
    }
    let (a, b) = pair();
    let (sender, receiver) = (Xfrm::new(&a).unwrap(), Xfrm::new(&b).unwrap());
    let policy = Policy { by: association(0x1000), port: PORT, mark: MARK };
    let chain = |name: &str, hook, priority, rule| Chain {
        name: name.into(),
        hook,
        priority,
        accept: true,
        rules: vec![rule],
    };
    let kept = Rule::when([of(0), vec![Match::GoesInClear]].concat(), Action::Drop).saying("kept back");
    let table = Table {
        family: Family::Ip,
        name: "guard".into(),
        chains: vec![
            chain("mark", Hook::Reroute, -150, Rule::when(of(0), Action::Mark(MARK))),
            chain("guard", Hook::Output, 0, kept),
        ],
    };
    let nft = Nft::new(&a).unwrap();
    nft.replace(&table).unwrap();
    assert_eq!(nft.rules().unwrap(), table.lines());

    let (from, to) = sockets(&a, &b);
    // No policy yet.
    from.send_to(&datagram(0), (B, PORT)).unwrap_err();
    assert_eq!(nft.counted().unwrap()[0].packets, 1);
    for end in [&sender, &receiver] {
        end.add(&policy.by, &secret(1)).unwrap();
    }
    sender.set_policy(&policy).unwrap();
    from.send_to(&datagram(0), (B, PORT)).unwrap();
    assert_eq!(receives(&to).unwrap(), datagram(0));
    assert_eq!(nft.counted().unwrap()[0].packets, 1);
}

#[kernel::isolate]
fn a_policy_goes_over_to_another_key_and_nothing_is_lost() {
    if lacks_esp() {
        return;
    }
    let (a, b) = pair();
    let (sender, receiver) = (Xfrm::new(&a).unwrap(), Xfrm::new(&b).unwrap());
    for (spi, number) in [(0x1000, 1), (0x2000, 2)] {
        for end in [&sender, &receiver] {
            end.add(&association(spi), &secret(number)).unwrap();
        }
    }
    let policy = |spi| Policy { by: association(spi), port: PORT, mark: MARK };
    sender.set_policy(&policy(0x1000)).unwrap();
    let marked = rules("mark", Hook::Reroute, -150, Rule::when(of(0), Action::Mark(MARK)));
    Nft::new(&a).unwrap().replace(&marked).unwrap();
    let (from, to) = sockets(&a, &b);
    let heard = Notices::of_ipsec(&a).unwrap();
    for number in 0..100 {
        if number == 50 {
            sender.set_policy(&policy(0x2000)).unwrap();
        }
        from.send_to(&datagram(0), (B, PORT)).unwrap();
        assert_eq!(receives(&to).unwrap(), datagram(0), "{number}");
    }
    assert!(heard.any());
    assert_eq!(sender.policies().unwrap(), [policy(0x2000)]);
    let used: Vec<(u32, u64)> =
        receiver.states().unwrap().iter().map(|state| (state.association.spi, state.packets)).collect();
    assert!(used.contains(&(0x1000, 50)) && used.contains(&(0x2000, 50)), "{used:?}");

    sender.remove_policy(&policy(0x2000)).unwrap();
    assert_eq!(sender.policies().unwrap(), []);
    assert!(sender.remove_policy(&policy(0x2000)).unwrap_err().is_missing());
    sender.remove(&association(0x1000)).unwrap();
    assert!(sender.remove(&association(0x1000)).unwrap_err().is_missing());
    assert!(sender.add(&association(0x2000), &secret(2)).unwrap_err().is_taken());
    assert!(heard.any());
    assert!(!heard.any());
}

#[kernel::isolate]
fn a_packet_of_another_key_is_forged() {
    if lacks_esp() {
        return;
    }
    let (a, b) = pair();
    let (sender, receiver) = (Xfrm::new(&a).unwrap(), Xfrm::new(&b).unwrap());
    let by = association(0x1000);
    sender.add(&by, &secret(1)).unwrap();
    receiver.add(&by, &secret(2)).unwrap();
    sender.set_policy(&Policy { by, port: PORT, mark: MARK }).unwrap();
    let marked = rules("mark", Hook::Reroute, -150, Rule::when(of(0), Action::Mark(MARK)));
    Nft::new(&a).unwrap().replace(&marked).unwrap();
    let (from, to) = sockets(&a, &b);
    from.send_to(&datagram(0), (B, PORT)).unwrap();
    let begun = Instant::now();
    while receiver.states().unwrap()[0].forged == 0 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", receiver.states());
    }
    to.set_nonblocking(true).unwrap();
    assert_eq!(receives(&to), None);
}

#[kernel::isolate]
fn a_kernel_without_esp_says_what_it_lacks() {
    if let Err(why) = esp() {
        let why = why.to_string();
        assert!(why.starts_with("cannot use "), "{why}");
        assert!(why.contains("CONFIG_"), "{why}");
    }
}
