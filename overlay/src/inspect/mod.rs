//! Networks and containers as `docker inspect` shows them, field for field.

mod peers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::docker;
use crate::host::{ContainerRef, LocalNetwork, Sandboxes};
use crate::id::{ContainerId, EndpointId, NetworkId, SandboxId};
use crate::ipam::PoolRequest;
use crate::ledger::{Found, View};
use crate::model::{Binding, Endpoint, Mac, Net, Pool};

pub use peers::PeerDetails;
pub(crate) use peers::peers;

/// `docker network inspect`, one element of its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
#[expect(clippy::struct_excessive_bools, reason = "the document has them")]
pub struct NetworkDetails {
    pub name: String,
    pub id: NetworkId,
    pub created: String,
    pub scope: &'static str,
    pub driver: &'static str,
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub config_from: ConfigFrom,
    pub config_only: bool,
    /// By container id, or `ep-` and the endpoint's id when the container is on another host.
    pub containers: BTreeMap<String, Member>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Only where it is asked for, as in Docker, which has it for networks of a Swarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<PeerDetails>>,
}

/// How a network got its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct Ipam {
    pub driver: &'static str,
    pub options: Option<BTreeMap<String, String>>,
    pub config: Vec<IpamConfig>,
}

/// A subnet in the words in which it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct IpamConfig {
    pub subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// The network that a network's settings are from; none is, here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct ConfigFrom {
    pub network: String,
}

/// An endpoint, as a network shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct Member {
    pub name: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: EndpointId,
    pub mac_address: Mac,
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// A container's `NetworkSettings`. What belongs to the default bridge is empty on an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct NetworkSettings {
    pub bridge: String,
    #[serde(rename = "SandboxID")]
    pub sandbox_id: SandboxId,
    pub hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    pub ports: BTreeMap<String, Vec<PortBinding>>,
    pub sandbox_key: String,
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<()>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<()>,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    pub mac_address: String,
    /// By the network's name. The gateway bridge does not appear.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// Where a container's port is to be found on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct PortBinding {
    pub host_ip: String,
    pub host_port: String,
}

/// A container's place on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct EndpointSettings {
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<Asked>,
    pub links: Option<()>,
    pub aliases: Vec<String>,
    #[serde(rename = "NetworkID")]
    pub network_id: NetworkId,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: EndpointId,
    pub gateway: String,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    pub mac_address: Mac,
    pub driver_opts: Option<()>,
}

/// What the user asked for by `--ip` and `--ip6`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are Docker's")]
pub struct Asked {
    #[serde(rename = "IPv4Address", skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    #[serde(rename = "IPv6Address", skip_serializing_if = "Option::is_none")]
    pub ip6: Option<Ipv6Addr>,
}

/// An overlay, as this host shows it.
pub(crate) fn overlay(view: &View, found: &Found, here: &Sandboxes) -> NetworkDetails {
    let network = &found.network;
    let (v6, v4): (Vec<&PoolRequest>, Vec<&PoolRequest>) =
        found.requests.iter().partition(|request| request.is_v6());
    let pools = v4.into_iter().zip(&network.subnets).map(|(request, subnet)| config(request, &subnet.v4));
    let pools6 = v6.into_iter().zip(network.subnets.iter().filter_map(|subnet| subnet.v6.as_ref()));
    let config = pools.chain(pools6.map(|(request, pool)| config(request, pool)));
    let members = view.endpoints_of(network.id).filter(|endpoint| endpoint.sandbox.is_some());
    NetworkDetails {
        name: network.name.clone(),
        id: network.id,
        created: network.created.clone(),
        scope: "global",
        driver: "overlay",
        enable_ipv6: network.ipv6(),
        ipam: Ipam { driver: "default", options: Some(BTreeMap::new()), config: config.collect() },
        internal: network.internal,
        attachable: network.attachable,
        ingress: false,
        config_from: ConfigFrom::default(),
        config_only: false,
        containers: members.map(|endpoint| (holder(endpoint, here), member(endpoint))).collect(),
        options: network.options.clone(),
        labels: network.labels.clone(),
        peers: None,
    }
}

/// A pool in the words of its request. A gateway that nobody asked for is shown only with a pool that nobody asked for (observed).
fn config<N: Net>(request: &PoolRequest, pool: &Pool<N>) -> IpamConfig {
    let drawn = request.subnet.is_none().then(|| pool.gateway.to_string());
    IpamConfig {
        subnet: request.subnet.clone().unwrap_or_else(|| pool.net.to_string()),
        ip_range: request.ip_range.clone(),
        gateway: request.gateway.clone().or(drawn),
        auxiliary_addresses: request.aux.clone(),
    }
}

