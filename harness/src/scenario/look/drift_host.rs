//! What one host's kernel holds, compared with what the store asks it to hold. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use kernel::rtnl::Link;
use kernel::{Mac, Snapshot};
use overlay::datapath::{Present, Tables, cipher_faults, ciphers_due, rule_faults};
use overlay::id::{NetworkId, SandboxId};
use overlay::ledger::View;
use overlay::model::{Binding, Endpoint, Network, Peers, Subnet, Vni};
use overlay::{Resolution, docker};

use super::path::{gateway, hangs_on, on_gateway_bridge, other_end};
use super::peer::entry_for;

/// What a host's kernel holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// In the host's own namespace.
    pub(super) host: Snapshot,
    /// In the namespaces of overlays, by their names.
    pub(super) overlays: Vec<(String, Snapshot)>,
    /// In containers.
    pub(super) containers: Vec<Sandboxed>,
    /// The rules in the host's own namespace, a line each.
    pub(super) rules: Vec<String>,
    /// What encrypts networks in the host's own namespace.
    pub(super) ciphers: Present,
    /// The subnet that the gateway bridge has, if it is there.
    pub(super) gateway: Option<Ipv4Net>,
}

/// What a container holds.
#[derive(Debug)]
pub(super) struct Sandboxed {
    pub(super) name: String,
    pub(super) sandbox: SandboxId,
    pub(super) holds: Snapshot,
    /// The ports of the host that it has published.
    pub(super) published: Vec<Binding>,
}

/// What is missing and what is left over, each in a sentence.
pub(super) fn differences(view: &View, vtep: Ipv4Addr, resolution: Resolution, held: &Held) -> Vec<String> {
    let mut found = Vec::new();
    let mut mine: BTreeMap<NetworkId, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in view.endpoints_on(vtep) {
        mine.entry(endpoint.network).or_default().push(endpoint);
    }
    let mut overlays: Vec<&(String, Snapshot)> = held.overlays.iter().collect();
    for (id, endpoints) in &mine {
        let Some(stored) = view.networks.get(id) else {
            found.push(format!(
                "the store has endpoints of {id}, and no such network: they are connected to nobody"
            ));
            continue;
        };
        let network = &stored.value.network;
        let (its, others): (Vec<_>, Vec<_>) =
            overlays.into_iter().partition(|(name, _)| id.epoch_of(name).is_some());
        overlays = others;
        match &its[..] {
            [(_, sandbox)] => {
                compare_overlay(network, sandbox, &view.peers(*id, vtep), resolution, &mut found);
                compare_endpoints(network, sandbox, endpoints, held, &mut found);
            }
            [] => {
                found.push(format!("{} has endpoints here, and no sandbox: they reach nobody", network.name));
            }
            _ => found.push(format!("{} has more than one sandbox: only one has its VNI", network.name)),
        }
    }
    found.extend(overlays.into_iter().map(|(name, _)| {
        format!("{name} is left over: it has no endpoint here, and keeps its VNI from the next one")
    }));
    for container in &held.containers {
        compare_container(view, container, &held.host, &mut found);
    }
    compare_gateway(held, &mut found);
    let (want, vnis) = ciphers_due(view, vtep, |network| mine.contains_key(&network));
    found.extend(cipher_faults(&held.ciphers, &held.rules, &want, &vnis));
    found
}

/// What each subnet has that was joined anywhere, and nothing else.
fn compare_overlay(
    network: &Network,
    sandbox: &Snapshot,
    peers: &Peers,
    resolution: Resolution,
    found: &mut Vec<String>,
) {
    for subnet in network.subnets.iter().filter(|subnet| subnet.vni.is_some()) {
        let within = peers.iter().filter(|(ip, _)| subnet.contains(**ip));
        // A peer that was not missed yet need not be known.
        let known = |ip| sandbox.neighbours.iter().any(|entry| entry.permanent && entry.ip == ip);
        let due = within.filter(|(ip, _)| resolution == Resolution::Store || known(**ip));
        let want = Tables::of(&due.map(|(ip, peer)| (*ip, *peer)).collect());
        compare_subnet(network, subnet, sandbox, &want, found);
    }
    for vxlan in sandbox.links.iter().filter_map(|link| link.vxlan.as_ref()) {
        if network.vnis().all(|vni| vni.get() != vxlan.vni) {
            found.push(format!(
                "{} has the VNI {}, which the store does not say: no other host hears it",
                network.name, vxlan.vni
            ));
        }
    }
}

