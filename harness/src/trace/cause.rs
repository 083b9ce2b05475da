//! Why a packet went no further than it was seen. Pure.

use std::fmt::Write;
use std::net::IpAddr;

use kernel::Snapshot;

use super::decided::{outer, vni};
use super::journey::{End, Hop, Outcome};
use super::rule::{At, dropping};
use super::scene::{Owner, Scene, neighbour, route_to, show_route};
use crate::capture::{Layer, levels};
use crate::fault::Counts;
use crate::lab::Held;
use overlay::docker;

/// A host's link to the underlay.
const ETH0: &str = "eth0";
/// The switch's namespace.
const SWITCH: &str = "switch";
/// What VXLAN adds to a frame inside: outer IPv4, UDP, VXLAN and inner Ethernet headers (RFC 7348 §5), less the frame's own Ethernet
/// header, which the length has already: 20, 8, 8.
const OVERHEAD: u32 = 36;

/// Where it ended, and why; nothing if an answer came.
pub(crate) fn end(scene: &Scene, hops: &[Hop], outcome: &Outcome) -> Option<End> {
    if matches!(outcome, Outcome::Answered(_)) {
        return None;
    }
    // An error that comes back says of it no more than where it was.
    let answers = |hop: &&Hop| hop.back && error_in(hop).is_none();
    let last = hops.iter().rev().find(answers).or_else(|| hops.iter().rev().find(|hop| !hop.back));
    let why = why(scene, hops, last, outcome);
    Some(End { last: last.map(Hop::place), why })
}

fn why(scene: &Scene, hops: &[Hop], last: Option<&Hop>, outcome: &Outcome) -> String {
    if let Outcome::Refused(why) = outcome {
        return format!("it has arrived, and {} refuses it: {why}", owner_name(scene, scene.ends.to));
    }
    let Some(last) = last else {
        return prefixed(scene, unsent(scene, outcome));
    };
    if let Some(owner) = scene.owner(scene.ends.to)
        && let Some(host) = scene.host(&owner.host).filter(|host| !host.up)
    {
        let what =
            if owner.name == host.name { String::new() } else { format!(", and {} with it", owner.name) };
        return format!("host {} is down{what}", host.name);
    }
    if let Some(why) = astray(scene, hops) {
        return why;
    }
    if let Some(said) = hops.iter().find_map(error_in) {
        return prefixed(scene, refused(scene, hops, said));
    }
    let why = beyond(scene, last).unwrap_or_else(|| "what came next is not known".to_owned());
    prefixed(scene, why)
}

/// That the address is nobody's, or of a network that the sender is not on, explains most.
fn prefixed(scene: &Scene, why: String) -> String {
    let to = scene.ends.to;
    let Some(owner) = scene.owner(to) else {
        return format!("nobody in this lab has {to}; {why}");
    };
    let Some(network) = &owner.network else { return why };
    let mut ours = scene.owners.iter().filter(|its| its.name == scene.ends.from).peekable();
    if ours.peek().is_none() || ours.any(|its| its.network.as_ref() == Some(network)) {
        return why;
    }
    format!("{} is not on {network}, as {} is; {why}", scene.ends.from, owner.name)
}

fn owner_name(scene: &Scene, ip: IpAddr) -> String {
    scene.owner(ip).map_or_else(|| ip.to_string(), |owner| owner.name.clone())
}

/// It was never seen: there is no way, or nobody knows the next hop's hardware address.
fn unsent(scene: &Scene, outcome: &Outcome) -> String {
    let (from, to) = (scene.ends.from.as_str(), scene.ends.to);
    let Some(held) = scene.room(from) else { return format!("{from} is not there") };
    let Some(route) = route_to(&held.holds, to) else {
        let mut ours =
            scene.owners.iter().filter(|owner| owner.name == from && owner.network.is_some()).peekable();
        let internal = ours.peek().is_some() && ours.all(|owner| owner.internal);
        let because = if internal { ": its networks are internal, there is no way out of them" } else { "" };
        return format!("{from} has no route to {to}{because}");
    };
    let next = route.gateway.unwrap_or(to);
    if let Some(why) = unresolved(scene, held, next) {
        return why;
    }
    if let Outcome::Nothing(said) = outcome {
        return format!("{from} did not send it by {}: {said}", show_route(&held.holds, route));
    }
    format!("{from} did not send it")
}

