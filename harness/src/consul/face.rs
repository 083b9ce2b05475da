//! Which path and method means what.

use super::answer::{Answer, Answered};
use super::ills::{Fate, Watches};
use super::listings::Listings;
use super::request::{Query, ReadOptions, clean, decode, encode_path};
use super::{agent, catalog, event, kv, serve::Config, session, txn, ui};
use crate::topology::HostName;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request, Version};
use overlay::kv::memory::Shared;
use overlay::kv::store::{Health, Store, Watch};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// The largest value, and the largest transaction (Consul, `kv_max_value_size` and `txn_max_req_len`).
pub(super) const BODY_MAX: u64 = 524_288;

/// A store, what it says of itself, and to whom.
#[derive(Clone, Debug)]
pub(super) struct Face {
    pub(super) store: Shared,
    pub(super) config: Arc<Config>,
    pub(super) events: Arc<event::Latest>,
    pub(super) listings: Arc<Listings>,
    /// The host that asks, if it is one of the lab's.
    pub(super) host: Option<HostName>,
}

/// A request whose path and query were understood.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) query: Query,
    /// What the path says beyond the endpoint's own: a key, a session's id, a name.
    pub(super) rest: Vec<u8>,
    headers: HeaderMap,
    body: Incoming,
    /// How long the body may take.
    within: Duration,
}

