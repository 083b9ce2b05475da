//! Times as people write them: `5s`, `100ms`, `1m30s`.

use std::time::Duration;

/// Longest time a file may name: a day. Longer is a slip of the pen.
const LONGEST: Duration = Duration::from_hours(24);

/// Units in falling order, in nanoseconds. `us` is what a keyboard has for µs.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a time: numbers with units, largest unit first, each unit once; a fraction is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number and a unit, such as `5s`, `100ms` or `1m30s`".to_owned();
    let mut rest = text;
    let mut nanos: u128 = 0;
    let mut larger = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let place = UNITS.iter().skip(larger).position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let scale = UNITS[larger + place].1;
        nanos = nanos.saturating_add(amount(number, scale).ok_or_else(wrong)?);
        larger += place + 1;
        rest = tail;
    }
    if nanos > LONGEST.as_nanos() {
        return Err("a time is at most `24h`".into());
    }
    let nanos = u64::try_from(nanos).map_err(|_| wrong())?;
    Ok(Duration::from_nanos(nanos))
}

/// `1.5` of a unit of `scale` nanoseconds, exactly; digits below a nanosecond are dropped.
fn amount(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let tens = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u128 = whole.parse().ok()?;
    let fraction: u128 = fraction.parse().ok()?;
    Some(whole * scale + fraction * scale / tens)
}

/// Writes a time as [`parse_duration`] reads it, in whole units: `1m30s`, `1s500ms`.
pub fn show_duration(time: Duration) -> String {
    let mut nanos = time.as_nanos();
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let count = nanos / scale;
        if count > 0 {
            text = text + &count.to_string() + unit;
            nanos %= scale;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_times_are_read() {
        let read = |text| parse_duration(text).map(|time| time.as_micros());
        assert_eq!(read("5s"), Ok(5_000_000));
        assert_eq!(read("100ms"), Ok(100_000));
        assert_eq!(read("1m30s"), Ok(90_000_000));
        assert_eq!(read("1.5s"), Ok(1_500_000));
        assert_eq!(read("0s"), Ok(0));
        assert_eq!(read("250us"), Ok(250));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "5", "s", "5 s", "-5s", "5s5s", "1s1m", ".s", "1..5s", "5S", "1e3s", "99999999h", "∞s"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_time_is_read_back(nanos in 0..=86_400_000_000_000u64) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&show_duration(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse_duration(&text);
        }
    }
}