/// Why the hardware address of a next hop is not known in a namespace; nothing if it is.
fn unresolved(scene: &Scene, held: &Held, next: IpAddr) -> Option<String> {
    let known = neighbour(&held.holds, next).and_then(|entry| entry.mac);
    if known.is_some() {
        return None;
    }
    let who = held.name.as_str();
    // Who would have answered: the overlay's vxlan device, from its own table, or the address's owner.
    let its = scene.owners.iter().filter(|owner| owner.name == who);
    let dev =
        route_to(&held.holds, next).and_then(|route| route.dev).and_then(|dev| held.holds.by_index(dev));
    let overlay = its
        .filter(|owner| owner.interface.as_deref() == dev.map(|link| link.name.as_str()))
        .find_map(|owner| owner.overlay.as_deref());
    if let Some(overlay) = overlay
        && let Some(there) = scene.room(overlay)
    {
        let vxlan =
            there.holds.links.iter().find(|link| link.vxlan.is_some()).map_or("vxlan", |link| &link.name);
        let entry = neighbour(&there.holds, next).and_then(|entry| entry.mac);
        if entry.is_none() {
            return Some(format!(
                "{who} asks who has {next}, and {overlay} has no ARP entry for {next} on {vxlan}{}",
                engine_note(scene, overlay)
            ));
        }
    }
    let asked = scene.asked_for(None, next);
    let last = asked.map(|asked| {
        let way = if asked.outgoing { "out" } else { "in" };
        format!(", last seen at {}/{}, {way}", asked.namespace, asked.interface)
    });
    let mut why = format!("{who} asks who has {next}, and nobody answers{}", last.unwrap_or_default());
    if let Some(host) = scene.host_of(next) {
        if !host.up {
            return Some(format!("host {} is down: nobody answers for {next}", host.name));
        }
        if let Some(fault) = taken(scene) {
            let _ = write!(why, ": {fault}");
        } else if let Some(wire) = worse_wire(scene) {
            let _ = write!(why, ": {wire}");
        }
    }
    Some(why)
}

/// That no engine runs on the host of a namespace explains what it does not know.
fn engine_note(scene: &Scene, room: &str) -> String {
    match scene.host_of_room(room) {
        Some(host) if host.engine == Some(false) => {
            format!("; the engine of {} is dead, and learns of nothing", host.name)
        }
        _ => String::new(),
    }
}

/// The error that a packet is, and who says it.
fn error_in(hop: &Hop) -> Option<(IpAddr, String)> {
    let (mut from, mut said) = (None, None);
    for layer in &hop.layers {
        match layer {
            Layer::Ip(ip) => from = Some(ip.from),
            Layer::Icmp(icmp) if !icmp.is_request() && !icmp.is_reply() => said = Some(icmp.to_string()),
            _ => {}
        }
    }
    from.zip(said)
}

fn refused(scene: &Scene, hops: &[Hop], (who, said): (IpAddr, String)) -> String {
    let first = hops.iter().find(|hop| error_in(hop).is_some());
    let place = first.map_or_else(|| who.to_string(), |hop| hop.namespace.clone());
    let to = scene.ends.to;
    let route = scene.room(&place).map(|held| match route_to(&held.holds, to) {
        None => format!("; {place} has no route to {to}"),
        Some(route) => format!("; its route is {}", show_route(&held.holds, route)),
    });
    format!("{place} says {said}{}", route.unwrap_or_default())
}

/// It was sent to a host that the container is not on.
fn astray(scene: &Scene, hops: &[Hop]) -> Option<String> {
    let tunnelled = hops.iter().rev().filter(|hop| hop.interface == ETH0 && vni(&hop.layers).is_some());
    tunnelled.filter(|hop| hop.outgoing).find_map(|hop| {
        let owner = scene.owner(inner_to(&hop.layers)?)?;
        let right = scene.host(&owner.host)?;
        let wrong = outer(&hop.layers).1.filter(|vtep| *vtep != IpAddr::V4(right.ip))?;
        let there = scene.host_of(wrong).map_or("nobody", |host| host.name.as_str());
        let Owner { name, .. } = owner;
        Some(format!(
            "the fdb entry of {} for {name} leads to the wrong VTEP: {wrong}, which is {there}; {name} is on {} ({})",
            hop.namespace, right.name, right.ip
        ))
    })
}