impl Asked {
    /// The rest of the path, as text.
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How large the client says that the body is.
    pub(super) fn declared_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The body, if it is not too large and comes in time.
    pub(super) async fn body(self) -> Result<Bytes, Answer> {
        let too_large = |length: &str| {
            let text = format!("Request body{length} too large, max size: {BODY_MAX} bytes.");
            Answer::error(413, text).with("connection", "close")
        };
        if let Some(length) = self.declared_length().filter(|length| *length > BODY_MAX) {
            return Err(too_large(&format!("({length} bytes)")));
        }
        let limit = usize::try_from(BODY_MAX).unwrap_or(usize::MAX);
        match timeout(self.within, Limited::new(self.body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large("")),
            Ok(Err(error)) => Err(Answer::error(400, error.to_string())),
            Err(_) => {
                let text = format!("Request body did not come within {:?}.", self.within);
                Err(Answer::error(408, text).with("connection", "close"))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Kv,
    SessionCreate,
    SessionDestroy,
    SessionRenew,
    SessionInfo,
    SessionNode,
    SessionList,
    Txn,
    Agent(agent::Endpoint),
    Catalog(catalog::Endpoint),
    EventFire,
    EventList,
    Acl,
    Ui,
}

const GET: &[&str] = &["GET"];
const PUT: &[&str] = &["PUT"];

/// Every path there is, with its methods. One that ends in a slash takes whatever follows.
const ROUTES: &[(&str, &[&str], Endpoint)] = &[
    ("/v1/kv/", &["GET", "PUT", "DELETE"], Endpoint::Kv),
    ("/v1/session/create", PUT, Endpoint::SessionCreate),
    ("/v1/session/destroy/", PUT, Endpoint::SessionDestroy),
    ("/v1/session/renew/", PUT, Endpoint::SessionRenew),
    ("/v1/session/info/", GET, Endpoint::SessionInfo),
    ("/v1/session/node/", GET, Endpoint::SessionNode),
    ("/v1/session/list", GET, Endpoint::SessionList),
    ("/v1/txn", PUT, Endpoint::Txn),
    ("/v1/status/leader", GET, Endpoint::Agent(agent::Endpoint::Leader)),
    ("/v1/status/peers", GET, Endpoint::Agent(agent::Endpoint::Peers)),
    ("/v1/agent/self", GET, Endpoint::Agent(agent::Endpoint::AgentSelf)),
    ("/v1/agent/members", GET, Endpoint::Agent(agent::Endpoint::Members)),
    ("/v1/agent/services", GET, Endpoint::Agent(agent::Endpoint::Services)),
    ("/v1/agent/checks", GET, Endpoint::Agent(agent::Endpoint::Checks)),
    ("/v1/agent/service/register", PUT, Endpoint::Agent(agent::Endpoint::RegisterService)),
    ("/v1/agent/service/deregister/", PUT, Endpoint::Agent(agent::Endpoint::DeregisterService)),
    ("/v1/agent/service/", GET, Endpoint::Agent(agent::Endpoint::Service)),
    ("/v1/agent/check/register", PUT, Endpoint::Agent(agent::Endpoint::RegisterCheck)),
    ("/v1/agent/check/deregister/", PUT, Endpoint::Agent(agent::Endpoint::DeregisterCheck)),
    ("/v1/agent/check/pass/", PUT, Endpoint::Agent(agent::Endpoint::Tell(Health::Passing))),
    ("/v1/agent/check/warn/", PUT, Endpoint::Agent(agent::Endpoint::Tell(Health::Warning))),
    ("/v1/agent/check/fail/", PUT, Endpoint::Agent(agent::Endpoint::Tell(Health::Critical))),
    ("/v1/agent/check/update/", PUT, Endpoint::Agent(agent::Endpoint::UpdateCheck)),
    ("/v1/catalog/register", PUT, Endpoint::Catalog(catalog::Endpoint::Register)),
    ("/v1/catalog/deregister", PUT, Endpoint::Catalog(catalog::Endpoint::Deregister)),
    ("/v1/catalog/datacenters", GET, Endpoint::Catalog(catalog::Endpoint::Datacenters)),
    ("/v1/catalog/nodes", GET, Endpoint::Catalog(catalog::Endpoint::Nodes)),
    ("/v1/catalog/services", GET, Endpoint::Catalog(catalog::Endpoint::Services)),
    ("/v1/catalog/service/", GET, Endpoint::Catalog(catalog::Endpoint::Service)),
    ("/v1/catalog/node/", GET, Endpoint::Catalog(catalog::Endpoint::Node)),
    ("/v1/health/node/", GET, Endpoint::Catalog(catalog::Endpoint::HealthNode)),
    ("/v1/health/state/", GET, Endpoint::Catalog(catalog::Endpoint::HealthState)),
    ("/v1/health/checks/", GET, Endpoint::Catalog(catalog::Endpoint::HealthChecks)),
    ("/v1/health/service/", GET, Endpoint::Catalog(catalog::Endpoint::HealthService)),
    ("/v1/event/fire/", PUT, Endpoint::EventFire),
    ("/v1/event/list", GET, Endpoint::EventList),
    ("/v1/acl/", &["GET", "PUT", "DELETE"], Endpoint::Acl),
    ("/ui/", GET, Endpoint::Ui),
];

impl Face {
    /// Answers one request, however long that takes.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let is_api = request.uri().path().starts_with("/v1/");
        let answer = if self.fate().fails {
            Answer::leaderless()
        } else {
            self.route(request).await.unwrap_or_else(|early| early)
        };
        // Also a read must not tell of what a power failure could still undo.
        let answer = match self.store.durable().await {
            Ok(()) => answer,
            Err(error) => Answer::error(500, error.to_string()),
        };
        self.tarry().await;
        if is_api { answer.with("x-consul-default-acl-policy", "allow") } else { answer }
    }

    /// What is wrong for who asks.
    fn fate(&self) -> Fate {
        self.config.ills.fate(self.host.as_ref())
    }

    /// Keeps an answer back for as long as answers are late: not longer, if that is healed meanwhile.
    async fn tarry(&self) {
        let (begun, mut ills) = (Instant::now(), self.config.ills.follow());
        loop {
            let delay = Fate::of(&ills.borrow_and_update(), self.host.as_ref()).delay;
            if delay.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep_until(begun + delay) => return,
                Ok(()) = ills.changed() => {}
            }
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Answered {
        let (parts, body) = request.into_parts();
        if parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST) {
            let text = "400 Bad Request: missing required Host header";
            return Err(Answer::error(400, text).with("connection", "close"));
        }
        let path = decode(parts.uri.path().as_bytes())
            .map_err(|_| Answer::error(400, "400 Bad Request").with("connection", "close"))?;
        if String::from_utf8_lossy(&path).contains(char::is_control) {
            return Err(Answer::empty(400));
        }
        let raw_query = parts.uri.query();
        let cleaned = clean(&path);
        if cleaned != path {
            return Err(moved(&parts.method, &cleaned, raw_query));
        }
        if path == b"/" {
            return Err(moved(&parts.method, b"/ui/", raw_query));
        }
        let Some((route, methods, endpoint)) = ROUTES.iter().find(|(route, ..)| matches(route, &path)) else {
            let folder = [path.as_slice(), b"/"].concat();
            if ROUTES.iter().any(|(route, ..)| route.as_bytes() == folder) {
                return Err(moved(&parts.method, &folder, raw_query));
            }
            return Err(unknown(&path));
        };
        if !methods.contains(&parts.method.as_str()) {
            let allow = format!("OPTIONS,{}", methods.join(","));
            let refused = if parts.method == Method::OPTIONS {
                Answer::empty(200)
            } else {
                Answer::error(405, format!("method {} not allowed", parts.method))
            };
            return Err(refused.with("allow", allow));
        }
        let query = Query::parse(raw_query.unwrap_or_default()).map_err(|_| Answer::empty(500))?;
        let rest = path[route.len()..].to_vec();
        let within = self.config.limits.body_within;
        let asked = Asked { method: parts.method, query, rest, headers: parts.headers, body, within };
        self.dispatch(*endpoint, asked).await
    }

    async fn dispatch(&self, endpoint: Endpoint, asked: Asked) -> Answered {
        if !matches!(endpoint, Endpoint::Acl | Endpoint::Ui) {
            asked.query.check_place(&self.config.datacenter)?;
        }
        match endpoint {
            Endpoint::Kv => match asked.method {
                Method::GET => kv::read(self, asked).await,
                Method::PUT => kv::write(self, asked).await,
                _ => kv::delete(self, &asked),
            },
            Endpoint::SessionCreate => session::create(self, asked).await,
            Endpoint::SessionDestroy => session::destroy(self, &asked),
            Endpoint::SessionRenew => session::renew(self, &asked),
            Endpoint::SessionInfo => session::info(self, &asked).await,
            Endpoint::SessionNode => session::on_node(self, &asked).await,
            Endpoint::SessionList => session::list(self, &asked).await,
            Endpoint::Txn => txn::run(self, asked).await,
            Endpoint::Agent(endpoint) => agent::answer(self, endpoint, asked).await,
            Endpoint::Catalog(endpoint) => catalog::answer(self, endpoint, asked).await,
            Endpoint::EventFire => event::fire(self, asked).await,
            Endpoint::EventList => event::list(self, &asked).await,
            Endpoint::Acl => Err(Answer::error(401, "ACL support disabled")),
            Endpoint::Ui => ui::answer(self, asked).await,
        }
    }

    /// Reads something that can be waited for: blocks if the query says so, then answers with the index headers.
    pub(super) async fn read(
        &self,
        asked: &Asked,
        watch: &Watch,
        read: impl FnOnce(&Store) -> Answer,
    ) -> Answered {
        let options = ReadOptions::parse(&asked.query, &asked.headers)?;
        if options.index != 0 {
            self.block(watch, &options).await?;
        }
        // While the store is held: what is read is either of now or of then, and then comes after no now.
        Ok(self.store.with(|store| match self.fate().past {
            None => read(store).read_at(store.index_of(watch), options.consistency),
            Some(past) => {
                let age = past.since.elapsed();
                past.store.with(|then| read(then).read_stale(then.index_of(watch), age))
            }
        }))
    }

    /// Returns when the watched thing has changed, or the query has waited long enough.
    async fn block(&self, watch: &Watch, options: &ReadOptions) -> Result<(), Answer> {
        let deadline = Instant::now() + self.store.patience(options.wait);
        let mut ills = self.config.ills.follow();
        loop {
            let fate = Fate::of(&ills.borrow_and_update(), self.host.as_ref());
            if fate.fails {
                return Err(Answer::leaderless());
            }
            let store = fate.past.as_ref().map_or(&self.store, |past| &past.store);
            let wake = async {
                match fate.watches {
                    Watches::Wake => store.changed_by(watch, options.index, deadline).await,
                    Watches::Sleep => sleep_until(deadline).await,
                    Watches::Drop => return Err(Answer::none()),
                }
                Ok(())
            };
            tokio::select! {
                woken = wake => return woken,
                Ok(()) = ills.changed() => {}
            }
        }
    }
}

fn matches(route: &str, path: &[u8]) -> bool {
    if route.ends_with('/') { path.starts_with(route.as_bytes()) } else { path == route.as_bytes() }
}

fn moved(method: &Method, path: &[u8], query: Option<&str>) -> Answer {
    let path = encode_path(path);
    let location = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let answer = if method == Method::GET {
        let href = location.replace('&', "&amp;").replace('"', "&#34;");
        let html = format!("<a href=\"{href}\">Moved Permanently</a>.\n\n");
        Answer::of(301, "text/html; charset=utf-8", html)
    } else {
        Answer::empty(301)
    };
    answer.with("location", location)
}

fn unknown(path: &[u8]) -> Answer {
    let is_api = path.windows(4).any(|part| part == b"/v1/");
    let why = if is_api {
        "not a recognized HTTP API endpoint"
    } else {
        "if attempting to use the HTTP API, ensure the path starts with '/v1/'"
    };
    Answer::error(404, format!("Invalid URL path: {why}\n"))
}
