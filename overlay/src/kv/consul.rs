//! The client of a Consul: the requests of [`Kv`](super::Kv) as HTTP, the answers as values.

mod http;

pub use http::Dial;

use self::http::{Call, Http, Repeat, Reply};
use super::error::Why;
use super::store::GoDuration;
use super::{Error, FLAGS, LOCK_DELAY, Listing, Pair, TxnOp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a request may take that does not block. The store is one switch away: what is not there by then is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a query blocks when it asks for no time.
const WAIT_DEFAULT: Duration = Duration::from_mins(5);

/// What stays as it is in a path: RFC 3986's unreserved characters, slashes and, as Docker leaves them, colons.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// A handle to one Consul; clones share connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Http>);

/// An entry as Consul writes it. Most of a listing is values, so they are not copied before they are decoded.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    lock_index: u64,
    key: String,
    flags: u64,
    #[serde(borrow)]
    value: Option<Text<'a>>,
    session: Option<String>,
    create_index: u64,
    modify_index: u64,
}

/// Text that is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionRow<'a> {
    behavior: &'a str,
    lock_delay: String,
    #[serde(rename = "TTL")]
    ttl: String,
}

#[derive(Deserialize)]
struct SessionId {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Serialize)]
struct OpRow {
    #[serde(rename = "KV")]
    kv: KvOp,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct KvOp {
    verb: &'static str,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

impl Client {
    /// A client of the Consul at `addr`, which it calls by the name `authority` (`consul:8500`). It connects when
    /// it is first asked for something.
    ///
    /// # Panics
    ///
    /// If `authority` cannot stand in a `Host` header.
    pub fn new(authority: String, addr: SocketAddr, dial: Dial) -> Client {
        assert!(
            hyper::header::HeaderValue::from_str(&authority).is_ok(),
            "{authority:?} cannot stand in a Host header"
        );
        Client(Arc::new(Http::new(authority, addr, dial)))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Pair>, Error> {
        let asked = async {
            let reply = self.read(format!("{}?consistent=", path(key)), ANSWER_WITHIN, Repeat::Safe).await?;
            match reply.status {
                404 => Ok(None),
                _ => Ok(pairs(&reply.body)?.pop()),
            }
        };
        asked.await.map_err(|why: Why| Error::new("read", key, why))
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let target = format!("{}?recurse=", path(prefix));
        self.listing(target, ANSWER_WITHIN, Repeat::Safe).await.map_err(|why| Error::new("list", prefix, why))
    }

    pub(super) async fn watch(&self, prefix: &str, index: u64, wait: Duration) -> Result<Listing, Error> {
        let wait = if wait.is_zero() { WAIT_DEFAULT } else { wait };
        // At least 1: the store takes zero for "the default".
        let millis = wait.as_millis().max(1);
        let target = format!("{}?index={index}&recurse=&wait={millis}ms", path(prefix));
        // The store adds up to a sixteenth.
        let limit = wait + wait / 16 + ANSWER_WITHIN;
        match self.listing(target, limit, Repeat::Never).await {
            // Whoever answers the next connection may have begun anew, and would have us wait for an index that it is long to reach.
            Err(Why::Broken { .. }) => self.list(prefix).await,
            answered => answered.map_err(|why| Error::new("watch", prefix, why)),
        }
    }

    pub(super) async fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        let target = format!("{}?flags={FLAGS}", path(key));
        let done = self.write(Method::PUT, target, value, Repeat::Safe).await;
        done.map(|_| ()).map_err(|why| Error::new("write", key, why))
    }

    pub(super) async fn cas(&self, key: &str, value: &[u8], index: u64) -> Result<bool, Error> {
        let target = format!("{}?cas={index}&flags={FLAGS}", path(key));
        let done = self.write(Method::PUT, target, value, Repeat::Never).await;
        done.map_err(|why| Error::new("compare and set", key, why))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        let done = self.write(Method::DELETE, path(key), b"", Repeat::Safe).await;
        done.map(|_| ()).map_err(|why| Error::new("delete", key, why))
    }

    pub(super) async fn delete_cas(&self, key: &str, index: u64) -> Result<bool, Error> {
        let done = self.write(Method::DELETE, format!("{}?cas={index}", path(key)), b"", Repeat::Never).await;
        done.map_err(|why| Error::new("compare and delete", key, why))
    }

    pub(super) async fn delete_tree(&self, prefix: &str) -> Result<(), Error> {
        let target = format!("{}?recurse=", path(prefix));
        let done = self.write(Method::DELETE, target, b"", Repeat::Safe).await;
        done.map(|_| ()).map_err(|why| Error::new("delete everything below", prefix, why))
    }

    pub(super) async fn txn(&self, ops: Vec<TxnOp>) -> Result<Option<()>, Error> {
        let object = format!("a transaction of {}", ops.len());
        let asked = async {
            let ops: Vec<OpRow> = ops.into_iter().map(|op| OpRow { kv: operation(op) }).collect();
            let reply = self.send(Method::PUT, "/v1/txn".to_owned(), encode(&ops)?, Repeat::Never).await?;
            match reply.status {
                200 => Ok(Some(())),
                409 => Ok(None),
                _ => Err(refused(&reply)),
            }
        };
        asked.await.map_err(|why: Why| Error::new("do", object, why))
    }

    pub(super) async fn session_create(&self, ttl: Duration) -> Result<String, Error> {
        let asked = async {
            let body = encode(&SessionRow {
                behavior: "delete",
                lock_delay: GoDuration::from(LOCK_DELAY).to_string(),
                ttl: GoDuration::from(ttl).to_string(),
            })?;
            let reply = self.send(Method::PUT, "/v1/session/create".to_owned(), body, Repeat::Never).await?;
            let made: SessionId = decode(&succeeded(reply)?.body)?;
            Ok(made.id)
        };
        asked.await.map_err(|why: Why| Error::new("create", "a session", why))
    }

    pub(super) async fn session_renew(&self, id: &str) -> Result<bool, Error> {
        let target = format!("/v1/session/renew/{}", utf8_percent_encode(id, PATH));
        let asked = async {
            let reply = self.send(Method::PUT, target, Bytes::new(), Repeat::Safe).await?;
            if reply.status == 404 {
                return Ok(false);
            }
            succeeded(reply).map(|_| true)
        };
        asked.await.map_err(|why: Why| Error::new("renew", format!("session {id}"), why))
    }

    pub(super) async fn session_destroy(&self, id: &str) -> Result<(), Error> {
        let target = format!("/v1/session/destroy/{}", utf8_percent_encode(id, PATH));
        let done = self.write(Method::PUT, target, b"", Repeat::Safe).await;
        done.map(|_| ()).map_err(|why| Error::new("destroy", format!("session {id}"), why))
    }

    pub(super) async fn acquire(&self, key: &str, value: &[u8], session: &str) -> Result<bool, Error> {
        let session = utf8_percent_encode(session, PATH);
        let target = format!("{}?acquire={session}&flags={FLAGS}", path(key));
        let done = self.write(Method::PUT, target, value, Repeat::Never).await;
        done.map_err(|why| Error::new("acquire", key, why))
    }

    /// A read: found, or missing.
    async fn read(&self, target: String, limit: Duration, repeat: Repeat) -> Result<Reply, Why> {
        let (method, body) = (Method::GET, Bytes::new());
        let reply = self.0.send(&Call { method, target, body, repeat, limit }).await?;
        if reply.status == 404 && reply.index.is_some() { Ok(reply) } else { succeeded(reply) }
    }

    async fn listing(&self, target: String, limit: Duration, repeat: Repeat) -> Result<Listing, Why> {
        let reply = self.read(target, limit, repeat).await?;
        let index = reply.index.ok_or_else(|| Why::Answer("it has no index".to_owned()))?;
        let pairs = if reply.status == 404 { Vec::new() } else { pairs(&reply.body)? };
        Ok(Listing { index, pairs })
    }

    /// A write that is answered with true or false.
    async fn write(&self, method: Method, target: String, value: &[u8], repeat: Repeat) -> Result<bool, Why> {
        let reply = self.send(method, target, Bytes::copy_from_slice(value), repeat).await?;
        match succeeded(reply)?.body.trim_ascii() {
            b"true" => Ok(true),
            b"false" => Ok(false),
            other => {
                Err(Why::Answer(format!("{:?} is neither true nor false", String::from_utf8_lossy(other))))
            }
        }
    }

    async fn send(&self, method: Method, target: String, body: Bytes, repeat: Repeat) -> Result<Reply, Why> {
        self.0.send(&Call { method, target, body, repeat, limit: ANSWER_WITHIN }).await
    }
}

fn path(key: &str) -> String {
    format!("/v1/kv/{}", utf8_percent_encode(key, PATH))
}

fn succeeded(reply: Reply) -> Result<Reply, Why> {
    if reply.status == 200 { Ok(reply) } else { Err(refused(&reply)) }
}

fn refused(reply: &Reply) -> Why {
    let text = String::from_utf8_lossy(reply.body.trim_ascii()).into_owned();
    Why::Status { status: reply.status, text }
}

fn encode(value: &impl Serialize) -> Result<Bytes, Why> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| Why::Answer(error.to_string()))
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Why> {
    serde_json::from_slice(body).map_err(|error| Why::Answer(error.to_string()))
}

fn pairs(body: &[u8]) -> Result<Vec<Pair>, Why> {
    decode::<Vec<Row<'_>>>(body)?.into_iter().map(pair).collect()
}

fn pair(row: Row<'_>) -> Result<Pair, Why> {
    let value = BASE64.decode(row.value.as_ref().map_or("", |Text(text)| text));
    let value = value.map_err(|error| Why::Answer(format!("value of {}: {error}", row.key)))?;
    Ok(Pair {
        key: row.key,
        value,
        flags: row.flags,
        session: row.session,
        create_index: row.create_index,
        modify_index: row.modify_index,
        lock_index: row.lock_index,
    })
}

fn operation(op: TxnOp) -> KvOp {
    let write = |verb, key, value: Vec<u8>, index| {
        let value = Some(BASE64.encode(value));
        KvOp { verb, key, value, flags: Some(FLAGS), index }
    };
    let on = |verb, key, index| KvOp { verb, key, index, ..KvOp::default() };
    match op {
        TxnOp::Set { key, value } => write("set", key, value, None),
        TxnOp::Cas { key, value, index } => write("cas", key, value, Some(index)),
        TxnOp::Delete { key } => on("delete", key, None),
        TxnOp::DeleteCas { key, index } => on("delete-cas", key, Some(index)),
        TxnOp::CheckIndex { key, index } => on("check-index", key, Some(index)),
        TxnOp::CheckNotExists { key } => on("check-not-exists", key, None),
    }
}
