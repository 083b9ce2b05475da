//! A nemesis: what it draws happens, and is over at its end, however that comes.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use harness::fault::{Menace, Nemesis, Schedule};
use harness::topology::Topology;
use harness::{Lab, expect};

fn two_plain_hosts() -> Topology {
    Topology::builder().plain_hosts(["a", "b"]).build().unwrap()
}

fn cuts(lab: &Lab, lasts: Duration) -> Schedule {
    let nemesis = Nemesis {
        faults: vec![Menace::Partition],
        strike: Duration::from_millis(200),
        pause: Duration::from_millis(200),
        ..Nemesis::new(lasts)
    };
    nemesis.schedule(1, lab.topology()).unwrap()
}

/// Whether b answers a.
async fn answers(lab: &Lab) -> bool {
    lab.host("a").unwrap().ping("b").await.unwrap().answered() > 0
}

#[harness::test(topology = two_plain_hosts())]
async fn its_faults_come_and_go_and_are_over_at_the_end(lab: Lab) {
    let schedule = cuts(&lab, Duration::from_secs(3));
    assert!(schedule.strikes.len() >= 3, "{schedule}");
    let wrong: Duration = schedule.strikes.iter().map(|strike| strike.lasts).sum();
    let (a, b) = (lab.host("a").unwrap(), lab.host("b").unwrap());
    let (from, to) = (a.udp(0).await.unwrap(), b.udp(7000).await.unwrap());
    // A datagram every ten milliseconds, from the beginning to the end.
    let send = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..300 {
            ticks.tick().await;
            from.send_to(b"x", (b.ip(), 7000)).await.unwrap();
        }
    };
    let (endured, ()) = tokio::join!(lab.endure(&schedule), send);
    endured.unwrap();
    let mut arrived = 0;
    while to.try_recv(&mut [0; 1]).is_ok() {
        arrived += 1;
    }
    let (lost, expected) = (1.0 - f64::from(arrived) / 300.0, wrong.as_secs_f64() / 3.0);
    assert!(
        (lost - expected).abs() < expected / 2.0,
        "{lost} is lost, but something was wrong for {expected} of the time"
    );
    assert!(lab.faults().is_empty());
    assert!(answers(&lab).await);
}

#[harness::test(topology = two_plain_hosts())]
async fn who_stops_listening_to_it_stops_it_and_what_was_there_is_healed(lab: Lab) {
    let schedule = cuts(&lab, Duration::from_mins(1));
    let enduring = tokio::spawn({
        let lab = lab.clone();
        async move { lab.endure(&schedule).await }
    });
    expect!(lab.faults().len()).equals(1).within("10s").await.unwrap();
    enduring.abort();
    assert!(enduring.await.is_err(), "it was aborted");
    expect!(lab.faults().len()).equals(0).within("10s").await.unwrap();
    assert!(answers(&lab).await, "a fault is listed until its last rule is gone");
}
