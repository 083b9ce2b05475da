//! HTTP to one address, over sockets that somebody else makes.
//!
//! A socket belongs for life to the network namespace it was made in, so whoever knows the namespace makes it
//! ([`Dial`]) and we connect it. Connections are kept alive and used by one request at a time; a request that
//! blocks has its connection to itself, and closes it when it is dropped.

use crate::kv::error::Why;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// Makes an unconnected socket in the right network namespace.
pub type Dial = Arc<dyn Fn() -> io::Result<TcpSocket> + Send + Sync>;

/// Idle connections kept. A Docker daemon has three or four at a time.
const IDLE_MAX: usize = 8;

/// When the kernel asks whether the store is still there while it says nothing, how often then, and how often in vain: one that
/// crashed does not say goodbye, and when it is back it knows nothing of the query that waits for it. Go asks each 15 s.
const PROBE_AFTER: Duration = Duration::from_secs(2);
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBES: u32 = 3;

/// What may be done when a kept connection turns out to be dead and the request may have reached the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Doing it twice is as doing it once.
    Safe,
    /// Whether it was done matters, so the caller is told that nobody knows.
    Never,
}

/// A request, complete.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query, encoded.
    pub(super) target: String,
    pub(super) body: Bytes,
    pub(super) repeat: Repeat,
    /// After so long there will be no answer.
    pub(super) limit: Duration,
}

/// An answer, complete.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `X-Consul-Index`.
    pub(super) index: Option<u64>,
    pub(super) body: Bytes,
}

/// The connections to one store.
pub(super) struct Http {
    authority: String,
    addr: SocketAddr,
    dial: Dial,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{} at {}", self.authority, self.addr)
    }
}

struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why a connection gave no answer, and whether the request had left.
struct Broken {
    sent: bool,
    source: io::Error,
}

impl Http {
    pub(super) fn new(authority: String, addr: SocketAddr, dial: Dial) -> Http {
        Http { authority, addr, dial, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, Why> {
        let answered = tokio::time::timeout(call.limit, self.exchange(call)).await;
        answered.unwrap_or_else(|_| {
            // The others would hang as well: a host that went silent takes them all along.
            self.idle().clear();
            Err(Why::Late { store: self.authority.clone(), after: call.limit })
        })
    }

    async fn exchange(&self, call: &Call) -> Result<Reply, Why> {
        let broken = |broken: Broken| Why::Broken { store: self.authority.clone(), source: broken.source };
        let kept = self.idle().pop();
        if let Some(connection) = kept {
            match self.exchange_on(connection, call).await {
                Ok(reply) => return Ok(reply),
                Err(stale) if stale.sent && call.repeat == Repeat::Never => return Err(broken(stale)),
                Err(_) => {}
            }
        }
        let unreachable = |source| Why::Connect { store: self.authority.clone(), source };
        let connection = self.connect().await.map_err(unreachable)?;
        self.exchange_on(connection, call).await.map_err(broken)
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = (self.dial)()?.connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let probes =
            TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
        SockRef::from(&stream).set_tcp_keepalive(&probes)?;
        let (requests, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(async move {
            // Its error is also that of the request in flight, which reports it.
            drop(connection.await);
        });
        Ok(Connection { requests, driver })
    }

    async fn exchange_on(&self, mut connection: Connection, call: &Call) -> Result<Reply, Broken> {
        connection
            .requests
            .ready()
            .await
            .map_err(|error| Broken { sent: false, source: io::Error::other(error) })?;
        let request = Request::builder()
            .method(call.method.clone())
            .uri(&call.target)
            .header(header::HOST, &self.authority)
            .body(Full::new(call.body.clone()))
            .expect("an encoded target and a checked authority make a request");
        let response = connection.requests.try_send_request(request).await.map_err(|mut failed| {
            let sent = failed.take_message().is_none();
            Broken { sent, source: io::Error::other(failed.into_error()) }
        })?;
        let status = response.status().as_u16();
        let index = response.headers().get("x-consul-index");
        let index = index.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| Broken { sent: true, source: io::Error::other(error) })?;
        if !connection.requests.is_closed() {
            let mut idle = self.idle();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
        Ok(Reply { status, index, body: body.to_bytes() })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
