//! What a topology file means: a value in which nothing is left open.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv4Net, Ipv6AddrRange};
use overlay::Resolution;
use overlay::dns::Resolv;
use overlay::model::{Mac, Publish};

use super::name::{ContainerName, HostName, NetworkName, ProcessName};
use crate::capture::Request;
use crate::fault::Impairment;
use crate::handle::Ready;
use crate::scenario::{Check, Step};

/// A lab before it is built: hosts on an underlay, networks, containers, and the scenario played on them.
///
/// It comes from a file ([`load`](super::load), [`parse`](super::parse)) or is written in Rust; either
/// way every default has been filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// What the lab is called; a file that does not say is called after its stem.
    pub name: String,
    /// What the lab shows, for people. Empty if the file does not say.
    pub description: String,
    /// Where everything random starts from.
    pub seed: u64,
    /// What the machine has to have; without it, it is not built.
    pub requires: Requires,
    /// What is recorded from the beginning.
    pub record: Record,
    /// The physical network.
    pub underlay: Underlay,
    /// The store. `None` when no host runs an engine and no store was asked for.
    pub kv: Option<Kv>,
    /// The hosts, in the file's order; a store host that the file leaves out comes last.
    pub hosts: Vec<Host>,
    /// The overlay networks to create, in order.
    pub networks: Vec<Network>,
    /// The containers to run, in order.
    pub containers: Vec<Container>,
    /// What runs on hosts for as long as they are up, in the order in which it is started.
    pub processes: Vec<Process>,
    /// What happens then.
    pub steps: Vec<Step>,
    /// What holds after every step.
    pub always: Vec<Check>,
    /// How long the whole scenario may take.
    pub timeout: Duration,
    /// FNV-1a, 64 bits, in hex, of the text it was read from: to tell whether a file has changed.
    pub digest: String,
}

/// What a machine has to have for a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requires {
    /// Root, and not only in a user namespace.
    pub root: bool,
    /// Programs, in this order.
    pub programs: Vec<Needed>,
    /// Features of the kernel, by the names that [`kernel::probe`] has for them.
    pub kernel: Vec<String>,
}

/// What a lab records from its beginning to its end, so that it is there when something fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What kernels tell of links, addresses, routes, neighbours and forwarding entries.
    pub netlink: bool,
    /// The latest of these packets.
    pub packets: Option<Request>,
}

/// A program that a machine has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// A name that is looked for where programs are, or an absolute path.
    pub name: String,
    /// A part of what `--version` makes it print. `None`: any version will do.
    pub version: Option<String>,
}

/// The network that joins the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underlay {
    /// The subnet of all hosts.
    pub subnet: Ipv4Net,
    /// The MTU of every wire.
    pub mtu: u32,
    /// The way out, towards `internet`.
    pub gateway: Ipv4Addr,
    /// Addresses of the outside world, behind the gateway. Empty: there is none.
    pub internet: Vec<Ipv4Addr>,
    /// The names that the outside world knows, in small letters, asked for at the first address of `internet`. Empty: hosts have
    /// no name server.
    pub dns: BTreeMap<String, Ipv4Addr>,
}

impl Underlay {
    /// The hosts' name server, if they have one.
    pub fn nameserver(&self) -> Option<Ipv4Addr> {
        self.internet.first().copied().filter(|_| !self.dns.is_empty())
    }
}

/// The key-value store that the engines share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kv {
    /// The embedded stub, on a host of the lab that runs no engine.
    Stub {
        /// Where it listens.
        host: HostName,
        /// The shortest TTL that a session may have.
        session_ttl_min: Duration,
        /// Whether what it holds outlives a crash of its host, as a Consul server's does; `consul agent -dev` forgets all.
        persist: bool,
    },
}

/// A simulated machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its host name.
    pub name: HostName,
    /// Its address on the underlay.
    pub ip: Ipv4Addr,
    /// Whether an overlay engine runs on it.
    pub engine: bool,
    /// What its wire is like when nothing is wrong.
    pub wire: Wire,
    /// How its engine's kernel gets to know peers.
    pub resolution: Resolution,
    /// Directories of the machine's that it sees empty, and has to itself while it is up: absolute paths.
    pub volatile: Vec<String>,
    /// Whether it has control groups of its own. It takes root.
    pub cgroups: bool,
}

