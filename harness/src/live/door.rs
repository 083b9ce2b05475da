//! A way from this machine's loopback to a store that is elsewhere, for its owner's browser.
//!
//! Everybody on the machine can connect to a loopback port, and any page that the browser shows can make it ask there. So the
//! door opens only for who knows a secret that stands first in the path, where no other port and no other site is told of it
//! (a cookie would be sent to all ports of the loopback). The store is told of it, for the links in its pages. Besides it refuses
//! what a browser says is another site's doing: a foreign `Host` (a name that was made to point here), `Origin` or `Sec-Fetch-Site`.

use super::{Ask, Desk, Reply};
use crate::consul::{ACCEPT_AGAIN, Answer, PREFIX, is_of_one_connection, is_out_of_descriptors};
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{HOST, HeaderMap, HeaderValue, LOCATION, ORIGIN};
use hyper::http::request::Parts;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many random bytes the secret is made of.
const SECRET: usize = 16;

/// The port that addresses leave out (RFC 9110 §4.2.1).
const HTTP: u16 = 80;

/// Connections at a time: a browser has six to one host, and everybody on the machine can make some. Others wait to be accepted.
const CONNECTIONS: usize = 64;

/// What a page may send of its own: words, no files.
const BODY_MAX: usize = 64 << 10;

type Body = Either<Incoming, Full<Bytes>>;

/// A port of the loopback, and who may pass.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    lock: Lock,
}

/// What a request has to say.
#[derive(Clone, Debug)]
struct Lock {
    port: u16,
    /// In hexadecimal digits.
    secret: String,
}

impl Door {
    /// Listens at a port of the loopback; 0: at one that is free.
    pub async fn open(port: u16) -> io::Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let mut bytes = [0; SECRET];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let secret = bytes.map(|byte| format!("{byte:02x}")).concat();
        let lock = Lock { port: listener.local_addr()?.port(), secret };
        Ok(Door { listener, lock })
    }

    /// Where the lab's page is: whoever has this may pass. The key browser is at `ui/` below it.
    pub fn url(&self) -> String {
        let Lock { port, secret } = &self.lock;
        format!("http://{}:{port}/{secret}/", Ipv4Addr::LOCALHOST)
    }

    /// Has the desk, if there is one, answer what is its, and lets all other requests pass to a store, each over a connection of its own that `dial`
    /// makes. Dropping the future ends all.
    pub async fn serve<D, F>(self, desk: Option<Desk>, dial: D) -> io::Result<()>
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<TcpStream, String>> + Send + 'static,
    {
        let (lock, desk, dial) = (Arc::new(self.lock), Arc::new(desk), Arc::new(dial));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let (lock, desk, dial) = (Arc::clone(&lock), Arc::clone(&desk), Arc::clone(&dial));
                        connections.spawn(connection(stream, lock, desk, dial));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) if is_out_of_descriptors(&error) => tokio::time::sleep(ACCEPT_AGAIN).await,
                    Err(error) => return Err(error),
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn connection<D, F>(stream: TcpStream, lock: Arc<Lock>, desk: Arc<Option<Desk>>, dial: Arc<D>)
where
    D: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<TcpStream, String>> + Send + 'static,
{
    let answer = service_fn(|request: Request<Incoming>| {
        let (lock, desk, dial) = (Arc::clone(&lock), Arc::clone(&desk), Arc::clone(&dial));
        async move {
            let (head, body) = request.into_parts();
            let answer = match (lock.open(&head), desk.as_ref()) {
                (Ok(target), Some(desk)) if Desk::is_its(target.path()) => {
                    at_desk(&target, &head, body, &lock, desk).await
                }
                (Ok(target), _) => match pass(target, head, body, &lock, dial().await).await {
                    Ok(answer) => answer.map(Either::Left),
                    Err(why) => refuse(502, format!("the store does not answer: {why}\n")),
                },
                (Err(refusal), _) => refuse(refusal.status(), format!("{}\n", refusal.why())),
            };
            Ok::<Response<Body>, Infallible>(answer)
        }
    });
    let mut server = server::Builder::new();
    server.timer(TokioTimer::new());
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection of a browser broke");
    }
}

fn refuse(status: u16, why: String) -> Response<Body> {
    // What has a status is a response.
    let response = Answer::error(status, why).with("cache-control", "no-store").into_response();
    response.unwrap_or_default().map(Either::Right)
}

/// Has the desk answer.
async fn at_desk(target: &Uri, head: &Parts, body: Incoming, lock: &Lock, desk: &Desk) -> Response<Body> {
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        return refuse(413, format!("more than {BODY_MAX} bytes are not read\n"));
    };
    let ask = Ask {
        method: head.method.to_string(),
        path: target.path().to_owned(),
        query: target.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    };
    let Reply { status, headers, body } = desk.answer(&format!("/{}/", lock.secret), ask).await;
    let mut response = Response::new(Either::Right(Full::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Asks the store, as if the browser were beside it.
async fn pass(
    target: Uri,
    mut head: Parts,
    body: Incoming,
    lock: &Lock,
    dialled: Result<TcpStream, String>,
) -> Result<Response<Incoming>, String> {
    head.uri = target;
    let prefix = format!("/{}", lock.secret);
    head.headers.insert(PREFIX, HeaderValue::from_str(&prefix).map_err(|e| e.to_string())?);
    let (mut requests, driver) =
        client::handshake(TokioIo::new(dialled?)).await.map_err(|e| e.to_string())?;
    // It ends with the answer, or when the browser does not want that any more.
    tokio::spawn(async move { drop(driver.await) });
    let mut answer =
        requests.send_request(Request::from_parts(head, body)).await.map_err(|e| e.to_string())?;
    let elsewhere =
        answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).filter(|to| to.starts_with('/'));
    if let Some(location) = elsewhere.and_then(|to| HeaderValue::from_str(&format!("{prefix}{to}")).ok()) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It is for another name than ours.
    Host,
    /// Another site's page makes it.
    Site,
    /// It does not say the secret.
    Secret,
}

impl Refusal {
    fn status(self) -> u16 {
        match self {
            Refusal::Host => 421,
            Refusal::Site => 403,
            Refusal::Secret => 404,
        }
    }

    fn why(self) -> &'static str {
        match self {
            Refusal::Host => "this is no host of that name",
            Refusal::Site => "pages of other sites have no business here",
            Refusal::Secret => "nothing is here: take the whole address that `lab ui` has printed",
        }
    }
}

