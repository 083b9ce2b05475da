//! Places on the switch, and the bridges that it is made of.
//!
//! A Linux bridge has 1,023 ports at most. So the switch is one bridge as long as that is enough, and several, each joined to the first by
//! a trunk, where there are more hosts. Interface indexes are chosen by us, so that one datagram makes all.

use kernel::NewLink;

/// Ports for hosts on each bridge: what is left of 1,023 (`BR_MAX_PORTS`, `net/bridge/br_private.h`) is for trunks.
const PORTS: u32 = 1000;
/// The first bridge has no more ports for trunks.
pub(super) const MOST_PORTS: u32 = 24 * PORTS;

/// Indexes in the switch: the first bridge's, then the ports', then the other bridges' with both ends of their trunks.
const FIRST_BRIDGE: u32 = 2;
const FIRST_PORT: u32 = 10;
const OTHER_BRIDGES: u32 = 25_000;
/// From here on they are for what wires that are taken apart need.
pub(super) const GAPS: u32 = 30_000;

/// A place on the switch, by its number; they count from zero. Holds nothing of who is plugged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) u32);

impl Port {
    pub(super) fn index(self) -> u32 {
        FIRST_PORT + self.0
    }

    pub(super) fn name(self) -> String {
        format!("port{}", self.0)
    }

    /// The bridge that it is a port of.
    pub(crate) fn bridge(self) -> Bridge {
        Bridge(self.0 / PORTS)
    }
}

/// One of the switch's bridges, by its number; they count from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bridge(u32);

impl Bridge {
    /// Those that so many ports need.
    pub(super) fn of(ports: usize) -> impl Iterator<Item = Bridge> {
        let last = u32::try_from(ports.saturating_sub(1)).unwrap_or(u32::MAX) / PORTS;
        (0..=last).map(Bridge)
    }

    pub(super) fn index(self) -> u32 {
        if self.0 == 0 { FIRST_BRIDGE } else { OTHER_BRIDGES + 3 * self.0 }
    }

    pub(super) fn link(self, mtu: u32) -> NewLink {
        let name = if self.0 == 0 { "switch".to_owned() } else { format!("switch{}", self.0) };
        NewLink { index: self.index(), name, mtu: Some(mtu), ..NewLink::default() }
    }

    /// What joins it to the first one: the end there, and the end here. None: it is the first.
    pub(super) fn trunk(self, mtu: u32) -> Option<(NewLink, NewLink)> {
        let end = |index, name: &str, bridge: Bridge| NewLink {
            index,
            name: format!("{name}{}", self.0),
            mtu: Some(mtu),
            master: Some(bridge.index()),
            ..NewLink::default()
        };
        let (there, here) =
            (end(self.index() + 1, "trunk", Bridge(0)), end(self.index() + 2, "uplink", self));
        (self.0 > 0).then_some((there, here))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_switch_is_one_bridge_as_long_as_that_is_enough() {
        for (ports, bridges) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 3), (24_000, 24)] {
            assert_eq!(Bridge::of(ports).count(), bridges, "{ports} ports");
        }
        assert_eq!((Port(999).bridge(), Port(1000).bridge()), (Bridge(0), Bridge(1)));
    }

    #[test]
    fn no_two_links_of_the_largest_switch_have_one_index() {
        let ports = (0..24_000).map(|number| Port(number).index());
        let bridges = Bridge::of(24_000).flat_map(|bridge| {
            let trunk = bridge.trunk(1500).into_iter().flat_map(|(there, here)| [there.index, here.index]);
            trunk.chain([bridge.index()])
        });
        let all: Vec<u32> = ports.chain(bridges).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|index| *index < GAPS));
    }
}
