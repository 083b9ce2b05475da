//! What an engine can be asked to do.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{Core, Engine, NetworkSummary};
use crate::datapath::{Pass, Refused, draw_veth};
use crate::docker;
use crate::error::{Cause, Result};
use crate::host::ContainerRef;
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::inspect::Asked;
use crate::kv::{TxnOp, keys};
use crate::ledger::{self, CreateNetwork, Joining, View};
use crate::model::Mac;

/// How often a transaction is decided anew when others were faster.
const ATTEMPTS: usize = 100;

/// The longest pause before it is decided anew.
const PAUSE: Duration = Duration::from_millis(20);

/// How a container wants to join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// `--ip`
    pub ip: Option<Ipv4Addr>,
    /// `--mac-address`; without it, the one that is made of the address.
    pub mac: Option<Mac>,
    /// `--ip6`
    pub ip6: Option<Ipv6Addr>,
    /// `--network-alias`
    pub aliases: Vec<String>,
    /// No `--name`: the container's name was drawn, and others cannot look it up (20.10: `CreateOptionAnonymous`).
    pub anonymous: bool,
}

/// What a container has got by joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInfo {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The network.
    pub network: NetworkId,
    /// The network's name.
    pub network_name: String,
    /// The interface's name in the container: `eth0`.
    pub interface: String,
    /// Its address.
    pub address: Ipv4Net,
    /// Its IPv6 address, if its subnet has some.
    pub address6: Option<Ipv6Net>,
    /// Its hardware address.
    pub mac: Mac,
    /// The overlay's namespace on this host: `1-620dd59483`.
    pub overlay: String,
    /// The interface on the gateway bridge, with its address: `eth1`. None on an internal network.
    pub outside: Option<(String, Ipv4Addr)>,
}

impl Engine {
    /// Creates a network. No kernel is touched, on any host: that is for the first join.
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
        core.transact(|view| {
            let there = view.networks.contains_key(&id);
            Ok((
                id,
                if there { vec![] } else { ledger::create(view, &request, id, created.clone(), &avoid)? },
            ))
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

    /// Puts a container on a network, and returns when it is there: in the store and in this host's kernel. If the
    /// kernel refuses, it is in neither.
    pub async fn join(
        &self,
        container: &ContainerRef,
        network: &str,
        options: JoinOptions,
    ) -> Result<EndpointInfo> {
        let core = &self.core;
        core.env.sandboxes.insert_container(container.clone());
        let view = core.look().await?;
        let id = view.find(network)?.network.id;
        let mut aliases = options.aliases;
        aliases.push(container.id.to_string());
        let half = draw_veth(&mut core.drawn().rng);
        let last_vni = core.drawn().last_vni;
        let who = Joining {
            id: core.draw(EndpointId::random, |id| view.endpoints.values().any(|all| all.contains_key(id))),
            name: container.name.clone(),
            anonymous: options.anonymous,
            sandbox: container.sandbox,
            host: core.vtep,
            ip: options.ip,
            mac: options.mac,
            ip6: options.ip6,
            aliases,
            publish: container.publish.clone(),
            half,
            last_vni,
        };
        core.transact(|view| {
            let there = view.endpoints.get(&id).is_some_and(|all| all.contains_key(&who.id));
            Ok(((), if there { vec![] } else { ledger::join(view, id, &who)?.1 }))
        })
        .await?;
        if options.ip.is_some() || options.ip6.is_some() {
            core.drawn().asked.insert(who.id, Asked { ip: options.ip, ip6: options.ip6 });
        }

        let view = core.look().await?;
        if let Some(found) = view.networks.get(&id) {
            let mut drawn = core.drawn();
            drawn.last_vni = drawn.last_vni.max(found.value.network.vnis().max());
        }
        let report = core.settle(view, Pass::Change).await?;
        if let Some(info) = core.info(who.id).await? {
            if info.outside.is_none() && !container.publish.is_empty() {
                let name = &container.name;
                core.config
                    .witness
                    .say(format_args!("{name} has no way outside: none of its ports is published"));
            }
            return Ok(info);
        }
        let meanwhile = || Refused::Join("it was taken away meanwhile".to_owned());
        let why = report.failed.get(&who.id).cloned().unwrap_or_else(meanwhile);
        // Whatever becomes of the store: nobody is to write it down again.
        core.drawn().leaving.insert(who.id);
        core.drawn().asked.remove(&who.id);
        core.cross_out(id, who.id).await?;
        // So that the loop, which may be at the documents that still have it, passes them over as old ones.
        // What the join failed for is what counts.
        if let Ok(view) = core.look().await {
            let _ = core.settle(view, Pass::Change).await;
        }
        core.drawn().leaving.remove(&who.id);
        Err(Cause::Datapath(why).into())
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
    /// Decides on what the store says and does it in one transaction; decides anew when somebody was faster. Nothing
    /// to do is done.
    pub(super) async fn transact<T>(
        &self,
        mut decide: impl FnMut(&View) -> Result<(T, Vec<TxnOp>)>,
    ) -> Result<T> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(Cause::Ended.into());
        }
        let _turn = self.turn.acquire().await.map_err(|_| Cause::Ended)?;
        let mut pause = Duration::from_micros(200);
        for _ in 0..ATTEMPTS {
            let (result, ops) = decide(self.look().await?.as_ref())?;
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

    /// What is in the kernel of an endpoint.
    async fn info(&self, id: EndpointId) -> Result<Option<EndpointInfo>> {
        let view = self.seen();
        self.with_datapath(move |datapath| {
            let attached = datapath.endpoint(id)?;
            let endpoint = &attached.endpoint;
            let outside = datapath.outside(attached.sandbox);
            Some(EndpointInfo {
                endpoint: id,
                network: endpoint.network,
                network_name: view.name_of(endpoint.network),
                interface: attached.interface().to_owned(),
                address: endpoint.address,
                address6: endpoint.address6,
                mac: endpoint.mac,
                overlay: datapath.overlay(endpoint.network)?.to_owned(),
                outside: outside.map(|outside| (outside.inner_name.clone(), outside.ip)),
            })
        })
        .await
    }
}