impl Lock {
    /// What the store is to be asked for a request.
    fn open(&self, head: &Parts) -> Result<Uri, Refusal> {
        let said = |headers: &HeaderMap, name| -> Option<String> {
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let names = [Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()];
        let host = said(&head.headers, HOST.as_str()).ok_or(Refusal::Host)?;
        let is_ours = |name: &String| {
            // Browsers leave out the port that is HTTP's (RFC 9110 §4.2.3).
            host == format!("{name}:{}", self.port) || self.port == HTTP && host == *name
        };
        if !names.iter().any(is_ours) {
            return Err(Refusal::Host);
        }
        let is_foreign = |origin: String| origin != format!("http://{host}");
        if said(&head.headers, ORIGIN.as_str()).is_some_and(is_foreign) {
            return Err(Refusal::Site);
        }
        // A browser says `none` of what its owner typed. A link on another site has no secret either, but need not be let try.
        let site = said(&head.headers, "sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(Refusal::Site);
        }
        let target = head.uri.path_and_query().map_or("", |target| target.as_str());
        let (secret, target) = target
            .strip_prefix('/')
            .and_then(|rest| rest.split_at_checked(self.secret.len()))
            .ok_or(Refusal::Secret)?;
        if !target.starts_with('/') || !is_same(secret, &self.secret) {
            return Err(Refusal::Secret);
        }
        target.parse().map_err(|_| Refusal::Secret)
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn open(target: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        open_at(8080, target, headers)
    }

    fn open_at(port: u16, target: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        let lock = Lock { port, secret: "c0ffee".to_owned() };
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        lock.open(&request.body(()).unwrap().into_parts().0).map(|uri| uri.to_string())
    }

    #[test]
    fn who_says_the_secret_passes_without_it() {
        let host = ("host", "127.0.0.1:8080");
        for (asked, passed) in
            [("/c0ffee/ui/", "/ui/"), ("/c0ffee/v1/kv/a%2Fb?cas=1&raw", "/v1/kv/a%2Fb?cas=1&raw")]
        {
            assert_eq!(open(asked, &[host]).unwrap(), passed);
        }
        let typed = [("host", "localhost:8080"), ("sec-fetch-site", "none")];
        assert!(open("/c0ffee/ui/", &typed).is_ok());
        let by_page = [host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")];
        assert!(open("/c0ffee/v1/kv/a", &by_page).is_ok());
    }

    #[test]
    fn the_port_of_http_may_be_left_out() {
        for host in ["127.0.0.1", "localhost", "127.0.0.1:80"] {
            let origin = format!("http://{host}");
            assert!(open_at(80, "/c0ffee/ui/", &[("host", host), ("origin", &origin)]).is_ok(), "{host}");
        }
        let of = |origin| open_at(80, "/c0ffee/ui/", &[("host", "localhost"), ("origin", origin)]);
        assert_eq!(of("http://localhost:8080"), Err(Refusal::Site));
        assert_eq!(open_at(80, "/c0ffee/ui/", &[("host", "evil.example")]), Err(Refusal::Host));
    }

    #[tokio::test]
    async fn whoever_holds_connections_without_a_secret_takes_no_more_than_so_many() {
        let door = Door::open(0).await.unwrap();
        let at = door.listener.local_addr().unwrap();
        tokio::spawn(door.serve(None, || async { Err("there is none".to_owned()) }));
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(asking(at).await);
        }
        for stream in &mut held {
            stream.read_u8().await.unwrap();
        }
        let mut late = asking(at).await;
        // Nobody says that it is not answered.
        tokio::time::timeout(Duration::from_millis(100), late.read_u8()).await.unwrap_err();
        held.pop();
        assert_eq!(late.read_u8().await.unwrap(), b'H');
    }

    /// A connection that has asked for something that it may not have, and stays.
    async fn asking(at: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    #[test]
    fn nobody_else_does() {
        let host = ("host", "127.0.0.1:8080");
        for wrong in
            ["/", "/ui/", "/c0ffe", "/c0ffee", "/c0ffeE/ui/", "/c0ffee0/ui/", "/é0ffee/", "/?/c0ffee/"]
        {
            let asked = wrong.replace('é', "%C3%A9");
            assert_eq!(open(&asked, &[host]), Err(Refusal::Secret), "{wrong}");
        }
        for name in
            ["evil.example:8080", "127.0.0.1", "127.0.0.1:81", "localhost", "127.0.0.1:8080.evil.example"]
        {
            assert_eq!(open("/c0ffee/ui/", &[("host", name)]), Err(Refusal::Host), "{name}");
        }
        assert_eq!(open("/c0ffee/ui/", &[]), Err(Refusal::Host));
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:8080"),
            ("origin", "http://127.0.0.1:9090"),
            ("sec-fetch-site", "cross-site"),
            // Another port of this loopback.
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(open("/c0ffee/ui/", &[host, (name, value)]), Err(Refusal::Site), "{name}: {value}");
        }
    }
}