/// What runs on a host for as long as that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What it is called.
    pub name: ProcessName,
    /// Where it runs.
    pub on: HostName,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// Its environment, on top of the default one.
    pub env: BTreeMap<String, String>,
    /// The fact that it is ready by. `None`: it is as soon as it is started.
    pub ready: Option<Ready>,
    /// How long it may take to be ready.
    pub within: Duration,
}

/// Both directions of a host's wire; `None` is bare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wire {
    /// From the host to the switch.
    pub up: Option<Impairment>,
    /// From the switch to the host.
    pub down: Option<Impairment>,
}

/// An overlay network to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: NetworkName,
    /// The host whose engine is asked to create it.
    pub on: HostName,
    /// Its address pools, of either family. None of IPv4: the engine chooses one. The first IPv6 pool goes with the first IPv4
    /// one, and so on.
    pub subnets: Vec<Subnet>,
    /// Whether its containers have IPv6 addresses, too. If so, it has a pool for them.
    pub ipv6: bool,
    /// No way out of the overlay.
    pub internal: bool,
    /// Docker's flag of that name; stored and shown.
    pub attachable: bool,
    /// Driver options, such as `com.docker.network.driver.mtu`.
    pub options: BTreeMap<String, String>,
    /// Labels, stored and shown.
    pub labels: BTreeMap<String, String>,
}

/// One address pool of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The pool.
    pub subnet: IpNet,
    /// The gateway's address. `None`: the engine takes the first free one.
    pub gateway: Option<IpAddr>,
    /// The part of the pool that addresses are given out from. `None`: all of it.
    pub ip_range: Option<IpNet>,
    /// Addresses never given out, by name.
    pub aux: BTreeMap<String, IpAddr>,
}

/// A container to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: ContainerName,
    /// The host that it runs on.
    pub on: HostName,
    /// The networks it is attached to, in the order of its interfaces. Empty: a loopback only.
    pub networks: Vec<Attachment>,
    /// The ports that its host gives away for it, while one of its networks leads outside.
    pub publish: Vec<Publish>,
    /// What runs in it. Empty: nothing, a bare sandbox.
    pub command: Vec<String>,
    /// The command's environment, on top of the default one.
    pub env: BTreeMap<String, String>,
    /// How it looks for names.
    pub dns: Resolv,
    /// Its name was drawn, as no file says: others cannot look it up.
    pub anonymous: bool,
}

/// A container's place on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The network.
    pub network: NetworkName,
    /// The address asked for. `None`: the engine chooses.
    pub ip: Option<Ipv4Addr>,
    /// The MAC asked for. `None`: the one that is made of the address.
    pub mac: Option<Mac>,
    /// The IPv6 address asked for. `None`: the engine chooses, on a network with IPv6.
    pub ip6: Option<Ipv6Addr>,
    /// Further names on that network.
    pub aliases: Vec<String>,
}

impl Topology {
    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// The network of that name.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.name == *name)
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == *name)
    }
}

impl Network {
    /// Its pools of one family, in order.
    pub fn pools(&self, v6: bool) -> impl Iterator<Item = &Subnet> {
        self.subnets.iter().filter(move |pool| pool.is_v6() == v6)
    }
}

impl Subnet {
    /// Whether it is of IPv6.
    pub fn is_v6(&self) -> bool {
        matches!(self.subnet, IpNet::V6(_))
    }

    /// The gateway asked for, or the one that the engine takes: the first address that it may give out,
    /// which in a range is the range's own first one (observed on Docker 20.10).
    pub fn first_gateway(&self) -> Option<IpAddr> {
        let range = self.ip_range.unwrap_or(self.subnet);
        let free = |address: &IpAddr| {
            *address != self.subnet.network()
                && (self.is_v6() || *address != self.subnet.broadcast())
                && !self.aux.values().any(|aux| aux == address)
        };
        let mut all = match range {
            IpNet::V4(range) => IpAddrRange::V4(Ipv4AddrRange::new(range.network(), range.broadcast())),
            IpNet::V6(range) => IpAddrRange::V6(Ipv6AddrRange::new(range.network(), range.broadcast())),
        };
        self.gateway.or_else(|| all.find(free))
    }
}
