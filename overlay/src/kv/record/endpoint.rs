//! An endpoint's value.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BadRecord;
use super::port::{PortBinding, TransportPort};
use crate::docker;
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::model::{Endpoint, Mac, Pool, Subnet};

/// What is under an endpoint's key. Go wrote it from a map, so the fields are in byte order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointRecord {
    anonymous: bool,
    disable_resolution: bool,
    #[serde(rename = "ep_iface")]
    interface: Interface,
    #[serde(rename = "exposed_ports")]
    exposed_ports: Vec<TransportPort>,
    generic: Generic,
    id: EndpointId,
    ingress_ports: Option<Vec<Value>>,
    join_info: Option<JoinInfo>,
    load_balancer: bool,
    locator: String,
    my_aliases: Option<Vec<String>>,
    name: String,
    sandbox: String,
    svc_aliases: Option<Vec<String>>,
    #[serde(rename = "svcID")]
    svc_id: String,
    svc_name: String,
    #[serde(rename = "virtualIP")]
    virtual_ip: String,
}

/// What is for drivers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Generic {
    #[serde(rename = "com.docker.network.endpoint.exposedports", default)]
    exposed_ports: Vec<TransportPort>,
    #[serde(rename = "com.docker.network.portmap", default)]
    port_map: Vec<PortBinding>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    addr: Ipv4Net,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addrv6: Option<Ipv6Net>,
    dst_prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ll_addrs: Option<Vec<String>>,
    mac: Mac,
    routes: Option<Vec<String>>,
    src_name: String,
    #[serde(rename = "v4PoolID")]
    v4_pool_id: String,
    #[serde(rename = "v6PoolID")]
    v6_pool_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct JoinInfo {
    #[serde(rename = "StaticRoutes")]
    static_routes: Option<Vec<Value>>,
    #[serde(rename = "disableGatewayService")]
    disable_gateway_service: bool,
}

impl EndpointRecord {
    /// What to write for an endpoint of a subnet; `half` is the name of the container's half of the pair while it
    /// was on the host. What only a joined endpoint has is left out while it has no sandbox.
    pub fn of(endpoint: &Endpoint, subnet: &Subnet, half: &str) -> EndpointRecord {
        let joined = endpoint.sandbox.is_some();
        let v6 = endpoint.address6.and(subnet.v6.as_ref());
        let exposed_ports: Vec<_> = endpoint.publish.iter().map(TransportPort::of).collect();
        EndpointRecord {
            anonymous: endpoint.anonymous,
            disable_resolution: false,
            interface: Interface {
                addr: endpoint.address,
                addrv6: endpoint.address6,
                dst_prefix: if joined { docker::CONTAINER_PREFIX.to_owned() } else { String::new() },
                ll_addrs: None,
                mac: endpoint.mac,
                routes: None,
                src_name: half.to_owned(),
                v4_pool_id: subnet.v4.id(),
                v6_pool_id: v6.map(Pool::id).unwrap_or_default(),
            },
            exposed_ports: exposed_ports.clone(),
            generic: Generic {
                exposed_ports,
                port_map: endpoint.publish.iter().map(PortBinding::of).collect(),
                other: BTreeMap::new(),
            },
            id: endpoint.id,
            ingress_ports: None,
            join_info: joined.then_some(JoinInfo { static_routes: None, disable_gateway_service: false }),
            load_balancer: false,
            locator: endpoint.host.to_string(),
            my_aliases: (!endpoint.aliases.is_empty()).then(|| endpoint.aliases.clone()),
            name: endpoint.name.clone(),
            sandbox: endpoint.sandbox.map(|id| format!("{id:#}")).unwrap_or_default(),
            svc_aliases: None,
            svc_id: String::new(),
            svc_name: String::new(),
            virtual_ip: "<nil>".to_owned(),
        }
    }

    /// The endpoint, which is on the network of its key.
    pub fn meaning(&self, network: NetworkId) -> Result<Endpoint, BadRecord> {
        let host = self
            .locator
            .parse::<Ipv4Addr>()
            .map_err(|_| BadRecord::field("locator", self.locator.clone()))?;
        let sandbox = match self.sandbox.as_str() {
            "" => None,
            text => Some(text.parse::<SandboxId>().map_err(|_| BadRecord::field("sandbox", text))?),
        };
        Ok(Endpoint {
            id: self.id,
            network,
            name: self.name.clone(),
            anonymous: self.anonymous,
            address: self.interface.addr,
            address6: self.interface.addrv6,
            mac: self.interface.mac,
            sandbox,
            host,
            aliases: self.my_aliases.clone().unwrap_or_default(),
            publish: self.generic.port_map.iter().filter_map(PortBinding::meaning).collect(),
        })
    }

    /// What the container's half of the pair was called on the host.
    pub fn host_half(&self) -> &str {
        &self.interface.src_name
    }
}
