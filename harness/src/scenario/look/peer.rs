//! Whether a host knows a container of another host: ARP and forwarding entry in its sandbox.

use std::net::{IpAddr, Ipv4Addr};

use kernel::{Mac, Snapshot};

use super::Finding;
use super::evidence::{documents, sandboxes, whereabouts};
use crate::error::Result;
use crate::lab::Lab;

pub(super) async fn look(
    lab: &Lab,
    at: &str,
    network: &str,
    container: &str,
    known: bool,
) -> Result<Finding> {
    let view = documents(lab).await?;
    let id = view.find(network)?.network.id;
    let its = whereabouts(lab, &view, id, container)?;
    let found = sandboxes(lab, at, id).await?;
    let Some((_, sandbox)) = found.first() else {
        let none = format!("{at} has no sandbox for {network}");
        return Ok(if known { Err(none) } else { Ok(()) });
    };
    Ok(match (its.endpoint, known) {
        (Some(endpoint), true) => {
            endpoint.addresses().try_for_each(|net| knows(sandbox, net.addr(), endpoint.mac, its.vtep))
        }
        (Some(endpoint), false) => {
            endpoint.addresses().try_for_each(|net| forgot(sandbox, net.addr(), endpoint.mac))
        }
        (None, true) => Err(format!("the store has no endpoint of {container} on {network}")),
        // The store has forgotten its address, too: then nothing may lead to its host that the store does not know of.
        (None, false) => {
            let peers = view.peers(id, lab.known_host(at)?.ip());
            let stale = sandbox.fdb.iter().find(|entry| {
                entry.vtep == Some(IpAddr::V4(its.vtep)) && peers.values().all(|peer| peer.mac != entry.mac)
            });
            stale
                .map_or(Ok(()), |entry| Err(format!("there is the FDB entry {} dst {}", entry.mac, its.vtep)))
        }
    })
}

fn knows(sandbox: &Snapshot, ip: IpAddr, mac: Mac, vtep: Ipv4Addr) -> Finding {
    let arp = sandbox.neighbours.iter().find(|entry| entry.ip == ip);
    let fdb: Vec<_> =
        sandbox.fdb.iter().filter(|entry| entry.own && entry.mac == mac && entry.vtep.is_some()).collect();
    match arp.map(|entry| entry.mac) {
        None => return Err(format!("there is no ARP entry for {ip}")),
        Some(None) => return Err(format!("the ARP entry for {ip} is not resolved")),
        Some(Some(found)) if found != mac => {
            return Err(format!("the ARP entry for {ip} says {found}, not {mac}"));
        }
        Some(Some(_)) => {}
    }
    match &fdb[..] {
        [] => Err(format!("there is no FDB entry for {mac}")),
        [entry] if entry.vtep == Some(IpAddr::V4(vtep)) => Ok(()),
        _ => {
            let to: Vec<String> =
                fdb.iter().filter_map(|entry| entry.vtep).map(|vtep| vtep.to_string()).collect();
            Err(format!("the FDB entry for {mac} leads to {}, not to {vtep}", to.join(" and ")))
        }
    }
}

fn forgot(sandbox: &Snapshot, ip: IpAddr, mac: Mac) -> Finding {
    if sandbox.neighbours.iter().any(|entry| entry.ip == ip && entry.mac.is_some()) {
        return Err(format!("there is an ARP entry for {ip}"));
    }
    let fdb = sandbox.fdb.iter().find(|entry| entry.own && entry.mac == mac && entry.vtep.is_some());
    match fdb.and_then(|entry| entry.vtep) {
        Some(vtep) => Err(format!("there is an FDB entry for {mac}, which leads to {vtep}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::rtnl::{FdbEntry, Neighbour};

    const V4: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 100);
    const IP: IpAddr = IpAddr::V4(V4);
    const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

    fn sandbox(ip: IpAddr, mac: Mac, vtep: Ipv4Addr) -> Snapshot {
        let arp = Neighbour { dev: 5, ip, mac: Some(mac), permanent: true };
        let fdb = FdbEntry { dev: 5, mac, vtep: Some(IpAddr::V4(vtep)), own: true, permanent: true };
        Snapshot { neighbours: vec![arp], fdb: vec![fdb], ..Snapshot::default() }
    }

    #[test]
    fn a_peer_is_known_by_both_entries_and_where_they_lead() {
        let mac = Mac::of(V4);
        let all = sandbox(IP, mac, HERE);
        assert_eq!(knows(&all, IP, mac, HERE), Ok(()));
        let said = |finding: Finding| finding.expect_err("not known");
        assert_eq!(
            said(knows(&all, IP, mac, Ipv4Addr::new(10, 0, 0, 11))),
            "the FDB entry for 02:42:c0:a8:00:64 leads to 10.0.0.10, not to 10.0.0.11"
        );
        let no_fdb = Snapshot { fdb: vec![], ..all.clone() };
        assert_eq!(said(knows(&no_fdb, IP, mac, HERE)), "there is no FDB entry for 02:42:c0:a8:00:64");
        let no_arp = Snapshot { neighbours: vec![], ..all.clone() };
        assert_eq!(said(knows(&no_arp, IP, mac, HERE)), "there is no ARP entry for 192.168.0.100");
        for part in [&no_arp, &no_fdb] {
            assert!(forgot(part, IP, mac).is_err(), "half known is not forgotten");
        }
        assert_eq!(forgot(&Snapshot::default(), IP, mac), Ok(()));
    }
}
