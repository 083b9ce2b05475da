//! Docker's names and numbers, each with where it is from.
//!
//! *Article* is "Deep dive into Docker overlay networks, part 1" (Docker 17.03); *20.10* is Docker Engine
//! 20.10.24, whose libnetwork is commit c5aa85f9. Where the two differ, the article's is taken.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::Ipv4Net;

/// The first VNI that is handed out (20.10: `drivers/overlay/overlay.go`, `vxlanIDStart`).
pub const VNI_FIRST: u32 = 256;

/// The last VNI that is handed out (20.10: `drivers/overlay/overlay.go`, `vxlanIDEnd`).
pub const VNI_LAST: u32 = (1 << 24) - 1;

/// The UDP port of VXLAN (IANA; 20.10: `drivers/overlay/overlay.go`, `vxlanPort`).
pub const VXLAN_PORT: u16 = 4789;

/// What VXLAN adds to a frame: Ethernet 14, IPv4 20, UDP 8, VXLAN 8 (20.10: `vxlanEncap`).
pub const VXLAN_OVERHEAD: u32 = 50;

/// What ESP adds to that, padding apart: SPI 4, number 4, IV 8, padding's length and next header 2, check value 8 (20.10:
/// `drivers/overlay/encryption.go`, `pktExpansion`).
pub const ESP_OVERHEAD: u32 = 26;

/// The mark of packets that are to be encrypted, and the number of the states that do it: these eight bits, then those of the VNI. Docker
/// has `0xD0C4E3` for both, since one key is for all networks there (20.10: `drivers/overlay/encryption.go`); here each has its own.
pub const ESP_MARK: u32 = 0xD000_0000;

/// The MTU that an underlay is taken to have; it is never looked at (20.10: `ov_utils.go`, `maxMTU`).
pub const UNDERLAY_MTU: u32 = 1500;

/// The least MTU of a link on which there is IPv6 (RFC 8200, 5; the kernel's `IPV6_MIN_MTU`).
pub const IPV6_MTU: u32 = 1280;

/// Seconds until a vxlan device forgets what it learned (article: `ageing 300`; the kernel's default).
pub const VXLAN_AGEING: u32 = 300;

/// The interface name of the overlay's bridge is `br0` (article), `vxlan1` and `veth2` follow: one counter
/// for all names of a sandbox. Since 17.06 there is one counter a prefix (`br0`, `vxlan0`, `veth0`).
pub const BRIDGE_PREFIX: &str = "br";

/// Prefix of a vxlan device's name inside a sandbox (article: `vxlan1`).
pub const VXLAN_PREFIX: &str = "vxlan";

/// Prefix of a veth half's name, inside a sandbox (article: `veth2`) and on the host (`vethbc521fc`).
pub const VETH_PREFIX: &str = "veth";

/// Hex digits that follow `veth` in a drawn name (20.10: `netutils.GenerateIfaceName("veth", 7)`).
pub const VETH_DIGITS: usize = 7;

/// Prefix of a container's interfaces (article: `eth0`, `eth1`).
pub const CONTAINER_PREFIX: &str = "eth";

/// The bridge through which containers reach the outside (article).
pub const GWBRIDGE: &str = "docker_gwbridge";

/// The gateway bridge's subnet: the first of the local pools that the underlay leaves free. `docker0` has
/// 172.17.0.0/16, so it is 172.18.0.0/16 (article), then up to 172.31.0.0/16, then 192.168.0.0/20 and on (20.10: `ipamutils`).
pub fn gwbridge_subnet(underlay: &[Ipv4Net]) -> Ipv4Net {
    let free = |net: &Ipv4Net| !underlay.iter().any(|other| other.contains(net) || net.contains(other));
    let wide = (18..=31).map(|second| Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16));
    let narrow =
        (0..=240).step_by(16).map(|third| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, third, 0), 20));
    wide.chain(narrow).find(free).unwrap_or(Ipv4Net::new_assert(Ipv4Addr::new(172, 18, 0, 0), 16))
}

/// The gateway bridge's options as `docker network inspect` shows them (article; 20.10: `default_gateway_linux.go`).
pub const GWBRIDGE_OPTIONS: [(&str, &str); 3] = [
    ("com.docker.network.bridge.enable_icc", "false"),
    ("com.docker.network.bridge.enable_ip_masquerade", "true"),
    ("com.docker.network.bridge.name", GWBRIDGE),
];

/// MTU of the gateway bridge and of a container's interface on it (article: `eth1 … mtu 1500`).
pub const GWBRIDGE_MTU: u32 = 1500;

/// The ports that a published one is drawn from where the kernel does not say: the kernel's default (ip-sysctl.rst,
/// `ip_local_port_range`). 20.10 falls back to 49153 and up (`portallocator`).
pub const EPHEMERAL_PORTS: RangeInclusive<u16> = 32_768..=60_999;

/// The first interface index that is handed out on a host. Before it a Docker host has `lo` 1, `eth0` 2,
/// `docker0` 3 and a `testvxlan` 4, made and unmade by the daemon's first join (article: `vxlan1` is 5).
pub const FIRST_INDEX: u32 = 5;

/// Where a container's namespace is to be found (20.10: `/var/run/docker/netns/<first 12 of the sandbox id>`).
pub const NETNS_FOLDER: &str = "/var/run/docker/netns";

/// How many characters of an id name a namespace (20.10: `osl/namespace_linux.go`, `maxNetnsPathLen` 12).
pub const NETNS_NAME_LEN: usize = 12;

/// The network option for the MTU of the underlay (20.10: `netlabel.DriverMTU`).
pub const OPTION_MTU: &str = "com.docker.network.driver.mtu";

/// The network option that asks for IPsec (20.10: `drivers/overlay/ov_network.go`, `secureOption`).
pub const OPTION_ENCRYPTED: &str = "encrypted";

/// The network option for chosen VNIs (20.10: `netlabel.OverlayVxlanIDList`).
pub const OPTION_VNIS: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// The address space of overlay networks (20.10: `ipam`, the global default).
pub const ADDRESS_SPACE: &str = "GlobalDefault";

/// The pools from which a network without `--subnet` is served: every /24 of it, upwards (20.10: `ipamutils`).
pub const DEFAULT_POOLS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);

/// The prefix length of one of the default pools (20.10: `ipamutils`, global scope).
pub const DEFAULT_POOL_LEN: u8 = 24;

/// Network names that the daemon keeps for itself (20.10: `runconfig.IsPreDefinedNetwork`).
pub const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

/// The port that a daemon advertises (article: `--cluster-advertise=eth0:2376`).
pub const ADVERTISE_PORT: u16 = 2376;

/// Where a container's name server listens, in the container's own namespace (20.10: `sandbox_dns_unix.go`, `resolverIPSandbox`).
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The port at which it is asked (RFC 1035, 4.2).
pub const NAME_PORT: u16 = 53;

/// Seconds for which a name server's answer holds (20.10: `resolver.go`, `respTTL`).
pub const NAME_TTL: u32 = 600;

/// How many servers outside are asked for a name, at most (20.10: `resolver.go`, `maxExtDNS`).
pub const NAME_SERVERS_OUTSIDE: usize = 3;

/// How long one of them may take (20.10: `resolver.go`, `extIOTimeout`).
pub const NAME_PATIENCE: Duration = Duration::from_secs(4);

/// How many queries may be with servers outside at a time, for each container (20.10: `resolver.go`, `maxConcurrent`).
pub const NAMES_OUTSIDE_AT_ONCE: usize = 1024;
