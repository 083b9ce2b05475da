//! What a walk can do, and how a seed draws it. Pure: the same seed draws the same steps, whatever becomes of them.

use std::fmt::{self, Display};

use overlay::kv::memory::Reach;

pub const HOSTS: usize = 3;
/// Container `C4` is on host 4 % 3.
pub const CONTAINERS: usize = 9;
pub const NETWORKS: usize = 4;
/// Subnet 3 is 10.63.0.0/24, and fd00:63::/64 where there is IPv6.
const SUBNETS: u8 = 6;

/// What a network is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub subnets: Vec<u8>,
    pub internal: bool,
    /// Whether each subnet is of both families.
    pub ipv6: bool,
}

/// An address that is asked for: in the network's n-th subnet, the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub subnet: usize,
    pub last: u8,
}

/// What an engine is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Create { host: usize, network: usize, plan: Plan },
    Remove { host: usize, network: usize },
    Join { container: usize, network: usize, ip: Option<Asked> },
    Leave { container: usize, network: usize },
}

/// What somebody does to a host's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Vxlan,
    Bridge,
    Port,
    Master,
    Fdb,
    Arp,
    Stranger,
    Down,
    Interface,
    Connected,
    Route,
    Rules,
    Gateway,
    GatewayPort,
}

/// A step of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Ask(Verb),
    /// At the same moment.
    Both(Verb, Verb),
    /// The engine is killed, so many microseconds after it was asked.
    KillDuring(Verb, u64),
    Kill(usize),
    Start(usize),
    Cut(usize, Reach),
    Heal(usize),
    /// The store does what the engine asks, and one of its answers gets lost.
    LoseAnswer(usize, u32),
    /// Somebody deletes the host's key, or ends its session.
    LoseKey(usize),
    LoseSession(usize),
    /// The others cross out what a host has that they do not see.
    GiveUp(usize),
    /// The container's namespace goes, without a word.
    Vanish(usize),
    /// The host goes with all that is on it, and comes back without an engine.
    Crash(usize),
    /// The store loses all that it has; whoever sees it takes all containers away.
    Wipe,
    /// The n-th thing of that kind on the host.
    Break(usize, Damage, usize),
}

impl Verb {
    /// On which host.
    pub fn host(&self) -> usize {
        match self {
            Verb::Create { host, .. } | Verb::Remove { host, .. } => *host,
            Verb::Join { container, .. } | Verb::Leave { container, .. } => container % HOSTS,
        }
    }

    fn draw(rng: &mut fastrand::Rng) -> Verb {
        let (host, network, container) = (rng.usize(..HOSTS), rng.usize(..NETWORKS), rng.usize(..CONTAINERS));
        match rng.u8(..16) {
            0..3 => Verb::Create { host, network, plan: Plan::draw(rng) },
            3 => Verb::Remove { host, network },
            4..12 => {
                let asked = Asked { subnet: rng.usize(..2), last: rng.u8(2..12) };
                Verb::Join { container, network, ip: rng.bool().then_some(asked) }
            }
            _ => Verb::Leave { container, network },
        }
    }
}

impl Plan {
    fn draw(rng: &mut fastrand::Rng) -> Plan {
        let first = rng.u8(..SUBNETS);
        let second = (first + rng.u8(1..SUBNETS)) % SUBNETS;
        let subnets = if rng.u8(..3) == 0 { vec![first, second] } else { vec![first] };
        Plan { subnets, internal: rng.u8(..4) == 0, ipv6: rng.u8(..3) == 0 }
    }
}

impl Step {
    pub fn draw(rng: &mut fastrand::Rng) -> Step {
        let host = rng.usize(..HOSTS);
        match rng.u8(..100) {
            0..52 => Step::Ask(Verb::draw(rng)),
            52..56 => Step::draw_rivals(rng),
            56..60 => Step::KillDuring(Verb::draw(rng), rng.u64(..4000)),
            60..63 => Step::Kill(host),
            63..67 => Step::Start(host),
            67..70 => Step::Cut(host, if rng.bool() { Reach::Silent } else { Reach::Refused }),
            70..74 => Step::Heal(host),
            74..78 => Step::LoseAnswer(host, rng.u32(..5)),
            78..80 => Step::LoseKey(host),
            80..82 => Step::LoseSession(host),
            82..84 => Step::GiveUp(host),
            84..86 => Step::Vanish(rng.usize(..CONTAINERS)),
            86 if rng.u8(..4) == 0 => Step::Wipe,
            86 => Step::Crash(host),
            _ => Step::Break(host, Damage::draw(rng), rng.usize(..8)),
        }
    }

