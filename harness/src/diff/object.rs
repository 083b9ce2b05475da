//! What a lab's kernels can hold, and what each of it is called by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is told apart: the same object in two states has the same three.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// Where it is, as `lab inspect` calls it: `docker0`, `docker0/1-620dd59483`, `C0`, `switch`; of a wire, whose it is.
    pub namespace: String,
    /// What it is.
    #[serde(rename = "object")]
    pub kind: Kind,
    /// What it is called by, in the words of `lab inspect`: `eth0`, `192.168.0.2 dev vxlan1`; of a namespace itself, nothing.
    pub name: String,
}

/// The kinds of objects, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The namespace itself.
    Namespace,
    /// By its name.
    Link,
    /// With its link.
    Address,
    /// By where it leads.
    Route,
    /// An entry of the ARP table, by its address and link.
    Neighbour,
    /// An entry of a forwarding database, by its MAC, its link and whose table it is: the device's (`self`) or the bridge's (`master`).
    Fdb,
    /// A setting of the kernel, by its name.
    Setting,
    /// A rule of nftables, by what it says.
    Rule,
    /// The order of the rules of a chain that are in both states.
    Order,
    /// A state or a policy of IPsec, by what it says.
    Ipsec,
    /// A wire that is not bare.
    Wire,
    /// What vxlan devices of a host have missed.
    Misses,
    /// One thing that a vxlan device was asked for and does not know: an address, or where a MAC is. Only as an event.
    Miss,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Namespace => "namespace",
            Kind::Link => "link",
            Kind::Address => "address",
            Kind::Route => "route",
            Kind::Neighbour => "neighbour",
            Kind::Fdb => "fdb",
            Kind::Setting => "setting",
            Kind::Rule => "rule",
            Kind::Order => "order",
            Kind::Ipsec => "ipsec",
            Kind::Wire => "wire",
            Kind::Misses => "misses",
            Kind::Miss => "miss",
        })
    }
}

/// `link eth0`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " {}", self.name) }
    }
}

/// What is said of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// It is so. What is not so is not said.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Anything else.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(flag) => flag.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::Text(text) => text.fmt(f),
        }
    }
}
