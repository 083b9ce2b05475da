//! Where what is here is not as a Docker Engine 20.10 had it, and why. What is in this list and not different any more fails, too.

use super::compare::Known;

/// Observed in full: `ip -d`, `bridge fdb`, the store.
const FULL: &[&str] = &["two-host"];

/// Run by the test, on the lab itself.
const LIVE: &[&str] = &["real-docker"];

/// Hosts were looked at in these.
const HOSTS: &[&str] = &["two-host", "real-docker"];

/// All that was observed, then or now.
const ALL: &[&str] = &[
    "two-host",
    "internal",
    "ipv6",
    "several-subnets",
    "mtu-1300",
    "vni-777",
    "address-range",
    "two-networks",
    "real-docker",
];

/// The known differences.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        seen: ALL,
        what: "*: address * dev *: brd: Docker *.255, here nothing",
        why: "the article's Docker, 17.03, set no broadcast address",
    },
    Known {
        seen: FULL,
        what: "docker0/1-<demonet>: setting net.ipv4.ip_forward: is: Docker 0, here 1",
        why: "routes between subnets of an overlay; there it is as the machine has it, and without it they fail in silence",
    },
    Known {
        seen: LIVE,
        what: "docker*/1-<*>: setting net.ipv4.ip_forward: is: Docker the machine's, here 1",
        why: "as above",
    },
    Known {
        seen: HOSTS,
        what: "docker*: link docker0: only Docker",
        why: "docker0 is not made, since nothing here is on it",
    },
    Known {
        seen: HOSTS,
        what: "docker*: address 172.17.0.1/16 dev docker0: only Docker",
        why: "docker0 is not made",
    },
    Known { seen: HOSTS, what: "docker*: route 172.17.0.0/16: only Docker", why: "docker0 is not made" },
    Known {
        seen: LIVE,
        what: "docker*: fdb of docker0 dev docker0 master: only Docker",
        why: "docker0 is not made",
    },
    Known {
        seen: FULL,
        what: "docker0: link eth0: mac: Docker drawn, here of 10.0.0.10",
        why: "so that a host that comes back is the same to its neighbours",
    },
    Known {
        seen: FULL,
        what: "docker0: address ::1/128 dev lo: only Docker",
        why: "the underlay is IPv4: hosts have IPv6 switched off",
    },
    Known {
        seen: FULL,
        what: "docker0: address fe80::*/64 dev *: only Docker",
        why: "hosts have IPv6 switched off",
    },
    Known {
        seen: &["ipv6"],
        what: "C0: address fe80::42:aff:fe49:2/64 dev eth0: only Docker",
        why: "the kernel has made it here, too; link-local addresses are not looked at",
    },
    Known {
        seen: &["ipv6"],
        what: "C0: route fe80::/64: only Docker",
        why: "the kernel has made it here, too; link-local routes are not looked at",
    },
    Known {
        seen: FULL,
        what: "docker0: route default: only here",
        why: "the scenario has an outside world behind a gateway, the observed lab had none",
    },
    Known {
        seen: FULL,
        what: "store: document docker/nodes/10.0.0.*:2376: held: Docker nothing, here by a session",
        why: "a session holds them there, too; the key browser did not say so",
    },
    Known {
        seen: LIVE,
        what: "store: document docker/network/v1.0/ipam/default/config/GlobalDefault: Scope: Docker \"\", here \"global\"",
        why: "as Docker was seen to write it with a Consul; with an etcd it leaves it empty",
    },
    Known {
        seen: LIVE,
        what: "store: document docker/network/v1.0/endpoint/<vault>/<V* on vault>: exposed_ports: Docker null, here []",
        why: "no ports are published from an internal network, of which Docker says nothing, and here that there are none",
    },
    Known {
        seen: LIVE,
        what: "store: document docker/network/v1.0/endpoint/<vault>/<V* on vault>: generic: Docker {}, here nothing",
        why: "as above",
    },
    Known {
        seen: LIVE,
        what: "store: document docker/network/v1.0/endpoint/<vault>/<V* on vault>: generic.com.docker.network.*: Docker nothing, here []",
        why: "as above",
    },
    Known {
        seen: HOSTS,
        what: "store: key docker/network/v1.0/endpoint/*: only Docker",
        why: "Docker leaves a placeholder for each network that is local to a host, for ever (libnetwork#1177)",
    },
];

/// Other names for the same: words of the observation, and what is here instead.
pub(crate) const RENAMED: &[(&str, &str)] = &[
    // One counter for all names of an overlay's namespace, as in the article; 20.10 has one a prefix.
    ("vxlan0", "vxlan1"),
    ("veth0", "veth2"),
];
