//! What to change in a sandbox's tables so that they say what the store says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use kernel::Snapshot;

use crate::model::{Mac, Peers};

/// What a vxlan device's two tables hold: the answers to ARP and to neighbour solicitations, and where each MAC is.
///
/// They are compared one by one: an entry that somebody deleted is missing by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Permanent neighbour entries: which MAC an address has.
    pub arp: BTreeMap<IpAddr, Mac>,
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
            arp: arp.filter_map(|entry| Some((entry.ip, entry.mac?))).collect(),
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
    RemoveArp(IpAddr, Mac),
    /// Sets the MAC of an address, whatever it was.
    SetArp(IpAddr, Mac),
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

    fn ip() -> impl Strategy<Value = IpAddr> {
        let four = (0_u8..12).prop_map(|last| IpAddr::from([192, 168, 0, last]));
        let six = (0_u16..12).prop_map(|last| IpAddr::from([0xfd00, 1, 0, 0, 0, 0, 0, last]));
        prop_oneof![four, six]
    }

    fn mac() -> impl Strategy<Value = Mac> {
        (0_u8..12).prop_map(|last| Mac::of(Ipv4Addr::new(192, 168, 0, last)))
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

    /// Each operation of the plan, with the tables as they are after it.
    fn steps(have: &Tables, want: &Tables) -> Vec<(Op, Tables)> {
        let mut tables = have.clone();
        let step = |op| {
            apply(&mut tables, &[op]);
            (op, tables.clone())
        };
        plan(have, want).into_iter().map(step).collect()
    }

    /// The addresses whose packets the tables lead somewhere, by which MAC, and where.
    fn served(tables: &Tables) -> BTreeSet<(IpAddr, Mac, Ipv4Addr)> {
        let behind = |mac: Mac| tables.fdb.iter().filter(move |(other, _)| *other == mac);
        tables.arp.iter().flat_map(|(ip, mac)| behind(*mac).map(|(mac, vtep)| (*ip, *mac, *vtep))).collect()
    }

    /// Those that are led to where their MAC is not: what is sent there is lost without a word.
    fn astray(tables: &Tables, want: &Tables) -> BTreeSet<(IpAddr, Mac, Ipv4Addr)> {
        let mut found = served(tables);
        found.retain(|(_, mac, vtep)| !want.fdb.contains(&(*mac, *vtep)));
        found
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

        /// No step makes an address point at a VTEP where its MAC is not, and none does once the removals are through.
        #[test]
        fn no_step_points_an_address_where_its_mac_is_not(have in tables(), want in peers()) {
            let want = Tables::of(&want);
            let mut before = astray(&have, &want);
            for (op, tables) in steps(&have, &want) {
                let now = astray(&tables, &want);
                prop_assert!(now.is_subset(&before), "{:?} leads {:?} astray", op, now);
                prop_assert!(removes(&op) || now.is_empty(), "{:?} comes while {:?} are astray", op, now);
                before = now;
            }
            prop_assert!(before.is_empty());
        }

        /// What was served and is to be served in the same way is so at every step: nobody else's change is felt.
        #[test]
        fn what_stays_is_served_at_every_step(have in tables(), want in peers()) {
            let want = Tables::of(&want);
            let (had, due) = (served(&have), served(&want));
            let stays: BTreeSet<_> = had.intersection(&due).collect();
            for (op, tables) in steps(&have, &want) {
                let now = served(&tables);
                prop_assert!(stays.iter().all(|peer| now.contains(*peer)), "{:?} leaves a hole", op);
            }
        }
    }
}
