//! Labs built by the library, in namespaces of the test's own.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use harness::Lab;
use harness::lab::Echoed;
use harness::topology::Topology;

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

async fn ping(lab: &Lab, from: &str, to: &str) -> Vec<Echoed> {
    let address = lab.address(from, to).unwrap();
    let mut echoes = lab.echoes(&lab.place(from).unwrap(), address, 2, Duration::from_millis(50)).unwrap();
    let mut all = Vec::new();
    while let Some(echo) = echoes.recv().await {
        all.push(echo.unwrap());
    }
    all
}

fn answered(echoes: &[Echoed]) -> bool {
    echoes.iter().all(|echo| matches!(echo, Echoed::Answered(_)))
}

#[kernel::isolate]
fn the_articles_lab_comes_up_ready() {
    run(async {
        let lab = Lab::up(Topology::two_hosts()).await.unwrap();
        // Ready means that the first request is answered.
        let first = ping(&lab, "C1", "192.168.0.100").await;
        assert!(answered(&first), "{first:?}");
        assert!(answered(&ping(&lab, "C0", "8.8.8.8").await));
        assert!(!answered(&ping(&lab, "docker1", "192.168.0.100").await));
    });
}