/// Bridge, vxlan device and the tables of peers.
fn compare_subnet(
    network: &Network,
    subnet: &Subnet,
    sandbox: &Snapshot,
    want: &Tables,
    found: &mut Vec<String>,
) {
    let name = &network.name;
    let vni = subnet.vni.map(Vni::get);
    let its = |link: &&Link| link.vxlan.as_ref().map(|vxlan| vxlan.vni) == vni;
    let Some(link) = sandbox.links.iter().find(its) else {
        return found
            .push(format!("{name} has no vxlan device for {}: no other host is reached", subnet.v4.net));
    };
    match gateway(link, sandbox) {
        Some(bridge) if bridge.up && link.up => {
            let has = sandbox.addresses_of(&bridge.name);
            for gateway in subnet.gateways().filter(|gateway| !has.contains(gateway)) {
                found.push(format!(
                    "{} of {name} has not the address {gateway}: no other subnet is reached",
                    bridge.name
                ));
            }
        }
        Some(bridge) => {
            let down = if bridge.up { &link.name } else { &bridge.name };
            found.push(format!("{down} of {name} is down: no other host is reached"));
        }
        None => found.push(format!("{} of {name} is on no bridge: no other host is reached", link.name)),
    }
    let have = Tables::told(sandbox, link.index);
    for (ip, mac) in want.arp.iter().filter(|(ip, mac)| have.arp.get(ip) != Some(mac)) {
        found.push(format!("{name} lacks the {} {ip} {mac}: it is not reached from here", entry_for(*ip)));
    }
    for (ip, mac) in have.arp.iter().filter(|(ip, mac)| want.arp.get(ip) != Some(mac)) {
        found.push(format!(
            "{name} has the {} {ip} {mac}, of no live peer: whoever has the address next is not reached",
            entry_for(*ip)
        ));
    }
    for (mac, vtep) in want.fdb.difference(&have.fdb) {
        found.push(format!("{name} lacks the FDB entry {mac} dst {vtep}: it is not reached from here"));
    }
    for (mac, vtep) in have.fdb.difference(&want.fdb) {
        found.push(format!(
            "{name} has the FDB entry {mac} dst {vtep}, of no live peer: what the MAC sends from elsewhere is dropped"
        ));
    }
}

/// The endpoints of a network on this host: each in its container and on the bridge, and no other port there.
fn compare_endpoints(
    network: &Network,
    sandbox: &Snapshot,
    endpoints: &[&Endpoint],
    held: &Held,
    found: &mut Vec<String>,
) {
    let mut ports = BTreeSet::new();
    for endpoint in endpoints {
        let what = format!("{} on {}", endpoint.name, network.name);
        let its = held.containers.iter().find(|container| endpoint.sandbox == Some(container.sandbox));
        let Some(container) = its else {
            found.push(format!(
                "the store has {what}, and no container here is that: its address is lost to others"
            ));
            continue;
        };
        let Some(near) = container.holds.links.iter().find(|link| link.mac == Some(endpoint.mac)) else {
            found.push(format!("{what} has no interface: it is cut off"));
            continue;
        };
        if !near.up {
            found.push(format!("{} of {what} is down: it is cut off", near.name));
        }
        let has = container.holds.addresses_of(&near.name);
        for address in endpoint.addresses().filter(|address| !has.contains(address)) {
            found.push(format!("{} of {what} has not the address {address}: it is not reached", near.name));
        }
        let own = endpoint.addresses().map(|address| address.trunc());
        for net in own.chain(network.beyond(endpoint).into_iter().map(|(net, _)| net)) {
            if !leads(&container.holds, Some(net), near) {
                found.push(format!("{what} has no route to {net} by {}: nobody there is reached", near.name));
            }
        }
        match other_end(near, sandbox) {
            Some(port) => {
                ports.insert(port.index);
                let on_bridge = port.master.and_then(|master| sandbox.by_index(master)).is_some();
                if !on_bridge || !port.up {
                    found.push(format!("{} of {what} is not plugged in: it is cut off", port.name));
                }
            }
            None if sandbox.links.iter().any(|link| hangs_on(near, link)) => {}
            None => found.push(format!(
                "{} of {what} does not end in the network's sandbox: it is cut off",
                near.name
            )),
        }
    }
    let veths = sandbox.links.iter().filter(|link| link.kind.as_deref() == Some("veth"));
    for link in veths.filter(|link| !ports.contains(&link.index)) {
        found.push(format!("{} of {} is left over: nobody is behind it", link.name, network.name));
    }
}

