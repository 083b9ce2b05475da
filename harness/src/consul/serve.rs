//! Connections: accepted, served, and cut when the server is dropped.

use super::answer::Answer;
use super::face::Face;
use crate::events::Events;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use overlay::Gate;
use overlay::kv::memory::Shared;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long to wait before accepting again when the process has run out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// What the store says of itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its datacenter, the only one there is.
    pub datacenter: String,
    /// Where it says what it was asked, and what it answered.
    pub journal: Events,
}

impl Default for Config {
    fn default() -> Config {
        Config { datacenter: "dc1".to_owned(), journal: Events::default() }
    }
}

/// Serves a store to all who connect; while `gate` is closed nobody is answered. Dropping the future closes the listener and cuts every connection, as the end
/// of a Consul would.
pub async fn serve(listener: TcpListener, store: Shared, config: Config, gate: Gate) -> io::Result<()> {
    let face = Arc::new(Face { store, config, events: super::event::Latest::default() });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (gate, face) = (gate.clone(), Arc::clone(&face));
                    connections.spawn(async move { gate.run(connection(stream, face)).await });
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

async fn connection(stream: TcpStream, face: Arc<Face>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client of the store went away");
        return;
    }
    let peer = stream.peer_addr().map_or_else(|_| "-".to_owned(), |peer| peer.ip().to_string());
    let answer = service_fn(|request: Request<Incoming>| {
        let (face, peer) = (Arc::clone(&face), peer.clone());
        async move {
            let asked = format!("{peer} {} {}", request.method(), request.uri());
            let answer = Answer::into_response(face.answer(request).await);
            face.config.journal.say("store", format_args!("{asked} {}", answer.status().as_u16()));
            Ok::<Response<Full<Bytes>>, Infallible>(answer)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).pipeline_flush(true);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection to the store broke");
    }
}
