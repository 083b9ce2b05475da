//! All documents of the store at one moment.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;

use crate::error::{Cause, Result};
use crate::id::{EndpointId, NetworkId};
use crate::ipam::{Bits, PoolRequest};
use crate::kv::keys::{self, Key};
use crate::kv::record::{
    self, BadRecord, BitmapRecord, DriverRecord, EndpointCount, EndpointRecord, NetworkRecord, PoolsRecord,
};
use crate::kv::{Listing, Pair};
use crate::model::{Endpoint, Network, Peer, Peers, Vni};

/// A value, and the index of the write that made it so.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// What a compare-and-swap compares with.
    pub index: u64,
    /// The value.
    pub value: T,
}

/// A network as the store has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The network, its VNIs included.
    pub network: Network,
    /// Its subnets as they were asked for.
    pub requests: Vec<PoolRequest>,
}

/// All documents, read.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The store's index for all of them.
    pub index: u64,
    /// The hosts that are alive: their key is held by a session.
    pub nodes: BTreeMap<Ipv4Addr, SocketAddr>,
    /// The sessions that hold their keys. A host that has another one than before may have been given up in between.
    pub(crate) sessions: BTreeMap<Ipv4Addr, String>,
    /// The networks.
    pub networks: BTreeMap<NetworkId, Stored<Found>>,
    /// The endpoints of each network.
    pub endpoints: BTreeMap<NetworkId, BTreeMap<EndpointId, Stored<Endpoint>>>,
    pub(super) counts: BTreeMap<NetworkId, Stored<EndpointCount>>,
    pub(super) drivers: BTreeMap<NetworkId, Stored<DriverRecord>>,
    pub(super) pools: Option<Stored<PoolsRecord>>,
    pub(super) bitmaps: BTreeMap<Ipv4Net, Stored<Bits>>,
    pub(super) vnis: Option<Stored<Bits>>,
    /// Keys that have an empty value, and exist so that others can be below them.
    pub(super) parents: Vec<String>,
    /// Documents that cannot be read, and why. They are left alone.
    pub unreadable: Vec<(String, String)>,
}

/// What the containers' halves of pairs were called on their hosts, which a [`View`] does not keep.
pub(crate) fn halves(listing: &Listing) -> BTreeMap<EndpointId, String> {
    let half = |pair: &Pair| match Key::parse(&pair.key) {
        Some(Key::Endpoint(_, id)) => {
            let record: EndpointRecord = record::decode(&pair.value).ok()?;
            Some((id, record.host_half().to_owned()))
        }
        _ => None,
    };
    listing.pairs.iter().filter_map(half).collect()
}

impl View {
    /// Reads a listing of all of Docker's keys.
    pub fn read(listing: Listing) -> View {
        let mut view = View { index: listing.index, ..View::default() };
        for pair in listing.pairs {
            if let Err(why) = view.enter(&pair) {
                view.unreadable.push((pair.key, why.to_string()));
            }
        }
        for (id, driver) in &view.drivers {
            let Some(found) = view.networks.get_mut(id) else { continue };
            for subnet in &mut found.value.network.subnets {
                let its = driver.value.subnets.iter().find(|its| its.subnet.trunc() == subnet.net);
                subnet.vni = its.and_then(|its| Vni::new(its.vni));
            }
        }
        view
    }

    fn enter(&mut self, pair: &Pair) -> Result<(), BadRecord> {
        if pair.value.is_empty() {
            self.parents.push(pair.key.clone());
            return Ok(());
        }
        let index = pair.modify_index;
        match Key::parse(&pair.key) {
            Some(Key::Node(node)) => {
                if let (Some(host), Some(session)) = (keys::host_of(node), &pair.session) {
                    self.nodes.insert(host, node);
                    self.sessions.insert(host, session.clone());
                }
            }
            Some(Key::Network(id)) => {
                let record: NetworkRecord = record::decode(&pair.value)?;
                // Whoever is deleting it has half of it gone already (a Docker; here it is one step).
                if record.is_overlay() && !record.in_delete() {
                    let value = Found { network: record.meaning()?, requests: record.requests()? };
                    self.networks.insert(id, Stored { index, value });
                }
            }
            Some(Key::Endpoint(network, id)) => {
                let record: EndpointRecord = record::decode(&pair.value)?;
                let value = record.meaning(network)?;
                self.endpoints.entry(network).or_default().insert(id, Stored { index, value });
            }
            Some(Key::EndpointCount(id)) => drop(self.counts.insert(id, stored(pair)?)),
            Some(Key::Driver(id)) => drop(self.drivers.insert(id, stored(pair)?)),
            Some(Key::Pools) => self.pools = Some(stored(pair)?),
            Some(Key::Bitmap(net)) => drop(self.bitmaps.insert(net, bits(pair)?)),
            Some(Key::Vnis) => self.vnis = Some(bits(pair)?),
            Some(Key::Endpoints(_)) | None => {}
        }
        Ok(())
    }

    /// The network of that id, that name, or whose id alone begins so: in this order, as Docker looks it up.
    pub fn find(&self, name: &str) -> Result<&Found> {
        let all = || self.networks.values().map(|stored| &stored.value);
        if let Some(found) = name.parse::<NetworkId>().ok().and_then(|id| self.networks.get(&id)) {
            return Ok(&found.value);
        }
        let named: Vec<&Found> = all().filter(|found| found.network.name == name).collect();
        let (matches, how) = if named.is_empty() && !name.is_empty() {
            (all().filter(|found| found.network.id.starts_with(name)).collect(), "based on ID prefix")
        } else {
            (named, "on name")
        };
        match matches[..] {
            [found] => Ok(found),
            [] => Err(Cause::NoSuchNetwork(name.to_owned()).into()),
            _ => Err(Cause::Ambiguous { name: name.to_owned(), count: matches.len(), how }.into()),
        }
    }

    /// The endpoints of a network.
    pub fn endpoints_of(&self, network: NetworkId) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.get(&network).into_iter().flatten().map(|(_, stored)| &stored.value)
    }

    /// The endpoints that a host has.
    pub fn endpoints_on(&self, host: Ipv4Addr) -> impl Iterator<Item = &Endpoint> {
        let all = self.endpoints.values().flatten().map(|(_, stored)| &stored.value);
        all.filter(move |endpoint| endpoint.host == host)
    }

    /// The peers of a network as a host sees them: endpoints of other hosts that are alive.
    ///
    /// Two endpoints of one address cannot be, but for a damaged store: then the one written last counts.
    pub fn peers(&self, network: NetworkId, host: Ipv4Addr) -> Peers {
        let endpoints = self.endpoints.get(&network);
        let mut others: Vec<&Stored<Endpoint>> = endpoints.into_iter().flat_map(BTreeMap::values).collect();
        others.sort_by_key(|stored| stored.index);
        let others = others.into_iter().map(|stored| &stored.value);
        let reachable = others.filter(|peer| peer.host != host && self.nodes.contains_key(&peer.host));
        reachable.map(|peer| (peer.address.addr(), Peer { mac: peer.mac, vtep: peer.host })).collect()
    }
}

fn stored<T: DeserializeOwned>(pair: &Pair) -> Result<Stored<T>, BadRecord> {
    Ok(Stored { index: pair.modify_index, value: record::decode(&pair.value)? })
}

fn bits(pair: &Pair) -> Result<Stored<Bits>, BadRecord> {
    let record: BitmapRecord = record::decode(&pair.value)?;
    let value = Bits::decode(&record.sequence).map_err(|_| BadRecord::bits(&record.sequence))?;
    Ok(Stored { index: pair.modify_index, value })
}
