//! Sessions: who may hold keys, and until when.

use super::catalog::{Catalog, Health, SERF_HEALTH};
use super::delta::{Became, Delta};
use super::duration::{DurationError, GoDuration};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Lock-delay of a session that asks for none (Consul, `session_endpoint.go`).
pub const LOCK_DELAY: Duration = Duration::from_secs(15);
/// A longer lock-delay is stored as sent but counts only this much (Consul, `structs.MaxLockDelay`).
pub(super) const LOCK_DELAY_MAX: Duration = Duration::from_mins(1);
/// The longest TTL that can be asked for (Consul, `structs.SessionTTLMax`).
const TTL_MAX: Duration = Duration::from_hours(24);
/// A session lives this many TTLs after its creation or last renewal (Consul, `structs.SessionTTLMultiplier`).
const TTL_MULTIPLIER: u32 = 2;

/// What becomes of a session's keys when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behavior {
    /// They stay, without a holder.
    #[default]
    Release,
    /// They are deleted.
    Delete,
}

impl Behavior {
    /// As it is written in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Behavior::Release => "release",
            Behavior::Delete => "delete",
        }
    }
}

/// A session as it was asked for, unchecked.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// The node whose health it depends on; the store's own when not said.
    pub node: Option<String>,
    /// Free text.
    pub name: String,
    /// A Go duration, or nothing for a session that does not expire.
    pub ttl: String,
    /// How long nobody can acquire what it held when it ends.
    pub lock_delay: Duration,
    /// `release` (also when empty) or `delete`.
    pub behavior: String,
    /// Ids of the node's checks that it depends on.
    pub node_checks: Vec<String>,
    /// Ids of service checks that it depends on.
    pub service_checks: Vec<String>,
}

impl Default for SessionRequest {
    fn default() -> SessionRequest {
        SessionRequest {
            node: None,
            name: String::new(),
            ttl: String::new(),
            lock_delay: LOCK_DELAY,
            behavior: String::new(),
            node_checks: vec![SERF_HEALTH.to_owned()],
            service_checks: Vec::new(),
        }
    }
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Random, in the form of a UUID, lower case.
    pub id: String,
    /// Free text.
    pub name: String,
    /// The node whose health it depends on.
    pub node: String,
    /// As asked for, even beyond what counts.
    pub lock_delay: Duration,
    /// What becomes of its keys.
    pub behavior: Behavior,
    /// The TTL as sent.
    pub ttl: String,
    /// The node's checks that it depends on.
    pub node_checks: Vec<String>,
    /// Checks of services on the node that it depends on.
    #[serde(default)]
    pub service_checks: Vec<String>,
    /// Index of the write that made it. A session is never modified.
    pub create_index: u64,
    /// From creation or renewal to its end.
    life: Option<Duration>,
    #[serde(skip)]
    expires: Option<Duration>,
}

/// Why the store refuses a request, in Consul's words, which clients and people search for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A lock asked for in the name of a session that does not exist.
    #[error("invalid session {0:?}")]
    InvalidSession(String),
    /// A lock asked for in nobody's name.
    #[error("missing session")]
    MissingSession,
    /// A session on the node "".
    #[error("Must provide Node")]
    NoNode,
    /// A session on a node that the catalog does not have.
    #[error("apply failed: Missing node registration")]
    UnknownNode,
    /// A session on a check that the catalog does not have.
    #[error("apply failed: Missing check '{0}' registration")]
    UnknownCheck(String),
    /// A session on a check that is not well.
    #[error("apply failed: Check '{0}' is in critical state")]
    CriticalCheck(String),
    /// A behaviour that is none.
    #[error("Invalid Behavior setting '{0}'")]
    Behavior(String),
    /// A TTL outside what is allowed.
    #[error("Invalid Session TTL '{}', must be between [{min}={max}]", ttl.nanos())]
    TtlRange {
        /// What was asked for.
        ttl: GoDuration,
        /// The shortest allowed.
        min: GoDuration,
        /// The longest allowed.
        max: GoDuration,
    },
    /// A TTL that is no duration.
    #[error("Session TTL '{ttl}' invalid: {why}")]
    Ttl {
        /// What was asked for.
        ttl: String,
        /// What is wrong with it.
        why: DurationError,
    },
    /// A transaction that is too long.
    #[error("Transaction contains too many operations ({0} > {max})", max = super::txn::MAX_OPS)]
    TooManyOps(usize),
}

/// All live sessions, and when they expire.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    live: BTreeMap<String, Session>,
    expiries: BTreeSet<(Duration, String)>,
    /// Index of the last create or destroy.
    index: u64,
    touched: BTreeSet<String>,
}

impl Sessions {
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    pub(super) fn get(&self, id: &str) -> Option<&Session> {
        self.live.get(&id.to_ascii_lowercase())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.live.values()
    }

