//! A nemesis: faults that come and go by a seed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Ailment, Fault, Impairment, Jitter, Partition, Pick, Process, Rate, Way};
use crate::error::{Error, Kind, Result};
use crate::topology::{self, HostName, Topology, show_duration};

/// What a nemesis may do. From it, a seed and a topology follows a [`Schedule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nemesis {
    /// For how long, in all. By then everything is healed.
    pub lasts: Duration,
    /// What it does; empty: everything that it can.
    pub faults: Vec<Menace>,
    /// To whom; empty: to all hosts but the store's.
    pub hosts: Vec<HostName>,
    /// How long a fault is there, on average: each between half and three halves of that.
    pub strike: Duration,
    /// How long nothing is wrong between two, on average: likewise.
    pub pause: Duration,
}

/// A kind of fault that a nemesis draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Menace {
    /// Hosts do not hear each other: halves, one alone, a bridge, a pair, one way, at random.
    Partition,
    /// A host's wire delays, loses, repeats or narrows.
    Wire,
    /// A host crashes; healed, it boots.
    Crash,
    /// A host is paused.
    Pause,
    /// A host's engine dies; healed, another one takes over.
    Engine,
    /// A container's command is killed; healed, it is started again.
    Kill,
    /// The store is late, errs, forgets watches, is stale or refuses, for one host with an engine.
    Kv,
}

/// Which fault is there, and when. One at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// What it was drawn from.
    pub seed: u64,
    /// For how long, in all.
    pub lasts: Duration,
    /// The faults, in the order in which they come.
    pub strikes: Vec<Strike>,
}

/// A fault, from when on and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strike {
    /// When it comes, since the beginning.
    pub at: Duration,
    /// How long it is there.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

impl Nemesis {
    /// How long a fault is there on average, unless it is said.
    pub const STRIKE: Duration = Duration::from_secs(1);
    /// How long nothing is wrong between two on average, unless it is said.
    pub const PAUSE: Duration = Duration::from_millis(500);

    /// All that it can do, for that long.
    pub fn new(lasts: Duration) -> Nemesis {
        Nemesis { lasts, faults: vec![], hosts: vec![], strike: Self::STRIKE, pause: Self::PAUSE }
    }

    /// What it will do to a lab of that topology: the same for the same seed. That it names a host that is not there, or can do
    /// nothing at all to such a lab, is an error.
    pub fn schedule(&self, seed: u64, topology: &Topology) -> Result<Schedule> {
        let victims = Victims::of(self, topology)?;
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut strikes = Vec::new();
        let mut now = Duration::ZERO;
        loop {
            let (pause, lasts) = (about(self.pause, &mut rng), about(self.strike, &mut rng));
            let menace = victims.menaces[rng.usize(..victims.menaces.len())];
            let fault = victims.draw(menace, &mut rng);
            let at = now + pause;
            now = at + lasts;
            if now > self.lasts {
                return Ok(Schedule { seed, lasts: self.lasts, strikes });
            }
            strikes.push(Strike { at, lasts, fault });
        }
    }
}

/// Between half and three halves of a time, in whole milliseconds, so that it can be read; not nothing.
fn about(time: Duration, rng: &mut fastrand::Rng) -> Duration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4).max(1);
    Duration::from_millis(rng.u64(millis.div_ceil(2)..=millis + millis / 2))
}

/// Who can be struck, and by what.
struct Victims {
    /// In the file's order; never empty.
    hosts: Vec<HostName>,
    /// Those of them with an engine.
    engines: Vec<HostName>,
    /// The containers on them that run a command.
    processes: Vec<Process>,
    /// What somebody can be struck by; never empty.
    menaces: Vec<Menace>,
}

