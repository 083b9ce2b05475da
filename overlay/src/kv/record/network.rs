//! A network's value, with the JSON that stands as text inside it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

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
    /// What to write for a network that was asked for in these words.
    pub fn of(request: &PoolRequest, network: &Network) -> NetworkRecord {
        let subnet = &network.subnet;
        let aux = |empty: bool| (!empty).then(|| subnet.aux.clone());
        let config = V4Config {
            preferred_pool: request.subnet.clone().unwrap_or_default(),
            sub_pool: request.ip_range.clone().unwrap_or_default(),
            gateway: request.gateway.clone().unwrap_or_default(),
            aux_addresses: (!request.aux.is_empty()).then(|| request.aux.clone()),
        };
        let data = IpamData {
            address_space: docker::ADDRESS_SPACE.to_owned(),
            aux_addresses: aux(subnet.aux.is_empty())
                .map(|aux| aux.into_iter().map(|(name, ip)| (name, subnet.with_len(ip))).collect()),
            gateway: subnet.with_len(subnet.gateway),
            pool: subnet.net,
        };
        let info = V4Info { data: text(&data), pool_id: subnet.pool_id() };
        NetworkRecord {
            addr_space: docker::ADDRESS_SPACE.to_owned(),
            attachable: false,
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
            ipam_v4_config: text(&[config]),
            ipam_v4_info: Some(text(&[info])),
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

    /// The network, but for its VNI, which is in the driver's record.
    pub fn meaning(&self) -> Result<Network, BadRecord> {
        let text = self.ipam_v4_info.as_deref().ok_or_else(|| BadRecord::field("ipamV4Info", "missing"))?;
        let infos: Vec<V4Info> = serde_json::from_str(text)?;
        let info = infos.first().ok_or_else(|| BadRecord::field("ipamV4Info", text))?;
        let data: IpamData = serde_json::from_str(&info.data)?;
        let range = self.request()?.ip_range.map(|range| {
            range
                .parse::<Ipv4Net>()
                .map(|range| range.trunc())
                .map_err(|_| BadRecord::field("SubPool", range))
        });
        let aux = data.aux_addresses.unwrap_or_default();
        Ok(Network {
            id: self.id,
            name: self.name.clone(),
            created: self.created.clone(),
            subnet: Subnet {
                net: data.pool.trunc(),
                gateway: data.gateway.addr(),
                range: range.transpose()?,
                aux: aux
                    .into_iter()
                    .map(|(name, net)| (name, net.addr()))
                    .collect::<BTreeMap<String, Ipv4Addr>>(),
            },
            vni: None,
            internal: self.internal,
            options: self.generic.options.clone(),
            labels: self.labels.clone(),
        })
    }

    /// The subnet in the words in which it was asked for: what `inspect` echoes.
    pub fn request(&self) -> Result<PoolRequest, BadRecord> {
        let mut configs: Vec<V4Config> = serde_json::from_str(&self.ipam_v4_config)?;
        if configs.len() > 1 {
            return Err(BadRecord::field("ipamV4Config", self.ipam_v4_config.clone()));
        }
        let said = |text: String| (!text.is_empty()).then_some(text);
        Ok(configs.pop().map_or_else(PoolRequest::default, |config| PoolRequest {
            subnet: said(config.preferred_pool),
            ip_range: said(config.sub_pool),
            gateway: said(config.gateway),
            aux: config.aux_addresses.unwrap_or_default(),
        }))
    }
}

/// JSON that stands as text inside JSON.
fn text(value: &impl Serialize) -> String {
    String::from_utf8_lossy(&super::encode(value)).into_owned()
}
