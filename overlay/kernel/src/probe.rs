//! What this kernel can do, found out by doing it in scratch namespaces.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::conntrack::Conntrack;
use crate::error::{Error, Result};
use crate::mac::Mac;
use crate::machine::{Machine, Setup};
use crate::netns::Netns;
use crate::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use crate::rtnl::{Batch, NewLink, NewVxlan, Rtnl, Vxlan};
use crate::wire::{End, TapDevice};
use crate::xfrm::{Association, Policy, Secret, Xfrm};

/// A feature, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The feature.
    pub feature: String,
    /// Without it nothing works; otherwise something named in `uses` does not.
    pub core: bool,
    /// What it is used for.
    pub uses: String,
    /// Why it is missing; nothing if it is there.
    pub missing: Option<String>,
}

/// What encrypted networks take, as [`probe`] names it.
pub const ESP: &str = "ESP";

type Try = fn() -> Result<()>;

/// Name, whether it is core, what for, and the trial.
const FEATURES: [(&str, bool, &str, Try); 15] = [
    ("network namespaces", true, "hosts and containers", namespace),
    ("PID, mount and UTS namespaces", true, "processes on hosts", machine),
    ("veth", true, "wires", veth),
    ("bridge", true, "the switch, br0, docker_gwbridge", bridge),
    ("vxlan", true, "overlay networks", vxlan),
    ("IPv6", false, "overlay networks of both families; IPv4 alone works without it", ipv6),
    ("nftables", true, "isolation of the gateway bridge", rules),
    ("nftables masquerade", true, "the way outside", masquerade),
    (
        "tracked flows",
        false,
        "flows to a published port that moves; without it they go where they went",
        flows,
    ),
    ("bridge-nf-call-iptables", false, "isolation by rule; without it bridge ports are isolated", netfilter),
    ("raw ICMP sockets", true, "lab ping", icmp),
    ("packet sockets", true, "impaired wires", packet_sockets),
    (
        "TAP devices for tunnels, Linux 6.17",
        false,
        "impaired wires at full speed; without them packet sockets are used",
        tap,
    ),
    (ESP, false, "encrypted overlay networks", esp),
    ("netem", false, "wires that only delay, in the kernel; without it they are carried like others", netem),
];

/// Tries every feature. To be called inside a lab's namespaces.
pub fn probe() -> Vec<Finding> {
    let mut findings = Vec::new();
    for (feature, core, uses, attempt) in FEATURES {
        let missing = attempt().err().map(|error| error.to_string());
        findings.push(Finding { feature: feature.to_owned(), core, uses: uses.to_owned(), missing });
    }
    findings
}

/// Tries one feature, by its name; none, if there is none of that name. To be called inside a lab's namespaces.
pub fn try_one(feature: &str) -> Option<Result<()>> {
    let (.., attempt) = FEATURES.iter().find(|(name, ..)| *name == feature)?;
    Some(attempt())
}

/// The names of all features.
pub fn features() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(name, ..)| *name)
}

fn namespace() -> Result<()> {
    Netns::new("probe").map(drop)
}

fn machine() -> Result<()> {
    let setup = Setup { hostname: "probe".into(), ..Setup::default() };
    Machine::start(&Netns::new("probe")?, None, &setup).map(drop)
}

fn link(index: u32, name: &str) -> NewLink {
    NewLink { index, name: name.into(), ..NewLink::default() }
}

fn build(batch: &Batch<'_>) -> Result<()> {
    Rtnl::new(&Netns::new("probe")?)?.apply(batch)
}

fn veth() -> Result<()> {
    let other = Netns::new("probe peer")?;
    build(&Batch::new().veth(&link(2, "a"), &link(2, "b"), Some(other.as_fd())))
}

fn bridge() -> Result<()> {
    build(&Batch::new().bridge(&link(2, "br0")))
}

fn vxlan() -> Result<()> {
    let sandbox = Netns::new("probe sandbox")?;
    let new =
        NewVxlan { link: link(2, "vxlan1"), settings: Vxlan { vni: 256, port: 4789, ..Vxlan::default() } };
    build(&Batch::new().vxlan(&new, Some(sandbox.as_fd())))
}

/// What networks of both families need of it: an address, and a device that answers neighbour solicitations.
fn ipv6() -> Result<()> {
    let sandbox = Netns::new("probe sandbox")?;
    let settings = Vxlan { vni: 256, port: 4789, proxy: true, ..Vxlan::default() };
    build(&Batch::new().vxlan(&NewVxlan { link: link(2, "vxlan1"), settings }, Some(sandbox.as_fd())))?;
    sandbox
        .set_sysctls(&[("ipv6/conf/all/forwarding", "1"), ("ipv6/conf/vxlan1/disable_ipv6", "0")])
        .map_err(|error| {
            let absent =
                "this kernel has none; is it built without CONFIG_IPV6, or booted with ipv6.disable=1?";
            if error.is_missing() { Error::other("use", "IPv6", absent) } else { error }
        })?;
    let (own, other) =
        (Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2));
    let net = Ipv6Net::from(own).into();
    let mac = Mac::of([10, 73, 0, 2].into());
    Rtnl::new(&sandbox)?.apply(&Batch::new().up(2, "vxlan1").address(2, net).neighbour(2, other.into(), mac))
}

