//! Impairments in the words of files, command lines and lists: `30%`, `every=4`, `2ms,normal`, `50mbit,64kB`. Pure.
//!
//! What is shown is read back as the same value; shares to a thousandth of a percent.

use std::fmt;
use std::str::FromStr;

use super::words::{parse_rate, parse_share, parse_size};
use super::{Distribution, Impairment, Jitter, Pick, Queue, Rate};
use crate::scenario::Percent;
use crate::topology::{parse_duration, show_duration};

/// The probabilities of bursts that need not be said: all frames of a bad state, none of a good one.
const BAD: f64 = 1.0;
const GOOD: f64 = 0.0;

/// `30%`, `every=4`, `exactly=3,7,19`, `bursts=1%/25%`, `bursts=1%/25%/90%/0.1%`; `0%` is none.
impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("0%"),
            Self::Chance(share) => Percent::of(*share).fmt(f),
            Self::Every(n) => write!(f, "every={n}"),
            Self::Exactly(these) => {
                let these: Vec<String> = these.iter().map(u64::to_string).collect();
                write!(f, "exactly={}", these.join(","))
            }
            Self::Bursts { begin, end, bad, good } => {
                write!(f, "bursts={}/{}", Percent::of(*begin), Percent::of(*end))?;
                if (*bad, *good) != (BAD, GOOD) {
                    write!(f, "/{}/{}", Percent::of(*bad), Percent::of(*good))?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Pick {
    type Err = String;
    fn from_str(text: &str) -> Result<Pick, String> {
        let number = |text: &str| match text.parse::<u64>() {
            Ok(0) | Err(_) => Err(format!("`{text}` is no number of a frame; they are counted from 1")),
            Ok(number) => Ok(number),
        };
        if let Some(n) = text.strip_prefix("every=") {
            return number(n).map(Self::Every);
        }
        if let Some(these) = text.strip_prefix("exactly=") {
            return these.split(',').map(number).collect::<Result<_, _>>().map(Self::Exactly);
        }
        if let Some(shares) = text.strip_prefix("bursts=") {
            let shares = shares.split('/').map(parse_share).collect::<Result<Vec<f64>, _>>()?;
            return match shares[..] {
                [begin, end] => Ok(Self::Bursts { begin, end, bad: BAD, good: GOOD }),
                [begin, end, bad, good] => Ok(Self::Bursts { begin, end, bad, good }),
                _ => Err("bursts are `bursts=BEGIN/END` or `bursts=BEGIN/END/BAD/GOOD`".to_owned()),
            };
        }
        let share = parse_share(text)
            .map_err(|why| format!("{why}; or it is `every=4`, `exactly=3,7,19` or `bursts=1%/25%`"))?;
        Ok(if share > 0.0 { Self::Chance(share) } else { Self::Never })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Pareto => "pareto",
        })
    }
}

impl FromStr for Distribution {
    type Err = String;
    fn from_str(text: &str) -> Result<Distribution, String> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "normal" => Ok(Self::Normal),
            "pareto" => Ok(Self::Pareto),
            _ => Err("it is `uniform`, `normal` or `pareto`".to_owned()),
        }
    }
}

/// `2ms`, `2ms,normal`, `2ms,normal,25%`.
impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_duration(self.spread))?;
        if self.distribution != Distribution::default() || self.correlation > 0.0 {
            write!(f, ",{}", self.distribution)?;
        }
        if self.correlation > 0.0 {
            write!(f, ",{}", Percent::of(self.correlation))?;
        }
        Ok(())
    }
}

impl FromStr for Jitter {
    type Err = String;
    fn from_str(text: &str) -> Result<Jitter, String> {
        let words: Vec<&str> = text.split(',').collect();
        let (spread, distribution, correlation) = match words[..] {
            [spread] => (spread, None, None),
            [spread, distribution] => (spread, Some(distribution), None),
            [spread, distribution, correlation] => (spread, Some(distribution), Some(correlation)),
            _ => return Err("it is `SPREAD,DISTRIBUTION,CORRELATION`, such as `2ms,normal,25%`".to_owned()),
        };
        Ok(Jitter {
            spread: parse_duration(spread)?,
            distribution: distribution.map(str::parse).transpose()?.unwrap_or_default(),
            correlation: correlation.map(parse_share).transpose()?.unwrap_or_default(),
        })
    }
}

/// `50mbit,312500B`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) =
            largest(self.bits_per_second, &[(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1000, "kbit")]);
        write!(f, "{amount}{}", unit.unwrap_or("bit"))?;
        if *self == Rate::new(self.bits_per_second) { Ok(()) } else { write!(f, ",{}", self.queue) }
    }
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Rate, String> {
        let (rate, queue) = text.split_once(',').map_or((text, None), |(rate, queue)| (rate, Some(queue)));
        let rate = Rate::new(parse_rate(rate)?);
        Ok(match queue {
            None => rate,
            Some(queue) => Rate { queue: queue.parse()?, ..rate },
        })
    }
}

