//! One look at all of a lab.

use std::fmt::Write;
use std::sync::Arc;

use harness::Lab;
use harness::lab::Held;
use overlay::datapath::{Tables, plan};
use overlay::kv::{Kv, Listing, consul};
use overlay::ledger::View;

use super::objects::{Fields, Kind, Objects, Room};
use super::store::{self, Names, Tree};

/// All of a lab, at one moment.
pub(crate) struct Shot {
    /// What is to be built and, from the store's documents, what is to be in the kernels' tables.
    pub(crate) plan: String,
    /// What stands in the store.
    pub(crate) tree: Tree,
    /// The names of the ids in it.
    pub(crate) names: Names,
    /// The namespaces of hosts with engines, of overlays and of containers, each with its host.
    pub(crate) rooms: Vec<(String, Held)>,
}

impl Shot {
    /// Looks at a lab.
    pub(crate) async fn take(lab: &Lab) -> Shot {
        let listing = list(lab).await;
        let documents = listing.pairs.iter().map(|pair| {
            let value = String::from_utf8(pair.value.clone()).unwrap();
            (pair.key.clone(), (value, pair.session.is_some()))
        });
        let tree: Tree = documents.collect();
        let plan = planned(lab, &View::read(&listing));

        let containers = lab.report().await.unwrap().containers;
        let engines: Vec<&str> =
            lab.topology().hosts.iter().filter(|host| host.engine).map(|host| host.name.as_str()).collect();
        let host_of = |name: &str| {
            let host = name.split('/').next()?;
            let of_container = containers.iter().find(|container| container.name == name);
            let host = of_container.map_or(host, |container| container.host.as_str());
            engines.contains(&host).then(|| host.to_owned())
        };
        let held = lab.inspect(None).await.unwrap().namespaces;
        let rooms = held.into_iter().filter_map(|held| Some((host_of(&held.name)?, held))).collect();
        Shot { plan, names: Names::of(&tree), tree, rooms }
    }

    /// The store's tree.
    pub(crate) fn store(&self) -> String {
        store::objects(&self.tree, &self.names).to_string()
    }

    /// What each kernel holds.
    pub(crate) fn kernel(&self) -> String {
        let rooms = self.named();
        let mut text = String::new();
        for (room, (_, held)) in rooms.iter().zip(&self.rooms) {
            let mut objects = Objects::of(room, &rooms);
            // There are two ways to keep containers apart on the gateway bridge, as the kernel can: see `sight`.
            let asked = |key: &str| !key.contains("bridge-nf");
            // Nobody sets it in containers: it is as the machine has it.
            let ours = |key: &str| !key.contains("ip_forward") || room.name.starts_with(&room.host);
            for (key, value) in held.settings.iter().filter(|(key, _)| asked(key) && ours(key)) {
                objects.put(Kind::Setting, key.clone(), Fields::from([("is".to_owned(), value.clone())]));
            }
            write!(text, "{}\n{objects}", room.name).unwrap();
            for rule in &held.rules {
                writeln!(text, "  rule {rule}").unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// The rooms, with names that no id is in.
    pub(crate) fn named(&self) -> Vec<Room<'_>> {
        let room = |(host, held): &'_ (String, Held)| (self.names.in_text(&held.name), host.clone());
        let named = self.rooms.iter().map(|both| (room(both), &both.1.holds));
        named.map(|((name, host), holds)| Room { name, host, holds }).collect()
    }
}

/// Everything in the store, over the underlay as engines ask for it.
async fn list(lab: &Lab) -> Listing {
    let host = lab.topology().hosts.iter().find(|host| host.name == *"consul").unwrap();
    let netns = lab.place("consul").unwrap().netns().unwrap();
    let dial: consul::Dial =
        Arc::new(move || Ok(tokio::net::TcpSocket::from_std_stream(netns.tcp().unwrap().into())));
    let client = consul::Client::new("consul:8500".into(), (host.ip, 8500).into(), dial);
    Kv::Consul(client).list("").await.unwrap()
}

/// What is decided without a kernel: the lab with nothing left open, and what each engine makes of the documents: as if nothing
/// were there, and as if all other hosts had gone then.
fn planned(lab: &Lab, view: &View) -> String {
    let topology = lab.topology();
    let mut text = topology.to_toml();
    let mut networks: Vec<_> = view.networks.values().map(|found| &found.value.network).collect();
    networks.sort_by_key(|network| &network.name);
    for host in topology.hosts.iter().filter(|host| host.engine) {
        for network in &networks {
            let peers = view.peers(network.id, host.ip);
            for subnet in &network.subnets {
                let within = peers.iter().filter(|(ip, _)| subnet.contains(**ip));
                let want = Tables::of(&within.map(|(ip, peer)| (*ip, *peer)).collect());
                let vni = subnet.vni.map_or("none".to_owned(), |vni| vni.to_string());
                let (name, net, mtu) = (&network.name, subnet.v4.net, network.mtu());
                writeln!(text, "\n# {} on {name}, {net}, VNI {vni}, MTU {mtu}", host.name).unwrap();
                for (when, ops) in [
                    ("peers come", plan(&Tables::default(), &want)),
                    ("they go", plan(&want, &Tables::default())),
                ] {
                    let ops = ops.iter().map(|op| format!("#   {op:?}\n"));
                    write!(text, "# {when}:\n{}", ops.collect::<String>()).unwrap();
                }
            }
        }
    }
    text
}
