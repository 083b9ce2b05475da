//! A container that joins a network, leaves it, or is called otherwise.

use ipnet::{Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::create::{cas, number, parents, put_bitmap, put_vnis, vnis};
use super::{Stored, View};
use crate::docker;
use crate::error::{Cause, Result};
use crate::id::{EndpointId, NetworkId, SandboxId};
use crate::ipam::{self, Bits, PoolError};
use crate::kv::TxnOp;
use crate::kv::keys;
use crate::kv::record::{EndpointCount, EndpointRecord};
use crate::model::{Endpoint, Mac, Net, Network, Pool, Publish, Subnet, Vni};

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
    /// The MAC it wants, instead of the one made of its address.
    pub(crate) mac: Option<Mac>,
    /// The IPv6 address it wants.
    pub(crate) ip6: Option<Ipv6Addr>,
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
    if driver.value.secure && view.keyring(network).is_none() {
        return Err(Cause::Encrypted.into());
    }
    if view.endpoints_of(network).any(|other| other.name == who.name) {
        return Err(Cause::EndpointExists { name: who.name.clone(), network: name.clone() }.into());
    }
    let chosen = |v6| found.requests.iter().any(|request| request.subnet.is_some() && request.is_v6() == v6);
    if who.ip.is_some() && !chosen(false) || who.ip6.is_some() && !chosen(true) {
        return Err(Cause::AddressOnDefaultPool.into());
    }
    let Seat { subnet, v4, v6 } = seat(view, &found.network, (who.ip, who.ip6))?;
    let ip = v4.address.addr();
    if let Some(mac) = who.mac {
        check_mac(view, &found.network, mac, ip)?;
    }
    let endpoint = Endpoint {
        id: who.id,
        network,
        name: who.name.clone(),
        anonymous: who.anonymous,
        address: v4.address,
        address6: v6.as_ref().map(|v6| v6.address),
        mac: who.mac.unwrap_or(Mac::of(ip)),
        sandbox: Some(who.sandbox),
        host: who.host,
        aliases: who.aliases.clone(),
        publish: if carries_ports(view, &found.network, who) { who.publish.clone() } else { Vec::new() },
    };

    let mut ops = parents(view, [keys::endpoints(network)]);
    ops.push(v4.write(view));
    ops.extend(v6.map(|v6| v6.write(view)));
    ops.push(cas(keys::endpoint(network, who.id), &EndpointRecord::of(&endpoint, subnet, &who.half), 0));
    ops.push(count(view, network, 1));
    if subnet.vni.is_none() {
        let (index, mut vnis) = vnis(view);
        let free = vnis.next_free(who.last_vni.map(number), 0..=vnis.len()).ok_or(Cause::NoVni)?;
        vnis.take(free);
        let mut record = driver.value.clone();
        for its in record.subnets.iter_mut().filter(|its| its.subnet.trunc() == subnet.v4.net) {
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

/// Whether an endpoint with this address can have a MAC that was chosen. Frames for a MAC go to one host, so on its network it is
/// one endpoint's; one that is made of an address is left to who has that address, now or later. Docker does not look.
fn check_mac(view: &View, network: &Network, mac: Mac, ip: Ipv4Addr) -> Result<()> {
    if !mac.is_unicast() {
        return Err(Cause::BadMac(mac).into());
    }
    nobody_has(view, network, mac)?;
    match mac.ip().filter(|other| *other != ip && network.subnet_of(*other).is_some()) {
        Some(ip) => Err(Cause::MacOfAnother { mac, ip, network: network.name.clone() }.into()),
        None => Ok(()),
    }
}

fn nobody_has(view: &View, network: &Network, mac: Mac) -> Result<()> {
    match view.endpoints_of(network.id).find(|other| other.mac == mac) {
        Some(Endpoint { name, .. }) => {
            Err(Cause::MacTaken { mac, name: name.clone(), network: network.name.clone() }.into())
        }
        None => Ok(()),
    }
}

/// The addresses for an endpoint.
struct Seat<'a> {
    subnet: &'a Subnet,
    v4: Taken<Ipv4Net>,
    v6: Option<Taken<Ipv6Net>>,
}

/// An address of a pool, with the pool's length.
struct Taken<N: Net> {
    address: N,
    /// The pool's addresses, with this one taken.
    bits: Bits,
}

impl<N: Net> Taken<N> {
    fn write(&self, view: &View) -> TxnOp {
        put_bitmap(view, self.address.network(), &self.bits)
    }
}

/// Finds addresses: those that are asked for, else the lowest ones of the first subnet that has room, as Docker does.
fn seat<'a>(
    view: &View,
    network: &'a Network,
    (ip, ip6): (Option<Ipv4Addr>, Option<Ipv6Addr>),
) -> Result<Seat<'a>> {
    let asked: Vec<IpAddr> = ip.map(IpAddr::V4).into_iter().chain(ip6.map(IpAddr::V6)).collect();
    if let Some(ip) = asked.iter().find(|ip| network.subnet_of(**ip).is_none()) {
        return Err(Cause::from(PoolError::Foreign(*ip)).into());
    }
    let fits = |subnet: &&Subnet| asked.iter().all(|ip| subnet.contains(*ip));
    let mut candidates = network.subnets.iter().filter(fits).peekable();
    if let (None, [one, other]) = (candidates.peek(), &asked[..]) {
        return Err(Cause::from(PoolError::Apart(*one, *other)).into());
    }
    let mut full = Ipv4Net::VERSION;
    for subnet in candidates {
        let Some(v4) = take(view, network, &subnet.v4, ip)? else { continue };
        let v6 = match &subnet.v6 {
            None => None,
            Some(pool) => match take(view, network, pool, ip6)? {
                None => {
                    full = Ipv6Net::VERSION;
                    continue;
                }
                found => found,
            },
        };
        return Ok(Seat { subnet, v4, v6 });
    }
    Err(Cause::NoAddress { version: full, name: network.name.clone(), id: network.id }.into())
}