/// To whom the inmost packet is.
fn inner_to(layers: &[Layer]) -> Option<IpAddr> {
    layers.iter().rev().find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip.to) } else { None })
}

/// What is behind the interface where it was last seen.
fn beyond(scene: &Scene, last: &Hop) -> Option<String> {
    let held = scene.room(&last.namespace)?;
    let link = held.holds.link(&last.interface)?;
    if last.namespace == SWITCH {
        return Some(in_switch(scene, last));
    }
    if let Some(vxlan) = &link.vxlan {
        if last.outgoing {
            return Some(behind_vxlan(scene, held, last, link.index));
        }
        let mac = outer(&last.layers).0?;
        return Some(format!("{} knows nobody with {mac} behind VNI {}", last.namespace, vxlan.vni));
    }
    if let Some(host) = scene.host(&last.namespace) {
        return Some(match (last.interface == ETH0, last.outgoing) {
            (true, true) => on_wire(scene, &host.name, true),
            (true, false) => in_host(scene, held, last),
            (false, _) => through_host(scene, held, last),
        });
    }
    // In an overlay's namespace it is bridged; in a container's it has arrived, or has not left.
    if link.master.is_some() {
        let mac = outer(&last.layers).0?;
        return Some(format!("the bridge of {} did not hand it on to {mac}", last.namespace));
    }
    if last.outgoing {
        return Some(format!(
            "it was sent by {}/{}, and did not come to its other end",
            last.namespace, last.interface
        ));
    }
    Some(unanswered(scene, held, last))
}

/// Whether it is an answer, in the eyes of the namespace that it is in. Of the tunnel's packet that it may be in that is not known.
fn answers(last: &Hop) -> Option<bool> {
    (levels(&last.layers).count() == 1).then_some(last.back)
}

/// It is where it was to be, and no answer has left.
fn unanswered(scene: &Scene, held: &Held, last: &Hop) -> String {
    let from = last
        .layers
        .iter()
        .rev()
        .find_map(|layer| if let Layer::Ip(ip) = layer { Some(ip.from) } else { None });
    let at = At { layers: &last.layers, comes: Some(&last.interface), goes: None, answers: answers(last) };
    if let Some(rule) = dropping(&held.rules, at) {
        return format!("a rule in {} drops it: {rule}", held.name);
    }
    if scene.owner(scene.ends.to).is_none_or(|owner| !last.back && owner.name != held.name) {
        return format!("{} has got it, and does not hand it on", held.name);
    }
    let Some(from) = from else { return format!("{} does not answer", held.name) };
    let Some(route) = route_to(&held.holds, from) else {
        return format!("it has arrived, and {} has no route back to {from}", held.name);
    };
    match unresolved(scene, held, route.gateway.unwrap_or(from)) {
        Some(why) => format!("it has arrived, and no answer can be sent: {why}"),
        None => format!("it has arrived, and {} does not answer", held.name),
    }
}

