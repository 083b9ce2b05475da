//! The keys of Docker's layout, as libnetwork writes them to Consul.
//!
//! Every libnetwork key ends in `/`; those under `docker/nodes` do not. A daemon's key prefix stands before all.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use crate::docker;
use crate::id::{EndpointId, NetworkId};

/// What every key of Docker begins with.
pub const ALL: &str = "docker/";

/// The parent of the hosts' keys; it has an empty value.
pub const NODES: &str = "docker/nodes";

/// The parent of the networks; it has an empty value.
pub const NETWORKS: &str = "docker/network/v1.0/network/";

/// The parent of the networks' endpoint counts; it has an empty value.
pub const COUNTS: &str = "docker/network/v1.0/endpoint_count/";

/// The set of VNIs in use.
pub const VNIS: &str = "docker/network/v1.0/idm/vxlan-id/";

/// All pools of the global address space, in one value.
pub const POOLS: &str = "docker/network/v1.0/ipam/default/config/GlobalDefault/";

const ENDPOINTS: &str = "docker/network/v1.0/endpoint/";
const DRIVERS: &str = "docker/network/v1.0/overlay/network/";
/// Not Docker's, whose hosts have the keys of encrypted networks from a Swarm; beside what its driver keeps of networks.
const KEYRINGS: &str = "docker/network/v1.0/overlay/keys/";
const BITMAPS: &str = "docker/network/v1.0/ipam/default/data/";

/// A host: its value is the address again, and a session holds it.
pub fn node(advertise: SocketAddr) -> String {
    format!("{NODES}/{advertise}")
}

/// A network.
pub fn network(id: NetworkId) -> String {
    format!("{NETWORKS}{id:#}/")
}

/// How many endpoints a network has.
pub fn endpoint_count(id: NetworkId) -> String {
    format!("{COUNTS}{id:#}/")
}

/// The parent of a network's endpoints; it has an empty value.
pub fn endpoints(id: NetworkId) -> String {
    format!("{ENDPOINTS}{id:#}/")
}

/// An endpoint.
pub fn endpoint(network: NetworkId, id: EndpointId) -> String {
    format!("{ENDPOINTS}{network:#}/{id:#}/")
}

/// What the overlay driver keeps of a network: its subnets and their VNIs.
pub fn driver(id: NetworkId) -> String {
    format!("{DRIVERS}{id:#}/")
}

/// The keys of an encrypted network.
pub fn keyring(id: NetworkId) -> String {
    format!("{KEYRINGS}{id:#}/")
}

/// What a host has in its kernel of a network's keys; the session that holds the host's key holds it, too.
pub fn held(id: NetworkId, host: Ipv4Addr) -> String {
    format!("{KEYRINGS}{id:#}/{host}/")
}

/// The set of a pool's addresses in use.
pub fn bitmap(pool: IpNet) -> String {
    format!("{BITMAPS}{}/{pool}/", docker::ADDRESS_SPACE)
}

/// A key, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A host, by what it advertises.
    Node(SocketAddr),
    /// A network.
    Network(NetworkId),
    /// A network's endpoint count.
    EndpointCount(NetworkId),
    /// The parent of a network's endpoints.
    Endpoints(NetworkId),
    /// An endpoint.
    Endpoint(NetworkId, EndpointId),
    /// The overlay driver's record of a network.
    Driver(NetworkId),
    /// The keys of an encrypted network.
    Keyring(NetworkId),
    /// What a host has of them.
    Held(NetworkId, Ipv4Addr),
    /// The pools.
    Pools,
    /// A pool's addresses.
    Bitmap(IpNet),
    /// The VNIs.
    Vnis,
}

