//! A network's value, with the JSON that stands as text inside it.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::BadRecord;
use crate::docker;
use crate::id::NetworkId;
use crate::ipam::PoolRequest;
use crate::model::{Network, Subnet};

/// What is under a network's key. Go wrote it from a map, so the fields are in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the document has them")]
pub struct NetworkRecord {
    addr_space: String,
    attachable: bool,
    config_from: String,
    config_only: bool,
    created: String,
    #[serde(rename = "enableIPv6")]
    enable_ipv6: bool,
    generic: Generic,
    id: NetworkId,
    in_delete: bool,
    ingress: bool,
    internal: bool,
    ipam_options: BTreeMap<String, String>,
    ipam_type: String,
    #[serde(rename = "ipamV4Config")]
    ipam_v4_config: String,
    /// Missing once the network is being deleted.
    #[serde(rename = "ipamV4Info", default, skip_serializing_if = "Option::is_none")]
    ipam_v4_info: Option<String>,
    labels: BTreeMap<String, String>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: String,
    load_balancer_mode: String,
    name: String,
    network_type: String,
    persist: bool,
    #[serde(rename = "postIPv6")]
    post_ipv6: bool,
    scope: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generic {
    #[serde(rename = "com.docker.network.enable_ipv6")]
    enable_ipv6: bool,
    #[serde(rename = "com.docker.network.generic")]
    options: BTreeMap<String, String>,
    #[serde(rename = "com.docker.network.internal", default, skip_serializing_if = "Option::is_none")]
    internal: Option<bool>,
}

/// One subnet as the user typed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct V4Config {
    preferred_pool: String,
    sub_pool: String,
    gateway: String,
    aux_addresses: Option<BTreeMap<String, String>>,
}

/// One subnet as it was allocated.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct V4Info {
    #[serde(rename = "IPAMData")]
    data: String,
    #[serde(rename = "PoolID")]
    pool_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamData {
    address_space: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aux_addresses: Option<BTreeMap<String, Ipv4Net>>,
    gateway: Ipv4Net,
    pool: Ipv4Net,
}

impl NetworkRecord {
    /// What to write for a network whose subnets were asked for in these words.
    pub fn of(requests: &[PoolRequest], network: &Network) -> NetworkRecord {
        let configs: Vec<V4Config> = requests.iter().map(V4Config::of).collect();
        let infos: Vec<V4Info> = network.subnets.iter().map(V4Info::of).collect();
        NetworkRecord {
            addr_space: docker::ADDRESS_SPACE.to_owned(),
            attachable: network.attachable,
            config_from: String::new(),
            config_only: false,
            created: network.created.clone(),
            enable_ipv6: false,
            generic: Generic {
                enable_ipv6: false,
                options: network.options.clone(),
                internal: network.internal.then_some(true),
            },
            id: network.id,
            in_delete: false,
            ingress: false,
            internal: network.internal,
            ipam_options: BTreeMap::new(),
            ipam_type: "default".to_owned(),
            ipam_v4_config: text(&configs),
            ipam_v4_info: Some(text(&infos)),
            labels: network.labels.clone(),
            load_balancer_ip: String::new(),
            load_balancer_mode: "NAT".to_owned(),
            name: network.name.clone(),
            network_type: "overlay".to_owned(),
            persist: true,
            post_ipv6: false,
            scope: "global".to_owned(),
        }
    }

    /// Whether it is an overlay; a Docker keeps other global networks in the same place.
    pub fn is_overlay(&self) -> bool {
        self.network_type == "overlay"
    }

    /// Whether somebody is deleting the network.
    pub fn in_delete(&self) -> bool {
        self.in_delete
    }

    /// The network, but for its VNIs, which are in the driver's record.
    pub fn meaning(&self) -> Result<Network, BadRecord> {
        let text = self.ipam_v4_info.as_deref().ok_or_else(|| BadRecord::field("ipamV4Info", "missing"))?;
        let infos: Vec<V4Info> = serde_json::from_str(text)?;
        let requests = self.requests()?;
        let mut subnets = Vec::new();
        for (number, info) in infos.iter().enumerate() {
            subnets.push(info.meaning(requests.get(number))?);
        }
        if subnets.is_empty() {
            return Err(BadRecord::field("ipamV4Info", text));
        }
        Ok(Network {
            id: self.id,
            name: self.name.clone(),
            created: self.created.clone(),
            subnets,
            internal: self.internal,
            attachable: self.attachable,
            options: self.generic.options.clone(),
            labels: self.labels.clone(),
        })
    }

    /// The subnets in the words in which they were asked for: what `inspect` echoes.
    pub fn requests(&self) -> Result<Vec<PoolRequest>, BadRecord> {
        let configs: Vec<V4Config> = serde_json::from_str(&self.ipam_v4_config)?;
        Ok(configs.into_iter().map(V4Config::meaning).collect())
    }
}

impl V4Config {
    fn of(request: &PoolRequest) -> V4Config {
        V4Config {
            preferred_pool: request.subnet.clone().unwrap_or_default(),
            sub_pool: request.ip_range.clone().unwrap_or_default(),
            gateway: request.gateway.clone().unwrap_or_default(),
            aux_addresses: (!request.aux.is_empty()).then(|| request.aux.clone()),
        }
    }

    fn meaning(self) -> PoolRequest {
        let said = |text: String| (!text.is_empty()).then_some(text);
        PoolRequest {
            subnet: said(self.preferred_pool),
            ip_range: said(self.sub_pool),
            gateway: said(self.gateway),
            aux: self.aux_addresses.unwrap_or_default(),
        }
    }
}

impl V4Info {
    fn of(subnet: &Subnet) -> V4Info {
        let aux = subnet.aux.iter().map(|(name, ip)| (name.clone(), subnet.with_len(*ip)));
        let data = IpamData {
            address_space: docker::ADDRESS_SPACE.to_owned(),
            aux_addresses: (!subnet.aux.is_empty()).then(|| aux.collect()),
            gateway: subnet.with_len(subnet.gateway),
            pool: subnet.net,
        };
        V4Info { data: text(&data), pool_id: subnet.pool_id() }
    }

    /// The subnet; the range, which is not written here, is as it was asked for.
    fn meaning(&self, request: Option<&PoolRequest>) -> Result<Subnet, BadRecord> {
        let data: IpamData = serde_json::from_str(&self.data)?;
        let range = request.and_then(|request| request.ip_range.as_ref()).map(|range| {
            let parsed = range.parse::<Ipv4Net>().map(|range| range.trunc());
            parsed.map_err(|_| BadRecord::field("SubPool", range.clone()))
        });
        let aux = data.aux_addresses.unwrap_or_default();
        Ok(Subnet {
            net: data.pool.trunc(),
            gateway: data.gateway.addr(),
            range: range.transpose()?,
            aux: aux.into_iter().map(|(name, net)| (name, net.addr())).collect(),
            vni: None,
        })
    }
}

/// JSON that stands as text inside JSON.
fn text(value: &impl Serialize) -> String {
    String::from_utf8_lossy(&super::encode(value)).into_owned()
}
