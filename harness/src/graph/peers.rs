//! Which two interfaces are the halves of a veth pair, or a MACVLAN and the link that it is of. Pure.
//!
//! The kernel says of each half the other's index, and an id of its namespace that means something in this one only. So a pair is
//! two that name each other, and lie where they may: on one host, or one of them in the switch.

use std::collections::BTreeSet;

use kernel::rtnl::Link;

/// A link, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    /// The number of its room.
    pub(super) room: usize,
    /// The host that the room is on; none is the switch, or outside.
    pub(super) host: Option<&'a str>,
    /// The room is the switch.
    pub(super) switch: bool,
    /// The room is a host's own, or the outside world.
    pub(super) plugged: bool,
    pub(super) link: &'a Link,
}

impl Placed<'_> {
    fn is_veth(&self) -> bool {
        self.link.kind.as_deref() == Some("veth")
    }

    /// How likely the other is the second half, best first; none: it is not.
    fn rank(&self, other: &Placed<'_>) -> Option<u8> {
        let named = self.link.peer == Some(other.link.index) && other.link.peer == Some(self.link.index);
        if !named || !other.is_veth() {
            return None;
        }
        // Halves in one namespace have no id of another.
        let apart = [self, other].map(|half| half.link.peer_netns.is_some());
        if self.room == other.room {
            let itself = self.link.index == other.link.index;
            return (!itself && apart == [false, false]).then_some(0);
        }
        if apart != [true, true] {
            return None;
        }
        if self.switch || other.switch {
            let across = if self.switch { other.plugged } else { self.plugged };
            return across.then_some(1);
        }
        (self.host.is_some() && self.host == other.host).then_some(2)
    }
}

/// The link that a MACVLAN is of: in its own namespace, or in another one of its host.
pub(super) fn lower<'p, 'a>(all: &'p [Placed<'a>], of: &Placed<'a>) -> Option<&'p Placed<'a>> {
    let index = of.link.peer.filter(|lower| of.link.is_macvlan_of(*lower))?;
    let is_near = |other: &&Placed<'_>| match of.link.peer_netns {
        None => other.room == of.room,
        Some(_) => other.room != of.room && other.host.is_some() && other.host == of.host,
    };
    // A number is one link's of a host, but for those that somebody has made by hand: the tunnel is likelier.
    let its = all.iter().filter(|other| other.link.index == index).filter(is_near);
    its.max_by_key(|other| other.link.vxlan.is_some())
}

/// The pairs among links, as their places in the list; nobody is in two.
pub(super) fn pairs(all: &[Placed<'_>]) -> Vec<(usize, usize)> {
    let mut candidates: Vec<(u8, usize, usize)> = Vec::new();
    // By index: a lab of a thousand hosts has tens of thousands of links.
    let mut by_index = std::collections::BTreeMap::<u32, Vec<usize>>::new();
    for (place, one) in all.iter().enumerate().filter(|(_, one)| one.is_veth()) {
        by_index.entry(one.link.index).or_default().push(place);
    }
    for (place, one) in all.iter().enumerate().filter(|(_, one)| one.is_veth()) {
        let Some(peer) = one.link.peer else { continue };
        for other in by_index.get(&peer).into_iter().flatten().copied() {
            if place < other
                && let Some(rank) = one.rank(&all[other])
            {
                candidates.push((rank, place, other));
            }
        }
    }
    candidates.sort_unstable();
    let mut taken = BTreeSet::new();
    let mut pairs = Vec::new();
    for (_, one, other) in candidates {
        if !taken.contains(&one) && !taken.contains(&other) {
            taken.extend([one, other]);
            pairs.push((one, other));
        }
    }
    pairs.sort_unstable();
    pairs
}
