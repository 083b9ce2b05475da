//! Who does not hear whom.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::topology::HostName;

/// Hosts that do not hear each other. What a partition cuts is decided when it is injected, for the hosts of the topology
/// in the file's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// Two halves; of an odd number the second is the larger one.
    Halves,
    /// These on one side, the others on the other.
    Groups(Vec<Vec<HostName>>),
    /// One host, away from all others.
    Isolate(HostName),
    /// Each host hears only its neighbours in a ring; with fewer than four nothing is cut.
    Ring,
    /// Two halves that both hear that one host.
    Bridge(HostName),
    /// Two hosts, of each other.
    Cut(HostName, HostName),
    /// One way only: what the first sends does not reach the second.
    OneWay {
        /// Who is not heard.
        from: HostName,
        /// Who does not hear.
        to: HostName,
    },
    /// Two halves drawn by a seed.
    Random {
        /// Where the draw starts from.
        seed: u64,
    },
}

/// Who is not heard, and by whom.
pub type Cut = (HostName, HostName);

impl Partition {
    /// What it cuts among `hosts`. That it names somebody else, or somebody twice, is an error.
    pub fn cuts(&self, hosts: &[HostName]) -> Result<BTreeSet<Cut>> {
        self.check(hosts)?;
        let half = hosts.len() / 2;
        Ok(match self {
            Self::Halves => across(&[&hosts[..half], &hosts[half..]]),
            Self::Groups(groups) => {
                let rest: Vec<HostName> = hosts
                    .iter()
                    .filter(|host| !groups.iter().flatten().any(|other| other == *host))
                    .cloned()
                    .collect();
                let sides: Vec<&[HostName]> =
                    groups.iter().map(Vec::as_slice).chain([rest.as_slice()]).collect();
                across(&sides)
            }
            Self::Isolate(alone) => {
                let others: Vec<HostName> = without(hosts, alone);
                across(&[std::slice::from_ref(alone), &others])
            }
            Self::Ring => ring(hosts),
            Self::Bridge(both) => {
                let others = without(hosts, both);
                let half = others.len() / 2;
                across(&[&others[..half], &others[half..]])
            }
            Self::Cut(one, other) => across(&[std::slice::from_ref(one), std::slice::from_ref(other)]),
            Self::OneWay { from, to } => BTreeSet::from([(from.clone(), to.clone())]),
            Self::Random { seed } => {
                let mut drawn = hosts.to_vec();
                let mut rng = fastrand::Rng::with_seed(*seed);
                rng.shuffle(&mut drawn);
                // Neither side is empty, if there are two hosts.
                let at = if drawn.len() < 2 { 0 } else { rng.usize(1..drawn.len()) };
                across(&[&drawn[..at], &drawn[at..]])
            }
        })
    }

    /// Whom it names.
    pub fn hosts(&self) -> Vec<&HostName> {
        match self {
            Self::Halves | Self::Ring | Self::Random { .. } => Vec::new(),
            Self::Groups(groups) => groups.iter().flatten().collect(),
            Self::Isolate(host) | Self::Bridge(host) => vec![host],
            Self::Cut(one, other) | Self::OneWay { from: one, to: other } => vec![one, other],
        }
    }

    fn check(&self, hosts: &[HostName]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for name in self.hosts() {
            if !hosts.contains(name) {
                return Err(Error::no_such("host", name.as_str(), hosts.iter().map(HostName::as_str)));
            }
            if !seen.insert(name) {
                let twice = format_args!("host {name} cannot be on two sides of a partition");
                return Err(Error::new(Kind::Input, twice));
            }
        }
        Ok(())
    }
}

fn without(hosts: &[HostName], one: &HostName) -> Vec<HostName> {
    hosts.iter().filter(|host| *host != one).cloned().collect()
}

/// Everybody is cut off from everybody on another side.
fn across(sides: &[&[HostName]]) -> BTreeSet<Cut> {
    let mut cuts = BTreeSet::new();
    for (number, side) in sides.iter().enumerate() {
        for other in
            sides.iter().enumerate().filter(|(other, _)| *other != number).flat_map(|(_, side)| *side)
        {
            cuts.extend(side.iter().map(|host| (host.clone(), other.clone())));
        }
    }
    cuts
}