    /// Two who want the same.
    fn draw_rivals(rng: &mut fastrand::Rng) -> Step {
        let (host, other) = (rng.usize(..HOSTS), rng.usize(1..HOSTS));
        let (network, rival) = (rng.usize(..NETWORKS), (host + other) % HOSTS);
        match rng.u8(..4) {
            0 => Step::Both(
                Verb::Create { host, network, plan: Plan::draw(rng) },
                Verb::Create { host: rival, network, plan: Plan::draw(rng) },
            ),
            1 => {
                let container = rng.usize(..CONTAINERS);
                Step::Both(Verb::Remove { host, network }, Verb::Join { container, network, ip: None })
            }
            _ => {
                let ip = Some(Asked { subnet: rng.usize(..2), last: rng.u8(2..12) });
                let row = HOSTS * rng.usize(..CONTAINERS / HOSTS);
                Step::Both(
                    Verb::Join { container: row + host, network, ip },
                    Verb::Join { container: row + rival, network, ip },
                )
            }
        }
    }
}

impl Damage {
    fn draw(rng: &mut fastrand::Rng) -> Damage {
        use Damage::{
            Arp, Bridge, Connected, Down, Fdb, Gateway, GatewayPort, Interface, Master, Port, Route, Rules,
            Stranger, Vxlan,
        };
        let all = [
            Vxlan,
            Bridge,
            Port,
            Master,
            Fdb,
            Arp,
            Stranger,
            Down,
            Interface,
            Connected,
            Route,
            Rules,
            Gateway,
            GatewayPort,
        ];
        all[rng.usize(..all.len())]
    }
}

impl Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verb::Create { host, network, plan } => {
                let kind = if plan.internal { "internal network" } else { "network" };
                let nets: Vec<String> =
                    plan.subnets.iter().map(|net| format!("10.{}.0.0/24", 60 + net)).collect();
                let families = if plan.ipv6 { ", of both families" } else { "" };
                write!(f, "docker{host} creates {kind} n{network} of {}{families}", nets.join(" and "))
            }
            Verb::Remove { host, network } => write!(f, "docker{host} removes n{network}"),
            Verb::Join { container, network, ip } => {
                write!(f, "C{container} on docker{} joins n{network}", self.host())?;
                ip.map_or(Ok(()), |ip| write!(f, " as .{} of subnet {}", ip.last, ip.subnet))
            }
            Verb::Leave { container, network } => {
                write!(f, "C{container} on docker{} leaves n{network}", self.host())
            }
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Ask(verb) => write!(f, "{verb}"),
            Step::Both(one, other) => write!(f, "at once: {one}; {other}"),
            Step::KillDuring(verb, after) => write!(f, "{verb}, and its engine is killed after {after} µs"),
            Step::Kill(host) => write!(f, "the engine of docker{host} is killed"),
            Step::Start(host) => write!(f, "an engine starts on docker{host}"),
            Step::Cut(host, reach) => write!(f, "docker{host} is cut from the store: {reach:?}"),
            Step::Heal(host) => write!(f, "docker{host} has the store back"),
            Step::LoseAnswer(host, after) => write!(f, "docker{host} loses the store's answer after {after}"),
            Step::LoseKey(host) => write!(f, "the key of docker{host} is deleted"),
            Step::LoseSession(host) => write!(f, "the session of docker{host} is ended"),
            Step::GiveUp(host) => write!(f, "the others give docker{host} up"),
            Step::Vanish(container) => write!(f, "C{container} vanishes from docker{}", container % HOSTS),
            Step::Crash(host) => write!(f, "docker{host} crashes"),
            Step::Wipe => write!(f, "the store loses all"),
            Step::Break(host, damage, nth) => write!(f, "damage on docker{host}: {damage:?} {nth}"),
        }
    }
}
