//! Durations as Go writes them, which is how they travel in Consul's API.

use std::fmt;

/// A signed duration in Go's text form: `15s`, `1h15m30.918s`, `15000ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration {
    nanos: i64,
}

/// Why a text is no duration, in the words of Go's `time.ParseDuration`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing that could be read as numbers with units, or more than 64 bits of nanoseconds.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit, such as `10`.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A number with a unit that Go does not know, such as `1d`.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// What stood after the number.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Units and their length in nanoseconds (Go's `time` package, `unitMap`).
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// A duration of that many nanoseconds.
    pub fn from_nanos(nanos: i64) -> GoDuration {
        GoDuration { nanos }
    }

    /// The length in nanoseconds; may be negative.
    pub fn nanos(self) -> i64 {
        self.nanos
    }

    /// The same length without a sign; nothing when it is zero or negative.
    pub fn positive(self) -> Option<std::time::Duration> {
        u64::try_from(self.nanos).ok().filter(|nanos| *nanos > 0).map(std::time::Duration::from_nanos)
    }

    /// Reads Go's form: an optional sign, then numbers (fractions allowed), each with a unit.
    pub fn parse(text: &str) -> Result<GoDuration, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(GoDuration::default());
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
                return Err(invalid());
            }
            if unit.is_empty() {
                return Err(DurationError::MissingUnit(text.to_owned()));
            }
            let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
            };
            let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            total = whole.checked_mul(*length).and_then(|n| total.checked_add(n)).ok_or_else(invalid)?;
            // More digits than nanoseconds in an hour carry nothing.
            let digits = &fraction[..fraction.len().min(18)];
            if !digits.is_empty() {
                let part: i128 = digits.parse().map_err(|_| invalid())?;
                total += part * length / 10_i128.pow(u32::try_from(digits.len()).map_err(|_| invalid())?);
            }
            rest = tail;
        }
        let nanos = i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())?;
        Ok(GoDuration { nanos })
    }
}

impl From<std::time::Duration> for GoDuration {
    fn from(length: std::time::Duration) -> GoDuration {
        GoDuration { nanos: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX) }
    }
}

impl fmt::Display for GoDuration {
    /// Go's `Duration.String`: `24h0m0s`, `1.5s`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.nanos.unsigned_abs();
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let unit = |f: &mut fmt::Formatter<'_>, whole: u64, part: u64, width: usize, name: &str| {
            if part == 0 {
                return write!(f, "{whole}{name}");
            }
            let digits = format!("{part:0width$}");
            write!(f, "{whole}.{}{name}", digits.trim_end_matches('0'))
        };
        match length {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{length}ns"),
            1_000..1_000_000 => unit(f, length / 1_000, length % 1_000, 3, "\u{b5}s"),
            1_000_000..1_000_000_000 => unit(f, length / 1_000_000, length % 1_000_000, 6, "ms"),
            _ => {
                let seconds = length / 1_000_000_000;
                if seconds >= 3600 {
                    write!(f, "{}h", seconds / 3600)?;
                }
                if seconds >= 60 {
                    write!(f, "{}m", seconds / 60 % 60)?;
                }
                unit(f, seconds % 60, length % 1_000_000_000, 9, "s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_in_go() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("15s", 15_000_000_000),
            ("15000ms", 15_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1h15m30.918s", 4_530_918_000_000),
            ("3\u{b5}s", 3_000),
            ("3us", 3_000),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap().nanos(), nanos, "{text}");
        }
        for text in ["", "10", "1d", "10z", "abc", "s", ".s", "1.2.3s", "-", "9999999h"] {
            assert!(GoDuration::parse(text).is_err(), "{text}");
        }
        assert_eq!(GoDuration::parse("abc").unwrap_err().to_string(), "time: invalid duration \"abc\"");
    }

    #[test]
    fn durations_print_as_in_go() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (1_000_000, "1ms"),
            (1_500_000_000, "1.5s"),
            (10_000_000_000, "10s"),
            (60_000_000_000, "1m0s"),
            (86_400_000_000_000, "24h0m0s"),
            (-2_000_000_000, "-2s"),
        ] {
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(nanos in any::<i64>().prop_filter("representable", |n| *n != i64::MIN)) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(GoDuration::parse(&duration.to_string()).unwrap(), duration);
        }
    }
}
