//! A container that joins a network, leaves it, or is called otherwise.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::create::{cas, number, parents, put_bitmap, put_vnis, vnis};
use super::{Stored, View};
use crate::docker;
use crate::error::{Cause, Result};
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::ipam::{self, Bits, PoolError};
use crate::kv::TxnOp;
use crate::kv::keys;
use crate::kv::record::{EndpointCount, EndpointRecord};
use crate::model::{Endpoint, Mac, Network, Publish, Subnet, Vni};

/// Who joins, and how.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    /// The new endpoint's id.
    pub(crate) id: EndpointId,
    /// The container's name.
    pub(crate) name: String,
    /// Nobody gave it that name.
    pub(crate) anonymous: bool,
    /// The container's sandbox.
    pub(crate) sandbox: SandboxId,
    /// The underlay address of the host it is on.
    pub(crate) host: Ipv4Addr,
    /// The address it wants.
    pub(crate) ip: Option<Ipv4Addr>,
    /// Further names.
    pub(crate) aliases: Vec<String>,
    /// The ports that it wants to be published.
    pub(crate) publish: Vec<Publish>,
    /// What the pair's half would be called on the host before it moves in: the record has it.
    pub(crate) half: String,
    /// The VNI that this engine drew last: they go up, so that one that was freed is not had again at once.
    pub(crate) last_vni: Option<Vni>,
}

/// Writes an endpoint down, its address and, if it is the first ever, the network's VNI.
pub(crate) fn join(view: &View, network: NetworkId, who: &Joining) -> Result<(Endpoint, Vec<TxnOp>)> {
    let Stored { value: found, .. } =
        view.networks.get(&network).ok_or_else(|| Cause::NoSuchNetwork(network.to_string()))?;
    let name = &found.network.name;
    let damaged = |what| Cause::Damaged { network: name.clone(), what };
    let driver = view.drivers.get(&network).ok_or_else(|| damaged("the driver's record is missing"))?;
    if driver.value.secure {
        return Err(Cause::Encrypted.into());
    }
    if view.endpoints_of(network).any(|other| other.name == who.name) {
        return Err(Cause::EndpointExists { name: who.name.clone(), network: name.clone() }.into());
    }
    if who.ip.is_some() && found.requests.iter().all(|request| request.subnet.is_none()) {
        return Err(Cause::AddressOnDefaultPool.into());
    }
    let Seat { subnet, ip, bits } = seat(view, &found.network, who.ip)?;
    let endpoint = Endpoint {
        id: who.id,
        network,
        name: who.name.clone(),
        anonymous: who.anonymous,
        address: subnet.with_len(ip),
        mac: Mac::of(ip),
        sandbox: Some(who.sandbox),
        host: who.host,
        aliases: who.aliases.clone(),
        publish: if carries_ports(view, &found.network, who) { who.publish.clone() } else { Vec::new() },
    };

    let mut ops = parents(view, [keys::endpoints(network)]);
    ops.push(put_bitmap(view, subnet, &bits));
    ops.push(cas(
        keys::endpoint(network, who.id),
        &EndpointRecord::of(&endpoint, &subnet.pool_id(), &who.half),
        0,
    ));
    ops.push(count(view, network, 1));
    if subnet.vni.is_none() {
        let (index, mut vnis) = vnis(view);
        let free = vnis.next_free(who.last_vni.map(number), 0..=vnis.len()).ok_or(Cause::NoVni)?;
        vnis.take(free);
        let mut record = driver.value.clone();
        for its in record.subnets.iter_mut().filter(|its| its.subnet.trunc() == subnet.net) {
            its.vni = docker::VNI_FIRST + u32::try_from(free).map_err(|_| Cause::NoVni)?;
        }
        ops.push(put_vnis(&vnis, index));
        ops.push(cas(keys::driver(network), &record, driver.index));
    }
    Ok((endpoint, ops))
}

/// Whether the container's ports are noted with its endpoint on this network: it is its first that leads outside.
fn carries_ports(view: &View, network: &Network, who: &Joining) -> bool {
    let mut its = view.endpoints_on(who.host).filter(|other| other.sandbox == Some(who.sandbox));
    !network.internal && its.all(|other| other.publish.is_empty())
}

/// An address for an endpoint.
struct Seat<'a> {
    subnet: &'a Subnet,
    ip: Ipv4Addr,
    /// The subnet's addresses, with this one taken.
    bits: Bits,
}

