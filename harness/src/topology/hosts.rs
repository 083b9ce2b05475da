//! The underlay, its hosts and the store: addresses that fit together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use overlay::Resolution;
use overlay::dns::{Question, Type};

use super::check::{Checker, taken};
use super::file::At;
use super::file::{HostTable, StoreTable, UnderlayTable};
use super::model::{Host, Kv, Underlay, Wire};
use super::name::HostName;
use super::report::{Mistake, quote};

/// Where the article's servers are.
const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 24);

/// Ethernet's payload (RFC 894).
const MTU: u32 = 1500;

/// Least MTU that leaves an overlay the 68 bytes of IPv4's smallest MTU (RFC 791) under the 50 of VXLAN (RFC 7348 §5).
const LEAST_MTU: u32 = 68 + 50;

/// Greatest MTU of a veth: the largest IPv4 packet (`ETH_MAX_MTU`, `linux/if_ether.h`).
const GREATEST_MTU: u32 = 65_535;

/// The gateway bridge's subnet, on every Docker host: the article and Docker 20.10.
pub(super) const GATEWAY_BRIDGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 18, 0, 0), 16);

/// Consul's shortest session (`session_ttl_min`).
const SESSION_TTL_MIN: Duration = Duration::from_secs(10);

/// What every host has of its own already, and the machine's devices.
const OWN: [&str; 4] = ["run", "proc", "sys", "dev"];

/// What the store's host is called if the file has none.
const STORE: &str = "consul";

/// Checks the underlay and declares the hosts. `None`: the underlay itself is wrong.
pub(super) fn check_hosts(
    checker: &mut Checker,
    underlay: Option<&UnderlayTable>,
    hosts: &[At<HostTable>],
    resolution: Resolution,
) -> Option<Underlay> {
    let unsaid = UnderlayTable::default();
    let table = underlay.unwrap_or(&unsaid);
    let subnet = check_subnet(checker, table.subnet.as_ref());
    let mtu = table.mtu.as_ref().map_or(MTU, |mtu| check_mtu(checker, mtu));
    let mut used = Used { subnet, taken: BTreeMap::new() };
    let gateway = table.gateway.as_ref().and_then(|text| {
        let address = checker.address(text)?;
        used.claim(checker, address, &text.span, "the gateway").then_some(address)
    });
    for table in hosts {
        declare(checker, &mut used, &table.value, resolution);
    }
    let internet = check_internet(checker, subnet, &table.internet);
    let dns = check_dns(checker, table);
    let subnet = subnet?;
    let mut free = subnet.hosts().filter(|address| !used.taken.contains_key(address));
    let gateway = gateway.or_else(|| free.next());
    for host in &mut checker.hosts {
        // Declared without an address, or with a wrong one.
        if host.value.ip.is_unspecified() {
            host.value.ip = free.next().unwrap_or(Ipv4Addr::UNSPECIFIED);
        }
    }
    if let Some(host) = checker.hosts.iter().find(|host| host.ip.is_unspecified()) {
        let mistake = Mistake::new(format!("{subnet} has no address left"), &host.span, "for this host");
        checker.mistake(mistake.help("give `[underlay]` a larger `subnet`"));
    }
    Some(Underlay { subnet, mtu, gateway: gateway?, internet, dns })
}

fn check_subnet(checker: &mut Checker, text: Option<&At<String>>) -> Option<Ipv4Net> {
    let Some(text) = text else { return Some(SUBNET) };
    let subnet = checker.net(text)?;
    (usable(checker, subnet, text) && spares_gateway_bridge(checker, subnet, text)).then_some(subnet)
}

/// Whether a subnet can be used at all; notes why not.
pub(super) fn usable(checker: &mut Checker, subnet: Ipv4Net, text: &At<String>) -> bool {
    let first = subnet.network();
    let why = if first.is_loopback() || first.is_multicast() || first.is_unspecified() || first.is_broadcast()
    {
        "not for hosts: loopback, multicast or unspecified"
    } else if subnet.prefix_len() > 30 {
        "no room for two addresses"
    } else if subnet.prefix_len() < 8 {
        "larger than a /8"
    } else {
        return true;
    };
    checker.mistake(Mistake::new(format!("{subnet} cannot be used"), &text.span, why));
    false
}

/// The same for an IPv6 subnet.
pub(super) fn usable6(checker: &mut Checker, subnet: Ipv6Net, text: &At<String>) -> bool {
    let first = subnet.network();
    let why = if first.is_loopback()
        || first.is_multicast()
        || first.is_unspecified()
        || first.is_unicast_link_local()
    {
        "not for hosts: loopback, multicast, link-local or unspecified"
    } else if subnet.prefix_len() > 126 {
        "no room for two addresses"
    } else {
        return true;
    };
    checker.mistake(Mistake::new(format!("{subnet} cannot be used"), &text.span, why));
    false
}

