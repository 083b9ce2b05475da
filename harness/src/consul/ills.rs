//! What is wrong with the store, now, and what that is to one request.

use std::time::Duration;

use overlay::kv::memory::Shared;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fault::{Ailment, FaultId};
use crate::topology::HostName;

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Ill {
    /// The fault's number.
    pub id: FaultId,
    /// How.
    pub how: Ailment,
    /// For whom; for all, unless said.
    pub host: Option<HostName>,
    /// What is read meanwhile, if that is the past.
    pub past: Option<Past>,
}

/// The store at a moment that is over.
#[derive(Clone, Debug)]
pub struct Past {
    pub(super) store: Shared,
    pub(super) since: Instant,
}

impl Past {
    /// The store as it is at this moment.
    pub fn of(store: &overlay::kv::store::Store) -> Past {
        Past { store: Shared::still(store), since: Instant::now() }
    }
}

/// All that is wrong, in the order in which it came. Clones are handles to one list, which requests follow.
#[derive(Clone, Debug, Default)]
pub struct Ills(watch::Sender<Vec<Ill>>);

impl Ills {
    /// Makes this what is wrong. Requests that are under way notice.
    ///
    /// Whoever makes reads stale does so while it holds the store ([`Shared::with`]), or a read in between sees more than those that
    /// come after it.
    pub fn set(&self, ills: Vec<Ill>) {
        self.0.send_replace(ills);
    }

    /// What is wrong.
    pub fn now(&self) -> Vec<Ill> {
        self.0.borrow().clone()
    }

    pub(super) fn follow(&self) -> watch::Receiver<Vec<Ill>> {
        self.0.subscribe()
    }

    /// What that is to a request from there.
    pub(super) fn fate(&self, host: Option<&HostName>) -> Fate {
        Fate::of(&self.0.borrow(), host)
    }
}

/// What becomes of a request, and of the connection it comes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// How much later its answer is.
    pub(super) delay: Duration,
    /// It is not done, and answered by an error.
    pub(super) fails: bool,
    /// What becomes of it if it blocks.
    pub(super) watches: Watches,
    /// What it reads, in place of what is there now.
    pub(super) past: Option<Past>,
    /// There is no connection.
    pub(super) refused: bool,
}

/// What becomes of queries that block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Watches {
    /// They wake on a change.
    #[default]
    Wake,
    /// They do not.
    Sleep,
    /// Their connection is closed.
    Drop,
}

impl Fate {
    /// What all ills together are to a client: of two that say the same of it otherwise, the latest counts, but of the past the first.
    pub(super) fn of(ills: &[Ill], host: Option<&HostName>) -> Fate {
        let mut fate = Fate::default();
        for ill in ills.iter().filter(|ill| ill.host.is_none() || ill.host.as_ref() == host) {
            match ill.how {
                Ailment::Delay(time) => fate.delay = time,
                Ailment::Error => fate.fails = true,
                Ailment::DropWatches => fate.watches = Watches::Drop,
                Ailment::StallWatches => fate.watches = Watches::Sleep,
                Ailment::Stale => fate.past = fate.past.or_else(|| ill.past.clone()),
                Ailment::Refuse => fate.refused = true,
            }
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use overlay::kv::store::{Config, Store};

    use super::*;

    fn host(name: &str) -> HostName {
        name.parse().unwrap()
    }

    fn ill(how: Ailment, of: Option<&str>, written: &str) -> Ill {
        let mut store = Store::new(Config::default());
        store.put(b"k", written.to_owned().into(), 0);
        Ill { id: 0, how, host: of.map(host), past: Some(Past::of(&store)) }
    }

    #[tokio::test]
    async fn an_ill_of_one_host_is_nobody_elses() {
        let ills = [ill(Ailment::Error, Some("a"), ""), ill(Ailment::Refuse, None, "")];
        let fate = |of: Option<&str>| Fate::of(&ills, of.map(host).as_ref());
        assert!(fate(Some("a")).fails && fate(Some("a")).refused);
        assert!(!fate(Some("b")).fails && fate(Some("b")).refused);
        assert!(!fate(None).fails && fate(None).refused);
    }

    #[tokio::test]
    async fn the_latest_delay_counts_and_the_first_past() {
        let millis = |millis| Ailment::Delay(Duration::from_millis(millis));
        let ills = [
            ill(millis(5), None, ""),
            ill(Ailment::Stale, None, "first"),
            ill(millis(3), Some("a"), ""),
            ill(Ailment::Stale, Some("a"), "second"),
            ill(Ailment::DropWatches, None, ""),
            ill(Ailment::StallWatches, Some("a"), ""),
        ];
        let (one, other) = (Fate::of(&ills, Some(&host("a"))), Fate::of(&ills, Some(&host("b"))));
        assert_eq!((one.delay, other.delay), (Duration::from_millis(3), Duration::from_millis(5)));
        assert_eq!((one.watches, other.watches), (Watches::Sleep, Watches::Drop));
        let past = one.past.unwrap();
        assert_eq!(past.store.with(|store| store.get(b"k").unwrap().value.clone()), "first");
    }
}
