//! The entries that decided where a packet went from an interface. Pure.

use std::net::IpAddr;

use kernel::Mac;

use super::journey::Hop;
use super::scene::{Scene, neighbour, route_to, show_route};
use crate::capture::{Layer, levels};

/// The outermost addresses of a packet: the hardware address that it is for, and that of IP.
pub(super) fn outer(layers: &[Layer]) -> (Option<Mac>, Option<IpAddr>) {
    let first = levels(layers).next().unwrap_or_default();
    let mac = first.iter().find_map(|layer| if let Layer::Ethernet(it) = layer { Some(it.to) } else { None });
    let ip = first.iter().find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip.to) } else { None });
    (mac, ip)
}

/// The VNI of the tunnel that it is in.
pub(super) fn vni(layers: &[Layer]) -> Option<u32> {
    layers.iter().find_map(|layer| if let Layer::Vxlan { vni } = layer { Some(*vni) } else { None })
}

/// What decided at a hop, in sentences; `next` is the one after it.
pub(crate) fn decided(scene: &Scene, hop: &Hop, next: Option<&Hop>) -> Vec<String> {
    let mut all = Vec::new();
    let Some(held) = scene.room(&hop.namespace) else { return all };
    let holds = &held.holds;
    let Some(link) = holds.link(&hop.interface) else { return all };
    let (mac, ip) = outer(&hop.layers);
    match (hop.outgoing, link.vxlan.as_ref(), link.master) {
        (true, Some(vxlan), _) => {
            let entry =
                holds.fdb.iter().find(|entry| entry.own && entry.dev == link.index && Some(entry.mac) == mac);
            if let Some((entry, vtep)) = entry.and_then(|entry| Some((entry, entry.vtep?))) {
                all.push(format!("fdb: {} behind {vtep}; encapsulated for VNI {}", entry.mac, vxlan.vni));
            }
        }
        (false, _, Some(bridge)) => {
            let entry = holds.fdb.iter().find(|entry| {
                let its = holds.by_index(entry.dev);
                !entry.own && Some(entry.mac) == mac && its.is_some_and(|its| its.master == Some(bridge))
            });
            if let Some(entry) = entry {
                let name = |index| holds.by_index(index).map_or("?", |link| link.name.as_str());
                all.push(format!("fdb of {}: {} at {}", name(bridge), entry.mac, name(entry.dev)));
            }
        }
        // Whoever sends by IP has looked up where to.
        (true, None, None) => {
            let Some(ip) = ip else { return all };
            let Some(route) = route_to(holds, ip) else { return all };
            all.push(format!("route: {}", show_route(holds, route)));
            let hop_ip = route.gateway.unwrap_or(ip);
            if let Some(mac) = neighbour(holds, hop_ip).and_then(|entry| entry.mac) {
                all.push(format!("neighbour: {hop_ip} at {mac}"));
            }
        }
        _ => {}
    }
    if let (false, Some(vni), Some(next)) = (hop.outgoing, vni(&hop.layers), next)
        && next.namespace.starts_with(&format!("{}/", hop.namespace))
    {
        all.push(format!("decapsulated: VNI {vni} is {}", next.namespace));
    }
    all
}