/// Whether a subnet leaves every host's gateway bridge alone; notes that it does not.
pub(super) fn spares_gateway_bridge(checker: &mut Checker, subnet: Ipv4Net, text: &At<String>) -> bool {
    if !overlap(subnet, GATEWAY_BRIDGE) {
        return true;
    }
    let title = format!("{subnet} overlaps {GATEWAY_BRIDGE}");
    let mistake = Mistake::new(title, &text.span, "taken on every Docker host");
    checker.mistake(mistake.help("docker_gwbridge has 172.18.0.0/16; choose another subnet"));
    false
}

/// Whether two subnets share an address.
pub(super) fn overlap(a: impl Into<IpNet>, b: impl Into<IpNet>) -> bool {
    let (a, b) = (a.into(), b.into());
    a.contains(&b) || b.contains(&a)
}

fn check_mtu(checker: &mut Checker, mtu: &At<u32>) -> u32 {
    if !(LEAST_MTU..=GREATEST_MTU).contains(&mtu.value) {
        let title = format!("an MTU of {} does not work", mtu.value);
        let label = format!("{LEAST_MTU} to {GREATEST_MTU}");
        checker.mistake(Mistake::new(title, &mtu.span, label));
    }
    mtu.value
}

fn check_internet(checker: &mut Checker, subnet: Option<Ipv4Net>, texts: &[At<String>]) -> Vec<Ipv4Addr> {
    let mut internet = Vec::new();
    for text in texts {
        let Some(address) = checker.address(text) else { continue };
        let why = if subnet.is_some_and(|subnet| subnet.contains(&address)) {
            "inside the underlay"
        } else if GATEWAY_BRIDGE.contains(&address) {
            "inside docker_gwbridge, 172.18.0.0/16"
        } else if address.is_loopback()
            || address.is_multicast()
            || address.is_unspecified()
            || address.is_broadcast()
        {
            "loopback, multicast or unspecified"
        } else if internet.contains(&address) {
            "said twice"
        } else {
            internet.push(address);
            continue;
        };
        checker.mistake(Mistake::new(format!("{address} cannot be outside"), &text.span, why));
    }
    internet
}

/// The names of the outside world, which somebody has to answer for.
fn check_dns(checker: &mut Checker, table: &UnderlayTable) -> BTreeMap<String, Ipv4Addr> {
    let mut dns = BTreeMap::new();
    for (name, text) in &table.dns {
        let Some(address) = checker.address(text) else { continue };
        // A dot at its end changes nothing.
        let whole = name.strip_suffix('.').unwrap_or(name);
        let question = Question { name: whole.to_ascii_lowercase(), kind: Type::A };
        if !question.is_sendable() {
            let mistake =
                Mistake::new(format!("{} is not a DNS name", quote(name)), &text.span, "its address");
            checker.mistake(mistake.help("parts of 1 to 63 characters, with dots between them"));
        } else if dns.insert(question.name, address).is_some() {
            let title = format!("{} is said twice", quote(name));
            checker.mistake(Mistake::new(title, &text.span, "large and small letters are the same"));
        }
    }
    if let (true, Some(first)) = (table.internet.is_empty(), table.dns.values().next()) {
        let mistake = Mistake::new("nobody answers for these names", &first.span, "no outside world");
        checker
            .mistake(mistake.help("give `[underlay]` an `internet`; its first address is the name server"));
    }
    dns
}

/// The addresses of the underlay that are taken, and by what.
struct Used {
    subnet: Option<Ipv4Net>,
    taken: BTreeMap<Ipv4Addr, Range<usize>>,
}

impl Used {
    /// Takes an address, or notes why it cannot be had.
    fn claim(&mut self, checker: &mut Checker, address: Ipv4Addr, span: &Range<usize>, what: &str) -> bool {
        if let Some(subnet) = self.subnet
            && let Some(mistake) = misplaced(subnet.into(), address.into(), span, "the underlay")
        {
            checker.mistake(mistake);
            return false;
        }
        if let Some(first) = self.taken.get(&address) {
            let mistake = Mistake::new(format!("{address} is taken"), span, format!("wanted by {what}"));
            checker.mistake(mistake.beside(first, "taken here"));
            return false;
        }
        self.taken.insert(address, span.clone());
        true
    }
}

