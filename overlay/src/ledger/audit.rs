//! Documents that contradict one another, and how to put them right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::View;
use super::create::{cas, number, put_bitmap, put_vnis, vnis};
use crate::id::NetworkId;
use crate::ipam::{Bits, untouched};
use crate::kv::record::EndpointCount;
use crate::kv::{TxnOp, keys};
use crate::model::{Endpoint, Mac, Net, Network, Pool, Subnet, Vni};

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
        for network in self.keyrings.keys().filter(|network| !self.networks.contains_key(*network)) {
            found.push(format!(
                "there are keys of network {network}, which is not there: they encrypt nothing"
            ));
        }
        self.check_pools(&mut found);
        self.check_vnis(&mut found);
        found
    }

    /// Each pool is a network's, each network's subnet a pool.
    fn check_pools(&self, found: &mut Vec<String>) {
        let networks = self.networks.values().map(|stored| &stored.value.network);
        let subnets: BTreeSet<IpNet> =
            networks.flat_map(|network| &network.subnets).flat_map(Subnet::nets).collect();
        let pools: BTreeSet<IpNet> = self.pools.iter().flat_map(|stored| stored.value.nets()).collect();
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
        if network.encrypted() && !self.keyrings.contains_key(&network.id) {
            found.push(format!("{name} is encrypted and has no keys: nobody can join it"));
        }
        let mut addresses: BTreeMap<IpAddr, &str> = BTreeMap::new();
        let mut macs: BTreeMap<Mac, &str> = BTreeMap::new();
        for endpoint in self.endpoints_of(network.id) {
            let of = &endpoint.name;
            let mut shared = false;
            for ip in endpoint.addresses().map(|address| address.addr()) {
                if let Some(other) = addresses.insert(ip, of) {
                    shared = true;
                    found.push(format!(
                        "{of} and {other} on {name} both have {ip}: one of them is not reached"
                    ));
                }
                if network.subnet_of(ip).is_none() {
                    found.push(format!(
                        "{of} on {name} has {ip}, which is in none of its subnets: it is not connected"
                    ));
                }
            }
            if let Some(other) = macs.insert(endpoint.mac, of)
                && !shared
            {
                let mac = endpoint.mac;
                found.push(format!("{of} and {other} on {name} both have {mac}: one of them is not reached"));
            }
        }
        for subnet in &network.subnets {
            self.check_pool(network, &subnet.v4, found);
            if let Some(v6) = &subnet.v6 {
                self.check_pool(network, v6, found);
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

    /// Each address in use is written down, and no other.
    fn check_pool<N: Net>(&self, network: &Network, pool: &Pool<N>, found: &mut Vec<String>) {
        let (net, name) = (pool.net, &network.name);
        let Some(bitmap) = self.bitmaps.get(&net.into()) else {
            found.push(format!("the addresses of {net} of {name} are not written down: nobody can join it"));
            return;
        };
        let due = self.due(network.id, pool);
        for number in due.difference(&bitmap.value).take(MOST) {
            let ip = net.nth(number);
            found.push(if due.has(number) {
                format!("{ip} of {name} is in use and written down as free: it may be given out again")
            } else {
                format!("{ip} of {name} is taken by nobody: it is lost to others")
            });
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
                ops.extend(self.correct(network.id, &subnet.v4));
                ops.extend(subnet.v6.as_ref().and_then(|v6| self.correct(network.id, v6)));
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

    /// Writes a pool's addresses, if they are written down otherwise.
    fn correct<N: Net>(&self, network: NetworkId, pool: &Pool<N>) -> Option<TxnOp> {
        let due = self.due(network, pool);
        let written = self.bitmaps.get(&pool.net.into());
        written.is_none_or(|bitmap| bitmap.value != due).then(|| put_bitmap(self, pool.net, &due))
    }

    /// The addresses of a pool that are in use.
    fn due<N: Net>(&self, network: NetworkId, pool: &Pool<N>) -> Bits {
        let mut bits = untouched(pool.net);
        let endpoints = self.endpoints_of(network).flat_map(Endpoint::addresses);
        let endpoints = endpoints.filter_map(N::of).map(Net::address);
        let all = endpoints.chain(pool.aux.values().copied()).chain([pool.gateway]);
        for number in all.filter_map(|ip| pool.net.number(ip)) {
            bits.take(number);
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

/// Most addresses of a pool that are listed.
const MOST: usize = 9;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use ipnet::Ipv6Net;

    use super::*;
    use crate::ipam::PoolRequest;
    use crate::ledger::CreateNetwork;
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
        let net = view.networks[&id].value.network.subnets[0].v4.net;
        // A Docker that was killed between two of its writes.
        let mut bits = view.bitmaps[&net.into()].value.clone();
        bits.release(3);
        bits.take(77);
        let (index, mut vnis) = vnis(&view);
        vnis.take(5);
        let count = view.counts[&id].index;
        assert!(scene.commit(vec![
            put_bitmap(&view, net, &bits),
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

    #[test]
    fn an_ipv6_address_that_is_lost_is_found_among_all_of_them() {
        let mut scene = Scene::new();
        let pool = |subnet: &str| PoolRequest { subnet: Some(subnet.to_owned()), ..PoolRequest::default() };
        let pools = vec![pool("10.73.0.0/24"), pool("fd00:1::/64")];
        let request =
            CreateNetwork { name: "v6net".to_owned(), pools, ipv6: true, ..CreateNetwork::default() };
        let id = scene.create(&request).unwrap();
        scene.join(id, "C0", None).unwrap();
        let view = scene.view();
        let net: Ipv6Net = "fd00:1::/64".parse().unwrap();
        let mut bits = view.bitmaps[&net.into()].value.clone();
        bits.release(2);
        bits.take(1 << 40);
        assert!(scene.commit(vec![put_bitmap(&view, net, &bits)]));
        assert_eq!(
            scene.view().contradictions(),
            [
                "fd00:1::2 of v6net is in use and written down as free: it may be given out again",
                "fd00:1::100:0:0 of v6net is taken by nobody: it is lost to others",
            ]
        );
        let ops = scene.view().corrections();
        assert!(scene.commit(ops));
        assert_eq!(scene.view().contradictions(), [""; 0]);
    }
}