/// `64kB`, `100packets`.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packets(packets) => write!(f, "{packets}packets"),
            Self::Bytes(bytes) => {
                let (amount, unit) =
                    largest(*bytes, &[(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]);
                write!(f, "{amount}{}", unit.unwrap_or("B"))
            }
        }
    }
}

impl FromStr for Queue {
    type Err = String;
    fn from_str(text: &str) -> Result<Queue, String> {
        match text.strip_suffix("packets") {
            None => parse_size(text).map(Self::Bytes),
            Some(packets) => {
                let packets =
                    packets.parse().map_err(|_| "it is a number of packets, such as `100packets`")?;
                Ok(Self::Packets(packets))
            }
        }
    }
}

/// An amount in the largest unit in which it is whole.
fn largest<'a>(amount: u64, units: &[(u64, &'a str)]) -> (u64, Option<&'a str>) {
    let whole = units.iter().find(|(scale, _)| amount > 0 && amount.is_multiple_of(*scale));
    whole.map_or((amount, None), |(scale, unit)| (amount / scale, Some(*unit)))
}

/// `delay 10ms, loss 30%, hold, only ICMP`.
impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.words().map(|(key, value)| format!("{key} {value}")).collect();
        if self.hold {
            parts.push("hold".to_owned());
        }
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        if let Some(only) = &self.only {
            parts.push(format!("only {only}"));
        }
        f.write_str(&parts.join(", "))
    }
}

impl Impairment {
    /// What it does to frames, as keys of a file and their words; without `hold` and `only`.
    pub(crate) fn words(&self) -> impl Iterator<Item = (&'static str, String)> {
        let time = (!self.delay.is_zero()).then(|| show_duration(self.delay));
        let jitter = (self.jitter != Jitter::default()).then(|| self.jitter.to_string());
        let pick = |pick: &Pick| (*pick != Pick::Never).then(|| pick.to_string());
        [
            ("delay", time),
            ("jitter", jitter),
            ("loss", pick(&self.loss)),
            ("duplicate", pick(&self.duplicate)),
            ("reorder", pick(&self.reorder)),
            ("corrupt", pick(&self.corrupt)),
            ("rate", self.rate.map(|rate| rate.to_string())),
            ("mtu", self.mtu.map(|mtu| mtu.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, words)| Some((key, words?)))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn is_read_back<T: Display + FromStr<Err = String> + PartialEq + Debug>(value: T) {
        assert_eq!(value.to_string().parse(), Ok(value));
    }

    fn share() -> impl Strategy<Value = f64> {
        (1..=100_000u32).prop_map(|share| f64::from(share) / 100_000.0)
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            shares in [share(), share(), share(), share()],
            numbers in proptest::collection::btree_set(1..u64::MAX, 1..4),
            nanos in 0..1_000_000_000_000u64,
            bits in 1..100_000_000_000u64,
            packets: u64,
        ) {
            let [begin, end, bad, good] = shares;
            is_read_back(Pick::Chance(begin));
            is_read_back(Pick::Every(packets.max(1)));
            is_read_back(Pick::Exactly(numbers));
            is_read_back(Pick::Bursts { begin, end, bad, good });
            is_read_back(Pick::Bursts { begin, end, bad: BAD, good: GOOD });
            for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
                let spread = Duration::from_nanos(nanos);
                is_read_back(Jitter { spread, distribution, correlation: bad });
                is_read_back(Jitter { spread, distribution, correlation: 0.0 });
            }
            is_read_back(Rate::new(bits));
            is_read_back(Rate { queue: Queue::Bytes(bits / 7 + 1), ..Rate::new(bits) });
            is_read_back(Rate { queue: Queue::Packets(packets), ..Rate::new(bits) });
        }
    }

    #[test]
    fn words_are_short() {
        let rate = Some(Rate::new(50_000_000));
        let delayed =
            Impairment { delay: Duration::from_millis(10), rate, hold: true, ..Impairment::default() };
        let lost = Impairment { loss: Pick::Every(4), mtu: Some(1400), ..delayed };
        assert_eq!(lost.to_string(), "delay 10ms, loss every=4, rate 50mbit, mtu 1400, hold");
        assert_eq!(Impairment::default().to_string(), "nothing");
        assert_eq!("50mbit,64kB".parse::<Rate>().map(|rate| rate.queue), Ok(Queue::Bytes(64_000)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in [
            "",
            "30",
            "every=0",
            "every=x",
            "exactly=",
            "exactly=1,,2",
            "bursts=1%",
            "bursts=1%/2%/3%",
            "101%",
        ] {
            assert!(text.parse::<Pick>().is_err(), "{text}");
        }
        for text in ["", "2ms,", "2ms,odd", "2ms,normal,1%,1%", "2ms,normal,1"] {
            assert!(text.parse::<Jitter>().is_err(), "{text}");
        }
        for text in ["", "50mbit,", "50mbit,100", "50mbit,xpackets"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