impl Victims {
    fn of(nemesis: &Nemesis, topology: &Topology) -> Result<Victims> {
        let all = || topology.hosts.iter().map(|host| host.name.as_str());
        if let Some(stranger) = nemesis.hosts.iter().find(|name| !all().any(|host| host == name.as_str())) {
            return Err(Error::no_such("host", stranger.as_str(), all()));
        }
        let store = topology.kv.as_ref().map(|topology::Kv::Stub { host, .. }| host);
        let chosen = |name: &HostName| match &nemesis.hosts[..] {
            [] => store != Some(name),
            some => some.contains(name),
        };
        let hosts: Vec<_> = topology.hosts.iter().filter(|host| chosen(&host.name)).collect();
        let containers = topology.containers.iter().filter(|c| !c.command.is_empty() && chosen(&c.on));
        let mut victims = Victims {
            engines: hosts.iter().filter(|host| host.engine).map(|host| host.name.clone()).collect(),
            hosts: hosts.into_iter().map(|host| host.name.clone()).collect(),
            processes: containers.map(|c| Process { container: c.name.clone(), signal: 9 }).collect(),
            menaces: Vec::new(),
        };
        let wanted = if nemesis.faults.is_empty() { &Menace::ALL[..] } else { &nemesis.faults };
        victims.menaces =
            wanted.iter().copied().filter(|menace| victims.can_suffer(*menace, topology)).collect();
        if victims.menaces.is_empty() {
            let wanted: Vec<String> = wanted.iter().map(Menace::to_string).collect();
            let nobody = format_args!("a nemesis finds nobody here whom {} could befall", wanted.join(", "));
            return Err(Error::new(Kind::Input, nobody));
        }
        Ok(victims)
    }

    fn can_suffer(&self, menace: Menace, topology: &Topology) -> bool {
        match menace {
            Menace::Partition => !self.hosts.is_empty() && topology.hosts.len() > 1,
            Menace::Wire | Menace::Crash | Menace::Pause => !self.hosts.is_empty(),
            Menace::Engine => !self.engines.is_empty(),
            Menace::Kill => !self.processes.is_empty(),
            Menace::Kv => !self.engines.is_empty() && topology.kv.is_some(),
        }
    }

    fn draw(&self, menace: Menace, rng: &mut fastrand::Rng) -> Fault {
        match menace {
            Menace::Partition => Fault::Partition(self.partition(rng)),
            Menace::Wire => {
                let way = [Way::Up, Way::Down, Way::Both][rng.usize(..3)];
                Fault::Wire { host: one(&self.hosts, rng), way, impairment: Box::new(impairment(rng)) }
            }
            Menace::Crash => Fault::Crash(one(&self.hosts, rng)),
            Menace::Pause => Fault::Pause(one(&self.hosts, rng)),
            Menace::Engine => Fault::Engine(one(&self.engines, rng)),
            Menace::Kill => Fault::Kill(one(&self.processes, rng)),
            Menace::Kv => Fault::kv_for(one(&self.engines, rng), ailment(rng)),
        }
    }

    /// Hosts that are not to be struck hear each other in all of them.
    fn partition(&self, rng: &mut fastrand::Rng) -> Partition {
        let alone = one(&self.hosts, rng);
        let others: Vec<HostName> = self.hosts.iter().filter(|host| **host != alone).cloned().collect();
        if others.is_empty() {
            return Partition::Isolate(alone);
        }
        let other = one(&others, rng);
        match rng.u8(..4) {
            0 => Partition::Isolate(alone),
            1 => Partition::Cut(alone, other),
            2 => Partition::OneWay { from: alone, to: other },
            _ => {
                let mut side = self.hosts.clone();
                rng.shuffle(&mut side);
                side.truncate(rng.usize(1..side.len()));
                Partition::Groups(vec![side])
            }
        }
    }
}

fn one<T: Clone>(all: &[T], rng: &mut fastrand::Rng) -> T {
    all[rng.usize(..all.len())].clone()
}

/// Something that a wire may do, so that programs notice and connections live.
fn impairment(rng: &mut fastrand::Rng) -> Impairment {
    let mut share =
        |percent: std::ops::RangeInclusive<u32>| Pick::Chance(f64::from(rng.u32(percent)) / 100.0);
    let picked = [share(2..=20), share(2..=20), share(2..=20)];
    let [loss, duplicate, reorder] = picked;
    let delay = Duration::from_millis(rng.u64(5..=100));
    let slow = Impairment { delay, ..Impairment::default() };
    match rng.u8(..5) {
        0 => Impairment { jitter: Jitter { spread: delay / 2, ..Jitter::default() }, ..slow },
        1 => Impairment { loss, ..Impairment::default() },
        2 => Impairment { duplicate, ..Impairment::default() },
        3 => Impairment { reorder, ..slow },
        _ => Impairment { rate: Some(Rate::new(rng.u64(1..=50) * 1_000_000)), ..Impairment::default() },
    }
}

