//! Facts about a container's place on a network: its address, and the MTU along its path.

use ipnet::IpNet;
use kernel::Snapshot;
use kernel::rtnl::Link;
use overlay::docker;

use super::Finding;
use super::evidence::{attached, documents, dump, sandboxes};
use super::interface::names;
use crate::error::Result;
use crate::lab::Lab;
use crate::scenario::step::Via;

/// The other end of a veth: they name each other.
pub(super) fn other_end<'a>(of: &Link, there: &'a Snapshot) -> Option<&'a Link> {
    there.links.iter().find(|link| Some(link.index) == of.peer && link.peer == Some(of.index))
}

/// Whether a link is a MACVLAN of that vxlan device, in its namespace or another one.
pub(super) fn hangs_on(link: &Link, vxlan: &Link) -> bool {
    vxlan.vxlan.is_some() && link.is_macvlan_of(vxlan.index)
}

/// What has the gateway's addresses beside a vxlan device: the bridge that it is on, or a MACVLAN of it.
pub(super) fn gateway<'a>(vxlan: &Link, sandbox: &'a Snapshot) -> Option<&'a Link> {
    match vxlan.master {
        Some(master) => sandbox.by_index(master),
        None => sandbox.links.iter().find(|link| hangs_on(link, vxlan)),
    }
}

/// Whether interface, other end, bridge and vxlan device, as far as there are such, have this MTU.
pub(super) async fn mtu(lab: &Lab, container: &str, network: &str, is: u32) -> Result<Finding> {
    let view = documents(lab).await?;
    let id = view.find(network)?.network.id;
    let (at, endpoint, netns) = attached(lab, &view, id, container)?;
    let inside = dump(netns).await?;
    let found = sandboxes(lab, &at.host, id).await?;
    let Some((_, sandbox)) = found.first() else {
        return Ok(Err(format!("{} has no sandbox for {network}", at.host)));
    };
    Ok(compare_mtu(&inside, sandbox, endpoint.mac, is))
}

fn compare_mtu(inside: &Snapshot, sandbox: &Snapshot, mac: kernel::Mac, is: u32) -> Finding {
    let Some(near) = inside.links.iter().find(|link| link.mac == Some(mac)) else {
        return Err(format!("the container has no interface with the MAC {mac}, but {}", names(inside)));
    };
    let Some(vxlan) = sandbox.links.iter().find(|link| link.vxlan.is_some()) else {
        return Err("the sandbox has no vxlan device".to_owned());
    };
    let mut path = vec![near];
    if let Some(far) = other_end(near, sandbox) {
        let Some(bridge) = far.master.and_then(|master| sandbox.by_index(master)) else {
            return Err(format!("{} is on no bridge", far.name));
        };
        path.extend([far, bridge]);
    } else if !sandbox.links.iter().any(|link| hangs_on(near, link)) {
        return Err(format!("{} does not end in the network's sandbox", near.name));
    }
    path.push(vxlan);
    if path.iter().all(|link| link.mtu == is) {
        return Ok(());
    }
    let shown: Vec<String> = path.iter().map(|link| format!("{} {}", link.name, link.mtu)).collect();
    Err(shown.join(", "))
}

/// Whether the container's address there is in a subnet.
pub(super) async fn address(lab: &Lab, container: &str, network: &Via, within: IpNet) -> Result<Finding> {
    let (has, name) = match network {
        Via::Network(network) => {
            let view = documents(lab).await?;
            let id = view.find(network.as_str())?.network.id;
            let (_, endpoint, netns) = attached(lab, &view, id, container)?;
            let inside = dump(netns).await?;
            let link = inside.links.iter().find(|link| link.mac == Some(endpoint.mac));
            (link.map(|link| inside.addresses_of(&link.name)), network.as_str())
        }
        Via::GatewayBridge => {
            let found = lab.known_container(container)?;
            let inside = dump(found.netns()?).await?;
            let host = dump(found.host.alive()?.netns.clone()).await?;
            (on_gateway_bridge(&inside, &host).map(|link| inside.addresses_of(&link.name)), docker::GWBRIDGE)
        }
    };
    let Some(has) = has else {
        return Ok(Err(format!("{container} has no interface on {name}")));
    };
    let fits = |net: &IpNet| within.contains(&net.addr());
    if has.iter().any(fits) {
        return Ok(Ok(()));
    }
    let has: Vec<String> = has.iter().map(ToString::to_string).collect();
    Ok(Err(if has.is_empty() {
        "it has no address".to_owned()
    } else {
        format!("it has {}", has.join(", "))
    }))
}

/// The container's interface whose other end is a port of the host's gateway bridge.
pub(super) fn on_gateway_bridge<'a>(inside: &'a Snapshot, host: &Snapshot) -> Option<&'a Link> {
    let bridge = host.link(docker::GWBRIDGE)?.index;
    inside.links.iter().find(|link| other_end(link, host).is_some_and(|port| port.master == Some(bridge)))
}
