//! This host's key in the store: who has it is alive, for the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::kv::{Error, Kv, keys};

/// Between two tries to register (20.10: every 0.5 s at first).
const RETRY: Duration = Duration::from_millis(500);

/// A session is renewed when this part of its TTL is over (20.10: 20 s of 30 s); the store lets it live twice as long.
const RENEW_AT: f64 = 2.0 / 3.0;

/// What is known of this host's own registration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The key is held, as far as is known.
    pub(crate) registered: bool,
}

/// Keeps this host's key.
#[derive(Debug)]
pub(crate) struct Membership {
    kv: Kv,
    advertise: SocketAddr,
    ttl: Duration,
    standing: watch::Sender<Standing>,
    /// Somebody saw that the key is missing.
    missing: Notify,
}

impl Membership {
    pub(crate) fn new(kv: Kv, advertise: SocketAddr, ttl: Duration) -> Arc<Membership> {
        let standing = watch::Sender::new(Standing::default());
        Arc::new(Membership { kv, advertise, ttl, standing, missing: Notify::new() })
    }

    /// What is known now, and from now on.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Says that the key is not there: it is looked after at once.
    pub(crate) fn is_missing(&self) {
        self.missing.notify_one();
    }

    /// Registers, renews, and registers again, for ever.
    pub(crate) async fn keep(self: Arc<Membership>) {
        loop {
            match self.register().await {
                Ok(Some(session)) => {
                    self.standing.send_modify(|standing| standing.registered = true);
                    self.renew(&session).await;
                    self.standing.send_modify(|standing| standing.registered = false);
                }
                Ok(None) => sleep(RETRY).await,
                Err(error) => {
                    tracing::debug!(node = %self.advertise, %error, "cannot register yet");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Takes the key, and says in which session. A session of this host that still has it is taken over, as by a
    /// Docker that comes back in time, so that the others do not see it go.
    async fn register(&self) -> Result<Option<String>, Error> {
        let key = keys::node(self.advertise);
        let held = self.kv.get(&key).await?.and_then(|pair| pair.session);
        if let Some(session) = held
            && self.kv.session_renew(&session).await?
        {
            return Ok(Some(session));
        }
        self.kv.cas(keys::NODES, b"", 0).await?;
        let session = self.kv.session_create(self.ttl).await?;
        let value = self.advertise.to_string();
        if !self.kv.acquire(&key, value.as_bytes(), &session).await? {
            self.kv.session_destroy(&session).await?;
            return Ok(None);
        }
        Ok(Some(session))
    }

    /// Renews until the session or the key is lost.
    async fn renew(&self, session: &str) {
        let key = keys::node(self.advertise);
        let mut pause = self.ttl.mul_f64(RENEW_AT);
        loop {
            let kept = match timeout(pause, self.missing.notified()).await {
                // Nobody complained.
                Err(_) => self.kv.session_renew(session).await,
                Ok(()) => self
                    .kv
                    .get(&key)
                    .await
                    .map(|pair| pair.is_some_and(|pair| pair.session.as_deref() == Some(session))),
            };
            pause = match kept {
                Ok(true) => self.ttl.mul_f64(RENEW_AT),
                Ok(false) => return,
                // Unreachable: the session may outlast it.
                Err(_) => RETRY.min(self.ttl.mul_f64(RENEW_AT)),
            };
        }
    }
}
