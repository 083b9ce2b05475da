//! A new network.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::View;
use crate::docker;
use crate::error::{Cause, Result};
use crate::id::NetworkId;
use crate::ipam::{self, Bits, PoolRequest};
use crate::kv::TxnOp;
use crate::kv::keys;
use crate::kv::record::{
    self, BitmapRecord, DriverRecord, DriverSubnet, EndpointCount, NetworkRecord, PoolsRecord,
};
use crate::model::{Network, Subnet, Vni, pool_id, underlay_mtu};

/// `docker network create --driver overlay`, as a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CreateNetwork {
    /// What people will call it.
    pub name: String,
    /// `--subnet`, `--gateway`, `--ip-range`, `--aux-address`, a subnet each; none: one of the default pools.
    pub pools: Vec<PoolRequest>,
    /// `--internal`: no way to the outside.
    pub internal: bool,
    /// `--attachable`: stored and shown. It says something only to a Swarm.
    pub attachable: bool,
    /// `--opt`
    pub options: BTreeMap<String, String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
}

/// Writes a network down. `avoid` are subnets that it must not overlap, those of the underlay.
pub(crate) fn create(
    view: &View,
    request: &CreateNetwork,
    id: NetworkId,
    created: String,
    avoid: &[Ipv4Net],
) -> Result<Vec<TxnOp>> {
    check_name(view, &request.name)?;
    let mtu = underlay_mtu(&request.options).map_err(Cause::from)?;
    let requests =
        if request.pools.is_empty() { vec![PoolRequest::default()] } else { request.pools.clone() };
    let chosen = chosen_vnis(&request.options, requests.len())?;

    let (pools_index, mut pools) =
        view.pools.as_ref().map_or((0, PoolsRecord::empty()), |pools| (pools.index, pools.value.clone()));
    let mut reserved = Vec::new();
    for (place, request) in requests.iter().enumerate() {
        let used: Vec<Ipv4Net> = pools.nets().collect();
        let mut found = ipam::reserve(request, &used, avoid).map_err(Cause::from)?;
        found.subnet.vni = chosen.get(place).copied();
        pools.add(&found.subnet);
        reserved.push(found);
    }

    let (vnis_index, mut vnis) = vnis(view);
    for vni in &chosen {
        if !vnis.take(number(*vni)) {
            return Err(Cause::VniTaken(vni.get()).into());
        }
    }

    let driver = DriverRecord {
        mtu: mtu.unwrap_or(0),
        secure: request.options.contains_key(docker::OPTION_ENCRYPTED),
        subnets: reserved.iter().map(|found| DriverSubnet::of(&found.subnet)).collect(),
    };
    let network = Network {
        id,
        name: request.name.clone(),
        created,
        subnets: reserved.iter().map(|found| found.subnet.clone()).collect(),
        internal: request.internal,
        attachable: request.attachable,
        options: request.options.clone(),
        labels: request.labels.clone(),
    };
    // Parents first, and the network last, as Docker writes them.
    let mut ops = parents(view, [keys::NETWORKS.to_owned(), keys::COUNTS.to_owned()]);
    ops.push(cas(keys::POOLS.to_owned(), &pools, pools_index));
    ops.extend(reserved.iter().map(|found| put_bitmap(view, &found.subnet, &found.bits)));
    if vnis_index == 0 || !chosen.is_empty() {
        ops.push(put_vnis(&vnis, vnis_index));
    }
    ops.push(cas(keys::driver(id), &driver, 0));
    ops.push(cas(keys::endpoint_count(id), &EndpointCount { count: 0 }, 0));
    ops.push(cas(keys::network(id), &NetworkRecord::of(&requests, &network), 0));
    Ok(ops)
}

fn check_name(view: &View, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Cause::InvalidName(name.to_owned()).into());
    }
    if docker::PREDEFINED.contains(&name) {
        return Err(Cause::Predefined(name.to_owned()).into());
    }
    let taken = view.networks.values().any(|found| found.value.network.name == name);
    if taken || name == docker::GWBRIDGE {
        return Err(Cause::NetworkExists(name.to_owned()).into());
    }
    Ok(())
}

/// The VNIs that the options name, one a subnet; those beyond are passed over. Docker neither checks them against those in use
/// nor marks them as used.
fn chosen_vnis(options: &BTreeMap<String, String>, subnets: usize) -> Result<Vec<Vni>> {
    let Some(list) = options.get(docker::OPTION_VNIS) else { return Ok(Vec::new()) };
    let number = |text: &str| {
        let vni = text.trim().parse().ok().and_then(Vni::new);
        vni.ok_or_else(|| Cause::BadVni(text.trim().to_owned()))
    };
    let mut vnis = list.split(',').map(number).collect::<Result<Vec<Vni>, Cause>>()?;
    if vnis.len() < subnets {
        return Err(Cause::TooFewVnis(vnis.len()).into());
    }
    vnis.truncate(subnets);
    Ok(vnis)
}

/// The VNIs in use, and the index to write them with.
pub(super) fn vnis(view: &View) -> (u64, Bits) {
    let none = || (0, Bits::new(u64::from(docker::VNI_LAST - docker::VNI_FIRST) + 1));
    view.vnis.as_ref().map_or_else(none, |vnis| (vnis.index, vnis.value.clone()))
}

/// Which bit a VNI is.
pub(super) fn number(vni: Vni) -> u64 {
    u64::from(vni.get() - docker::VNI_FIRST)
}

/// Makes the parents that are missing.
pub(super) fn parents(view: &View, keys: impl IntoIterator<Item = String>) -> Vec<TxnOp> {
    let missing = keys.into_iter().filter(|key| !view.parents.contains(key));
    missing.map(|key| TxnOp::Cas { key, value: Vec::new(), index: 0 }).collect()
}

/// Writes a document, if it still is as it was seen.
pub(super) fn cas(key: String, record: &impl serde::Serialize, index: u64) -> TxnOp {
    TxnOp::Cas { key, value: record::encode(record), index }
}

/// Writes a pool's addresses.
pub(super) fn put_bitmap(view: &View, subnet: &Subnet, bits: &Bits) -> TxnOp {
    let index = view.bitmaps.get(&subnet.net).map_or(0, |bitmap| bitmap.index);
    let record = BitmapRecord { id: pool_id(subnet.net), sequence: bits.encode() };
    cas(keys::bitmap(subnet.net), &record, index)
}

/// Writes the VNIs.
pub(super) fn put_vnis(vnis: &Bits, index: u64) -> TxnOp {
    let record = BitmapRecord { id: "vxlan-id".to_owned(), sequence: vnis.encode() };
    cas(keys::VNIS.to_owned(), &record, index)
}
