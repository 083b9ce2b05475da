//! What an engine can be asked to show.

use super::Engine;
use crate::docker;
use crate::error::{Cause, Result};
use crate::host::ContainerRef;
use crate::id::NetworkId;
use crate::inspect::{self, NetworkDetails, NetworkSettings};
use crate::model::{Network, Vni};

/// How much of a network is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What Docker shows.
    Plain,
    /// And its peers.
    Verbose,
}

/// A line of `docker network ls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSummary {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// `overlay` or `bridge`.
    pub driver: &'static str,
    /// `global` or `local`.
    pub scope: &'static str,
    /// The VNIs of its subnets; one has none before the first container has joined it, nor has a bridge.
    pub vnis: Vec<Vni>,
}

impl NetworkSummary {
    /// That of an overlay.
    pub(super) fn of(network: &Network) -> NetworkSummary {
        NetworkSummary {
            id: network.id,
            name: network.name.clone(),
            driver: "overlay",
            scope: "global",
            vnis: network.vnis().collect(),
        }
    }
}

impl Engine {
    /// The networks that this host knows, by name: all overlays, and its gateway bridge once it was made.
    pub async fn networks(&self) -> Result<Vec<NetworkSummary>> {
        let view = self.core.look().await?;
        let overlays = view.networks.values().map(|stored| &stored.value.network);
        let mut all: Vec<NetworkSummary> = overlays.map(NetworkSummary::of).collect();
        all.extend(self.core.env.sandboxes.gateway().map(|gateway| NetworkSummary {
            id: gateway.id,
            name: docker::GWBRIDGE.to_owned(),
            driver: "bridge",
            scope: "local",
            vnis: Vec::new(),
        }));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// A network, found by name, id, or the beginning of an id.
    pub async fn inspect_network(&self, network: &str) -> Result<NetworkDetails> {
        self.inspected(network, Detail::Plain).await
    }

    /// The same with the network's endpoints on other hosts: `docker network inspect --verbose`. The gateway bridge has none.
    pub async fn inspect_network_verbosely(&self, network: &str) -> Result<NetworkDetails> {
        self.inspected(network, Detail::Verbose).await
    }

    async fn inspected(&self, network: &str, detail: Detail) -> Result<NetworkDetails> {
        if let Some(gateway) = self.core.env.sandboxes.gateway()
            && (network == docker::GWBRIDGE || (!network.is_empty() && gateway.id.starts_with(network)))
        {
            return self.inspect_gateway().await;
        }
        let view = self.core.look().await?;
        let found = view.find(network)?;
        let mut shown = inspect::overlay(&view, found, &self.core.env.sandboxes);
        if detail == Detail::Verbose {
            shown.peers = Some(inspect::peers(&view, found.network.id, self.core.vtep));
        }
        Ok(shown)
    }

    async fn inspect_gateway(&self) -> Result<NetworkDetails> {
        let missing = || Cause::NoSuchNetwork(docker::GWBRIDGE.to_owned());
        let sandboxes = self.core.env.sandboxes.clone();
        self.core
            .with_datapath(move |datapath| {
                let gateway = sandboxes.gateway().ok_or_else(missing)?;
                let on_it = |container: ContainerRef| {
                    let outside = datapath.outside(container.sandbox)?;
                    Some((container, outside.endpoint, outside.ip))
                };
                let outsides = sandboxes.containers().into_iter().filter_map(on_it).collect();
                Ok(inspect::gateway(gateway, datapath.gateway(), outsides))
            })
            .await?
    }

    /// A container's network settings.
    pub async fn inspect_container(&self, container: &ContainerRef) -> Result<NetworkSettings> {
        let view = self.core.seen();
        let asked = self.core.drawn().asked.clone();
        let sandbox = container.sandbox;
        let endpoints = self
            .core
            .with_datapath(move |datapath| {
                let its = datapath.attached().filter(|attached| attached.sandbox == sandbox);
                let shown = its.map(|attached| {
                    let endpoint = &attached.endpoint;
                    (view.name_of(endpoint.network), endpoint.clone(), asked.get(&endpoint.id).cloned())
                });
                shown.collect()
            })
            .await?;
        Ok(inspect::container(container, endpoints, &self.core.env.sandboxes.bindings(sandbox)))
    }
}