impl Key {
    /// Understands a key; none: it is a placeholder, or nothing that an overlay has to do with.
    pub fn parse(key: &str) -> Option<Key> {
        match key {
            POOLS => return Some(Key::Pools),
            VNIS => return Some(Key::Vnis),
            _ => {}
        }
        if let Some(node) = key.strip_prefix(NODES) {
            return node.strip_prefix('/')?.parse().ok().map(Key::Node);
        }
        if let Some(pool) = key.strip_prefix(BITMAPS) {
            let pool = pool.strip_prefix(docker::ADDRESS_SPACE)?.strip_prefix('/')?.strip_suffix('/')?;
            return pool.parse().ok().map(Key::Bitmap);
        }
        let id = |prefix| key.strip_prefix(prefix)?.strip_suffix('/');
        if let Some(text) = id(NETWORKS) {
            return text.parse().ok().map(Key::Network);
        }
        if let Some(text) = id(COUNTS) {
            return text.parse().ok().map(Key::EndpointCount);
        }
        if let Some(text) = id(DRIVERS) {
            return text.parse().ok().map(Key::Driver);
        }
        if let Some(text) = id(KEYRINGS) {
            return match text.split_once('/') {
                None => text.parse().ok().map(Key::Keyring),
                Some((network, host)) => Some(Key::Held(network.parse().ok()?, host.parse().ok()?)),
            };
        }
        match id(ENDPOINTS)?.split_once('/') {
            None => id(ENDPOINTS)?.parse().ok().map(Key::Endpoints),
            Some((network, endpoint)) => Some(Key::Endpoint(network.parse().ok()?, endpoint.parse().ok()?)),
        }
    }
}

/// The address of a host's key, without its port: what an endpoint names its host by.
pub fn host_of(advertise: SocketAddr) -> Option<Ipv4Addr> {
    match advertise {
        SocketAddr::V4(v4) => Some(*v4.ip()),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn keys_are_docker_s() {
        let id: NetworkId =
            "7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17".parse().unwrap();
        let ep: EndpointId =
            "00fbeac0f67e9986f575872ca715fb7fbb5e97aa2f05dd33118f56dc5b25d28f".parse().unwrap();
        let pool: IpNet = "192.168.0.0/24".parse().unwrap();
        let pool6: IpNet = "fd00:1::/64".parse().unwrap();
        let node_addr: SocketAddr = "10.77.0.10:2376".parse().unwrap();
        // As the trace of two 20.10 daemons has them.
        let seen = [
            ("docker/nodes/10.77.0.10:2376", node(node_addr), Key::Node(node_addr)),
            (
                "docker/network/v1.0/network/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/",
                network(id),
                Key::Network(id),
            ),
            (
                "docker/network/v1.0/endpoint_count/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/",
                endpoint_count(id),
                Key::EndpointCount(id),
            ),
            (
                "docker/network/v1.0/endpoint/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/",
                endpoints(id),
                Key::Endpoints(id),
            ),
            (
                "docker/network/v1.0/endpoint/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/00fbeac0f67e9986f575872ca715fb7fbb5e97aa2f05dd33118f56dc5b25d28f/",
                endpoint(id, ep),
                Key::Endpoint(id, ep),
            ),
            (
                "docker/network/v1.0/overlay/network/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/",
                driver(id),
                Key::Driver(id),
            ),
            (
                "docker/network/v1.0/ipam/default/data/GlobalDefault/192.168.0.0/24/",
                bitmap(pool),
                Key::Bitmap(pool),
            ),
            (
                "docker/network/v1.0/ipam/default/data/GlobalDefault/fd00:1::/64/",
                bitmap(pool6),
                Key::Bitmap(pool6),
            ),
            // This engine's own.
            (
                "docker/network/v1.0/overlay/keys/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/",
                keyring(id),
                Key::Keyring(id),
            ),
            (
                "docker/network/v1.0/overlay/keys/7f370f83c864a62856623c1b3e96404185a24f640badb145fa2ca307107afa17/10.77.0.10/",
                held(id, Ipv4Addr::new(10, 77, 0, 10)),
                Key::Held(id, Ipv4Addr::new(10, 77, 0, 10)),
            ),
            ("docker/network/v1.0/ipam/default/config/GlobalDefault/", POOLS.to_owned(), Key::Pools),
            ("docker/network/v1.0/idm/vxlan-id/", VNIS.to_owned(), Key::Vnis),
        ];
        for (text, made, key) in seen {
            assert_eq!(made, text);
            assert_eq!(Key::parse(text), Some(key));
        }
    }

    #[test]
    fn placeholders_and_strangers_are_nothing() {
        for key in [
            NODES,
            NETWORKS,
            COUNTS,
            "docker/network/v1.0/endpoint/",
            "docker/other",
            "docker/nodesque/x",
            "",
        ] {
            assert_eq!(Key::parse(key), None, "{key}");
        }
    }
}
