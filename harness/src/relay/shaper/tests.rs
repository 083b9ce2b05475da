use std::collections::{BTreeMap, BTreeSet};

use kernel::vnet::{VnetHeader, gso};
use proptest::prelude::*;

use super::*;
use crate::fault::{Distribution, Filter, Impairment, Jitter, Pick, Protocol, Queue, Rate};

const MILLI: Duration = Duration::from_millis(1);
/// Later than all that any of these tests asks for.
const LATE: Duration = Duration::from_secs(1_000_000);

fn shaper(impairment: Impairment) -> Shaper {
    Shaper::new(resolved(impairment), 7)
}

fn resolved(impairment: Impairment) -> Resolved {
    Resolved::new(impairment, &BTreeMap::new()).expect("it names no network")
}

/// A frame of no protocol that is known, which carries its number.
fn frame(number: u64, arrived: Duration) -> Frame {
    let mut bytes = vec![0; 100];
    bytes[20..28].copy_from_slice(&number.to_be_bytes());
    Frame { header: VnetHeader::default(), bytes, arrived }
}

fn number(frame: &Frame) -> u64 {
    frame.bytes[20..28].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// `count` frames, one each millisecond from 0 on; those that come out, in order and with the time at which they do.
fn run(shaper: &mut Shaper, count: u64) -> Vec<(u64, Duration)> {
    let mut out = Vec::new();
    for (n, at) in (1..=count).zip((0..).map(|n| n * MILLI)) {
        drain(shaper, at, &mut out);
        shaper.push(at, frame(n, at));
    }
    drain(shaper, LATE, &mut out);
    out
}

/// Wakes up when it is told to, until it is `end`.
fn drain(shaper: &mut Shaper, end: Duration, out: &mut Vec<(u64, Duration)>) {
    while let Some(at) = shaper.wake_at().filter(|at| *at <= end) {
        if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
            assert!(shaper.straight.front().is_some() || shaper.pop(before).is_none(), "early");
        }
        out.extend(shaper.pop(at).map(|frame| (number(&frame), at)));
    }
}

fn numbers(out: &[(u64, Duration)]) -> Vec<u64> {
    out.iter().map(|(number, _)| *number).collect()
}

fn adds_up(counts: Counts) -> bool {
    counts.seen == counts.passed + counts.lost + counts.too_long + counts.overflowed + counts.waiting
}

#[test]
fn a_delay_is_exact_and_counts_from_the_arrival() {
    let mut shaper = shaper(Impairment { delay: 10 * MILLI, ..Impairment::default() });
    shaper.push(7 * MILLI, frame(1, 5 * MILLI));
    assert_eq!(shaper.wake_at(), Some(15 * MILLI));
    assert!(shaper.pop(14 * MILLI).is_none());
    assert!(shaper.pop(15 * MILLI).is_some());
    assert_eq!(shaper.wake_at(), None);
    let delays = shaper.counts().delays.expect("one has passed");
    assert_eq!([delays.min, delays.median, delays.p99, delays.max], [10 * MILLI; 4]);
}

#[test]
fn an_arrival_in_the_future_is_now() {
    let mut shaper = shaper(Impairment::default());
    shaper.push(MILLI, frame(1, 2 * MILLI));
    assert!(shaper.pop(MILLI).is_some());
}

#[test]
fn exactly_these_are_lost() {
    let loss = Pick::Exactly(BTreeSet::from([3, 7, 19]));
    let mut shaper = shaper(Impairment { loss, ..Impairment::default() });
    let expected: Vec<u64> = (1..=20).filter(|n| ![3, 7, 19].contains(n)).collect();
    assert_eq!(numbers(&run(&mut shaper, 20)), expected);
    let counts = shaper.counts();
    assert_eq!((counts.seen, counts.lost, counts.passed, counts.bytes), (20, 3, 17, 1700));
}

#[test]
fn a_copy_comes_right_after() {
    let duplicate = Pick::Every(2);
    let mut shaper = shaper(Impairment { duplicate, delay: 5 * MILLI, ..Impairment::default() });
    assert_eq!(numbers(&run(&mut shaper, 4)), [1, 2, 2, 3, 4, 4]);
    assert_eq!((shaper.counts().passed, shaper.counts().duplicated), (4, 2));
}