/// Takes an address of a pool. None: it has no room.
fn take<N: Net>(
    view: &View,
    network: &Network,
    pool: &Pool<N>,
    asked: Option<N::Ip>,
) -> Result<Option<Taken<N>>> {
    let bitmap = view.bitmaps.get(&pool.net.into()).ok_or_else(|| Cause::Damaged {
        network: network.name.clone(),
        what: "the pool's addresses are missing",
    })?;
    let mut bits = bitmap.value.clone();
    match ipam::allocate(&mut bits, pool, asked) {
        Ok(ip) => Ok(Some(Taken { address: pool.net.with_len(ip), bits })),
        Err(PoolError::NoRoom) => Ok(None),
        Err(error) => Err(Cause::from(error).into()),
    }
}

/// Crosses an endpoint out and gives its address back. None: it is not there (any more).
pub(crate) fn leave(view: &View, network: NetworkId, id: EndpointId) -> Option<Vec<TxnOp>> {
    let stored = view.endpoints.get(&network)?.get(&id)?;
    let mut ops = vec![TxnOp::DeleteCas { key: keys::endpoint(network, id), index: stored.index }];
    if let Some(found) = view.networks.get(&network) {
        let Endpoint { address, address6, .. } = stored.value;
        let its = &found.value.network;
        if let Some(subnet) = its.subnet_of(address.addr()) {
            ops.extend(release(view, &subnet.v4, address.addr()));
        }
        // In a document of a Docker it may be of another subnet.
        if let Some(ip6) = address6.map(|address| address.addr())
            && let Some(v6) = its.subnet_of(ip6).and_then(|subnet| subnet.v6.as_ref())
        {
            ops.extend(release(view, v6, ip6));
        }
        ops.push(count(view, network, -1));
    }
    Some(ops)
}

/// Gives an address back to its pool.
fn release<N: Net>(view: &View, pool: &Pool<N>, ip: N::Ip) -> Option<TxnOp> {
    let mut bits = view.bitmaps.get(&pool.net.into())?.value.clone();
    ipam::release(&mut bits, pool, ip);
    Some(put_bitmap(view, pool.net, &bits))
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
        let record = EndpointRecord::of(&renamed, subnet, half);
        ops.push(cas(keys::endpoint(network, id), &record, stored.index));
        // Which is what a Docker watches.
        ops.push(count(view, network, 0));
    }
    Ok(ops)
}

/// Writes an endpoint down again that others crossed out while its host was away, if nobody took its addresses, or a MAC that it
/// chose.
pub(crate) fn reclaim(view: &View, endpoint: &Endpoint, half: &str) -> Result<Vec<TxnOp>> {
    let (network, ip) = (endpoint.network, endpoint.address.addr());
    let ip6 = endpoint.address6.map(|address| address.addr());
    let missing = || Cause::NoSuchNetwork(network.to_string());
    let found = &view.networks.get(&network).ok_or_else(missing)?.value;
    let lost = |_| match ip6 {
        Some(ip6) if seat(view, &found.network, (Some(ip), None)).is_ok() => Cause::AddressLost(ip6.into()),
        _ => Cause::AddressLost(ip.into()),
    };
    let Seat { subnet, v4, v6 } = seat(view, &found.network, (Some(ip), ip6)).map_err(lost)?;
    nobody_has(view, &found.network, endpoint.mac)?;
    let record = EndpointRecord::of(endpoint, subnet, half);
    let mut ops = parents(view, [keys::endpoints(network)]);
    ops.push(v4.write(view));
    ops.extend(v6.filter(|_| ip6.is_some()).map(|v6| v6.write(view)));
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
