//! The loop that follows the store.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::Bell;
use kernel::rtnl::Missed;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::Core;
use super::keyring::Rotations;
use crate::datapath::{Datapath, Pass, draw_veth};
use crate::discovery::Absences;
use crate::error::Result;
use crate::id::{EndpointId, NetworkId};
use crate::kv::{self, TxnOp, keys};
use crate::ledger::{self, Stored, View};
use crate::model::Endpoint;

/// How long a query blocks: Consul's default. At its end all documents come once more, so not as Docker's, which asks each 15 s; that
/// nobody is there any more is known by the connection.
const WAIT: Duration = Duration::from_mins(5);

/// After it has followed a change an engine follows the next one when so many times as long as that took have passed, but no longer.
const BREATH: u32 = 2;
const LONGEST_BREATH: Duration = Duration::from_millis(500);

/// So many times as long as between two looks the kernel is not looked at while it tells of nothing: what it does not tell of, a name server that
/// has died, say, is seen then.
const REST: u32 = 5;

/// Before a store that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(500);

impl Core {
    /// Follows the store for ever: on each change, and from time to time without one, the kernel is made to agree.
    /// The `bell` is the kernel's: it rings when something was changed there.
    pub(super) async fn follow(
        self: Arc<Core>,
        mut told: UnboundedReceiver<(NetworkId, Missed)>,
        bell: Bell,
    ) {
        let (mut sandboxes, mut held) = (self.env.sandboxes.subscribe(), self.held.subscribe());
        let mut mend = interval(self.config.mend);
        mend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut absences, mut rotations) = (Absences::default(), Rotations::default());
        let (mut reached, mut followed) = (true, false);
        // Where many engines have much to do, or the machine has, they look less often, and see more at once.
        let mut breath = Duration::ZERO;
        // Nothing was left to be tried again.
        let mut done = false;
        // Nothing was changed, so that the kernel need not be looked at until it says so.
        let mut rests = false;
        let mut answer = Box::pin(rested(self.after(Arc::default(), Duration::ZERO), Duration::ZERO));
        loop {
            // Nobody lets it go: it ends with its engine.
            let _ = held.wait_for(|held| !held).await;
            let now = Instant::now();
            let given_up = absences.next(self.config.peer_grace, now);
            let next = given_up.into_iter().chain(rotations.next(self.config.key_grace, now)).min();
            let due = pin!(async {
                match next {
                    Some(end) => sleep_until(end.into()).await,
                    None => pending().await,
                }
            });
            let step = tokio::select! {
                view = &mut answer => match view {
                    Ok(view) => {
                        if !std::mem::replace(&mut reached, true) {
                            self.config.witness.say("the store answers");
                        }
                        followed = true;
                        let (now, seen) = (view.moment(), self.seen().moment());
                        // A verb has noticed meanwhile that the store began anew: this may be of either life.
                        let is_open = now.life < seen.life;
                        let view = Arc::new(view);
                        let from = if is_open { Arc::default() } else { Arc::clone(&view) };
                        answer.set(rested(self.after(from, Duration::ZERO), breath));
                        (!is_open && now != seen).then_some((view, Pass::Change))
                    }
                    Err(error) => {
                        if std::mem::replace(&mut reached, false) {
                            tracing::warn!(host = self.env.name, %error, "the store is out of reach");
                            self.config.witness.say(format_args!("the store is out of reach: {error}"));
                        }
                        answer.set(rested(self.after(Arc::default(), RETRY), Duration::ZERO));
                        None
                    }
                },
                _ = mend.tick(), if !rests => {
                    if done && let Some(hears_all) = self.is_calm() {
                        rests = hears_all;
                        continue;
                    }
                    Some((self.seen(), Pass::Mend))
                }
                _ = timeout(self.config.mend * REST, bell.rung()), if rests => {
                    rests = false;
                    continue;
                }
                Ok(()) = sandboxes.changed() => Some((self.seen(), Pass::Change)),
                Some((network, missed)) = told.recv() => {
                    self.answer(network, missed).await;
                    continue;
                }
                () = due => None,
            };
            // Before the first answer there is nothing to agree with.
            if !followed {
                continue;
            }
            let begun = Instant::now();
            (done, rests) = (true, false);
            if let Some((view, pass)) = step
                && let Err(error) = self.settle(view, pass).await
            {
                done = false;
                tracing::warn!(host = self.env.name, %error, "the store's state could not be applied");
                self.config.witness.say(format_args!("the store's state could not be applied: {error}"));
                if pass == Pass::Change {
                    answer.set(rested(self.after(Arc::default(), RETRY), Duration::ZERO));
                }
            }
            breath = (begun.elapsed() * BREATH).min(LONGEST_BREATH);
            let view = self.seen();
            absences.observe(&view, Instant::now());
            if !view.nodes.contains_key(&self.vtep) {
                done = false;
                self.membership.is_missing();
            }
            // A store that was just lost, unnoticed, must not hold up the kernel's mending.
            let collect = timeout(RETRY, self.collect(&view, &absences));
            match if reached { collect.await.ok() } else { None } {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    done = false;
                    tracing::debug!(host = self.env.name, %error, "stale endpoints remain in the store for now");
                }
                None => done = false,
            }
            let keys = timeout(RETRY, async {
                let said = self.say_keys().await?;
                self.turn_keys(&mut rotations).await.map(|()| said)
            });
            match if reached { keys.await.ok() } else { None } {
                Some(Ok(said)) => done &= said,
                Some(Err(error)) => {
                    done = false;
                    tracing::debug!(host = self.env.name, %error, "the keys of networks are not turned for now");
                }
                None => done = false,
            }
        }
    }

    /// Whether a look at the kernel would show nothing new, and if so, whether the bell will tell when it does. Not while somebody works
    /// on it.
    fn is_calm(&self) -> Option<bool> {
        let mut datapath = self.datapath.try_lock().ok()?;
        let datapath = datapath.as_mut()?;
        (datapath.is_calm() && self.names.are_whole()).then(|| datapath.hears_all())
    }

    /// Makes known what the kernel has missed.
    async fn answer(&self, network: NetworkId, missed: Missed) {
        let applied = self.applied.clone();
        // Those that are applied when it is its turn, or it would undo newer ones.
        let answer = move |datapath: &mut Datapath| {
            let view = Arc::clone(&applied.borrow().view);
            datapath.answer(&view, network, &missed)
        };
        let answered = self.with_datapath(answer).await;
        for fault in answered.iter().flat_map(|report| &report.faults) {
            tracing::warn!(host = self.env.name, "{fault}");
            self.config.witness.say(fault);
        }
    }

    /// The documents once they are others than those, after a pause: a blocking query.
    async fn after(&self, then: Arc<View>, pause: Duration) -> Result<View, kv::Error> {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let seen = self.seen();
        let known = if then.moment() > seen.moment() { &then } else { &seen };
        let asked = Instant::now();
        let listing = self.kv.watch(keys::ALL, then.index, WAIT).await?;
        // A store that lets nobody wait, or breaks the connection, is asked again from time to time, and not as fast as it answers.
        if listing.index == then.index && asked.elapsed() < RETRY {
            sleep(RETRY).await;
        }
        let view = View::since(known, &listing);
        for (key, why) in &view.unreadable {
            tracing::warn!(host = self.env.name, key, why, "a document in the store cannot be read");
            self.config.witness.say(format_args!("{key} in the store cannot be read: {why}"));
        }
        Ok(view)
    }

    /// The documents as they were seen last.
    pub(super) fn seen(&self) -> Arc<View> {
        Arc::clone(&self.applied.borrow().view)
    }

    /// Crosses out endpoints that nobody has: those of hosts that were away for too long, and those of this host
    /// whose sandbox is gone.
    async fn collect(&self, view: &View, absences: &Absences) -> Result<()> {
        let given_up: Vec<Ipv4Addr> = absences.given_up(self.config.peer_grace, Instant::now()).collect();
        let theirs = given_up.into_iter().flat_map(|host| view.endpoints_on(host));
        for endpoint in
            theirs.chain(view.endpoints_on(self.vtep)).filter(|endpoint| self.is_stale(view, endpoint))
        {
            let (network, id, host) = (endpoint.network, endpoint.id, endpoint.host);
            tracing::info!(host = self.env.name, endpoint = endpoint.name, owner = %host, "nobody has it any more");
            self.config.witness.say(format_args!("nobody has {} of {host} any more", endpoint.name));
            // A host that comes back in this very moment keeps what it has.
            let away = TxnOp::CheckNotExists { key: keys::node((host, self.env.advertise.port()).into()) };
            self.transact(|view| {
                let still = view.endpoints_on(host).find(|other| other.id == id);
                let stale = still.is_some_and(|endpoint| self.is_stale(view, endpoint));
                let ops = stale.then(|| ledger::leave(view, network, id)).flatten();
                let check = (host != self.vtep).then(|| away.clone());
                Ok(((), ops.map(|ops| check.into_iter().chain(ops).collect()).unwrap_or_default()))
            })
            .await?;
        }
        Ok(())
    }

    /// Whether nobody has an endpoint: its host is away, or it is of this host, which knows no such sandbox.
    pub(super) fn is_stale(&self, view: &View, endpoint: &Endpoint) -> bool {
        if endpoint.host != self.vtep {
            return !view.nodes.contains_key(&endpoint.host);
        }
        endpoint.sandbox.is_none_or(|sandbox| self.env.sandboxes.container(sandbox).is_none())
    }

    /// Writes this host's endpoints down again if others crossed them out while it was away; until it is back, they stand. What
    /// has lost its address meanwhile is given up.
    pub(super) async fn reclaim(&self, view: Arc<View>) -> Result<Arc<View>> {
        let (mine, session) = {
            let applied = self.applied.borrow();
            (Arc::clone(&applied.mine), applied.session.clone())
        };
        let now = view.sessions.get(&self.vtep);
        let leaving = self.drawn().leaving.clone();
        let lost: BTreeMap<EndpointId, Endpoint> = mine
            .iter()
            .filter(|(id, endpoint)| {
                let network = endpoint.network;
                let written = view.endpoints.get(&network).is_some_and(|all| all.contains_key(id));
                let here = endpoint.sandbox.is_some_and(|id| self.env.sandboxes.container(id).is_some());
                view.networks.contains_key(&network) && !written && here && !leaving.contains(id)
            })
            .map(|(id, endpoint)| (*id, endpoint.clone()))
            .collect();
        if lost.is_empty() || now.is_some() && now == session.as_ref() {
            return Ok(view);
        }
        // As long as it is away, the others would cross them out again.
        if now.is_none() {
            return Ok(keeping(view, lost));
        }
        for endpoint in lost.values() {
            let half = draw_veth(&mut self.drawn().rng);
            let written = self.transact(|view| {
                let there =
                    view.endpoints.get(&endpoint.network).is_some_and(|all| all.contains_key(&endpoint.id));
                // It may have left meanwhile.
                let gone = self.drawn().leaving.contains(&endpoint.id)
                    || !self.applied.borrow().mine.contains_key(&endpoint.id);
                Ok(((), if there || gone { vec![] } else { ledger::reclaim(view, endpoint, &half)? }))
            });
            if let Err(error) = written.await {
                if error.is_unreachable() {
                    return Err(error);
                }
                tracing::warn!(host = self.env.name, endpoint = %endpoint.name, %error, "given up");
                self.config.witness.say(format_args!("{} is given up: {error}", endpoint.name));
            }
        }
        let view = self.look().await?;
        Ok(if view.sessions.contains_key(&self.vtep) { view } else { keeping(view, lost) })
    }
}

/// An answer, but not before it has been waited for so long. It is asked for at once: a store that begins anew has to break a query, or
/// nobody notices.
async fn rested<T>(answer: impl Future<Output = T>, rest: Duration) -> T {
    tokio::join!(answer, sleep(rest)).0
}

/// The documents, with endpoints that others have crossed out.
fn keeping(view: Arc<View>, endpoints: BTreeMap<EndpointId, Endpoint>) -> Arc<View> {
    let mut view = Arc::unwrap_or_clone(view);
    for (id, value) in endpoints {
        let its = view.endpoints.entry(value.network).or_default();
        its.entry(id).or_insert(Stored { index: 0, value });
    }
    Arc::new(view)
}