fn table(hook: Hook, rule: Rule) -> Result<()> {
    let chain = Chain { name: "probe".into(), hook, priority: 0, accept: true, rules: vec![rule] };
    Nft::new(&Netns::new("probe")?)?.replace(&Table {
        family: Family::Ip,
        name: "probe".into(),
        chains: vec![chain],
    })
}

fn rules() -> Result<()> {
    table(Hook::Forward, Rule::when([Match::In("a".into()), Match::Out("a".into())], Action::Drop))
}

fn masquerade() -> Result<()> {
    table(Hook::Postrouting, Rule::when([Match::NotOut("a".into())], Action::Masquerade))
}

fn flows() -> Result<()> {
    Conntrack::new(&Netns::new("probe")?)?.flows().map(drop)
}

fn netfilter() -> Result<()> {
    let netns = Netns::new("probe")?;
    // The setting is there once the namespace has seen br_netfilter, which a bridge does not load by itself.
    netns.set_sysctl("bridge/bridge-nf-call-iptables", "1").map_err(|error| {
        let absent = "the module is not loaded; as root: modprobe br_netfilter";
        if error.is_missing() { Error::other("use", "br_netfilter", absent) } else { error }
    })
}

fn icmp() -> Result<()> {
    Netns::new("probe")?.icmp(std::net::Ipv4Addr::LOCALHOST.into()).map(drop)
}

fn packet_sockets() -> Result<()> {
    let netns = Netns::new("probe")?;
    Rtnl::new(&netns)?.apply(&Batch::new().veth(&link(5, "a"), &link(6, "b"), None))?;
    End::receiving(&netns, 5, "a").map(drop)
}

fn tap() -> Result<()> {
    TapDevice::open(&Netns::new("probe")?, 5, "a").map(drop).map_err(|error| {
        let absent = "it is not there; as root: modprobe tun; for a container: --device /dev/net/tun";
        if error.is_missing() { Error::other("open", "/dev/net/tun", absent) } else { error }
    })
}

/// What [`ESP`] takes: states of it, policies, and rules that tell what is encrypted. What is missing of it is named.
pub fn esp() -> Result<()> {
    let netns = Netns::new("probe")?;
    let lacks = |what: &'static str, how: &'static str| {
        move |error: Error| {
            let unknown = error.is_unsupported() || error.is_missing() || error.errno() == Some(libc::EINVAL);
            if unknown { Error::other("use", what, how) } else { error }
        }
    };
    let absent =
        "this kernel has no IPsec; is it built without CONFIG_XFRM_USER? As root: modprobe xfrm_user";
    let xfrm = Xfrm::new(&netns).map_err(lacks("ESP", absent))?;
    let by = Association {
        source: Ipv4Addr::new(10, 73, 0, 1),
        destination: Ipv4Addr::new(10, 73, 0, 2),
        spi: 256,
        reqid: 1,
    };
    let absent = "this kernel has no ESP for IPv4 with AES-GCM; is it built without CONFIG_INET_ESP or CONFIG_CRYPTO_GCM? As \
                  root: modprobe esp4 gcm";
    xfrm.add(&by, &Secret { key: [0; 16], salt: [0; 4] }).map_err(lacks("ESP", absent))?;
    xfrm.set_policy(&Policy { by, port: 4789, mark: 1 })?;
    let absent = "this kernel's nftables know nothing of it; is it built without CONFIG_XFRM?";
    let chain = |name: &str, hook, rule| Chain {
        name: name.into(),
        hook,
        priority: 0,
        accept: true,
        rules: vec![rule],
    };
    let chains = vec![
        chain("mark", Hook::Reroute, Rule::when([], Action::Mark(1))),
        chain("output", Hook::Output, Rule::when([Match::GoesInClear], Action::Drop)),
        chain("input", Hook::Input, Rule::when([Match::CameInClear], Action::Drop)),
    ];
    let table = Table { family: Family::Ip, name: "probe".into(), chains };
    Nft::new(&netns)?.replace(&table).map_err(lacks("IPsec in rules", absent))
}

fn netem() -> Result<()> {
    let link = link(2, "a");
    build(&Batch::new().veth(&link, &self::link(3, "b"), None).delay(link.index, &link.name, Duration::ZERO))
}