    /// Takes in a session, in the place of one that has its id. A file may hold what no store wrote: an id in capitals, a life
    /// that is longer than time.
    pub(super) fn insert(&mut self, now: Duration, mut session: Session) {
        session.id.make_ascii_lowercase();
        self.remove(session.create_index, &session.id.clone());
        self.index = session.create_index;
        session.life = session.life.map(|life| life.min(TTL_MAX * TTL_MULTIPLIER));
        session.expires = session.life.map(|life| now + life);
        self.expiries.extend(session.expires.map(|at| (at, session.id.clone())));
        self.touched.insert(session.id.clone());
        self.live.insert(session.id.clone(), session);
    }

    /// Starts the session's life anew.
    pub(super) fn renew(&mut self, now: Duration, id: &str) -> Option<&Session> {
        let session = self.live.get_mut(&id.to_ascii_lowercase())?;
        if let (Some(life), Some(old)) = (session.life, session.expires) {
            self.expiries.remove(&(old, session.id.clone()));
            self.expiries.insert((now + life, session.id.clone()));
            session.expires = Some(now + life);
        }
        Some(session)
    }

    pub(super) fn remove(&mut self, at: u64, id: &str) -> Option<Session> {
        let session = self.live.remove(&id.to_ascii_lowercase())?;
        if let Some(expires) = session.expires {
            self.expiries.remove(&(expires, session.id.clone()));
        }
        self.index = at;
        self.touched.insert(session.id.clone());
        Some(session)
    }

    /// The session that ends next unless it is renewed.
    pub(super) fn next(&self) -> Option<(Duration, &str)> {
        self.expiries.first().map(|(at, id)| (*at, id.as_str()))
    }

    /// Writes down which sessions were made or ended since the last call.
    pub(super) fn take_delta(&mut self, delta: &mut Delta) {
        let became = |id: String| Became { is: self.live.get(&id).cloned(), at: id.into_bytes() };
        delta.sessions = std::mem::take(&mut self.touched).into_iter().map(became).collect();
        delta.opened = self.index;
    }

    /// Writes down all of them.
    pub(super) fn whole(&self, delta: &mut Delta) {
        let is =
            |session: &Session| Became { at: session.id.clone().into_bytes(), is: Some(session.clone()) };
        delta.sessions = self.live.values().map(is).collect();
        delta.opened = self.index;
    }

    /// Does what is written down; who lives starts its TTL.
    pub(super) fn redo(&mut self, now: Duration, delta: &Delta) {
        for Became { at, is } in &delta.sessions {
            match is {
                Some(session) => self.insert(now, session.clone()),
                None => drop(self.remove(delta.opened, &String::from_utf8_lossy(at))),
            }
        }
        self.touched.clear();
        self.index = delta.opened;
    }
}

impl Session {
    /// What keeps it from living on this catalog's word: its node is gone, or a check of it is or is not well.
    pub(super) fn grounds(&self, catalog: &Catalog) -> Option<Refusal> {
        let Some(node) = catalog.node(&self.node) else { return Some(Refusal::UnknownNode) };
        self.node_checks.iter().chain(&self.service_checks).find_map(|id| match node.checks.get(id) {
            None => Some(Refusal::UnknownCheck(id.clone())),
            Some(check) if check.status == Health::Critical => Some(Refusal::CriticalCheck(id.clone())),
            Some(_) => None,
        })
    }
}

/// The session that a request describes, if it may be had. `node` is the store's own.
pub(super) fn check(
    request: SessionRequest,
    node: &str,
    catalog: &Catalog,
    ttl_min: Duration,
    id: impl FnOnce() -> String,
    at: u64,
) -> Result<Session, Refusal> {
    let asked = request.node.unwrap_or_else(|| node.to_owned());
    if asked.is_empty() {
        return Err(Refusal::NoNode);
    }
    let behavior = match request.behavior.as_str() {
        "" | "release" => Behavior::Release,
        "delete" => Behavior::Delete,
        _ => return Err(Refusal::Behavior(request.behavior)),
    };
    let life = life(&request.ttl, ttl_min)?;
    let session = Session {
        id: String::new(),
        name: request.name,
        node: asked,
        lock_delay: request.lock_delay,
        behavior,
        ttl: request.ttl,
        node_checks: request.node_checks,
        service_checks: request.service_checks,
        create_index: at,
        life,
        expires: None,
    };
    match session.grounds(catalog) {
        None => Ok(Session { id: id(), ..session }),
        Some(refusal) => Err(refusal),
    }
}

/// How long a session with this TTL lives unless renewed; nothing: for ever.
fn life(ttl: &str, ttl_min: Duration) -> Result<Option<Duration>, Refusal> {
    if ttl.is_empty() {
        return Ok(None);
    }
    let length = GoDuration::parse(ttl).map_err(|why| Refusal::Ttl { ttl: ttl.to_owned(), why })?;
    match length.positive() {
        None if length.nanos() == 0 => Ok(None),
        Some(ttl) if ttl >= ttl_min && ttl <= TTL_MAX => Ok(Some(ttl * TTL_MULTIPLIER)),
        _ => Err(Refusal::TtlRange { ttl: length, min: ttl_min.into(), max: TTL_MAX.into() }),
    }
}
