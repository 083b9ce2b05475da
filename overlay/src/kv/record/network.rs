//! A network's value, with the JSON that stands as text inside it.

use std::collections::BTreeMap;
use std::iter;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::BadRecord;
use crate::docker;
use crate::id::NetworkId;
use crate::ipam::PoolRequest;
use crate::model::{Net, Network, Pool, Subnet};

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
    /// Missing where no IPv6 subnet was asked for.
    #[serde(rename = "ipamV6Config", default, skip_serializing_if = "Option::is_none")]
    ipam_v6_config: Option<String>,
    /// Missing without IPv6.
    #[serde(rename = "ipamV6Info", default, skip_serializing_if = "Option::is_none")]
    ipam_v6_info: Option<String>,
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
struct Config {
    preferred_pool: String,
    sub_pool: String,
    gateway: String,
    aux_addresses: Option<BTreeMap<String, String>>,
}

/// One subnet as it was allocated.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Info {
    #[serde(rename = "IPAMData")]
    data: String,
    #[serde(rename = "PoolID")]
    pool_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamData<N> {
    address_space: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aux_addresses: Option<BTreeMap<String, N>>,
    gateway: N,
    pool: N,
}

impl NetworkRecord {
    /// What to write for a network whose pools were asked for in these words.
    pub fn of(requests: &[PoolRequest], network: &Network) -> NetworkRecord {
        let (v6, v4): (Vec<&PoolRequest>, Vec<&PoolRequest>) =
            requests.iter().partition(|request| request.is_v6());
        let configs = |requests: &[&PoolRequest]| -> Vec<Config> {
            requests.iter().map(|request| Config::of(request)).collect()
        };
        let infos: Vec<Info> = network.subnets.iter().map(|subnet| Info::of(&subnet.v4)).collect();
        let infos6: Vec<Info> =
            network.subnets.iter().filter_map(|subnet| Some(Info::of(subnet.v6.as_ref()?))).collect();
        let ipv6 = network.ipv6();
        NetworkRecord {
            addr_space: docker::ADDRESS_SPACE.to_owned(),
            attachable: network.attachable,
            config_from: String::new(),
            config_only: false,
            created: network.created.clone(),
            enable_ipv6: ipv6,
            generic: Generic {
                enable_ipv6: ipv6,
                options: network.options.clone(),
                internal: network.internal.then_some(true),
            },
            id: network.id,
            in_delete: false,
            ingress: false,
            internal: network.internal,
            ipam_options: BTreeMap::new(),
            ipam_type: "default".to_owned(),
            ipam_v4_config: text(&configs(&v4)),
            ipam_v4_info: Some(text(&infos)),
            ipam_v6_config: ipv6.then(|| text(&configs(&v6))),
            ipam_v6_info: ipv6.then(|| text(&infos6)),
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

    /// The network, but for its VNIs, which are in the driver's record. The IPv6 pools go with the IPv4 ones in their order; a
    /// Docker can have more of them, and those belong to no broadcast domain.
    pub fn meaning(&self) -> Result<Network, BadRecord> {
        let text = self.ipam_v4_info.as_deref().ok_or_else(|| BadRecord::field("ipamV4Info", "missing"))?;
        let requests = self.requests()?;
        let (six, four): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.is_v6());
        let v4: Vec<Pool<Ipv4Net>> = pools(text, &four)?;
        let text6 = self.ipam_v6_info.as_deref().filter(|_| self.enable_ipv6);
        let v6: Vec<Pool<Ipv6Net>> = text6.map_or(Ok(Vec::new()), |text| pools(text, &six))?;
        if v4.is_empty() {
            return Err(BadRecord::field("ipamV4Info", text));
        }
        if v6.len() > v4.len() {
            return Err(BadRecord::field("ipamV6Info", text6.unwrap_or_default()));
        }
        let v6 = v6.into_iter().map(Some).chain(iter::repeat(None));
        let subnets = v4.into_iter().zip(v6).map(|(v4, v6)| Subnet { v4, v6, vni: None }).collect();
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

    /// The pools in the words in which they were asked for, IPv4 before IPv6: what `inspect` echoes.
    pub fn requests(&self) -> Result<Vec<PoolRequest>, BadRecord> {
        let mut configs: Vec<Config> = serde_json::from_str(&self.ipam_v4_config)?;
        if let Some(text) = self.ipam_v6_config.as_deref().filter(|_| self.enable_ipv6) {
            configs.extend(serde_json::from_str::<Vec<Config>>(text)?);
        }
        Ok(configs.into_iter().map(Config::meaning).collect())
    }
}

impl Config {
    fn of(request: &PoolRequest) -> Config {
        Config {
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

impl Info {
    fn of<N: Net>(pool: &Pool<N>) -> Info {
        let aux = pool.aux.iter().map(|(name, ip)| (name.clone(), pool.net.with_len(*ip)));
        let data = IpamData {
            address_space: docker::ADDRESS_SPACE.to_owned(),
            aux_addresses: (!pool.aux.is_empty()).then(|| aux.collect()),
            gateway: pool.net.with_len(pool.gateway),
            pool: pool.net,
        };
        Info { data: text(&data), pool_id: pool.id() }
    }

    /// The pool; the range, which is not written here, is as it was asked for.
    fn meaning<N: Net>(&self, request: Option<&PoolRequest>) -> Result<Pool<N>, BadRecord> {
        let data: IpamData<N> = serde_json::from_str(&self.data)?;
        let range = request.and_then(|request| request.ip_range.as_ref()).map(|range| {
            let parsed = range.parse::<N>().map(N::network);
            parsed.map_err(|_| BadRecord::field("SubPool", range.clone()))
        });
        let aux = data.aux_addresses.unwrap_or_default();
        Ok(Pool {
            net: data.pool.network(),
            gateway: data.gateway.address(),
            range: range.transpose()?,
            aux: aux.into_iter().map(|(name, net)| (name, net.address())).collect(),
        })
    }
}

/// The pools of one family, in the words of these requests.
fn pools<N: Net>(text: &str, requests: &[&PoolRequest]) -> Result<Vec<Pool<N>>, BadRecord> {
    let infos: Vec<Info> = serde_json::from_str(text)?;
    infos.iter().enumerate().map(|(number, info)| info.meaning(requests.get(number).copied())).collect()
}

/// JSON that stands as text inside JSON.
fn text(value: &impl Serialize) -> String {
    String::from_utf8_lossy(&super::encode(value)).into_owned()
}