/// Whether a route leads there by that link; `None` is the default route.
fn leads(holds: &Snapshot, to: Option<IpNet>, link: &Link) -> bool {
    holds.routes.iter().any(|route| route.to == to && route.dev == Some(link.index))
}

/// A container's interfaces: one for each endpoint, one on the gateway bridge if one of its networks leads outside.
fn compare_container(view: &View, container: &Sandboxed, host: &Snapshot, found: &mut Vec<String>) {
    let its = view.endpoints.values().flatten().map(|(_, stored)| &stored.value);
    let its: Vec<&Endpoint> = its.filter(|endpoint| endpoint.sandbox == Some(container.sandbox)).collect();
    let outward = its.iter().filter_map(|endpoint| view.networks.get(&endpoint.network));
    let outward = outward.map(|stored| &stored.value.network).any(|network| !network.internal);
    let outside = on_gateway_bridge(&container.holds, host);
    match (outward, outside) {
        (true, None) => found.push(format!(
            "{} is not on {}: the outside is not reached",
            container.name,
            docker::GWBRIDGE
        )),
        (false, Some(link)) => {
            found.push(format!(
                "{} of {} is on {}: an internal network has a way out",
                link.name,
                container.name,
                docker::GWBRIDGE
            ));
        }
        (true, Some(link)) if !leads(&container.holds, None, link) => found.push(format!(
            "{} has no default route by {}: the outside is not reached",
            container.name, link.name
        )),
        _ => {}
    }
    let macs: BTreeSet<Mac> = its.iter().map(|endpoint| endpoint.mac).collect();
    let veths = container.holds.links.iter().filter(|link| link.kind.as_deref() == Some("veth"));
    let known = |link: &Link| {
        link.mac.is_some_and(|mac| macs.contains(&mac))
            || outside.is_some_and(|outside| outside.index == link.index)
    };
    for link in veths.filter(|link| !known(link)) {
        found.push(format!("{} of {} is left over: it leads nowhere", link.name, container.name));
    }
}

/// Each port of the gateway bridge leads to a container.
fn compare_gateway(held: &Held, found: &mut Vec<String>) {
    let Some(bridge) = held.host.link(docker::GWBRIDGE) else { return };
    let mut ports: Vec<_> = held.host.links.iter().filter(|l| l.master == Some(bridge.index)).collect();
    for container in &held.containers {
        if let Some(link) = on_gateway_bridge(&container.holds, &held.host) {
            ports.retain(|port| link.peer != Some(port.index));
        }
    }
    found.extend(
        ports
            .iter()
            .map(|port| format!("{} on {} is left over: nobody is behind it", port.name, docker::GWBRIDGE)),
    );
    compare_rules(held, found);
}

/// What the gateway bridge lets through, published ports too. A host that never had one needs no rules.
fn compare_rules(held: &Held, found: &mut Vec<String>) {
    let Some(subnet) = held.gateway else { return };
    let mut published = Vec::new();
    for container in &held.containers {
        let Some(link) = on_gateway_bridge(&container.holds, &held.host) else { continue };
        let address = container.holds.addresses_of(&link.name).into_iter().find_map(|net| match net {
            IpNet::V4(net) if subnet.contains(&net.addr()) => Some(net.addr()),
            _ => None,
        });
        published
            .extend(address.into_iter().flat_map(|ip| container.published.iter().map(move |its| (*its, ip))));
    }
    found.extend(rule_faults(&held.rules, subnet, &published));
}