/// Between a vxlan device and the link that its host sends by.
fn behind_vxlan(scene: &Scene, held: &Held, last: &Hop, dev: u32) -> String {
    let room = &held.name;
    let mac = outer(&last.layers).0;
    let entry = held.holds.fdb.iter().find(|entry| entry.own && entry.dev == dev && Some(entry.mac) == mac);
    let vtep = match entry.map(|entry| entry.vtep) {
        None => {
            let mac = mac.map_or_else(|| "it".to_owned(), |mac| mac.to_string());
            let note = engine_note(scene, room);
            return format!(
                "{room} has no fdb entry for {mac} on {}: it does not know behind which VTEP that is{note}",
                last.interface
            );
        }
        Some(None) => return format!("the fdb entry for it in {room} names no VTEP"),
        Some(Some(vtep)) => vtep,
    };
    let Some(host) = scene.host_of_room(room) else { return format!("it was to go to {vtep}") };
    if let Some(far) = scene.host_of(vtep).filter(|far| !far.up) {
        return format!("host {} ({vtep}) is down", far.name);
    }
    let Some(under) = scene.room(&host.name) else { return format!("host {} is down", host.name) };
    let mtu = under.holds.link(ETH0).map_or(u32::MAX, |link| link.mtu);
    if last.length + OVERHEAD > mtu {
        return format!(
            "with the headers of VXLAN it is {} bytes long, and the MTU of {}/{ETH0} is {mtu}",
            last.length + OVERHEAD,
            host.name
        );
    }
    let outer = tunnel(host.ip.into(), vtep);
    if let Some(rule) =
        dropping(&under.rules, At { layers: &outer, comes: None, goes: Some(ETH0), answers: None })
    {
        return format!("a rule in {} drops it: {rule}", host.name);
    }
    let Some(route) = route_to(&under.holds, vtep) else {
        return format!("{} has no route to the VTEP {vtep}", host.name);
    };
    unresolved(scene, under, route.gateway.unwrap_or(vtep))
        .unwrap_or_else(|| format!("{} was to send it to the VTEP {vtep}, and did not", host.name))
}

/// The outer headers of a packet in a tunnel.
fn tunnel(from: IpAddr, to: IpAddr) -> [Layer; 2] {
    use crate::capture::{Ip, Udp};
    let ip =
        Ip { from, to, protocol: 17, hops: 64, id: None, length: 0, dont_fragment: false, fragment: None };
    [Layer::Ip(ip), Layer::Udp(Udp { from: 0, to: docker::VXLAN_PORT, length: 0 })]
}

/// It came into the switch, or left it; or it is where a wire is that somebody in between carries: there the wire's end is `port3` and
/// `wire3`, and the switch's port `plug3`.
fn in_switch(scene: &Scene, last: &Hop) -> String {
    let far = outer(&last.layers).1;
    let kind = last.interface.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &last.interface[kind.len()..];
    let at =
        scene.hosts.iter().find(|host| host.port.trim_start_matches(|c: char| !c.is_ascii_digit()) == number);
    let carried = at.is_some_and(|host| !host.port.starts_with("port"));
    match (at, kind, last.outgoing) {
        (Some(host), "port" | "plug", true) | (Some(host), "wire", false) => {
            return on_wire(scene, &host.name, false);
        }
        (Some(host), "wire", true) => return on_wire(scene, &host.name, true),
        (Some(host), "port", false) if carried => return on_wire(scene, &host.name, true),
        (None, _, true) => return "it left the switch".to_owned(),
        _ => {}
    }
    if let Some(fault) = taken(scene) {
        return fault;
    }
    match far.and_then(|far| scene.host_of(far)) {
        Some(host) if !host.up => format!("host {} is down", host.name),
        Some(host) => format!("the switch did not hand it on to {}", host.name),
        None => "the switch knows nobody whom it is for".to_owned(),
    }
}

/// The fault that has taken frames in the switch meanwhile.
fn taken(scene: &Scene) -> Option<String> {
    let (id, frames) = scene.taken.iter().find(|(_, frames)| **frames > 0)?;
    let active = scene.faults.iter().find(|active| active.id == *id);
    let what = active.map_or_else(String::new, |active| format!(": {}", active.fault));
    Some(format!("fault {id} took it in the switch{what} (frames meanwhile: {frames})"))
}

/// On the wire of a host, from it or to it.
fn on_wire(scene: &Scene, host: &str, up: bool) -> String {
    let way = if up { "from" } else { "to" };
    if let Some(why) = wire_loss(scene, host, up) {
        return why;
    }
    match scene.host(host) {
        Some(its) if !its.up => format!("host {host} is down"),
        _ => format!("it went onto the wire {way} {host}, and did not come out of it"),
    }
}

