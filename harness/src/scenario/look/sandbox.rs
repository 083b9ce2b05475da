//! Facts about networks on hosts: their ids, and their sandboxes.

use kernel::Snapshot;
use overlay::Engine;

use super::Finding;
use super::evidence::{documents, sandboxes};
use super::interface::names;
use crate::error::Result;
use crate::lab::Lab;

/// Devices that the kernel may put into every new namespace, when their modules are there (`net/ipv4/ipip.c`, `ip_gre.c`,
/// `ip_vti.c`, `net/ipv6/sit.c`, `ip6_tunnel.c`, `ip6_gre.c`, `ip6_vti.c`; sysctl `net.core.fb_tunnels_only_for_init_net`).
const FALLBACK_TUNNELS: [&str; 9] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0"];

/// Whether the engines of these hosts know the network by one id.
pub(super) async fn same_network(lab: &Lab, network: &str, hosts: &[&str]) -> Result<Finding> {
    let mut ids: Vec<(String, String)> = Vec::new();
    for host in hosts {
        let engine: Engine = lab.known_host(host)?.engine()?;
        let known = engine.networks().await?;
        let Some(found) = known.iter().find(|summary| summary.name == network) else {
            return Ok(Err(format!("{host} does not know {network}")));
        };
        ids.push(((*host).to_owned(), found.id.to_string()));
    }
    if ids.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        return Ok(Ok(()));
    }
    let shown: Vec<String> = ids.iter().map(|(host, id)| format!("{id} on {host}")).collect();
    Ok(Err(shown.join(", ")))
}

/// Whether a host has the network's sandbox with exactly these links.
pub(super) async fn look(
    lab: &Lab,
    host: &str,
    network: &str,
    links: &[String],
    tunnel: (Option<u32>, Option<u16>),
) -> Result<Finding> {
    let id = documents(lab).await?.find(network)?.network.id;
    let name = id.namespace(1);
    let found = sandboxes(lab, host, id).await?;
    let Some((_, holds)) = found.iter().find(|(found, _)| *found == name) else {
        let others: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let instead = if others.is_empty() { String::new() } else { format!(", but {}", others.join(", ")) };
        return Ok(Err(format!("{host} has no {name}{instead}")));
    };
    Ok(compare(holds, links, tunnel))
}

fn compare(holds: &Snapshot, links: &[String], (vni, port): (Option<u32>, Option<u16>)) -> Finding {
    let have = holds.links.iter().map(|link| link.name.as_str());
    let mut have: Vec<&str> = have.filter(|name| *name != "lo" && !FALLBACK_TUNNELS.contains(name)).collect();
    let mut want: Vec<&str> = links.iter().map(String::as_str).collect();
    have.sort_unstable();
    want.sort_unstable();
    if have != want {
        return Err(format!("in it are {}", names(holds)));
    }
    if vni.is_none() && port.is_none() {
        return Ok(());
    }
    // One for each of the network's subnets.
    let mut seen = Vec::new();
    for vxlan in holds.links.iter().filter_map(|link| link.vxlan.as_ref()) {
        if vni.is_none_or(|vni| vni == vxlan.vni) && port.is_none_or(|port| port == vxlan.port) {
            return Ok(());
        }
        seen.push(format!("its vxlan device has the VNI {} and the port {}", vxlan.vni, vxlan.port));
    }
    Err(if seen.is_empty() { "it has no vxlan device".to_owned() } else { seen.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::rtnl::{Link, Vxlan};

    #[test]
    fn a_sandbox_has_exactly_its_links() {
        let link = |name: &str| Link { name: name.into(), ..Link::default() };
        let vxlan = Vxlan { vni: 256, port: 4789, ..Vxlan::default() };
        let tunnel = Link { vxlan: Some(vxlan), ..link("vxlan1") };
        let holds =
            Snapshot { links: vec![link("lo"), link("br0"), tunnel, link("sit0")], ..Snapshot::default() };
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(compare(&holds, &names(&["vxlan1", "br0"]), (Some(256), Some(4789))), Ok(()));
        assert!(compare(&holds, &names(&["br0"]), (None, None)).is_err());
        assert_eq!(
            compare(&holds, &names(&["br0", "vxlan1"]), (Some(257), None)),
            Err("its vxlan device has the VNI 256 and the port 4789".into())
        );
    }
}
