//! Faults in the words of files and command lines. Pure.

use nix::sys::signal::Signal;

use super::Protocol;
use crate::scenario::Percent;
use crate::topology::parse_duration;

/// `arp`, `icmp`, `icmpv6`, `tcp`, `udp`.
pub fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "arp" => Ok(Protocol::Arp),
        "icmp" => Ok(Protocol::Icmp),
        "icmpv6" => Ok(Protocol::Icmpv6),
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err("it is `arp`, `icmp`, `icmpv6`, `tcp` or `udp`".to_owned()),
    }
}

/// A signal's number, from its name with or without `SIG`, or from the number.
pub fn parse_signal(text: &str) -> Result<i32, String> {
    let name = format!("SIG{}", text.to_ascii_uppercase().trim_start_matches("SIG"));
    let named = name.parse::<Signal>().ok();
    let signal = named.or_else(|| Signal::try_from(text.parse::<i32>().ok()?).ok());
    signal.map(|signal| signal as i32).ok_or_else(|| "it is a name such as `TERM`, or a number".to_owned())
}

/// A time in milliseconds, behind with a `-` in front.
pub fn parse_offset(text: &str) -> Result<i64, String> {
    let (sign, time) =
        text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(text)), |time| (-1, time));
    let millis = parse_duration(time)?.as_millis();
    i64::try_from(millis).map(|millis| sign * millis).map_err(|_| "it is too long".to_owned())
}

/// A share from 0 to 1: `30%`.
pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    text.parse::<Percent>().map(Percent::share)
}

/// Bits a second: `50mbit`, `1.5gbit`; units of a thousand, as `tc` has them.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let units = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
    amount(text, &units).ok_or_else(|| "it is a number and a unit, such as `50mbit` or `1.5gbit`".to_owned())
}

/// Bytes: `64kB`; units of a thousand.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)];
    amount(text, &units).ok_or_else(|| "it is a number and a unit, such as `64kB` or `1500B`".to_owned())
}

/// A number with one of these units, in the smallest of them; not nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is looked at before")]
fn amount(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let amount = number.parse::<f64>().ok().filter(|_| plain)? * scale;
    (1.0..1e15).contains(&amount).then_some(amount.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["KILL", "SIGKILL", "kill", "9"] {
            assert_eq!(parse_signal(text), Ok(9));
        }
        for text in ["", "NOPE", "0", "99", "-9"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_sizes_have_units() {
        assert_eq!(parse_rate("50mbit"), Ok(50_000_000));
        assert_eq!(parse_rate("1.5gbit"), Ok(1_500_000_000));
        assert_eq!(parse_rate("9bit"), Ok(9));
        assert_eq!(parse_size("64kB"), Ok(64_000));
        for text in ["", "5", "mbit", "0mbit", "-1mbit", "1e3mbit", "5MB/s", "NaNbit", "99999999gbit"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn clocks_go_ahead_and_behind() {
        assert_eq!(parse_offset("5s"), Ok(5000));
        assert_eq!(parse_offset("+1m"), Ok(60_000));
        assert_eq!(parse_offset("-1.5s"), Ok(-1500));
        assert!(parse_offset("5").is_err());
    }
}
