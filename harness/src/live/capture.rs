//! What passes for a while, as a file to be kept.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::ask::{Ask, Reply};
use crate::capture::{Interfaces, Request};
use crate::control::{self, Client};
use crate::error::{Error, Kind};

/// A page has one kept whole before it gets it, so no more than this: packets, seconds, bytes.
const MOST_PACKETS: u64 = 100_000;
const MOST_SECONDS: u64 = 60;
const MOST_BYTES: u64 = 64 << 20;
/// Of each packet at least the headers are kept, so that it is one that can be read.
const LEAST_KEPT: u64 = 96;
/// What a file has for each packet beside its bytes: numbers, and what a wire has done to it. And for interfaces, beside all packets.
const EACH: u64 = 192;
const BESIDE: u64 = 4 << 20;
/// What a capture is unless it is said.
const PACKETS: u64 = 1000;
const SECONDS: u64 = 5;

/// What is asked for.
pub(super) fn request(ask: &Ask) -> Result<Request, Reply> {
    let on = match (ask.parameter("from"), ask.parameter("to"), ask.parameter("on")) {
        (Some(from), Some(to), _) => Interfaces::Path { from, to },
        (_, _, Some(on)) => Interfaces::Of(on.split(',').map(str::to_owned).collect()),
        _ => Interfaces::All,
    };
    let count = ask.number("count")?.unwrap_or(PACKETS).clamp(1, MOST_PACKETS);
    let seconds = ask.number("for")?.unwrap_or(SECONDS).clamp(1, MOST_SECONDS);
    let filter = ask.parameter("filter").unwrap_or_default();
    let request = Request { on, ..Request::default() }.count(count).snapshot(kept(count));
    let request = Request { lasts: Some(Duration::from_secs(seconds)), ..request };
    request.filter(&filter).map_err(|why| Reply::error(400, why.to_string()))
}

/// How much is kept of each of so many packets, in bytes: so much that all of them are in the file, which would end in one of them else.
fn kept(count: u64) -> u32 {
    let most = ((MOST_BYTES - BESIDE) / count.max(1)).saturating_sub(EACH).max(LEAST_KEPT);
    u32::try_from(most).unwrap_or(u32::MAX).min(kernel::capture::LONGEST)
}

/// Captures to the end, and reads all of it.
pub(super) fn record(lab: &mut Client, request: Request) -> Result<Vec<u8>, Error> {
    let answer = lab.ask(&control::Request::Capture { request: Box::new(request) })?;
    let broken = |why: &dyn std::fmt::Display| {
        Error::new(Kind::Machine, format_args!("cannot read what was captured: {why}"))
    };
    let socket = answer.fds.into_iter().next().ok_or_else(|| broken(&"the lab's answer lacks something"))?;
    let mut file = Vec::new();
    UnixStream::from(socket).take(MOST_BYTES).read_to_end(&mut file).map_err(|why| broken(&why))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::capture::{Packet, pcapng};

    fn asked(query: &str) -> Result<Request, u16> {
        request(&Ask { query: query.into(), ..Ask::default() }).map_err(|reply| reply.status)
    }

    #[test]
    fn a_capture_has_an_end_whatever_is_asked_for() {
        let most = asked("count=99999999&for=99999").unwrap();
        assert_eq!((most.count, most.lasts), (Some(MOST_PACKETS), Some(Duration::from_secs(MOST_SECONDS))));
        let least = asked("count=0&for=0").unwrap();
        assert_eq!((least.count, least.lasts), (Some(1), Some(Duration::from_secs(1))));
        let plain = asked("").unwrap();
        assert_eq!((plain.on, plain.count), (Interfaces::All, Some(PACKETS)));
    }

    #[test]
    fn all_packets_of_a_capture_are_in_its_file() {
        for count in [1, 100, PACKETS, MOST_PACKETS] {
            let kept = kept(count);
            assert!((96..=kernel::capture::LONGEST).contains(&kept), "{count}: {kept}");
            let packet = Packet {
                interface: 0,
                at: Duration::ZERO,
                outgoing: true,
                length: kept,
                bytes: vec![0; kept as usize],
                comment: Some("delayed 10ms and sent twice by fault 17".to_owned()),
            };
            let file = count * pcapng::packet(&packet).len() as u64;
            assert!(file + BESIDE <= MOST_BYTES, "{count}: {file}");
        }
        assert_eq!(asked("count=1000").unwrap().snapshot, Some(kept(1000)));
    }

    #[test]
    fn places_and_filters_are_those_of_the_command() {
        let there = asked("on=C0%3Aeth0,docker0&filter=icmp+and+host+192.168.0.2").unwrap();
        assert_eq!(there.on, Interfaces::Of(vec!["C0:eth0".into(), "docker0".into()]));
        assert!(!there.filter.is_all());
        assert_eq!(
            asked("from=C0&to=C1").unwrap().on,
            Interfaces::Path { from: "C0".into(), to: "C1".into() }
        );
        assert_eq!(asked("filter=icpm").unwrap_err(), 400);
        assert_eq!(asked("count=x").unwrap_err(), 400);
    }
}
