//! How a container comes onto a network.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use tokio::time::timeout;

use super::{Core, Engine};
use crate::datapath::{Pass, Refused, Report, draw_veth};
use crate::error::{Cause, Result};
use crate::host::ContainerRef;
use crate::id::{EndpointId, NetworkId};
use crate::inspect::Asked;
use crate::kv::keys;
use crate::ledger::{self, Joining, View};
use crate::model::Mac;

/// How often an endpoint is written down that others cross out before it is built.
const JOINS: usize = 4;

/// How long a host that was given up may take to register again before one goes on without.
const REGISTERED: Duration = Duration::from_secs(5);

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
        let mut view = core.look().await?;
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
        let mut tries = 0;
        let why = loop {
            tries += 1;
            let report = match core.enter(id, &who, Arc::clone(&view)).await {
                Ok(report) => report,
                Err(error) if tries == 1 => return Err(error),
                Err(error) => break error,
            };
            if let Some(info) = core.info(who.id).await? {
                if options.ip.is_some() || options.ip6.is_some() {
                    core.drawn().asked.insert(who.id, Asked { ip: options.ip, ip6: options.ip6 });
                }
                if info.outside.is_none() && !container.publish.is_empty() {
                    let name = &container.name;
                    core.config
                        .witness
                        .say(format_args!("{name} has no way outside: none of its ports is published"));
                }
                return Ok(info);
            }
            if let Some(why) = report.failed.get(&who.id) {
                break Cause::Datapath(why.clone()).into();
            }
            if tries == JOINS {
                break Cause::Datapath(Refused::Join("it was taken away meanwhile".to_owned())).into();
            }
            // Others have crossed it out, who had given this host up.
            core.registered().await;
            view = match core.look().await {
                Ok(view) => view,
                Err(error) => break error,
            };
        };
        // Whatever becomes of the store: nobody is to write it down again.
        core.drawn().leaving.insert(who.id);
        core.cross_out(id, who.id).await?;
        // So that the loop, which may be at the documents that still have it, passes them over as old ones.
        // What the join failed for is what counts.
        if let Ok(view) = core.look().await {
            let _ = core.settle(view, Pass::Change).await;
        }
        core.drawn().leaving.remove(&who.id);
        Err(why)
    }
}

impl Core {
    /// Writes an endpoint down if it is not there, and puts it into the kernel; what came of it.
    async fn enter(&self, network: NetworkId, who: &Joining, read: Arc<View>) -> Result<Report> {
        self.transact_on(Some(read), |view| {
            let there = view.endpoints.get(&network).is_some_and(|all| all.contains_key(&who.id));
            Ok(((), if there { vec![] } else { ledger::join(view, network, who)?.1 }))
        })
        .await?;
        let view = self.look().await?;
        if let Some(found) = view.networks.get(&network) {
            let mut drawn = self.drawn();
            drawn.last_vni = drawn.last_vni.max(found.value.network.vnis().max());
        }
        self.settle(view, Pass::Change).await
    }

    /// Waits until the others can see that this host is alive; not for ever.
    async fn registered(&self) {
        let known = async {
            let mut index = 0;
            // A store that is out of reach is for the next try to complain of.
            while let Ok(listing) = self.kv.watch(keys::NODES, index, REGISTERED).await {
                index = listing.index;
                if View::read(&listing).nodes.contains_key(&self.vtep) {
                    return;
                }
                self.membership.is_missing();
            }
        };
        let _ = timeout(REGISTERED, known).await;
    }

    /// What is in the kernel of an endpoint.
    pub(super) async fn info(&self, id: EndpointId) -> Result<Option<EndpointInfo>> {
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
