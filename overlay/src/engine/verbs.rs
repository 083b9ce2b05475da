//! What an engine can be asked to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::keyring::draw_key;
use super::{Core, EndpointInfo, Engine, NetworkSummary};
use crate::datapath::Pass;
use crate::docker;
use crate::error::{Cause, Result};
use crate::host::ContainerRef;
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::kv::{TxnOp, keys};
use crate::ledger::{self, CreateNetwork, View};
use crate::model::{Keyring, is_encrypted};

/// How often a transaction is decided anew when others were faster.
const ATTEMPTS: usize = 100;

/// The longest pause before it is decided anew.
const PAUSE: Duration = Duration::from_millis(20);

impl Engine {
    /// Creates a network. No kernel is touched, on any host: that is for the first join. One that is to be encrypted is refused where
    /// the kernel cannot do it; it gets its first key with it.
    pub async fn create_network(&self, request: CreateNetwork) -> Result<NetworkId> {
        let core = &self.core;
        let view = core.look().await?;
        let id = core.draw(NetworkId::random, |id| view.networks.contains_key(id));
        let created = jiff::Timestamp::now().to_string();
        let mut avoid = core.env.underlay.clone();
        if !request.internal {
            // Docker does not look, and the container's join then fails on a clash of routes.
            avoid.push(docker::gwbridge_subnet(&core.env.underlay));
        }
        let keyring =
            if is_encrypted(&request.options) { Some(core.first_keys(&request.name).await?) } else { None };
        core.transact(|view| {
            if view.networks.contains_key(&id) {
                return Ok((id, vec![]));
            }
            let mut ops = ledger::create(view, &request, id, created.clone(), &avoid)?;
            ops.extend(keyring.as_ref().map(|ring| ledger::first_keys(id, ring)));
            Ok((id, ops))
        })
        .await
    }

    /// Removes a network that nobody is on; what it was.
    pub async fn remove_network(&self, network: &str) -> Result<NetworkSummary> {
        if docker::PREDEFINED.contains(&network) {
            return Err(Cause::RemovePredefined(network.to_owned()).into());
        }
        let gone = NetworkSummary::of(&self.core.look().await?.find(network)?.network);
        self.core
            .transact(|view| {
                let found = view.networks.get(&gone.id).map(|stored| &stored.value);
                Ok(((), found.map_or(Ok(vec![]), |found| ledger::remove(view, found))?))
            })
            .await?;
        Ok(gone)
    }

    /// Takes a container off a network; which one that was.
    pub async fn leave(&self, container: &ContainerRef, network: &str) -> Result<NetworkId> {
        let core = &self.core;
        let view = core.look().await?;
        let found = &view.find(network)?.network;
        let endpoint =
            view.endpoints_of(found.id).find(|endpoint| endpoint.sandbox == Some(container.sandbox));
        let not_connected =
            || Cause::NotConnected { container: format!("{:#}", container.id), network: found.name.clone() };
        let endpoint = endpoint.ok_or_else(not_connected)?;
        core.drawn().leaving.insert(endpoint.id);
        let left = core.leave(found.id, endpoint.id).await;
        core.drawn().leaving.remove(&endpoint.id);
        left.map(|()| found.id)
    }

    /// Calls a container otherwise: on all its networks, at once, and everywhere as soon as engines have heard of it. Its old name
    /// is nobody's then; its aliases stay.
    pub async fn rename(&self, container: &ContainerRef, name: &str) -> Result<()> {
        let core = &self.core;
        core.gate.pass().await;
        let halves = ledger::halves(&core.kv.list(keys::ALL).await?);
        let who = (core.vtep, container.sandbox);
        core.transact(|view| Ok(((), ledger::rename(view, who, name, &halves)?))).await?;
        core.env.sandboxes.insert_container(ContainerRef { name: name.to_owned(), ..container.clone() });
        core.settle(core.look().await?, Pass::Change).await?;
        Ok(())
    }

    /// Looks at the kernel now, and mends what somebody broke in it; the loop does so from time to time.
    pub async fn mend(&self) -> Result<()> {
        let view = self.core.look().await?;
        self.core.settle(view, Pass::Mend).await.map(drop)
    }

    /// Puts right what the store's documents have wrong about one another, such as addresses that a Docker killed between two
    /// writes has lost; see [`View::contradictions`]. How many documents were.
    pub async fn correct(&self) -> Result<usize> {
        self.core
            .transact(|view| {
                let ops = view.corrections();
                Ok((ops.len(), ops))
            })
            .await
    }

    /// What a container has on the networks it is on, by the networks' names.
    pub async fn endpoints(&self, sandbox: SandboxId) -> Result<Vec<EndpointInfo>> {
        let ids: Vec<EndpointId> = self
            .core
            .with_datapath(move |datapath| {
                let its = datapath.attached().filter(|attached| attached.sandbox == sandbox);
                its.map(|attached| attached.endpoint.id).collect()
            })
            .await?;
        let mut all = Vec::new();
        for id in ids {
            all.extend(self.core.info(id).await?);
        }
        Ok(all)
    }
}

impl Core {
    /// A new network's keys. Refused where the kernel cannot use them.
    async fn first_keys(&self, network: &str) -> Result<Keyring> {
        let tried = tokio::task::spawn_blocking(kernel::probe::esp).await.map_err(|_| Cause::Ended)?;
        tried.map_err(|why| Cause::NoEsp { name: network.to_owned(), why: why.to_string() })?;
        Ok(Keyring::new(draw_key()?))
    }

    /// Decides on what the store says and does it in one transaction; decides anew when somebody was faster. Nothing
    /// to do is done.
    pub(super) async fn transact<T>(
        &self,
        decide: impl FnMut(&View) -> Result<(T, Vec<TxnOp>)>,
    ) -> Result<T> {
        self.transact_on(None, decide).await
    }

    /// The same, where the documents have just been read: if they are others by now, the transaction fails, and they are read again.
    pub(super) async fn transact_on<T>(
        &self,
        mut read: Option<Arc<View>>,
        mut decide: impl FnMut(&View) -> Result<(T, Vec<TxnOp>)>,
    ) -> Result<T> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(Cause::Ended.into());
        }
        let _turn = self.turn.acquire().await.map_err(|_| Cause::Ended)?;
        let mut pause = Duration::from_micros(200);
        for _ in 0..ATTEMPTS {
            let view = match read.take() {
                Some(view) => view,
                None => self.look().await?,
            };
            let (result, ops) = decide(&view)?;
            if ops.is_empty() {
                return Ok(result);
            }
            match self.kv.txn(ops).await {
                Ok(Some(())) => return Ok(result),
                Ok(None) => {}
                // It may have been done: the next look tells.
                Err(error) if error.is_uncertain() => {}
                Err(error) => return Err(error.into()),
            }
            // Spread those out who were equally fast.
            let part = self.drawn().rng.f64();
            tokio::time::sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(PAUSE);
        }
        Err(Cause::Contended(ATTEMPTS).into())
    }

    /// Crosses an endpoint out, and takes it out of the kernel.
    async fn leave(&self, network: NetworkId, id: EndpointId) -> Result<()> {
        self.cross_out(network, id).await?;
        self.drawn().asked.remove(&id);
        self.settle(self.look().await?, Pass::Change).await?;
        Ok(())
    }

    /// Crosses an endpoint out, if it is there.
    pub(super) async fn cross_out(&self, network: NetworkId, id: EndpointId) -> Result<()> {
        self.transact(|view| Ok(((), ledger::leave(view, network, id).unwrap_or_default()))).await
    }
}
