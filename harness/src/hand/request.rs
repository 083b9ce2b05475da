//! Everything that can be made by hand, each as one request.
//!
//! A place (`at`) is a host, a container, or a namespace of a host's behind a slash: `docker0/overns`, `docker0/demonet`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use kernel::Mac;
use kernel::rtnl::Vxlan;

/// Something to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Make {
    /// A network namespace on a host, by a name that `ip netns` lists there; its loopback is on.
    Namespace {
        /// The host.
        host: String,
        /// Its name.
        name: String,
    },
    /// A bridge.
    Bridge(Leg),
    /// A vxlan device, whose packets leave by a host.
    Vxlan {
        /// The host that it sends from.
        host: String,
        /// It.
        leg: Leg,
        /// Its settings.
        settings: Tunnel,
    },
    /// A veth pair.
    Veth {
        /// One end.
        leg: Leg,
        /// The other one.
        peer: Leg,
    },
    /// A permanent entry of the ARP table.
    Neighbour {
        /// Where.
        at: String,
        /// On which link.
        dev: String,
        /// Whose.
        ip: IpAddr,
        /// Its MAC.
        mac: Mac,
    },
    /// A permanent entry of a vxlan device's forwarding database.
    Fdb {
        /// Where.
        at: String,
        /// Of which device.
        dev: String,
        /// Whose.
        mac: Mac,
        /// The VTEP that it is behind.
        behind: IpAddr,
    },
    /// A route.
    Route {
        /// Where.
        at: String,
        /// Whereto; `None`: everywhere.
        to: Option<IpNet>,
        /// By whom.
        via: IpAddr,
    },
    /// A setting of the kernel's, as `sysctl -w` makes it.
    Setting {
        /// Where.
        at: String,
        /// Its name: `net.ipv4.ip_forward`.
        name: String,
        /// What it is to be.
        value: String,
    },
    /// A rule that gives what leaves by a link the address of that link.
    Masquerade {
        /// Where.
        at: String,
        /// By which link.
        out: String,
        /// Only what comes from there.
        source: ipnet::Ipv4Net,
    },
    /// Somebody who answers what the vxlan devices of a place miss, from the store: `<prefix>arp/<ip>` is a MAC, `<prefix>fib/<MAC>` the address of a
    /// VTEP. What it has answered stands: its entries are permanent.
    Answerer {
        /// Where.
        at: String,
        /// What its keys begin with.
        prefix: String,
    },
}

/// Something to be taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmake {
    /// A namespace, with all that is in it.
    Namespace {
        /// The host.
        host: String,
        /// Its name.
        name: String,
    },
    /// A link; of a veth pair, both.
    Link {
        /// Where.
        at: String,
        /// Which.
        name: String,
    },
    /// An entry of the ARP table.
    Neighbour {
        /// Where.
        at: String,
        /// On which link.
        dev: String,
        /// Whose.
        ip: IpAddr,
    },
    /// An entry of a vxlan device's forwarding database.
    Fdb {
        /// Where.
        at: String,
        /// Of which device.
        dev: String,
        /// Whose.
        mac: Mac,
    },
    /// Who answers misses there. What it has answered stands.
    Answerer {
        /// Where.
        at: String,
    },
}

/// A link, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leg {
    /// Where.
    pub at: String,
    /// What it is called.
    pub name: String,
    /// Its MAC; the kernel draws one, unless said.
    pub mac: Option<Mac>,
    /// In bytes; as the kernel has it, unless said.
    pub mtu: Option<u32>,
    /// The bridge that it is a port of.
    pub master: Option<String>,
    /// Its address, with its prefix.
    pub address: Option<IpNet>,
}

/// The settings of a vxlan device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tunnel(pub Vxlan);

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.name, self.at)
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Make::Namespace { host, name } => write!(f, "make namespace {name} on {host}"),
            Make::Bridge(leg) => write!(f, "make bridge {leg}"),
            Make::Vxlan { host, leg, settings } => {
                write!(f, "make vxlan {leg}, id {}, sending from {host}", settings.0.vni)
            }
            Make::Veth { leg, peer } => write!(f, "make veth {leg}, and {peer}"),
            Make::Neighbour { at, dev, ip, mac } => write!(f, "make {ip} be at {mac} on {dev} in {at}"),
            Make::Fdb { at, dev, mac, behind } => {
                write!(f, "make {mac} be behind {behind} for {dev} in {at}")
            }
            Make::Route { at, to: Some(to), via } => write!(f, "make a route in {at} to {to} via {via}"),
            Make::Route { at, to: None, via } => write!(f, "make the default route in {at} lead via {via}"),
            Make::Setting { at, name, value } => write!(f, "make {name} be {value} in {at}"),
            Make::Masquerade { at, out, source } => {
                write!(f, "make {at} masquerade {source} that leaves by {out}")
            }
            Make::Answerer { at, prefix } => write!(f, "make somebody answer misses in {at}, from {prefix}"),
        }
    }
}

impl fmt::Display for Unmake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmake::Namespace { host, name } => write!(f, "unmake namespace {name} on {host}"),
            Unmake::Link { at, name } => write!(f, "unmake link {name} in {at}"),
            Unmake::Neighbour { at, dev, ip } => write!(f, "unmake the entry of {ip} on {dev} in {at}"),
            Unmake::Fdb { at, dev, mac } => write!(f, "unmake the entry of {mac} for {dev} in {at}"),
            Unmake::Answerer { at } => write!(f, "unmake who answers misses in {at}"),
        }
    }
}