#[test]
fn a_hurried_frame_overtakes_those_before_it() {
    let mut shaper =
        shaper(Impairment { reorder: Pick::Every(5), delay: 10 * MILLI, ..Impairment::default() });
    assert_eq!(numbers(&run(&mut shaper, 6)), [5, 1, 2, 3, 4, 6]);
    let counts = shaper.counts();
    assert_eq!((counts.reordered, counts.late), (1, 4));
}

#[test]
fn jitter_may_overtake_and_says_so() {
    let jitter = Jitter { spread: 5 * MILLI, distribution: Distribution::Normal, correlation: 0.0 };
    let mut shaper = shaper(Impairment { jitter, delay: 20 * MILLI, ..Impairment::default() });
    let out = run(&mut shaper, 200);
    assert!(out.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert!(!numbers(&out).is_sorted());
    assert!(shaper.counts().late > 0 && shaper.counts().reordered == 0);
}

#[test]
fn longer_packets_do_not_pass_and_are_counted_apart() {
    let mut shaper = shaper(Impairment { mtu: Some(85), loss: Pick::Every(1), ..Impairment::default() });
    shaper.push(MILLI, frame(1, MILLI));
    assert_eq!((shaper.counts().too_long, shaper.counts().lost), (1, 0), "an MTU acts before loss");
    shaper.change(resolved(Impairment { mtu: Some(86), ..Impairment::default() }));
    shaper.push(MILLI, frame(2, MILLI));
    assert!(shaper.pop(MILLI).is_some(), "100 bytes without 14 are 86");
}

#[test]
fn a_rate_spaces_frames_out() {
    // 100 bytes a frame at 80 kbit/s: one each 10 ms.
    let rate = Some(Rate { bits_per_second: 80_000, queue: Queue::Packets(3) });
    let mut shaper = shaper(Impairment { rate, delay: MILLI, ..Impairment::default() });
    for n in 1..=6 {
        shaper.push(Duration::ZERO, frame(n, Duration::ZERO));
    }
    let mut out = Vec::new();
    drain(&mut shaper, LATE, &mut out);
    assert_eq!(out, [(1, 11 * MILLI), (2, 21 * MILLI), (3, 31 * MILLI), (4, 41 * MILLI)]);
    assert_eq!(shaper.counts().overflowed, 2);
}

#[test]
fn fifty_megabits_are_fifty_megabits() {
    let rate = Some(Rate { bits_per_second: 50_000_000, queue: Queue::Bytes(150_000) });
    let mut shaper = shaper(Impairment { rate, ..Impairment::default() });
    // Twice as much as passes, for ten seconds, looked at once a millisecond only.
    for at in (0..10_000).map(|n| n * MILLI) {
        for _ in 0..8 {
            let bytes = vec![0; 1514];
            shaper.push(at, Frame { header: VnetHeader::default(), bytes, arrived: at });
        }
        while shaper.pop(at).is_some() {}
    }
    let bits = shaper.counts().bytes * 8;
    assert!(bits.abs_diff(500_000_000) < 500_000, "{bits} bits in ten seconds");
    assert!(shaper.counts().overflowed > 30_000 && adds_up(shaper.counts()));
}

#[test]
fn what_is_held_comes_out_in_order_when_it_is_released() {
    let held = Impairment { hold: true, delay: MILLI, ..Impairment::default() };
    let mut shaper = shaper(held);
    assert_eq!(run(&mut shaper, 10), []);
    assert!(shaper.pop(LATE).is_none() && shaper.wake_at().is_none());
    assert_eq!((shaper.counts().waiting, shaper.counts().held), (10, 10));
    shaper.change(resolved(Impairment::default()));
    assert!(shaper.wake_at().is_some_and(|at| at <= LATE));
    let out: Vec<u64> = std::iter::from_fn(|| shaper.pop(LATE)).map(|frame| number(&frame)).collect();
    assert_eq!(out, (1..=10).collect::<Vec<_>>());
    assert_eq!((shaper.counts().waiting, shaper.counts().held), (0, 0));
}

#[test]
fn a_change_counts_from_one_and_keeps_what_there_is() {
    let third =
        |delay| Impairment { loss: Pick::Exactly(BTreeSet::from([3])), delay, ..Impairment::default() };
    let mut shaper = shaper(third(50 * MILLI));
    (1..=4).for_each(|n| shaper.push(MILLI, frame(n, MILLI)));
    shaper.change(resolved(third(Duration::ZERO)));
    (5..=8).for_each(|n| shaper.push(MILLI, frame(n, MILLI)));
    assert!(shaper.pop(50 * MILLI).is_none(), "a shorter delay does not let anybody overtake");
    let out: Vec<u64> = std::iter::from_fn(|| shaper.pop(51 * MILLI)).map(|frame| number(&frame)).collect();
    assert_eq!(out, [1, 2, 4, 5, 6, 8]);
    assert_eq!((shaper.counts().seen, shaper.counts().lost), (8, 2));
}

#[test]
fn what_is_not_meant_is_not_impaired() {
    let only = Some(Filter { protocol: Some(Protocol::Arp), ..Filter::default() });
    let impairment =
        Impairment { only, hold: true, loss: Pick::Exactly(BTreeSet::from([1])), ..Impairment::default() };
    let mut shaper = shaper(impairment);
    let arp = |n| {
        let mut frame = frame(n, MILLI);
        frame.bytes[12..20].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4]);
        frame
    };
    for frame in [frame(1, MILLI), arp(2), arp(3), frame(4, MILLI)] {
        shaper.push(MILLI, frame);
    }
    assert_eq!(shaper.wake_at(), Some(MILLI));
    let out: Vec<Frame> = std::iter::from_fn(|| shaper.pop(MILLI)).collect();
    assert_eq!(out, [frame(1, MILLI), frame(4, MILLI)]);
    let counts = shaper.counts();
    assert_eq!(
        (counts.seen, counts.matched, counts.lost, counts.held),
        (4, 2, 1, 1),
        "the first that is meant"
    );
    assert!(adds_up(counts));
}