/// Something that a store may do.
fn ailment(rng: &mut fastrand::Rng) -> Ailment {
    match rng.u8(..6) {
        0 => Ailment::Delay(Duration::from_millis(rng.u64(20..=400))),
        1 => Ailment::Error,
        2 => Ailment::DropWatches,
        3 => Ailment::StallWatches,
        4 => Ailment::Stale,
        _ => Ailment::Refuse,
    }
}

impl Menace {
    /// All that there is.
    pub const ALL: [Menace; 7] =
        [Self::Partition, Self::Wire, Self::Crash, Self::Pause, Self::Engine, Self::Kill, Self::Kv];
}

/// As files write it.
impl fmt::Display for Menace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partition => "partition",
            Self::Wire => "wire",
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::Engine => "engine",
            Self::Kill => "kill",
            Self::Kv => "kv",
        })
    }
}

impl FromStr for Menace {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Menace, String> {
        let known = || topology::list(Self::ALL.iter().map(Menace::to_string));
        let found = Self::ALL.into_iter().find(|menace| menace.to_string() == text);
        found.ok_or_else(|| format!("it is one of {}", known()))
    }
}

/// A line for the seed, and one for each fault: when it comes, how long it is there, what it is.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.strikes.len() == 1 { "fault" } else { "faults" };
        write!(f, "seed {}: {} {many} in {}", self.seed, self.strikes.len(), show_duration(self.lasts))?;
        for Strike { at, lasts, fault } in &self.strikes {
            write!(f, "\n  at {:>8.3}s for {:>7.3}s  {fault}", at.as_secs_f64(), lasts.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nemesis() -> Nemesis {
        Nemesis::new(Duration::from_secs(20))
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let topology = Topology::two_hosts();
        let drawn = |seed| nemesis().schedule(seed, &topology).expect("a schedule");
        insta::assert_snapshot!(drawn(7));
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7).strikes, drawn(8).strikes);
    }

    #[test]
    fn a_nemesis_without_victims_is_refused() {
        let topology = Topology::builder().plain_hosts(["a"]).build().expect("good");
        let only =
            |faults: &[Menace]| Nemesis { faults: faults.to_vec(), ..nemesis() }.schedule(1, &topology);
        assert!(only(&[Menace::Crash]).is_ok());
        let refused = only(&[Menace::Engine, Menace::Partition]).expect_err("nobody").to_string();
        assert_eq!(refused, "a nemesis finds nobody here whom engine, partition could befall");
        let hosts = vec!["b".parse().expect("a name")];
        let refused = Nemesis { hosts, ..nemesis() }.schedule(1, &topology).expect_err("nobody").to_string();
        assert_eq!(refused, "no host is named `b`; there is `a`");
    }

    proptest! {
        #[test]
        fn faults_come_one_by_one_and_end_in_time(seed: u64, strike in 1..3000u64, pause in 1..3000u64, lasts in 0..60_000u64) {
            let topology = Topology::two_hosts();
            let millis = Duration::from_millis;
            let nemesis = Nemesis { strike: millis(strike), pause: millis(pause), ..Nemesis::new(millis(lasts)) };
            let schedule = nemesis.schedule(seed, &topology).expect("a schedule");
            let mut free = Duration::ZERO;
            for strike in &schedule.strikes {
                prop_assert!(strike.at > free && strike.lasts >= nemesis.strike / 2);
                free = strike.at + strike.lasts;
                prop_assert!(!matches!(&strike.fault, Fault::Crash(host) if host.as_str() == "consul"));
            }
            prop_assert!(free <= schedule.lasts);
        }
    }
}
