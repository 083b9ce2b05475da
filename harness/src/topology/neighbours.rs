//! Whose MACs hosts know without asking.

use std::net::Ipv4Addr;

use super::model::{Host, Kv, Topology};

/// From so many engines on. The kernel's table of neighbours is one for the whole machine, with room for 1,024 that were learned
/// (`net.ipv4.neigh.default.gc_thresh3`), and only the machine's root, outside of all namespaces, could make it larger. Each engine
/// talks to the store all the time, which takes two. Those that were told for ever take none (Linux 5.0, `neigh_alloc`).
const CROWD: usize = 64;

impl Topology {
    /// The neighbours that a host is told for ever: in a crowd, an engine's host the store's, and the store's host theirs. MACs follow
    /// addresses.
    pub(crate) fn acquainted(&self, host: &Host) -> Vec<Ipv4Addr> {
        let Some(Kv::Stub { host: store, .. }) = &self.kv else { return Vec::new() };
        let engines = || self.hosts.iter().filter(|other| other.engine);
        if engines().nth(CROWD - 1).is_none() {
            return Vec::new();
        }
        if host.name == *store {
            engines().map(|engine| engine.ip).collect()
        } else if host.engine {
            self.hosts.iter().filter(|other| other.name == *store).map(|store| store.ip).collect()
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::topology::parse;

    #[test]
    fn in_a_crowd_engines_and_the_store_know_each_other() {
        let known = |engines: usize| {
            let hosts: Vec<String> = (0..engines).map(|n| format!("[[host]]\nname = \"h{n}\"\n")).collect();
            let hosts = hosts.concat();
            let others =
                ["consul", "other"].map(|name| format!("[[host]]\nname = \"{name}\"\nengine = false\n"));
            let others = others.concat();
            let text = format!("schema = 1\n[underlay]\nsubnet = \"10.0.0.0/16\"\n{hosts}{others}");
            let topology = parse("lab.toml", &text).expect("the file is right");
            let of = |name: &str| {
                let host = topology.hosts.iter().find(|host| *host.name.as_str() == *name);
                topology.acquainted(host.expect("it is there"))
            };
            let store =
                topology.hosts.iter().find(|host| *host.name.as_str() == *"consul").expect("there is one").ip;
            (of("consul").len(), of("h1") == [store], of("other").len())
        };
        assert_eq!(known(63), (0, false, 0));
        assert_eq!(known(64), (64, true, 0));
    }
}