/// Finds an address: the one that is asked for, else the lowest one of the first subnet that has room, as Docker does.
fn seat<'a>(view: &View, network: &'a Network, asked: Option<Ipv4Addr>) -> Result<Seat<'a>> {
    let candidates: Vec<&Subnet> = match asked {
        Some(ip) => vec![network.subnet_of(ip).ok_or(PoolError::Foreign(ip)).map_err(Cause::from)?],
        None => network.subnets.iter().collect(),
    };
    for subnet in candidates {
        let bitmap = view.bitmaps.get(&subnet.net).ok_or_else(|| Cause::Damaged {
            network: network.name.clone(),
            what: "the pool's addresses are missing",
        })?;
        let mut bits = bitmap.value.clone();
        match ipam::allocate(&mut bits, subnet, asked) {
            Ok(ip) => return Ok(Seat { subnet, ip, bits }),
            Err(PoolError::NoRoom) => {}
            Err(error) => return Err(Cause::from(error).into()),
        }
    }
    Err(Cause::NoAddress { name: network.name.clone(), id: network.id }.into())
}

/// Crosses an endpoint out and gives its address back. None: it is not there (any more).
pub(crate) fn leave(view: &View, network: NetworkId, id: EndpointId) -> Option<Vec<TxnOp>> {
    let stored = view.endpoints.get(&network)?.get(&id)?;
    let mut ops = vec![TxnOp::DeleteCas { key: keys::endpoint(network, id), index: stored.index }];
    if let Some(found) = view.networks.get(&network) {
        let ip = stored.value.address.addr();
        if let Some(subnet) = found.value.network.subnet_of(ip)
            && let Some(bitmap) = view.bitmaps.get(&subnet.net)
        {
            let mut bits = bitmap.value.clone();
            ipam::release(&mut bits, subnet, ip);
            ops.push(put_bitmap(view, subnet, &bits));
        }
        ops.push(count(view, network, -1));
    }
    Some(ops)
}

/// Gives all endpoints of a container another name, by which others find it from now on, also if nobody gave it the one before.
/// `halves` are what the containers' halves of the pairs were called on the host.
pub(crate) fn rename(
    view: &View,
    (host, sandbox): (Ipv4Addr, SandboxId),
    name: &str,
    halves: &BTreeMap<EndpointId, String>,
) -> Result<Vec<TxnOp>> {
    let mut ops = Vec::new();
    for endpoint in view.endpoints_on(host).filter(|endpoint| endpoint.sandbox == Some(sandbox)) {
        let (network, id) = (endpoint.network, endpoint.id);
        let Some(stored) = view.endpoints.get(&network).and_then(|all| all.get(&id)) else { continue };
        if endpoint.name == name && !endpoint.anonymous {
            continue;
        }
        let missing = || Cause::NoSuchNetwork(network.to_string());
        let found = &view.networks.get(&network).ok_or_else(missing)?.value.network;
        if view.endpoints_of(network).any(|other| other.id != id && other.name == name) {
            return Err(Cause::EndpointExists { name: name.to_owned(), network: found.name.clone() }.into());
        }
        let subnet = found.subnet_of(endpoint.address.addr()).ok_or_else(|| Cause::Damaged {
            network: found.name.clone(),
            what: "an address is in none of its subnets",
        })?;
        let renamed = Endpoint { name: name.to_owned(), anonymous: false, ..endpoint.clone() };
        let half = halves.get(&id).map_or("", String::as_str);
        let record = EndpointRecord::of(&renamed, &subnet.pool_id(), half);
        ops.push(cas(keys::endpoint(network, id), &record, stored.index));
        // Which is what a Docker watches.
        ops.push(count(view, network, 0));
    }
    Ok(ops)
}

/// Writes an endpoint down again that others crossed out while its host was away, if nobody took its address.
pub(crate) fn reclaim(view: &View, endpoint: &Endpoint, half: &str) -> Result<Vec<TxnOp>> {
    let (network, ip) = (endpoint.network, endpoint.address.addr());
    let missing = || Cause::NoSuchNetwork(network.to_string());
    let found = &view.networks.get(&network).ok_or_else(missing)?.value;
    let Seat { subnet, bits, .. } =
        seat(view, &found.network, Some(ip)).map_err(|_| Cause::AddressLost(ip))?;
    let record = EndpointRecord::of(endpoint, &subnet.pool_id(), half);
    let mut ops = parents(view, [keys::endpoints(network)]);
    ops.push(put_bitmap(view, subnet, &bits));
    ops.push(cas(keys::endpoint(network, endpoint.id), &record, 0));
    ops.push(count(view, network, 1));
    Ok(ops)
}

/// Writes how many endpoints there will be. They are counted, so that a count which drifted is mended.
fn count(view: &View, network: NetworkId, change: i64) -> TxnOp {
    let now = view.endpoints.get(&network).map_or(0, |endpoints| endpoints.len() as u64);
    let index = view.counts.get(&network).map_or(0, |count| count.index);
    cas(keys::endpoint_count(network), &EndpointCount { count: now.saturating_add_signed(change) }, index)
}
