//! A service of three nodes that agree on a leader: the first of those that hear each other, if they are a majority.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The port that nodes speak on.
pub const PORT: u16 = 7000;
/// How often a node says that it is there.
const HEARTBEAT: Duration = Duration::from_millis(20);
/// For how long it is believed.
const BELIEVED: Duration = Duration::from_millis(300);

/// Runs node `me` of `peers`; tells `leader` whom it takes for the leader.
pub async fn node(
    me: usize,
    socket: UdpSocket,
    peers: Vec<SocketAddr>,
    leader: watch::Sender<Option<usize>>,
) {
    let mut heard: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut message = [0; 1];
    loop {
        tokio::select! {
            _ = beat.tick() => {
                for peer in &peers {
                    // Whoever cannot be reached does not hear it.
                    let _ = socket.send_to(&[u8::try_from(me).unwrap_or(u8::MAX)], peer).await;
                }
            }
            Ok(_) = socket.recv(&mut message) => { heard.insert(message[0].into(), Instant::now()); }
        }
        heard.insert(me, Instant::now());
        heard.retain(|_, at| at.elapsed() < BELIEVED);
        let majority = heard.len() > peers.len() / 2;
        let first = heard.keys().next().copied().filter(|_| majority);
        leader.send_if_modified(|now| std::mem::replace(now, first) != first);
    }
}
