//! Connections: accepted, served, and cut when the server is dropped.

use super::clients::Clients;
use super::face::Face;
use super::ills::{Fate, Ills};
use super::peers::{Peer, Peers};
use super::trace::{Trace, UnderWay};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use overlay::Gate;
use overlay::kv::memory::Shared;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long to wait before accepting again when the process has run out of descriptors.
pub(crate) const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// The longest head of a request, in bytes: the request line with the key, and all headers. Beyond: 431. (Consul takes 1 MiB.)
const HEAD_MAX: usize = 64 << 10;
/// How long a connection that is done waits for its client to have read the last answer (Go, `rstAvoidanceDelay`).
const LINGER: Duration = Duration::from_millis(500);
/// What one address too many hears (Consul, `http_max_conns_per_client`).
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 82\r\n\r\n\
Your IP is issuing too many concurrent connections, please rate limit your calls\r\n";

/// What the store says of itself, what it is told of the lab around it, and what it bears.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its datacenter, the only one there is.
    pub datacenter: String,
    /// Who its clients are.
    pub clients: Clients,
    /// How much of it one client may have.
    pub limits: Limits,
    /// What is wrong with it.
    pub ills: Ills,
    /// Where it writes down what it was asked, and what it answered.
    pub trace: Trace,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            datacenter: "dc1".to_owned(),
            clients: Clients::default(),
            limits: Limits::default(),
            ills: Ills::default(),
            trace: Trace::default(),
        }
    }
}

/// How much of a store one client may have, and for how long. That a value, and a transaction, is half a mebibyte at most is
/// not for choosing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections from one address (Consul, `http_max_conns_per_client`: 200). The next is told so and closed.
    pub connections: usize,
    /// How long the head of a request may take, from the end of the answer before it: an idle connection ends then, too.
    pub head_within: Duration,
    /// How long the body of a request may take. Beyond: 408.
    pub body_within: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 200,
            head_within: Duration::from_secs(30),
            body_within: Duration::from_secs(30),
        }
    }
}

/// Serves a store to all who connect; while `gate` is closed nobody is answered. Dropping the future closes the listener and cuts every connection, as the end
/// of a Consul would.
pub async fn serve(listener: TcpListener, store: Shared, config: Config, gate: Gate) -> io::Result<()> {
    let peers = Peers::new(config.limits.connections);
    let (config, events, listings) = (Arc::new(config), Arc::default(), Arc::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match peers.admit(from.ip()) {
                    Some(peer) => {
                        let host = config.clients.host(peer.ip()).cloned();
                        let (config, events, listings) =
                            (Arc::clone(&config), Arc::clone(&events), Arc::clone(&listings));
                        let face = Face { store: store.clone(), config, events, listings, host };
                        let gate = gate.clone();
                        connections.spawn(async move { gate.run(connection(stream, peer, face)).await });
                    }
                    // Nobody waits for one who does not listen.
                    None => drop(stream.try_write(TOO_MANY)),
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if is_out_of_descriptors(&error) => {
                    tracing::warn!(%error, "the store cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
                Err(error) => return Err(error),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A client that went away between its coming and our looking (accept(2)).
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// `EMFILE` or `ENFILE`: passes when others close theirs.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// There is no answer, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the store gives no answer")]
struct Silence;

/// Serves one connection to its end, or until its client is refused.
async fn connection(stream: TcpStream, peer: Peer, face: Face) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client of the store went away");
        return;
    }
    let (limits, host) = (face.config.limits, face.host.clone());
    let mut ills = face.config.ills.follow();
    let (face, from) = (Arc::new(face), peer.ip());
    let answer = service_fn(|request: Request<Incoming>| {
        let face = Arc::clone(&face);
        Box::pin(async move {
            let under_way = UnderWay::new(&face.config.trace, &request, from, face.host.as_ref());
            let answer = face.answer(request).await;
            under_way.answered(&answer);
            answer.into_response().ok_or(Silence)
        })
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.head_within);
    server.max_header_size(HEAD_MAX);
    let mut served = server.serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        biased;
        true = async { ills.wait_for(|ills| Fate::of(ills, host.as_ref()).refused).await.is_ok() } => {
            reset(&served.into_parts().io.into_inner());
        }
        done = poll_fn(|context| served.poll_without_shutdown(context)) => {
            if let Err(error) = done {
                tracing::debug!(%error, "a connection to the store broke");
            }
            linger(served.into_parts().io.into_inner()).await;
        }
    }
}

/// Has a connection end with a reset, as one that was refused.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a client of the store went away");
    }
}

/// Ends a connection so that the last answer is read: closed while something unread comes in, it would be reset, and the answer
/// with it. That is so where a head or a body was refused for its length.
async fn linger(mut stream: TcpStream) {
    let mut unread = [0; 4096];
    let drain = async {
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    drop(tokio::time::timeout(LINGER, drain).await);
}
