//! Documents that contradict one another, and how to put them right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::View;
use super::create::{cas, number, put_bitmap, put_vnis, vnis};
use crate::id::NetworkId;
use crate::ipam::{self, Bits};
use crate::kv::record::EndpointCount;
use crate::kv::{TxnOp, keys};
use crate::model::{Mac, Network, Subnet, Vni};

impl View {
    /// What contradicts something else in the documents, each with what it does harm to.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, why) in &self.unreadable {
            found.push(format!("{key} cannot be read ({why}): what it holds does not exist for any engine"));
        }
        for (network, endpoints) in &self.endpoints {
            match self.networks.get(network) {
                Some(stored) => self.check_network(&stored.value.network, &mut found),
                None if endpoints.is_empty() => {}
                None => found.push(format!(
                    "{} endpoints are of network {network}, which is not there: they are connected to nobody",
                    endpoints.len()
                )),
            }
        }
        for stored in
            self.networks.values().filter(|stored| !self.endpoints.contains_key(&stored.value.network.id))
        {
            self.check_network(&stored.value.network, &mut found);
        }
        self.check_pools(&mut found);
        self.check_vnis(&mut found);
        found
    }

    /// Each pool is a network's, each network's subnet a pool.
    fn check_pools(&self, found: &mut Vec<String>) {
        let networks = self.networks.values().map(|stored| &stored.value.network);
        let subnets: BTreeSet<Ipv4Net> =
            networks.flat_map(|network| &network.subnets).map(|subnet| subnet.net).collect();
        let pools: BTreeSet<Ipv4Net> = self.pools.iter().flat_map(|stored| stored.value.nets()).collect();
        for net in pools.difference(&subnets) {
            found.push(format!("the pool {net} is taken and no network's: it is lost to others"));
        }
        for net in subnets.difference(&pools) {
            found.push(format!("the pool {net} is a network's and not taken: it may be given out again"));
        }
        for net in self.bitmaps.keys().filter(|net| !subnets.contains(net)) {
            found.push(format!("the addresses of {net} are kept, and it is no network's"));
        }
    }

    fn check_network(&self, network: &Network, found: &mut Vec<String>) {
        let name = &network.name;
        if !self.drivers.contains_key(&network.id) {
            found.push(format!("{name} has no record of the driver's: nobody can join it"));
        }
        let mut addresses: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
        let mut macs: BTreeMap<Mac, &str> = BTreeMap::new();
        for endpoint in self.endpoints_of(network.id) {
            let ip = endpoint.address.addr();
            if let Some(other) = addresses.insert(ip, &endpoint.name) {
                found.push(format!(
                    "{} and {other} on {name} both have {ip}: one of them is not reached",
                    endpoint.name
                ));
            } else if let Some(other) = macs.insert(endpoint.mac, &endpoint.name) {
                let mac = endpoint.mac;
                found.push(format!(
                    "{} and {other} on {name} both have {mac}: one of them is not reached",
                    endpoint.name
                ));
            }
            if network.subnet_of(ip).is_none() {
                found.push(format!(
                    "{} on {name} has {ip}, which is in none of its subnets: it is not connected",
                    endpoint.name
                ));
            }
        }
        for subnet in &network.subnets {
            let due = self.due(network.id, subnet);
            let Some(bitmap) = self.bitmaps.get(&subnet.net) else {
                found.push(format!(
                    "the addresses of {} of {name} are not written down: nobody can join it",
                    subnet.net
                ));
                continue;
            };
            if bitmap.value == due {
                continue;
            }
            let differ = (0..due.len()).filter(|bit| due.has(*bit) != bitmap.value.has(*bit)).take(MOST);
            for bit in differ {
                let Some(ip) = ipam::nth(subnet.net, bit) else { continue };
                found.push(if due.has(bit) {
                    format!("{ip} of {name} is in use and written down as free: it may be given out again")
                } else {
                    format!("{ip} of {name} is taken by nobody: it is lost to others")
                });
            }
        }
        let (said, is) = (self.counts.get(&network.id), self.endpoints_of(network.id).count() as u64);
        match said {
            Some(said) if said.value.count != is => found.push(format!(
                "{name} is said to have {} endpoints and has {is}: it cannot be removed, or is although it is in use",
                said.value.count
            )),
            Some(_) => {}
            None => found.push(format!("the endpoints of {name} are not counted: a Docker cannot join it")),
        }
    }

    /// Each VNI is one subnet's, and written down as taken.
    fn check_vnis(&self, found: &mut Vec<String>) {
        let mut owners: BTreeMap<Vni, &str> = BTreeMap::new();
        for network in self.networks.values().map(|stored| &stored.value.network) {
            for vni in network.vnis() {
                if let Some(other) = owners.insert(vni, &network.name) {
                    found.push(format!(
                        "{other} and {} both have the VNI {vni}: on a host with both, one cannot be built",
                        network.name
                    ));
                }
            }
        }
        let (due, (_, written)) = (self.due_vnis(), vnis(self));
        for (vni, name) in owners.iter().filter(|(vni, _)| !written.has(number(**vni))) {
            found.push(format!("the VNI {vni} of {name} is written down as free: it may be given out again"));
        }
        let (said, is) = (written.len() - written.free(), due.len() - due.free());
        if said > is {
            found.push(format!("{} VNIs are taken by nobody: they are lost to others", said - is));
        }
    }

    /// What puts the books right: addresses, VNIs and counts as endpoints and networks have them. The endpoints and networks
    /// themselves are left as they are.
    pub(crate) fn corrections(&self) -> Vec<TxnOp> {
        let mut ops = Vec::new();
        for network in self.networks.values().map(|stored| &stored.value.network) {
            for subnet in &network.subnets {
                let due = self.due(network.id, subnet);
                if self.bitmaps.get(&subnet.net).is_none_or(|bitmap| bitmap.value != due) {
                    ops.push(put_bitmap(self, subnet, &due));
                }
            }
            let (said, count) = (self.counts.get(&network.id), self.endpoints_of(network.id).count() as u64);
            if said.is_none_or(|said| said.value.count != count) {
                let index = said.map_or(0, |said| said.index);
                ops.push(cas(keys::endpoint_count(network.id), &EndpointCount { count }, index));
            }
        }
        let (due, (index, written)) = (self.due_vnis(), vnis(self));
        if due != written {
            ops.push(put_vnis(&due, index));
        }
        ops
    }

    /// The addresses of a subnet that are in use.
    fn due(&self, network: NetworkId, subnet: &Subnet) -> Bits {
        let mut bits = ipam::unused(subnet.net);
        let endpoints = self.endpoints_of(network).map(|endpoint| endpoint.address.addr());
        let all = endpoints.chain(subnet.aux.values().copied()).chain([subnet.gateway]);
        for ip in all.filter(|ip| subnet.net.contains(ip)) {
            bits.take(ipam::ordinal(subnet.net, ip));
        }
        bits
    }

    fn due_vnis(&self) -> Bits {
        let mut bits = Bits::new(vnis(self).1.len());
        for vni in self.networks.values().flat_map(|stored| stored.value.network.vnis()) {
            bits.take(number(vni));
        }
        bits
    }
}