/// What a wire has done meanwhile.
fn wire_loss(scene: &Scene, host: &str, up: bool) -> Option<String> {
    let of = |wires: &[crate::lab::WireReport]| {
        let wire = wires.iter().find(|wire| wire.host == host)?;
        Some(if up { wire.up.clone() } else { wire.down.clone() })
    };
    let [before, after] = [of(&scene.wires[0]), of(&scene.wires[1])];
    let (before, after) = (before.map_or_else(Counts::default, |wire| wire.observed), after?);
    let grown = |count: fn(&Counts) -> u64| count(&after.observed).saturating_sub(count(&before));
    let done = [
        (grown(|counts| counts.lost), "lost"),
        (grown(|counts| counts.too_long), "longer than its MTU"),
        (grown(|counts| counts.overflowed), "too many for its queue"),
        (after.observed.held, "held"),
        (grown(|counts| counts.corrupted), "damaged"),
    ];
    let (frames, what) = done.into_iter().find(|(frames, _)| *frames > 0)?;
    let way = if up { "from" } else { "to" };
    Some(format!(
        "the wire {way} {host} took it: frames meanwhile {what}: {frames}; it was asked for {}",
        after.injected
    ))
}

/// A wire that has lost something meanwhile.
fn worse_wire(scene: &Scene) -> Option<String> {
    scene
        .hosts
        .iter()
        .find_map(|host| [true, false].into_iter().find_map(|up| wire_loss(scene, &host.name, up)))
}

/// It came to a host by its wire.
fn in_host(scene: &Scene, held: &Held, last: &Hop) -> String {
    let at = At { layers: &last.layers, comes: Some(&last.interface), goes: None, answers: answers(last) };
    if let Some(rule) = dropping(&held.rules, at) {
        return format!("a rule in {} drops it: {rule}", held.name);
    }
    let Some(vni) = vni(&last.layers) else { return through_host(scene, held, last) };
    let prefix = format!("{}/", held.name);
    let has = |room: &&Held| {
        room.name.starts_with(&prefix)
            && room.holds.links.iter().any(|link| link.vxlan.as_ref().is_some_and(|vxlan| vxlan.vni == vni))
    };
    match scene.rooms.iter().find(has) {
        None => format!("{} has no overlay with VNI {vni}{}", held.name, engine_note(scene, &held.name)),
        Some(room) => format!("{} did not take it, though it has VNI {vni}", room.name),
    }
}

/// It came to a host, and was to be sent on or to be taken there.
fn through_host(scene: &Scene, held: &Held, last: &Hop) -> String {
    let link = held.holds.link(&last.interface);
    let comes = link.and_then(|link| link.master).and_then(|bridge| held.holds.by_index(bridge)).or(link);
    let to = outer(&last.layers).1;
    let goes = to.and_then(|to| route_to(&held.holds, to)).and_then(|route| route.dev);
    let goes = goes.and_then(|dev| held.holds.by_index(dev));
    let name = |link: Option<&kernel::rtnl::Link>| link.map(|link| link.name.clone());
    let (comes, goes) = (name(comes), name(goes));
    let at =
        At { layers: &last.layers, comes: comes.as_deref(), goes: goes.as_deref(), answers: answers(last) };
    if let Some(rule) = dropping(&held.rules, at) {
        let icc = comes.is_some() && comes == goes && comes.as_deref() == Some(docker::GWBRIDGE);
        let because = if icc { ": containers do not talk to one another there (icc is off)" } else { "" };
        return format!("a rule in {} drops it{because}: {rule}", held.name);
    }
    let Some(to) = to else { return format!("{} did not hand it on", held.name) };
    match route_to(&held.holds, to) {
        None if !has(&held.holds, to) => format!("{} has no route to {to}", held.name),
        None => format!("{} does not answer", held.name),
        Some(route) => unresolved(scene, held, route.gateway.unwrap_or(to)).unwrap_or_else(|| {
            format!("{} did not send it on by {}", held.name, show_route(&held.holds, route))
        }),
    }
}

fn has(holds: &Snapshot, ip: IpAddr) -> bool {
    holds.addresses.iter().any(|address| address.net.addr() == ip)
}

/// Who has an address, as a value for tests and glue.
impl Owner {
    /// A host.
    pub(crate) fn host(name: &str, ip: IpAddr) -> Owner {
        let interface = Some(ETH0.to_owned());
        Owner {
            ip,
            name: name.into(),
            host: name.into(),
            network: None,
            interface,
            overlay: None,
            internal: false,
        }
    }
}
