//! What to change in a sandbox's tables so that they say what the store says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use kernel::Snapshot;

use crate::model::{Mac, Peers};

/// What a vxlan device's two tables hold: the answers to ARP, and where each MAC is.
///
/// They are compared one by one: an entry that somebody deleted is missing by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Permanent neighbour entries: which MAC an address has.
    pub arp: BTreeMap<Ipv4Addr, Mac>,
    /// Permanent forwarding entries: behind which VTEPs a MAC is. Docker has one; the kernel allows several.
    pub fdb: BTreeSet<(Mac, Ipv4Addr)>,
}

impl Tables {
    /// What there should be for these peers.
    pub fn of(peers: &Peers) -> Tables {
        Tables {
            arp: peers.iter().map(|(ip, peer)| (*ip, peer.mac)).collect(),
            fdb: peers.values().map(|peer| (peer.mac, peer.vtep)).collect(),
        }
    }

    /// What a vxlan device was told, of all that a namespace holds; not what it has learned.
    pub fn told(have: &Snapshot, vxlan: u32) -> Tables {
        let arp = have.neighbours.iter().filter(|entry| entry.dev == vxlan && entry.permanent);
        let fdb = have.fdb.iter().filter(|entry| entry.dev == vxlan && entry.own && entry.permanent);
        let v4 = |ip: IpAddr| if let IpAddr::V4(ip) = ip { Some(ip) } else { None };
        Tables {
            arp: arp.filter_map(|entry| Some((v4(entry.ip)?, entry.mac?))).collect(),
            fdb: fdb.filter_map(|entry| Some((entry.mac, v4(entry.vtep?)?))).collect(),
        }
    }
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Takes a forwarding entry out.
    RemoveFdb(Mac, Ipv4Addr),
    /// Takes a neighbour entry out.
    RemoveArp(Ipv4Addr, Mac),
    /// Sets the MAC of an address, whatever it was.
    SetArp(Ipv4Addr, Mac),
    /// Sets where a MAC is.
    SetFdb(Mac, Ipv4Addr),
}

/// The changes that make `want` of `have`.
///
/// Removals come first: a stale forwarding entry makes the kernel drop what arrives from the right host, and an
/// address that moved must not be left pointing at both. Then ARP before forwarding, as Docker does.
pub fn plan(have: &Tables, want: &Tables) -> Vec<Op> {
    let stale_fdb = have.fdb.difference(&want.fdb).map(|(mac, vtep)| Op::RemoveFdb(*mac, *vtep));
    let stale_arp = have
        .arp
        .iter()
        .filter(|(ip, _)| !want.arp.contains_key(ip))
        .map(|(ip, mac)| Op::RemoveArp(*ip, *mac));
    let new_arp = want
        .arp
        .iter()
        .filter(|(ip, mac)| have.arp.get(ip) != Some(mac))
        .map(|(ip, mac)| Op::SetArp(*ip, *mac));
    let new_fdb = want.fdb.difference(&have.fdb).map(|(mac, vtep)| Op::SetFdb(*mac, *vtep));
    stale_fdb.chain(stale_arp).chain(new_arp).chain(new_fdb).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Peer;

    /// What the kernel does with them.
    fn apply(tables: &mut Tables, ops: &[Op]) {
        for op in ops {
            match *op {
                Op::RemoveFdb(mac, vtep) => {
                    assert!(tables.fdb.remove(&(mac, vtep)), "removes what is not there");
                }
                Op::RemoveArp(ip, mac) => assert_eq!(tables.arp.remove(&ip), Some(mac)),
                Op::SetArp(ip, mac) => drop(tables.arp.insert(ip, mac)),
                Op::SetFdb(mac, vtep) => assert!(tables.fdb.insert((mac, vtep)), "adds what is there"),
            }
        }
    }

    fn ip() -> impl Strategy<Value = Ipv4Addr> {
        (0_u8..12).prop_map(|last| Ipv4Addr::new(192, 168, 0, last))
    }

    fn mac() -> impl Strategy<Value = Mac> {
        ip().prop_map(Mac::of)
    }

    fn vtep() -> impl Strategy<Value = Ipv4Addr> {
        (10_u8..14).prop_map(|last| Ipv4Addr::new(10, 0, 0, last))
    }

    prop_compose! {
        /// Whatever a sandbox may hold, also what no engine would write.
        fn tables()(arp in prop::collection::btree_map(ip(), mac(), 0..12),
                    fdb in prop::collection::btree_set((mac(), vtep()), 0..12)) -> Tables {
            Tables { arp, fdb }
        }
    }

    prop_compose! {
        fn peers()(peers in prop::collection::btree_map(ip(), (mac(), vtep()), 0..12)) -> Peers {
            peers.into_iter().map(|(ip, (mac, vtep))| (ip, Peer { mac, vtep })).collect()
        }
    }

    fn removes(op: &Op) -> bool {
        matches!(op, Op::RemoveArp(..) | Op::RemoveFdb(..))
    }

    proptest! {
        #[test]
        fn a_plan_makes_what_is_wanted_of_whatever_there_is(have in tables(), want in peers()) {
            let want = Tables::of(&want);
            let mut tables = have.clone();
            apply(&mut tables, &plan(&have, &want));
            prop_assert_eq!(tables, want);
        }

        #[test]
        fn nothing_is_planned_where_nothing_differs(want in peers()) {
            let want = Tables::of(&want);
            prop_assert_eq!(plan(&want, &want), vec![]);
        }

        #[test]
        fn removals_come_first(have in tables(), want in peers()) {
            let ops = plan(&have, &Tables::of(&want));
            let kept = ops.iter().skip_while(|op| removes(op)).any(removes);
            prop_assert!(!kept, "{:?}", ops);
        }
    }
}
