//! The layers that traffic can go through, from nothing to everything.

use std::fmt;

use serde::Serialize;

/// A way from one place to another, by what is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The loopback of one namespace.
    Loopback,
    /// Two namespaces and a veth pair.
    Veth,
    /// Two hosts: two veth pairs and the switch, a bridge, between them.
    Underlay,
    /// Two containers of one host: two veth pairs and the network's bridge.
    SameHost,
    /// Two containers of different hosts: the bridges of both, VXLAN, and the underlay.
    CrossHost,
    /// As [`CrossHost`](Layer::CrossHost), without the bridges: the containers' interfaces are MACVLANs of the vxlan devices.
    Macvlan,
    /// A container and another host: the gateway bridge, routing, masquerading, and the underlay.
    Gateway,
    /// As [`CrossHost`](Layer::CrossHost), over a wire that is impaired by next to nothing, so that something carries its frames.
    Impaired,
}

impl Layer {
    /// All of them.
    pub const ALL: [Layer; 8] = [
        Layer::Loopback,
        Layer::Veth,
        Layer::Underlay,
        Layer::SameHost,
        Layer::CrossHost,
        Layer::Macvlan,
        Layer::Gateway,
        Layer::Impaired,
    ];

    /// What a lab has to have for it.
    pub fn needs(self) -> &'static str {
        match self {
            Layer::Loopback | Layer::Veth => "nothing",
            Layer::Underlay => "two hosts",
            Layer::SameHost => "two containers on one host and one network",
            Layer::CrossHost | Layer::Impaired => "two containers on different hosts and one network",
            Layer::Macvlan => {
                "two containers on different hosts and a network with `options = { \"lab.datapath\" = \"macvlan\" }`"
            }
            Layer::Gateway => "a container with a way out, and another host",
        }
    }
}

/// `VXLAN, across hosts`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Layer::Loopback => "loopback",
            Layer::Veth => "bare veth",
            Layer::Underlay => "host to host",
            Layer::SameHost => "overlay, same host",
            Layer::CrossHost => "overlay, cross host",
            Layer::Macvlan => "overlay, macvlan",
            Layer::Gateway => "gateway and NAT",
            Layer::Impaired => "impaired wire",
        })
    }
}
