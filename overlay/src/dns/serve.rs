//! The sockets of a name server, UDP and TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{Context, Netns};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::answer::{Names, Over, Reaction, react};
use super::exchange::{PORT, read, write};
use super::forward::{Upstream, forward};
use super::message::{self, Rcode};
use crate::docker;
use crate::gate::Gate;

/// Longest query. One name and a few options; whatever is longer is cut, and so cannot be read.
const QUERY: usize = 4096;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 64;

/// How long a connection may be idle, and a client take to read a reply (RFC 7766, 6.2.3: "a few seconds").
const IDLE: Duration = Duration::from_secs(10);

/// Before a socket that failed is tried again: the process may have run out of descriptors.
const AGAIN: Duration = Duration::from_millis(20);

/// What a server serves.
#[derive(Debug)]
pub struct Service<S> {
    /// Says who knows names now; asked at each query.
    pub names: S,
    /// Who is asked for other names, in this order.
    pub upstreams: Vec<Upstream>,
    /// Where the order of several addresses is drawn from.
    pub seed: u64,
    /// While it is closed nobody is answered.
    pub gate: Gate,
}

/// A name server that runs. Dropping it ends it: its sockets are closed, and what it has asked outside is forgotten.
#[derive(Debug)]
pub struct Server(AbortHandle);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    /// Starts one at an address of a namespace, on the current runtime.
    pub fn start<S, N>(netns: &Netns, address: Ipv4Addr, service: Service<S>) -> kernel::Result<Server>
    where
        S: Fn() -> N + Send + Sync + 'static,
        N: Names,
    {
        let at = SocketAddr::new(IpAddr::V4(address), PORT);
        let serving = || format!("names on {at} in {}", netns.name());
        let socket = UdpSocket::from_std(netns.udp(at)?).doing("serve", serving())?;
        let listener = TcpListener::from_std(netns.listen(at)?).doing("serve", serving())?;
        let desk = Arc::new(Desk {
            rng: Mutex::new(fastrand::Rng::with_seed(service.seed)),
            outside: Semaphore::new(docker::NAMES_OUTSIDE_AT_ONCE),
            service,
        });
        let gate = desk.service.gate.clone();
        let serve = async move {
            tokio::join!(Arc::clone(&desk).datagrams(Arc::new(socket)), desk.connections(listener))
        };
        Ok(Server(tokio::spawn(async move { gate.run(serve).await }).abort_handle()))
    }

    /// Whether it has ended of its own accord, as it should not.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

/// Where queries are answered.
struct Desk<S> {
    service: Service<S>,
    rng: Mutex<fastrand::Rng>,
    /// One for each query that may be outside.
    outside: Semaphore,
}

impl<S, N> Desk<S>
where
    S: Fn() -> N + Send + Sync + 'static,
    N: Names,
{
    fn react(&self, query: &[u8], over: Over) -> Reaction {
        let seed = self.rng.lock().unwrap_or_else(PoisonError::into_inner).u64(..);
        react(query, &(self.service.names)(), over, seed)
    }

    /// Asks outside, unless too much is there already.
    async fn forward(&self, query: &[u8], over: Over) -> Vec<u8> {
        match self.outside.try_acquire() {
            Ok(_permit) => forward(&self.service.upstreams, query, over).await,
            Err(_) => message::refusal(query, Rcode::SERVFAIL),
        }
    }

    async fn datagrams(self: Arc<Self>, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; QUERY];
        let mut outside = JoinSet::new();
        loop {
            let (read, client) = tokio::select! {
                received = socket.recv_from(&mut buffer) => match received {
                    Ok(received) => received,
                    Err(error) => {
                        tracing::debug!(%error, "a name server hears nothing");
                        sleep(AGAIN).await;
                        continue;
                    }
                },
                Some(_) = outside.join_next() => continue,
            };
            // A client that cannot be answered is gone.
            match self.react(&buffer[..read], Over::Udp) {
                Reaction::Ignore => {}
                Reaction::Reply(reply) => drop(socket.send_to(&reply, client).await),
                Reaction::Forward => {
                    let (desk, socket, query) =
                        (Arc::clone(&self), Arc::clone(&socket), buffer[..read].to_vec());
                    let work = async move {
                        let reply = desk.forward(&query, Over::Udp).await;
                        drop(socket.send_to(&reply, client).await);
                    };
                    let gate = self.service.gate.clone();
                    outside.spawn(async move { gate.run(work).await });
                }
            }
        }
    }

    async fn connections(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let (gate, desk) = (self.service.gate.clone(), Arc::clone(&self));
                        connections.spawn(async move { gate.run(desk.connection(stream)).await });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a name server cannot accept a connection");
                        sleep(AGAIN).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Answers one query after the other until the client has no more.
    async fn connection(self: Arc<Self>, mut stream: TcpStream) {
        while let Ok(Ok(query)) = timeout(IDLE, read(&mut stream)).await {
            let reply = match self.react(&query, Over::Tcp) {
                Reaction::Ignore => return,
                Reaction::Reply(reply) => reply,
                Reaction::Forward => self.forward(&query, Over::Tcp).await,
            };
            let sent: Result<io::Result<()>, _> = timeout(IDLE, write(&mut stream, &reply)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}
