//! Whether the kernel is to be looked at at all: the kernel itself tells whether anything was changed.
//!
//! A look at a host takes milliseconds, and is due every few seconds; on hundreds of hosts of one machine those are whole processors.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Audience, Bell, Netns, Notices, Result};

use super::converge::Datapath;

/// So often what was told is taken, at most, until nothing more is.
const TIMES: u32 = 8;

/// How to listen in a namespace.
type Open = fn(&Netns) -> Result<Notices>;

/// Who hears of changes in the namespaces of a host, by their names.
#[derive(Debug)]
pub(super) struct Ears {
    all: BTreeMap<String, Notices>,
    audience: Audience,
    /// Something was changed since the last look, or may have been.
    stirred: bool,
}

impl Ears {
    /// Nowhere yet.
    pub(super) fn new() -> Result<Ears> {
        Ok(Ears { all: BTreeMap::new(), audience: Audience::new()?, stirred: false })
    }

    /// Listens in these namespaces, and in no others; by `open`. What happened in one before that is not known.
    fn listen<'a>(&mut self, namespaces: impl Iterator<Item = (String, &'a Netns, Open)>) -> Result<()> {
        let mut wanted = BTreeSet::new();
        let mut done = Ok(());
        for (name, netns, open) in namespaces {
            if !self.all.contains_key(&name) {
                self.stirred = true;
                let opened = open(netns).and_then(|notices| self.audience.add(&notices).map(|()| notices));
                match opened {
                    Ok(notices) => drop(self.all.insert(name.clone(), notices)),
                    Err(error) => done = Err(error),
                }
            }
            wanted.insert(name);
        }
        self.all.retain(|name, _| wanted.contains(name));
        done
    }

    /// What was told so far is going to be seen.
    pub(super) fn look(&mut self) {
        self.hear();
        self.stirred = false;
    }

    /// What rings when something is told.
    pub(super) fn bell(&self) -> Result<Bell> {
        self.audience.bell()
    }

    fn hear(&mut self) -> bool {
        // Until nobody was told anything: only then does the bell ring again.
        for _ in 0..TIMES {
            if !self.audience.is_told() {
                return self.stirred;
            }
            for notices in self.all.values() {
                self.stirred |= notices.any();
            }
        }
        // Somebody goes on and on.
        self.stirred = true;
        true
    }
}

impl Datapath {
    /// Whether a look would show nothing new: nobody has changed anything since the last one, and that found nothing that it could not
    /// mend.
    pub(crate) fn is_calm(&mut self) -> bool {
        let settled = self.last.failed.is_empty() && self.last.faults.is_empty();
        settled && self.gateway.ports.are_held() && self.encryption.is_calm() && !self.ears.hear()
    }

    /// Whether the bell tells of all that a look would show: what encrypts is asked by itself.
    pub(crate) fn hears_all(&self) -> bool {
        self.encryption.is_unused()
    }

    /// What rings when the kernel tells of a change.
    pub(crate) fn bell(&self) -> Result<Bell> {
        self.ears.bell()
    }

    /// Listens in all namespaces of which something was made here. Where that is not possible they are looked at each time.
    pub(super) fn prick_up_ears(&mut self) {
        // The tables of peers are there; nobody else's neighbours are the engine's.
        let tables: Open = Notices::with_neighbours;
        let overlays = self.overlays.values().map(|overlay| (overlay.name.clone(), &overlay.netns, tables));
        let others: Open = Notices::new;
        let containers = self.sandboxes.containers();
        let attached = containers.iter().filter(|container| self.inside.contains_key(&container.sandbox));
        let attached = attached.map(|container| (container.sandbox.namespace(), &container.netns, others));
        let all = [(String::new(), &self.host, others)].into_iter().chain(overlays).chain(attached);
        if let Err(error) = self.ears.listen(all) {
            tracing::debug!(host = self.host.name(), %error, "nobody hears of changes: they are looked for");
        }
    }
}
