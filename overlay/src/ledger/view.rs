//! All documents of the store at one moment.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::de::DeserializeOwned;

use crate::error::{Cause, Result};
use crate::id::{EndpointId, NetworkId};
use crate::ipam::{Bits, PoolRequest};
use crate::kv::keys::{self, Key};
use crate::kv::record::{
    self, BadRecord, BitmapRecord, DriverRecord, EndpointCount, EndpointRecord, HeldRecord, KeyringRecord,
    NetworkRecord, PoolsRecord,
};
use crate::kv::{Listing, Pair};
use crate::model::{Endpoint, Held, Keyring, Network, Peer, Peers, Vni};

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
    /// Its pools as they were asked for, IPv4 before IPv6.
    pub requests: Vec<PoolRequest>,
}

/// When the documents were so. Later moments are greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// In which life of the store, as its reader counts them: one that has lost all, its index too, begins another.
    pub(crate) life: u64,
    /// The store's index for all of them.
    pub(crate) index: u64,
}

/// All documents, read.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The store's life.
    pub(crate) life: u64,
    /// The store's index for all of them.
    pub index: u64,
    begun: Option<u64>,
    /// When the first host of all registered.
    founded: Option<u64>,
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
    /// The keys of encrypted networks.
    pub(super) keyrings: BTreeMap<NetworkId, Stored<Keyring>>,
    /// What hosts have of them.
    pub(super) held: BTreeMap<NetworkId, BTreeMap<Ipv4Addr, Held>>,
    pub(super) pools: Option<Stored<PoolsRecord>>,
    pub(super) bitmaps: BTreeMap<IpNet, Stored<Bits>>,
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
    pub fn read(listing: &Listing) -> View {
        View::read_beside(&View::default(), listing)
    }

    /// Reads a listing of the life of the store that `known` is of. In one life an index stands for one write, so an endpoint, of which
    /// there are many, is read only if it was written since.
    fn read_beside(known: &View, listing: &Listing) -> View {
        let mut view = View { index: listing.index, ..View::default() };
        for pair in &listing.pairs {
            if let Err(why) = view.enter(pair, known) {
                view.unreadable.push((pair.key.clone(), why.to_string()));
            }
        }
        for (id, driver) in &view.drivers {
            let Some(found) = view.networks.get_mut(id) else { continue };
            for subnet in &mut found.value.network.subnets {
                let its = driver.value.subnets.iter().find(|its| its.subnet.trunc() == subnet.v4.net);
                subnet.vni = its.and_then(|its| Vni::new(its.vni));
            }
        }
        view
    }

    /// Reads a listing that was asked for when `known` was known already. It is of another life of the store if its index went back,
    /// or if what is written once in a life is not what it was.
    pub(crate) fn since(known: &View, listing: &Listing) -> View {
        let mut view = View::read_beside(known, listing);
        let differs = |then: Option<u64>, now| then.is_some() && now != then;
        let anew = view.index < known.index
            || differs(known.founded, view.founded)
            || differs(known.begun, view.begun);
        if anew {
            view = View::read(listing);
        }
        view.life = known.life + u64::from(anew);
        view
    }

    /// When the documents were so.
    pub(crate) fn moment(&self) -> Moment {
        Moment { life: self.life, index: self.index }
    }

    /// When the first network of all was written; none before that. No verb changes it: if it is another moment than before, the
    /// store has lost what it had.
    pub(crate) fn begun(&self) -> Option<Moment> {
        self.begun.map(|index| Moment { life: self.life, index })
    }

    fn enter(&mut self, pair: &Pair, known: &View) -> Result<(), BadRecord> {
        let index = pair.modify_index;
        if pair.value.is_empty() {
            match pair.key.as_str() {
                keys::NETWORKS => self.begun = Some(index),
                keys::NODES => self.founded = Some(index),
                _ => {}
            }
            self.parents.push(pair.key.clone());
            return Ok(());
        }
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
                let before = known.endpoints.get(&network).and_then(|all| all.get(&id));
                let stored = if let Some(stored) = before.filter(|stored| stored.index == index) {
                    stored.clone()
                } else {
                    let record: EndpointRecord = record::decode(&pair.value)?;
                    Stored { index, value: record.meaning(network)? }
                };
                self.endpoints.entry(network).or_default().insert(id, stored);
            }
            Some(Key::EndpointCount(id)) => drop(self.counts.insert(id, stored(pair)?)),
            Some(Key::Driver(id)) => drop(self.drivers.insert(id, stored(pair)?)),
            Some(Key::Keyring(id)) => {
                let record: KeyringRecord = record::decode(&pair.value)?;
                self.keyrings.insert(id, Stored { index, value: record.meaning()? });
            }
            Some(Key::Held(id, host)) => {
                let record: HeldRecord = record::decode(&pair.value)?;
                self.held.entry(id).or_default().insert(host, record.meaning());
            }
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

    /// The name of a network; its id, if it is not there any more.
    pub fn name_of(&self, network: NetworkId) -> String {
        let found = self.networks.get(&network);
        found.map_or_else(|| format!("{network:#}"), |found| found.value.network.name.clone())
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
        let found = |endpoint: &Endpoint| {
            let peer = Peer { mac: endpoint.mac, vtep: endpoint.host };
            endpoint.addresses().map(move |address| (address.addr(), peer))
        };
        reachable.flat_map(found).collect()
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