/// Everybody is cut off from all but the one before and the one behind.
fn ring(hosts: &[HostName]) -> BTreeSet<Cut> {
    let count = hosts.len();
    let mut cuts = BTreeSet::new();
    for one in 0..count {
        for other in (0..count).filter(|other| *other != one) {
            let apart = one.abs_diff(other);
            if apart != 1 && apart != count - 1 {
                cuts.insert((hosts[one].clone(), hosts[other].clone()));
            }
        }
    }
    cuts
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halves => f.write_str("two halves do not hear each other"),
            Self::Groups(groups) => {
                let words = |side: &Vec<HostName>| {
                    side.iter().map(HostName::as_str).collect::<Vec<_>>().join(" and ")
                };
                let sides: Vec<String> = groups.iter().map(words).collect();
                write!(f, "{} and all others do not hear each other", sides.join(", "))
            }
            Self::Isolate(host) => write!(f, "{host} and all others do not hear each other"),
            Self::Ring => f.write_str("each host hears only its neighbours in a ring"),
            Self::Bridge(host) => write!(f, "two halves hear only {host}"),
            Self::Cut(one, other) => write!(f, "{one} and {other} do not hear each other"),
            Self::OneWay { from, to } => write!(f, "{to} does not hear {from}"),
            Self::Random { seed } => write!(f, "two sides drawn by seed {seed} do not hear each other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts(count: usize) -> Vec<HostName> {
        (0..count).map(|number| format!("h{number}").parse().expect("a name")).collect()
    }

    fn name(number: usize) -> HostName {
        hosts(number + 1).remove(number)
    }

    /// How many hosts that one hears.
    fn hears(cuts: &BTreeSet<Cut>, hosts: &[HostName], who: &HostName) -> usize {
        hosts.iter().filter(|other| *other != who && !cuts.contains(&((*other).clone(), who.clone()))).count()
    }

    fn symmetric(cuts: &BTreeSet<Cut>) -> bool {
        cuts.iter().all(|(a, b)| a != b && cuts.contains(&(b.clone(), a.clone())))
    }

    #[test]
    fn one_way_is_one_way() {
        let cuts = Partition::OneWay { from: name(0), to: name(1) }.cuts(&hosts(3)).expect("good");
        assert_eq!(cuts, BTreeSet::from([(name(0), name(1))]));
    }

    #[test]
    fn groups_leave_the_rest_on_a_side_of_its_own() {
        let cuts =
            Partition::Groups(vec![vec![name(0)], vec![name(1), name(2)]]).cuts(&hosts(5)).expect("good");
        let heard: Vec<usize> = hosts(5).iter().map(|host| hears(&cuts, &hosts(5), host)).collect();
        assert_eq!(heard, [0, 1, 1, 1, 1]);
    }

    #[test]
    fn whom_nobody_knows_and_who_is_said_twice_is_refused() {
        let stranger = Partition::Isolate(name(7)).cuts(&hosts(2)).expect_err("a stranger");
        assert_eq!(stranger.to_string(), "no host is named `h7`; there is `h0`, `h1`");
        let twice = Partition::Cut(name(0), name(0)).cuts(&hosts(2)).expect_err("twice");
        assert_eq!(twice.to_string(), "host h0 cannot be on two sides of a partition");
    }

    proptest! {
        #[test]
        fn all_but_one_way_are_symmetric(count in 1_usize..12, seed: u64) {
            let some = name(0);
            for partition in [Partition::Halves, Partition::Ring, Partition::Isolate(some.clone()),
                Partition::Bridge(some.clone()), Partition::Random { seed }] {
                prop_assert!(symmetric(&partition.cuts(&hosts(count)).expect("good")), "{}", partition);
            }
        }

        #[test]
        fn in_a_ring_each_hears_two(count in 4_usize..12) {
            let cuts = Partition::Ring.cuts(&hosts(count)).expect("good");
            for host in hosts(count) {
                prop_assert_eq!(hears(&cuts, &hosts(count), &host), 2);
            }
        }

        #[test]
        fn the_bridge_hears_everybody_and_the_halves_only_it(count in 3_usize..12) {
            let all = hosts(count);
            let cuts = Partition::Bridge(name(1)).cuts(&all).expect("good");
            prop_assert_eq!(hears(&cuts, &all, &name(1)), count - 1);
            prop_assert!(all.iter().filter(|host| **host != name(1)).all(|host| hears(&cuts, &all, host) < count - 1));
        }

        #[test]
        fn a_draw_is_its_seeds_and_has_two_sides(count in 2_usize..12, seed: u64) {
            let draw = || Partition::Random { seed }.cuts(&hosts(count)).expect("good");
            prop_assert_eq!(draw(), draw());
            prop_assert!(!draw().is_empty());
        }
    }
}
