//! A namespace that a capture looks into.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::capture::{Ring, Seen};
use kernel::rtnl::Link;
use kernel::{Netns, Rtnl};

use crate::error::{Error, Result};

/// A namespace, and which of its links are meant.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// What people call it: `docker0/1-620dd59483`.
    pub(crate) name: String,
    pub(crate) netns: Netns,
    /// By name. `None`: all, and those that come.
    pub(crate) links: Option<Vec<String>>,
}

/// A namespace that is looked into.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    inode: u64,
    ring: Ring,
    rtnl: Rtnl,
    /// What its links are called, with its own name in front, as far as they are known.
    names: BTreeMap<u32, Arc<str>>,
    /// Those that are meant; all, if there is none.
    meant: Vec<u32>,
}

impl Source {
    /// Looks into it, which has that inode, from now on. That a link that was named is not there is an error.
    pub(super) fn open(spot: Spot, inode: u64, snapshot: u32, room: usize) -> Result<Source> {
        let rtnl = Rtnl::new(&spot.netns)?;
        let links = rtnl.links()?;
        let mut meant = Vec::new();
        for name in spot.links.iter().flatten() {
            let found = links.iter().find(|link| link.name == *name);
            let known = || links.iter().map(|link| link.name.as_str());
            let none = || Error::no_such(&format!("interface of {}", spot.name), name, known());
            meant.push(found.ok_or_else(none)?.index);
        }
        let ring = Ring::open(&spot.netns, &meant, snapshot, room)?;
        let mut source = Source { name: spot.name, inode, ring, rtnl, names: BTreeMap::new(), meant };
        source.learn(links);
        Ok(source)
    }

    /// By which the namespace is told from all others.
    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// What its links are called.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.values()
    }

    /// Looks up what its links are called now: numbers are given anew. False if others are meant than are looked at.
    pub(super) fn refresh(&mut self, spot: &Spot) -> bool {
        let Ok(links) = self.rtnl.links() else { return true };
        let meant = |name: &String| links.iter().find(|link| link.name == *name).map(|link| link.index);
        let same = match &spot.links {
            None => self.meant.is_empty(),
            Some(names) => names.iter().filter_map(meant).eq(self.meant.iter().copied()),
        };
        self.learn(links);
        same
    }

    fn learn(&mut self, links: Vec<Link>) {
        let (name, meant) = (&self.name, &self.meant);
        let ours = links.into_iter().filter(|link| meant.is_empty() || meant.contains(&link.index));
        self.names.extend(ours.map(|link| (link.index, format!("{name}/{}", link.name).into())));
    }

    /// Hands over what waits, each with the name of its link.
    pub(super) fn each(&mut self, mut hear: impl FnMut(&Arc<str>, Seen<'_>)) {
        let Source { name, ring, rtnl, names, .. } = self;
        ring.each(|seen| {
            let link = names.entry(seen.link).or_insert_with(|| {
                let found = rtnl.links().ok();
                let found = found.and_then(|links| links.into_iter().find(|link| link.index == seen.link));
                // One that has come and gone meanwhile has its number only.
                let link = found.map_or_else(|| format!("if{}", seen.link), |link| link.name);
                format!("{name}/{link}").into()
            });
            hear(link, seen);
        });
    }

    /// How many packets have found no room so far.
    pub(super) fn lost(&mut self) -> u64 {
        self.ring.lost()
    }
}
