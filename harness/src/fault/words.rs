//! Faults in the words of files and command lines. Pure.

use nix::sys::signal::Signal;

use super::Protocol;
use crate::topology::parse_duration;

/// `arp`, `icmp`, `tcp`, `udp`.
pub fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "arp" => Ok(Protocol::Arp),
        "icmp" => Ok(Protocol::Icmp),
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err("it is `arp`, `icmp`, `tcp` or `udp`".to_owned()),
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
    fn clocks_go_ahead_and_behind() {
        assert_eq!(parse_offset("5s"), Ok(5000));
        assert_eq!(parse_offset("+1m"), Ok(60_000));
        assert_eq!(parse_offset("-1.5s"), Ok(-1500));
        assert!(parse_offset("5").is_err());
    }
}