/// The gateway bridge, as its host shows it: its subnet and address, and the containers on it.
pub(crate) fn gateway(
    network: &LocalNetwork,
    (subnet, address): (Ipv4Net, Ipv4Addr),
    members: Vec<(ContainerRef, EndpointId, Ipv4Addr)>,
) -> NetworkDetails {
    let containers = members.into_iter().map(|(container, endpoint_id, ip)| {
        let member = Member {
            name: format!("gateway_{}", container.sandbox),
            endpoint_id,
            mac_address: Mac::of(ip),
            ipv4_address: format!("{ip}/{}", subnet.prefix_len()),
            ipv6_address: String::new(),
        };
        (whole(container.id), member)
    });
    let options = docker::GWBRIDGE_OPTIONS.iter();
    NetworkDetails {
        name: docker::GWBRIDGE.to_owned(),
        id: network.id,
        created: network.created.clone(),
        scope: "local",
        driver: "bridge",
        enable_ipv6: false,
        ipam: Ipam {
            driver: "default",
            options: None,
            config: vec![IpamConfig {
                subnet: subnet.to_string(),
                ip_range: None,
                gateway: Some(address.to_string()),
                auxiliary_addresses: BTreeMap::new(),
            }],
        },
        internal: false,
        attachable: false,
        ingress: false,
        config_from: ConfigFrom::default(),
        config_only: false,
        containers: containers.collect(),
        options: options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        labels: BTreeMap::new(),
        peers: None,
    }
}

/// A container, as its host shows it: its endpoints, each with the network's name and the addresses it asked for, and the
/// ports that it has published. No overlay leads outside, so none gives the container a default gateway, of either family.
pub(crate) fn container(
    container: &ContainerRef,
    endpoints: Vec<(String, Endpoint, Option<Asked>)>,
    bindings: &[Binding],
) -> NetworkSettings {
    let mut ports: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for binding in bindings {
        let shown =
            PortBinding { host_ip: binding.host_ip.to_string(), host_port: binding.host_port.to_string() };
        ports.entry(format!("{}/{}", binding.port, binding.protocol)).or_default().push(shown);
    }
    let networks = endpoints.into_iter().map(|(name, endpoint, asked)| {
        let settings = EndpointSettings {
            ipam_config: asked,
            links: None,
            aliases: endpoint.aliases,
            network_id: endpoint.network,
            endpoint_id: endpoint.id,
            gateway: String::new(),
            ip_address: endpoint.address.addr().to_string(),
            ip_prefix_len: endpoint.address.prefix_len(),
            ipv6_gateway: String::new(),
            global_ipv6_address: endpoint.address6.map_or_else(String::new, |net| net.addr().to_string()),
            global_ipv6_prefix_len: endpoint.address6.map_or(0, |net| net.prefix_len()),
            mac_address: endpoint.mac,
            driver_opts: None,
        };
        (name, settings)
    });
    NetworkSettings {
        bridge: String::new(),
        sandbox_id: container.sandbox,
        hairpin_mode: false,
        link_local_ipv6_address: String::new(),
        link_local_ipv6_prefix_len: 0,
        ports,
        sandbox_key: format!("{}/{}", docker::NETNS_FOLDER, container.sandbox.namespace()),
        secondary_ip_addresses: None,
        secondary_ipv6_addresses: None,
        endpoint_id: String::new(),
        gateway: String::new(),
        global_ipv6_address: String::new(),
        global_ipv6_prefix_len: 0,
        ip_address: String::new(),
        ip_prefix_len: 0,
        ipv6_gateway: String::new(),
        mac_address: String::new(),
        networks: networks.collect(),
    }
}

fn member(endpoint: &Endpoint) -> Member {
    Member {
        name: endpoint.name.clone(),
        endpoint_id: endpoint.id,
        mac_address: endpoint.mac,
        ipv4_address: endpoint.address.to_string(),
        ipv6_address: endpoint.address6.map_or_else(String::new, |net| net.to_string()),
    }
}

/// The key of an endpoint: its container, if that is on this host.
fn holder(endpoint: &Endpoint, here: &Sandboxes) -> String {
    let container = endpoint.sandbox.and_then(|sandbox| here.container(sandbox));
    container.map_or_else(|| format!("ep-{:#}", endpoint.id), |container| whole(container.id))
}

fn whole(id: ContainerId) -> String {
    format!("{id:#}")
}
