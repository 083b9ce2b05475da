//! A topology built in Rust.

use overlay::Resolution;

use super::load::parse;
use super::model::Topology;
use super::write::{Page, impairment, resolution_word, texts};
use crate::error::{Error, Kind, Result};
use crate::fault::Impairment;

/// Builds a [`Topology`] piece by piece; what a file need not say, need not be said here.
///
/// It writes the file that says the same, and [`Builder::build`] reads it: so the defaults and the checks are those of a file,
/// and a mistake is shown in that file.
///
/// ```
/// use harness::topology::Topology;
///
/// let topology = Topology::builder()
///     .hosts(["docker0", "docker1"])
///     .network("demonet", "192.168.0.0/24")
///     .container("C0", "docker0", ["demonet"])
///     .container("C1", "docker1", ["demonet"])
///     .running(["sleep", "3600"])
///     .build()?;
/// assert_eq!(topology.hosts.len(), 3, "with the store's");
/// # Ok::<(), harness::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is built until `build`"]
pub struct Builder {
    top: Page,
    underlay: Page,
    kv: Page,
    tables: Page,
}

impl Topology {
    /// An empty topology, to be filled.
    pub fn builder() -> Builder {
        let mut builder = Builder::default();
        builder.top.text("name", "lab");
        builder.underlay.table("[underlay]");
        builder
    }
}

impl Builder {
    /// Where everything random starts from; 0 unless said.
    pub fn seed(mut self, seed: u64) -> Builder {
        self.top.key("seed", seed);
        self
    }

    /// How kernels get to know peers; all of them from the store, unless said.
    pub fn resolution(mut self, resolution: Resolution) -> Builder {
        self.top.text("resolution", resolution_word(resolution));
        self
    }

    /// The subnet of all hosts; `10.0.0.0/24` unless said.
    pub fn subnet(mut self, subnet: &str) -> Builder {
        self.underlay.text("subnet", subnet);
        self
    }

    /// The store keeps what it holds on disk, and has it again after a crash of its host; unless said, it comes back empty.
    pub fn persist(mut self) -> Builder {
        self.kv.key("persist", true);
        self
    }

    /// The shortest session that the store allows, and that of the hosts' own keys, as `"2s"`: a host that is gone is forgotten
    /// within twice that time; Consul's 10 s unless said.
    pub fn session_ttl_min(mut self, ttl: &str) -> Builder {
        self.kv.text("session_ttl_min", ttl);
        self
    }

    /// The MTU of every wire, in bytes; 1500 unless said.
    pub fn mtu(mut self, mtu: u32) -> Builder {
        self.underlay.key("mtu", mtu);
        self
    }

    /// Addresses of the outside world; none unless said.
    pub fn internet<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Builder {
        self.underlay.key("internet", texts(&addresses.into_iter().collect::<Vec<_>>()));
        self
    }

    /// Names that the outside world knows, with their addresses; none unless said.
    pub fn dns<'a>(mut self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Builder {
        self.underlay.map("dns", &names.into_iter().map(|(name, ip)| (name.to_owned(), ip)).collect());
        self
    }

    /// Hosts with an engine each, at the first free addresses.
    pub fn hosts<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Builder {
        names.into_iter().for_each(|name| self.push_host(name, true));
        self
    }

    /// Hosts without an engine. If a lab has no engine, it has no store either.
    pub fn plain_hosts<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Builder {
        names.into_iter().for_each(|name| self.push_host(name, false));
        self
    }

    fn push_host(&mut self, name: &str, engine: bool) {
        self.tables.table("[[host]]");
        self.tables.text("name", name);
        self.tables.key("engine", engine);
    }

    /// The address of the host that was added last.
    pub fn at(mut self, ip: &str) -> Builder {
        self.tables.text("ip", ip);
        self
    }

    /// What the wire of the host that was added last does to frames, both ways alike; nothing unless said.
    pub fn wire(mut self, both: &Impairment) -> Builder {
        self.tables.key("wire", impairment(both));
        self
    }

    /// An overlay network.
    pub fn network(mut self, name: &str, subnet: &str) -> Builder {
        self.tables.table("[[network]]");
        self.tables.text("name", name);
        self.tables.text("subnet", subnet);
        self
    }

    /// An overlay network of several subnets; with IPv6, if one of them is of IPv6.
    pub fn network_of<'a>(mut self, name: &str, subnets: impl IntoIterator<Item = &'a str>) -> Builder {
        let subnets: Vec<&str> = subnets.into_iter().collect();
        self.tables.table("[[network]]");
        self.tables.text("name", name);
        if subnets.iter().any(|subnet| subnet.contains(':')) {
            self.tables.key("ipv6", true);
        }
        self.tables.key("subnets", texts(&subnets));
        self
    }

    /// The network that was added last has no way out.
    pub fn internal(mut self) -> Builder {
        self.tables.key("internal", true);
        self
    }

    /// A container on a host and on networks.
    pub fn container<'a>(
        mut self,
        name: &str,
        on: &str,
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Builder {
        self.tables.table("[[container]]");
        self.tables.text("name", name);
        self.tables.text("on", on);
        self.tables.key("networks", texts(&networks.into_iter().collect::<Vec<_>>()));
        self
    }

    /// The ports that the host of the container that was added last gives away for it: `8080:80`, `127.0.0.1:8080:80/udp`.
    pub fn publishing<'a>(mut self, ports: impl IntoIterator<Item = &'a str>) -> Builder {
        self.tables.key("publish", texts(&ports.into_iter().collect::<Vec<_>>()));
        self
    }

    /// What runs in the container that was added last; nothing unless said.
    pub fn running<'a>(mut self, command: impl IntoIterator<Item = &'a str>) -> Builder {
        self.tables.key("command", texts(&command.into_iter().collect::<Vec<_>>()));
        self
    }

    /// The topology; or what is wrong, with the names that would be right.
    pub fn build(self) -> Result<Topology> {
        let mut kv = Page::default();
        if !self.kv.0.is_empty() {
            kv.table("[kv]");
        }
        let text = [self.top.0, self.underlay.0, kv.0, self.kv.0, self.tables.0].concat();
        parse("topology", &text)
            .map_err(|report| Error::new(Kind::Input, format_args!("\n{}", report.plain())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_shown_with_the_right_ones() {
        let topology = Topology::builder().hosts(["a", "b"]).network("red", "10.1.0.0/24");
        let error = topology.container("C0", "c", ["rde"]).build().expect_err("two wrong names");
        insta::assert_snapshot!(error);
    }

    #[test]
    fn a_lab_without_engines_has_no_store() {
        let topology =
            Topology::builder().seed(3).plain_hosts(["a", "b"]).at("10.0.0.77").build().expect("good");
        assert_eq!((topology.hosts.len(), topology.kv, topology.seed), (2, None, 3));
        assert_eq!(topology.hosts[1].ip.to_string(), "10.0.0.77");
    }
}