/// Why an address of a subnet cannot be given to anybody.
pub(super) fn misplaced(subnet: IpNet, address: IpAddr, span: &Range<usize>, whose: &str) -> Option<Mistake> {
    if !subnet.contains(&address) {
        let mistake = Mistake::new(format!("{address} is outside {subnet}"), span, format!("not in {whose}"));
        let first = subnet.hosts().find(|ip| *ip != subnet.network())?;
        let last = subnet.hosts().next_back()?;
        return Some(mistake.help(format!("addresses from `{first}` to `{last}` are inside")));
    }
    if address == subnet.network() {
        return Some(Mistake::new(
            format!("{address} is the address of {subnet} itself"),
            span,
            "not a host's",
        ));
    }
    if address.is_ipv4() && address == subnet.broadcast() {
        return Some(Mistake::new(
            format!("{address} is the broadcast address of {subnet}"),
            span,
            "not a host's",
        ));
    }
    None
}

fn declare(checker: &mut Checker, used: &mut Used, table: &HostTable, resolution: Resolution) {
    let ip = table.ip.as_ref().and_then(|text| {
        let address = checker.address(text)?;
        let whose = quote(&table.name);
        used.claim(checker, address, &text.span, &whose).then_some(address)
    });
    let Some(name) = checker.name::<HostName>(&table.name) else { return };
    if let Some(first) = checker.hosts.iter().find(|host| host.name == name) {
        let mistake = taken("hosts", &table.name, &first.span.clone());
        checker.mistake(mistake);
        return;
    }
    let host = Host {
        name,
        ip: ip.unwrap_or(Ipv4Addr::UNSPECIFIED),
        engine: table.engine.unwrap_or(true),
        wire: Wire::default(),
        resolution: table.resolution.map_or(resolution, Into::into),
        volatile: check_volatile(checker, &table.volatile),
        cgroups: table.cgroups.as_deref().copied().unwrap_or(false),
    };
    checker.hosts.push(table.name.with(host));
}

/// Directories that a host sees empty: absolute paths, and none below what is the same on every host.
fn check_volatile(checker: &mut Checker, texts: &[At<String>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        let parts = text.strip_prefix('/').filter(|rest| rest.split('/').all(plain));
        let own = parts.and_then(|rest| OWN.into_iter().find(|own| rest.split('/').next() == Some(own)));
        let why = match (parts, own) {
            (None, _) => "not an absolute path such as `/var/lib`".to_owned(),
            (_, Some(own)) => format!("`/{own}` is as it is on every host"),
            _ if all.contains(text) => "said twice".to_owned(),
            _ => {
                all.push(text.value.clone());
                continue;
            }
        };
        let title = format!("{} cannot be volatile", quote(text));
        checker.mistake(Mistake::new(title, &text.span, why));
    }
    all
}

/// Finds the store's host, or adds one.
pub(super) fn check_kv(checker: &mut Checker, table: Option<&At<StoreTable>>) -> Option<Kv> {
    let session_ttl_min =
        checker.duration_or(table.and_then(|table| table.session_ttl_min.as_ref()), SESSION_TTL_MIN);
    let persist = table.is_some_and(|table| table.persist);
    if let Some(text) = table.and_then(|table| table.host.as_ref()) {
        let host = checker.host(text)?;
        if host.engine {
            let mistake =
                Mistake::new(format!("{} runs an engine", quote(text)), &text.span, "for the store");
            checker.mistake(mistake.help("the store needs a host with `engine = false`"));
            return None;
        }
        return Some(Kv::Stub { host: host.name, session_ttl_min, persist });
    }
    if table.is_none() && checker.engines().next().is_none() {
        return None;
    }
    let host = match checker.hosts.iter().find(|host| !host.engine) {
        Some(host) => host.name.clone(),
        None => add_store(checker)?,
    };
    Some(Kv::Stub { host, session_ttl_min, persist })
}

/// Adds a host for the store, at the first free address, after all others.
fn add_store(checker: &mut Checker) -> Option<HostName> {
    if let Some(host) = checker.hosts.iter().find(|host| host.name == STORE) {
        let mistake = Mistake::new("the store has no host", &host.span, "runs an engine");
        checker.mistake(mistake.help("give this host `engine = false`, or add another one that has it"));
        return None;
    }
    let underlay = checker.underlay.clone()?;
    let taken: Vec<Ipv4Addr> = checker.hosts.iter().map(|host| host.ip).collect();
    let free = underlay.subnet.hosts().find(|ip| *ip != underlay.gateway && !taken.contains(ip));
    let Some(ip) = free else {
        let span = checker.hosts.last().map_or(0..0, |host| host.span.clone());
        let title = format!("{} has no address left", underlay.subnet);
        let mistake = Mistake::new(title, &span, "after this host, one for the store is wanted");
        checker.mistake(mistake.help("give `[underlay]` a larger `subnet`"));
        return None;
    };
    let name: HostName = STORE.parse().ok()?;
    checker.hosts.push(At {
        value: Host {
            name: name.clone(),
            ip,
            engine: false,
            wire: Wire::default(),
            resolution: Resolution::Store,
            volatile: Vec::new(),
            cgroups: false,
        },
        span: 0..0,
    });
    Some(name)
}