/// Most addresses of a subnet that are listed.
const MOST: usize = 9;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::ledger::tests::{Scene, asked};

    #[test]
    fn sound_documents_contradict_nothing() {
        let mut scene = Scene::new();
        let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
        scene.create(&asked("other", "")).unwrap();
        scene.join(id, "C0", None).unwrap();
        assert_eq!(scene.view().contradictions(), [""; 0]);
        assert_eq!(scene.view().corrections(), []);
    }

    #[test]
    fn what_is_lost_or_written_down_wrongly_is_found_and_corrected() {
        let mut scene = Scene::new();
        let id = scene.create(&asked("demonet", "192.168.0.0/24")).unwrap();
        let c0 = scene.join(id, "C0", None).unwrap();
        let c1 = scene.join(id, "C1", None).unwrap();
        let view = scene.view();
        let subnet = view.networks[&id].value.network.subnets[0].clone();
        // A Docker that was killed between two of its writes.
        let mut bits = view.bitmaps[&subnet.net].value.clone();
        bits.release(3);
        bits.take(77);
        let (index, mut vnis) = vnis(&view);
        vnis.take(5);
        let count = view.counts[&id].index;
        assert!(scene.commit(vec![
            put_bitmap(&view, &subnet, &bits),
            put_vnis(&vnis, index),
            cas(keys::endpoint_count(id), &EndpointCount { count: 7 }, count),
        ]));
        assert_eq!(
            scene.view().contradictions(),
            [
                "192.168.0.3 of demonet is in use and written down as free: it may be given out again",
                "192.168.0.77 of demonet is taken by nobody: it is lost to others",
                "demonet is said to have 7 endpoints and has 2: it cannot be removed, or is although it is in use",
                "1 VNIs are taken by nobody: they are lost to others",
            ]
        );
        let ops = scene.view().corrections();
        assert!(scene.commit(ops));
        assert_eq!(scene.view().contradictions(), [""; 0]);
        assert_eq!(scene.view().endpoints_of(id).count(), 2);
        scene.leave(&c0);
        scene.leave(&c1);
        scene.remove("demonet").unwrap();
    }
}
