//! Limits on what is measured: shares, times, counts and rates, with `<`, `<=`, `>`, `>=` in front. Pure.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::parse_rate;
use crate::topology::{parse_duration, show_duration};

/// A share in thousandths of a percent, so that it compares exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

/// Bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(pub u64);

/// A limit on a value: `0%`, `<=10%`, `>5ms`. Without a sign it is the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<T> {
    sign: Sign,
    limit: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Sign {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    fn split(text: &str) -> (Self, &str) {
        let signs = [("<=", Self::AtMost), ("<", Self::Less), (">=", Self::AtLeast), (">", Self::More)];
        let found = signs.iter().find_map(|(mark, sign)| text.strip_prefix(mark).map(|rest| (*sign, rest)));
        let (sign, rest) = found.unwrap_or((Self::Equal, text));
        (sign, rest.trim())
    }
}

impl<T: Ord> Bound<T> {
    /// Whether a value is within the limit.
    pub fn admits(&self, value: &T) -> bool {
        self.sign.admits(value.cmp(&self.limit))
    }
}

impl<T> Bound<T> {
    /// Exactly this.
    pub const fn exactly(limit: T) -> Self {
        Self { sign: Sign::Equal, limit }
    }

    /// This or more.
    pub const fn at_least(limit: T) -> Self {
        Self { sign: Sign::AtLeast, limit }
    }
}

impl Bound<Percent> {
    /// Whether `part` of `whole` is within the limit; nothing of nothing is all of it lost.
    pub fn admits_ratio(&self, part: impl Into<u64>, whole: impl Into<u64>) -> bool {
        let (part, whole) = (part.into(), whole.into());
        let (part, whole) = if whole == 0 { (1, 1) } else { (part, whole) };
        let share = u128::from(part) * u128::from(Percent::WHOLE.0);
        self.sign.admits(share.cmp(&(u128::from(self.limit.0) * u128::from(whole))))
    }
}

impl Percent {
    /// The nearest to a share from 0 to 1; less is nothing, more is all.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, as is said"
    )]
    pub fn of(share: f64) -> Self {
        Self((share * f64::from(Self::WHOLE.0)).round() as u32).min(Self::WHOLE)
    }

    /// From 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE.0)
    }

    /// Nothing: 0 %.
    pub const NONE: Self = Self(0);
    /// All: 100 %.
    pub const WHOLE: Self = Self(100_000);
}

impl FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is a number from 0 to 100 and a `%`, such as `0%` or `12.5%`".to_owned();
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 3 || fraction.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let fraction: u32 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
        let share = Self(whole * 1000 + fraction);
        if share > Self::WHOLE { Err(wrong()) } else { Ok(share) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1000, self.0 % 1000);
        match format!("{fraction:03}").trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            digits => write!(f, "{whole}.{digits}%"),
        }
    }
}

impl FromStr for Bound<Percent> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        Ok(Self { sign, limit: rest.parse()? })
    }
}

impl FromStr for Bound<Duration> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        Ok(Self { sign, limit: parse_duration(rest)? })
    }
}

impl FromStr for Bound<u64> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        let digits = !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit());
        let limit = rest.parse().ok().filter(|_| digits);
        Ok(Self { sign, limit: limit.ok_or("a count is a whole number, such as `0` or `>=1`")? })
    }
}

impl FromStr for Bound<Speed> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, rest) = Sign::split(text);
        Ok(Self { sign, limit: Speed(parse_rate(rest)?) })
    }
}

/// As wires are asked for it, in three digits or so: `50mbit`, `12.3gbit`.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.0);
        let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1000, "kbit"), (1, "bit")];
        let (scale, unit) = units.into_iter().find(|(scale, _)| bits >= *scale).unwrap_or((1, "bit"));
        let tenths = (bits * 10 + scale / 2) / scale;
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "{whole}{unit}"),
            (whole, tenth) => write!(f, "{whole}.{tenth}{unit}"),
        }
    }
}

impl fmt::Display for Bound<Speed> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, self.limit)
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for Bound<Percent> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, self.limit)
    }
}

impl fmt::Display for Bound<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, self.limit)
    }
}

impl fmt::Display for Bound<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign, show_duration(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_from_0_to_100() {
        for text in ["0%", "100%", "12.5%", "0.001%"] {
            assert_eq!(text.parse::<Percent>().map(|share| share.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "%", "5", "101%", "100.001%", "-1%", ".5%", "5.%", "1e1%", "0.0001%", "é%"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_shown_in_few_digits() {
        let shown = [(0, "0bit"), (999, "999bit"), (50_000_000, "50mbit"), (12_345_678_901, "12.3gbit")];
        for (bits, text) in shown {
            assert_eq!(Speed(bits).to_string(), text);
        }
        let bound: Bound<Speed> = ">=1.5mbit".parse().expect("a limit");
        assert!(bound.admits(&Speed(1_500_000)) && !bound.admits(&Speed(1_499_999)));
        assert_eq!(bound.to_string(), ">=1.5mbit");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_limit_panic(text in ".*") {
            let _ = text.parse::<Bound<Percent>>();
            let _ = text.parse::<Bound<Duration>>();
            let _ = text.parse::<Bound<u64>>();
            let _ = text.parse::<Bound<Speed>>();
        }

        #[test]
        fn less_and_at_least_never_agree(limit in 0..=100u32, part in 0..100u32, more in 1..100u32) {
            let whole = part + more;
            let [less, least] = ["<", ">="].map(|sign| {
                (sign.to_owned() + &limit.to_string() + "%").parse::<Bound<Percent>>().expect("a limit")
            });
            prop_assert_ne!(less.admits_ratio(part, whole), least.admits_ratio(part, whole));
        }
    }
}
