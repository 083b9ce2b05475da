//! Networks that are in the kernel and not in the store.
//!
//! One that was removed while this host was away goes. One that the store has lost, with all that it had, stands: its containers
//! do not notice, and nobody has asked for anything else. Which of the two it is, the moment tells at which the store's documents
//! begin: removing a network leaves it as it was. Once the store gives a VNI or a subnet of it to another network, a lost one goes,
//! too, since both would hear one another.

use ipnet::Ipv4Net;

use super::converge::Datapath;
use super::sandbox::Overlay;
use crate::id::NetworkId;
use crate::ledger::View;

impl Datapath {
    /// Notes which networks the store has, and in which life of it.
    pub(super) fn note_known(&mut self, view: &View) {
        let known = self.overlays.iter_mut().filter(|(id, _)| view.networks.contains_key(id));
        known.for_each(|(_, overlay)| overlay.known_in = view.begun());
    }

    /// Whether the store has lost a network that is to stand nevertheless.
    pub(super) fn is_lost(&self, view: &View, network: NetworkId) -> bool {
        let Some(overlay) = self.overlays.get(&network) else { return false };
        let removed = overlay.known_in.is_some() && overlay.known_in == view.begun();
        !view.networks.contains_key(&network) && !removed && !overlay.is_anothers(view)
    }
}

impl Overlay {
    /// Whether something that tells it from others is another network's, in the store.
    fn is_anothers(&self, view: &View) -> bool {
        let subnets = || view.networks.values().flat_map(|found| &found.value.network.subnets);
        self.segments.iter().any(|(net, segment)| {
            let overlaps = |other: Ipv4Net| other.contains(net) || net.contains(&other);
            subnets().any(|other| overlaps(other.v4.net) || other.vni == Some(segment.vni))
        })
    }
}
