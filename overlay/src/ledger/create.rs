//! A new network.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::View;
use crate::docker;
use crate::error::{Cause, Result};
use crate::id::NetworkId;
use crate::ipam::{self, Bits, PoolError, PoolRequest, Reserved};
use crate::kv::TxnOp;
use crate::kv::keys;
use crate::kv::record::{
    self, BitmapRecord, DriverRecord, DriverSubnet, EndpointCount, NetworkRecord, PoolsRecord,
};
use crate::model::{Build, Net, Network, Subnet, Vni, checked_mtu, pool_id};

/// `docker network create --driver overlay`, as a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CreateNetwork {
    /// What people will call it.
    pub name: String,
    /// `--subnet`, `--gateway`, `--ip-range`, `--aux-address`, a subnet each; none of IPv4: one of the default pools. The first
    /// IPv6 subnet goes with the first IPv4 one, and so on: a container in it has an address of each.
    pub pools: Vec<PoolRequest>,
    /// `--ipv6`: there are IPv6 subnets, too.
    pub ipv6: bool,
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
    let mtu = checked_mtu(&request.options, request.ipv6).map_err(Cause::from)?;
    Build::asked(&request.options).map_err(Cause::from)?;
    let (mut v4, v6) = by_family(request).map_err(Cause::from)?;
    if v4.is_empty() {
        v4.push(PoolRequest::default());
    }
    let chosen = chosen_vnis(&request.options, v4.len())?;

    let (pools_index, mut pools) =
        view.pools.as_ref().map_or((0, PoolsRecord::empty()), |pools| (pools.index, pools.value.clone()));
    let avoid: Vec<IpNet> = avoid.iter().copied().map(IpNet::V4).collect();
    let reserved: Vec<Reserved<Ipv4Net>> = reserve(&v4, &mut pools, &avoid)?;
    let reserved6: Vec<Reserved<Ipv6Net>> = reserve(&v6, &mut pools, &avoid)?;
    if v6.len() > v4.len() {
        return Err(Cause::from(PoolError::Unpaired { v4: v4.len(), v6: v6.len() }).into());
    }
    let subnet = |(place, found): (usize, &Reserved<Ipv4Net>)| Subnet {
        v4: found.pool.clone(),
        v6: reserved6.get(place).map(|found| found.pool.clone()),
        vni: chosen.get(place).copied(),
    };
    let subnets: Vec<Subnet> = reserved.iter().enumerate().map(subnet).collect();

    let (vnis_index, mut vnis) = vnis(view);
    for vni in &chosen {
        if !vnis.take(number(*vni)) {
            return Err(Cause::VniTaken(vni.get()).into());
        }
    }

    let driver = DriverRecord {
        mtu: mtu.unwrap_or(0),
        secure: request.options.contains_key(docker::OPTION_ENCRYPTED),
        subnets: subnets.iter().map(DriverSubnet::of).collect(),
    };
    let network = Network {
        id,
        name: request.name.clone(),
        created,
        subnets,
        internal: request.internal,
        attachable: request.attachable,
        options: request.options.clone(),
        labels: request.labels.clone(),
    };
    // Parents first, and the network last, as Docker writes them.
    let mut ops = parents(view, [keys::NETWORKS.to_owned(), keys::COUNTS.to_owned()]);
    ops.push(cas(keys::POOLS.to_owned(), &pools, pools_index));
    ops.extend(reserved.iter().map(|found| put_bitmap(view, found.pool.net, &found.bits)));
    ops.extend(reserved6.iter().map(|found| put_bitmap(view, found.pool.net, &found.bits)));
    if vnis_index == 0 || !chosen.is_empty() {
        ops.push(put_vnis(&vnis, vnis_index));
    }
    ops.push(cas(keys::driver(id), &driver, 0));
    ops.push(cas(keys::endpoint_count(id), &EndpointCount { count: 0 }, 0));
    let requests: Vec<PoolRequest> = v4.into_iter().chain(v6).collect();
    ops.push(cas(keys::network(id), &NetworkRecord::of(&requests, &network), 0));
    Ok(ops)
}

/// The requests for IPv4 and for IPv6 pools. With IPv6 there is one for that at least: nothing is a default pool of it.
fn by_family(request: &CreateNetwork) -> Result<(Vec<PoolRequest>, Vec<PoolRequest>), PoolError> {
    let (mut v6, v4): (Vec<_>, Vec<_>) = request.pools.iter().cloned().partition(PoolRequest::is_v6);
    match v6.first().and_then(|first| first.subnet.clone()) {
        Some(subnet) if !request.ipv6 => return Err(PoolError::Ipv6Off(subnet)),
        None if request.ipv6 => v6.push(PoolRequest::default()),
        _ => {}
    }
    Ok((v4, v6))
}

/// Finds a pool for each of the requests, and enters it.
fn reserve<N: Net>(
    requests: &[PoolRequest],
    pools: &mut PoolsRecord,
    avoid: &[IpNet],
) -> Result<Vec<Reserved<N>>> {
    let avoid: Vec<N> = avoid.iter().filter_map(|net| N::of(*net)).collect();
    let mut all = Vec::new();
    for request in requests {
        let used: Vec<N> = pools.nets().filter_map(N::of).collect();
        let found = ipam::reserve(request, &used, &avoid).map_err(Cause::from)?;
        pools.enter(&found.pool);
        all.push(found);
    }
    Ok(all)
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
pub(super) fn put_bitmap<N: Net>(view: &View, net: N, bits: &Bits) -> TxnOp {
    let index = view.bitmaps.get(&net.into()).map_or(0, |bitmap| bitmap.index);
    let record = BitmapRecord { id: pool_id(net), sequence: bits.encode() };
    cas(keys::bitmap(net.into()), &record, index)
}

/// Writes the VNIs.
pub(super) fn put_vnis(vnis: &Bits, index: u64) -> TxnOp {
    let record = BitmapRecord { id: "vxlan-id".to_owned(), sequence: vnis.encode() };
    cas(keys::VNIS.to_owned(), &record, index)
}
