//! A namespace as it is told of: what it held when it was first looked at, and each change since. Pure.

use kernel::Snapshot;
use kernel::rtnl::{Miss, Notice, Noticed};

use super::change::{Change, What};
use super::compare::{Take, diff, fields};
use super::object::{Kind, Object};
use super::state::{Entry, State, dev, is_meant, of_address, of_fdb, of_link, of_neighbour, of_route};

/// A namespace as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    name: String,
    state: State,
    /// Its links alone: what others are called by.
    links: Snapshot,
}

/// All that is told of is worth telling.
const TAKE: Take = Take { counters: false, learned: true };

/// An Ethernet address that stands for all that are not known has an entry for each place where they may be.
const ANY: &str = "00:00:00:00:00:00 ";

impl View {
    /// It holds this.
    pub(crate) fn new(name: &str, holds: Snapshot) -> View {
        let mut state = State::default();
        state.hold_snapshot(name, &holds);
        View { name: name.to_owned(), state, links: Snapshot { links: holds.links, ..Snapshot::default() } }
    }

    /// All that it holds, as if it had come just now.
    pub(crate) fn appeared(&self) -> Vec<Change> {
        diff(&State::default(), &self.state, TAKE).changes
    }

    /// That it is gone.
    pub(crate) fn vanished(&self) -> Change {
        let object = self.object(Kind::Namespace, String::new());
        Change { object, what: What::Removed, fields: Vec::new() }
    }

    /// It holds this now, whatever was told meanwhile: what is otherwise.
    pub(crate) fn resynced(&mut self, holds: Snapshot) -> Vec<Change> {
        let before = std::mem::replace(self, View::new(&self.name, holds));
        diff(&before.state, &self.state, TAKE).changes
    }

    /// Whether more comes with this than kernels tell: with a link that goes, or is off, go its routes of IPv4 (`fib_table_flush` says
    /// nothing), and what is at one that is renamed is called otherwise. Then it has to be looked at.
    pub(crate) fn is_part(&self, notice: &Notice) -> bool {
        let Noticed::Link(link) = &notice.what else { return false };
        let before = self.links.by_index(link.index);
        notice.gone || before.is_some_and(|before| before.name != link.name || (before.up && !link.up))
    }

    /// The kernel tells this. `None`: it is as it was, for all that is known here; kernels say the same again.
    pub(crate) fn told(&mut self, notice: &Notice) -> Option<Change> {
        let gone = notice.gone;
        let (kind, called, entry) = match &notice.what {
            Noticed::Link(link) => {
                if self.links.by_index(link.index).is_some_and(|before| before.name != link.name) {
                    // It, and all that is at it, is told of by a look.
                    return None;
                }
                self.links.links.retain(|other| other.index != link.index);
                let entry = of_link(link, &self.links);
                if !gone {
                    self.links.links.push(link.clone());
                }
                (Kind::Link, link.name.clone(), entry)
            }
            Noticed::Address(address) => with(Kind::Address, of_address(address, &self.links)),
            Noticed::Route(route) => with(Kind::Route, of_route(route, &self.links)),
            Noticed::Neighbour(neighbour) => with(Kind::Neighbour, of_neighbour(neighbour, &self.links)),
            Noticed::Fdb(entry) if is_meant(entry) => with(Kind::Fdb, of_fdb(entry, &self.links)),
            Noticed::Fdb(_) => return None,
            Noticed::Missed(miss) => return Some(self.missed(miss)),
        };
        let object = self.object(kind, called);
        if gone { self.went(object, &entry) } else { self.came(object, entry, notice.replaces) }
    }

    fn came(&mut self, object: Object, entry: Entry, replaces: bool) -> Option<Change> {
        let entries = self.state.objects.entry(object.clone()).or_default();
        if entries.iter().any(|known| known.fields == entry.fields) {
            return None;
        }
        let change = match entries.first() {
            Some(known) if replaces || !may_be_several(&object) => {
                let fields = fields(&known.fields, &entry.fields);
                entries.clear();
                Change { object, what: What::Changed, fields }
            }
            _ => {
                Change { object, what: What::Added, fields: fields(&Entry::default().fields, &entry.fields) }
            }
        };
        entries.push(entry);
        Some(change)
    }

    /// Of a link that is gone it is told that it is off before; of what has no name of its own, how it was at last.
    fn went(&mut self, object: Object, entry: &Entry) -> Option<Change> {
        let entries = self.state.objects.get_mut(&object)?;
        let same = entries.iter().position(|known| known.fields == entry.fields);
        let which = same.or_else(|| (!may_be_several(&object) && !entries.is_empty()).then_some(0))?;
        let known = entries.remove(which);
        if entries.is_empty() {
            self.state.objects.remove(&object);
        }
        let fields = fields(&known.fields, &Entry::default().fields);
        Some(Change { object, what: What::Removed, fields })
    }

    fn missed(&self, miss: &Miss) -> Change {
        let called = match miss {
            Miss::Address(index, ip) => format!("{ip} dev {}", dev(*index, &self.links)),
            Miss::Mac(index, mac) => format!("{mac} dev {}", dev(*index, &self.links)),
        };
        Change { object: self.object(Kind::Miss, called), what: What::Added, fields: Vec::new() }
    }

    fn object(&self, kind: Kind, name: String) -> Object {
        Object { namespace: self.name.clone(), kind, name }
    }
}

/// Whether there may be several of one name: places where all MACs may be that are not known, routes to one destination.
fn may_be_several(object: &Object) -> bool {
    object.kind == Kind::Route || (object.kind == Kind::Fdb && object.name.starts_with(ANY))
}

fn with(kind: Kind, (called, entry): (String, Entry)) -> (Kind, String, Entry) {
    (kind, called, entry)
}

#[cfg(test)]
mod tests;
