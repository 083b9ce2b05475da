//! What a capture costs, and whether it misses any packet: two tables. Not a criterion bench: what matters is how traffic that is captured is
//! to the same traffic that is not, in turns, and how many packets were lost by the rings, which is to be none.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::process::ExitCode;
use std::time::Duration;

use benches::{Freed, enter, median, runtime};
use harness::capture::{Captured, Request};
use harness::topology::Topology;
use harness::{Lab, Result};

/// Rounds in turns, and how long traffic is counted in each.
const ROUNDS: usize = 15;
const LASTS: Duration = Duration::from_millis(300);
/// What is kept of each packet, in bytes: the headers of a packet in a packet.
const SNAPSHOT: u32 = 96;
/// Datagrams of so many bytes are sent at so many a second.
const SIZE: u32 = 64;
const RATES: [u64; 3] = [50_000, 100_000, 200_000];

fn main() -> ExitCode {
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    enter(|| {
        let runtime = runtime();
        let (rounds, lasts) = if small { (1, Duration::from_millis(20)) } else { (ROUNDS, LASTS) };
        let lab = runtime.block_on(Lab::up(Topology::two_hosts())).expect("the lab comes up");
        runtime.block_on(streams(&lab, rounds, lasts)).expect("a stream can be captured");
        runtime.block_on(datagrams(&lab, rounds, lasts)).expect("datagrams can be captured");
        Freed::by(lab).wait();
    })
}

/// One TCP stream between containers on two hosts, while the underlay of both is captured and while it is not.
async fn streams(lab: &Lab, rounds: usize, lasts: Duration) -> Result<()> {
    let (from, mut found) = (lab.container("C1")?, [const { Vec::new() }; 2]);
    let (mut captured, mut lost) = (0, 0);
    let underlay = || Request::of(["docker0:eth0", "docker1:eth0"]).snapshot(SNAPSHOT);
    for _ in 0..rounds {
        found[0].push(from.streams("C0").lasting(lasts).await?.bits_per_second() / 1e9);
        let capture = lab.capture(underlay()).await?;
        found[1].push(from.streams("C0").lasting(lasts).await?.bits_per_second() / 1e9);
        let end = capture.end().await?;
        captured += end.packets.len();
        lost += end.lost;
    }
    let ratio = median(found[1].iter().zip(&found[0]).map(|(with, without)| with / without));
    let [without, with] = found.map(|figures| median(figures.into_iter()));
    println!(
        "| a TCP stream in VXLAN, {rounds} rounds | Gbit/s | of that | captured, in all | lost by rings |"
    );
    println!("|---|--:|--:|--:|--:|");
    println!("| nobody captures | {without:.2} | 1.00 | - | - |");
    println!(
        "| both ends of the underlay, {SNAPSHOT} bytes a packet | {with:.2} | {ratio:.2} | {captured} | {lost} |\n"
    );
    Ok(())
}

/// Datagrams at a rate between the same, captured where they arrive.
async fn datagrams(lab: &Lab, rounds: usize, lasts: Duration) -> Result<()> {
    println!("| datagrams asked for, a second | sent | captured | that arrived | lost by rings |");
    println!("|--:|--:|--:|--:|--:|");
    for rate in RATES {
        let bits = rate * 8 * u64::from(SIZE);
        let (mut sent, mut seen, mut arrived, mut lost, mut took) = (0, 0, 0, 0, Duration::ZERO);
        for _ in 0..rounds {
            let capture =
                lab.capture(Request::of(["docker0:eth0"]).filter("inner udp")?.snapshot(SNAPSHOT)).await?;
            let came = lab.container("C1")?.datagrams("C0", SIZE).rate(bits).lasting(lasts).await?;
            let Captured { packets, lost: missed, .. } = capture.end().await?;
            sent += came.sent;
            arrived += came.arrivals.unique;
            took += came.sending;
            seen += packets.len();
            lost += missed;
        }
        let a_second = u128::from(sent) * 1_000_000 / took.as_micros().max(1);
        println!("| {rate} | {a_second} | {seen} | {arrived} | {lost} |");
    }
    Ok(())
}