#[test]
fn a_corrupted_frame_has_the_checksum_of_what_was_sent() {
    let mut shaper = shaper(Impairment { corrupt: Pick::Every(1), ..Impairment::default() });
    let sent = Frame { header: VnetHeader::unfinished(34, 6), ..frame(1, MILLI) };
    let mut right = sent.clone();
    right.header.complete_checksum(&mut right.bytes);
    shaper.push(MILLI, sent);
    let got = shaper.pop(MILLI).expect("it is not lost");
    let flipped: u32 = got.bytes.iter().zip(&right.bytes).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!((got.header, flipped), (VnetHeader::default(), 1));
    assert_eq!(shaper.counts().corrupted, 1);
}

/// Three TCP packets in one frame.
fn several() -> Frame {
    let mut bytes = vec![2; 12];
    bytes.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    bytes.extend([7; 3000]);
    let header = VnetHeader { gso_type: gso::TCP_V4, gso_size: 1000, ..VnetHeader::unfinished(34, 16) };
    Frame { header, bytes, arrived: MILLI }
}

#[test]
fn a_frame_of_several_packets_is_cut_where_each_has_its_fate() {
    let mut cut = shaper(Impairment { loss: Pick::Exactly(BTreeSet::from([2])), ..Impairment::default() });
    cut.push(MILLI, several());
    let out: Vec<Frame> = std::iter::from_fn(|| cut.pop(MILLI)).collect();
    assert_eq!(out.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [1054, 1054]);
    assert_eq!((cut.counts().seen, cut.counts().lost), (3, 1));
    // Where they share it, they stay together; nothing is copied.
    let mut whole = shaper(Impairment { delay: MILLI, ..Impairment::default() });
    let sent = several();
    let place = sent.bytes.as_ptr();
    whole.push(MILLI, sent);
    let got = whole.pop(2 * MILLI).expect("it is due");
    assert_eq!((got.bytes.as_ptr(), got), (place, several()));
}

#[test]
fn a_frame_that_is_not_meant_stays_whole() {
    let only = Some(Filter { protocol: Some(Protocol::Udp), ..Filter::default() });
    let mut shaper = shaper(Impairment { only, loss: Pick::Every(1), ..Impairment::default() });
    shaper.push(MILLI, several());
    assert_eq!(shaper.pop(MILLI), Some(several()));
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        Just(Pick::Never),
        (0.0..=1.0).prop_map(Pick::Chance),
        (1_u64..5).prop_map(Pick::Every),
        prop::collection::btree_set(1_u64..50, 0..10).prop_map(Pick::Exactly),
        (0.0..=1.0, 0.0..=1.0).prop_map(|(begin, end)| Pick::Bursts { begin, end, bad: 0.9, good: 0.1 }),
    ]
}

