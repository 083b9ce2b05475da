//! Connections: accepted, served, and cut when the server is dropped.

use super::clients::Clients;
use super::face::Face;
use super::ills::{Fate, Ills};
use super::trace::{Trace, UnderWay};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use overlay::Gate;
use overlay::kv::memory::Shared;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long to wait before accepting again when the process has run out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// What the store says of itself, and what it is told of the lab around it.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its datacenter, the only one there is.
    pub datacenter: String,
    /// Who its clients are.
    pub clients: Clients,
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
            ills: Ills::default(),
            trace: Trace::default(),
        }
    }
}

/// Serves a store to all who connect; while `gate` is closed nobody is answered. Dropping the future closes the listener and cuts every connection, as the end
/// of a Consul would.
pub async fn serve(listener: TcpListener, store: Shared, config: Config, gate: Gate) -> io::Result<()> {
    let (config, events) = (Arc::new(config), Arc::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let host = config.clients.host(peer.ip()).cloned();
                    let (config, events) = (Arc::clone(&config), Arc::clone(&events));
                    let face = Face { store: store.clone(), config, events, host };
                    let gate = gate.clone();
                    connections.spawn(async move { gate.run(connection(stream, peer.ip(), face)).await });
                }
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
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// `EMFILE` or `ENFILE`: passes when others close theirs.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// There is no answer, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the store gives no answer")]
struct Silence;

/// Serves one connection to its end, or until its client is refused.
async fn connection(stream: TcpStream, peer: IpAddr, face: Face) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client of the store went away");
        return;
    }
    let mut ills = face.config.ills.follow();
    let host = face.host.clone();
    let face = Arc::new(face);
    let answer = service_fn(|request: Request<Incoming>| {
        let face = Arc::clone(&face);
        async move {
            let under_way = UnderWay::new(&face.config.trace, &request, peer, face.host.as_ref());
            let answer = face.answer(request).await;
            under_way.answered(&answer);
            answer.into_response().ok_or(Silence)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).pipeline_flush(true);
    let mut served = server.serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        biased;
        Ok(_) = ills.wait_for(|ills| Fate::of(ills, host.as_ref()).refused) => {
            reset(&served.into_parts().io.into_inner());
        }
        done = &mut served => if let Err(error) = done {
            tracing::debug!(%error, "a connection to the store broke");
        }
    }
}

/// Has a connection end with a reset, as one that was refused.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a client of the store went away");
    }
}