prop_compose! {
    fn impairment()(
        (loss, duplicate, reorder, corrupt) in (pick(), pick(), pick(), pick()),
        delay in 0_u32..30,
        spread in 0_u32..30,
        rate in prop::option::of((10_000_u64..10_000_000, 0_u64..10)),
        mtu in prop::option::of(80_u32..90),
    ) -> Impairment {
        let rate = rate.map(|(bits_per_second, limit)| Rate { bits_per_second, queue: Queue::Packets(limit) });
        let jitter = Jitter { spread: spread * MILLI, ..Jitter::default() };
        let (delay, hold, only) = (delay * MILLI, false, None);
        Impairment { delay, jitter, loss, duplicate, reorder, corrupt, rate, mtu, hold, only }
    }
}

/// What is done to a shaper.
#[derive(Clone, Debug)]
enum Act {
    Push,
    Wait(u32),
    Hold(bool),
    Change(Box<Impairment>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Push),
        3 => (0_u32..20).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(Act::Hold),
        1 => impairment().prop_map(|impairment| Act::Change(Box::new(impairment))),
    ]
}

proptest! {
    #[test]
    fn no_frame_is_forgotten(first in impairment(), acts in prop::collection::vec(act(), 0..100)) {
        let (mut shaper, mut now, mut current) = (shaper(first.clone()), Duration::ZERO, first);
        let (mut pushed, mut popped) = (0, 0);
        for act in acts {
            match act {
                Act::Push => {
                    pushed += 1;
                    shaper.push(now, frame(pushed, now));
                }
                Act::Wait(millis) => now += millis * MILLI,
                Act::Hold(hold) => {
                    current.hold = hold;
                    shaper.change(resolved(current.clone()));
                }
                Act::Change(other) => {
                    current = *other;
                    shaper.change(resolved(current.clone()));
                }
            }
            let due = shaper.wake_at().is_some_and(|at| at <= now);
            prop_assert!(!(due && current.hold), "nothing is released while it is held");
            let before = popped;
            while shaper.pop(now).is_some() {
                popped += 1;
            }
            prop_assert_eq!(popped > before, due, "it wakes up for frames, and for all of them");
            prop_assert!(adds_up(shaper.counts()));
            prop_assert_eq!(shaper.counts().seen, pushed);
        }
        shaper.change(resolved(Impairment::default()));
        while shaper.pop(LATE).is_some() {
            popped += 1;
        }
        let counts = shaper.counts();
        prop_assert_eq!((counts.waiting, counts.passed + counts.duplicated), (0, popped));
        prop_assert!(adds_up(counts) && shaper.wake_at().is_none());
    }

    #[test]
    fn without_jitter_and_reordering_frames_keep_their_order(
        impairments in prop::collection::vec(impairment(), 1..5),
    ) {
        let orderly = |impairment: &Impairment| resolved(Impairment {
            jitter: Jitter::default(),
            reorder: Pick::Never,
            corrupt: Pick::Never,
            ..impairment.clone()
        });
        let mut shaper = Shaper::new(orderly(&impairments[0]), 3);
        for n in 1..=100_usize {
            let at = u32::try_from(n).expect("few") * MILLI;
            shaper.change(orderly(&impairments[n % impairments.len()]));
            shaper.push(at, frame(n as u64, at));
        }
        let out: Vec<u64> = std::iter::from_fn(|| shaper.pop(LATE)).map(|frame| number(&frame)).collect();
        prop_assert!(out.is_sorted());
        prop_assert_eq!(shaper.counts().late, 0);
    }

    #[test]
    fn the_same_seed_means_the_same_frames(impairment in impairment(), seed: u64) {
        let once = |_| {
            let mut shaper = Shaper::new(resolved(impairment.clone()), seed);
            (run(&mut shaper, 100), shaper.counts())
        };
        prop_assert_eq!(once(1), once(2));
    }
}
