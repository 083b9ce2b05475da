//! The table `throughput`, checked, and the verb done.

use std::ops::Range;
use std::time::Duration;

use super::expect::{Came, Outcome};
use super::file::ThroughputTable;
use super::limit::Speed;
use super::perform::{Tried, addressed, far_end, named};
use super::step::{Listen, Load, Throughput};
use super::verbs::{check_destination, check_listen, check_port, check_sender};
use crate::error::{Kind, Result};
use crate::fault::parse_rate;
use crate::lab::{Lab, Place};
use crate::probe;
use crate::topology::{At, Checker, Mistake, quote, show_duration};
use crate::traffic::{Cost, Datagrams, LARGEST, MOST_STREAMS, Path, SMALLEST, Span, Streams, Traffic, Way};

/// How long traffic is measured, unless said.
const LASTS: Duration = Duration::from_secs(1);
/// How long a datagram is, unless said: with its headers it passes an overlay of 1450 bytes uncut.
const SIZE: u32 = 1400;

pub(super) fn check_throughput(
    checker: &mut Checker,
    table: &At<ThroughputTable>,
    timeout: Duration,
) -> Option<Throughput> {
    let from = check_sender(checker, &table.from);
    let to = check_destination(checker, &table.to);
    let lasts = check_lasts(checker, table.lasts.as_ref(), timeout);
    let load = match &table.protocol {
        None => check_streams(checker, table),
        Some(word) => match word.as_str() {
            "tcp" => check_streams(checker, table),
            "udp" => check_datagrams(checker, table),
            _ => {
                let title = format!("traffic does not go by {}", quote(word));
                checker.mistake(Mistake::new(title, &word.span, "unknown").help("it is `tcp` or `udp`"));
                None
            }
        },
    };
    let port = table.port.as_ref().map(|port| check_port(checker, Some(port)));
    let listen = check_listen(checker, table.listen.as_ref(), to.as_ref()).unwrap_or(Listen::There);
    if let (Listen::There, Some(to)) = (&listen, &to)
        && table.listen.is_none()
        && !to.is_ours()
    {
        let title = format!("the lab cannot receive traffic at {to}");
        let mistake = Mistake::new(title, &table.to.span, "where is that?");
        checker.mistake(
            mistake.help("let it be a host or a container, or say where it is received: `listen = { on = \"C0\", port = 80 }`"),
        );
    }
    Some(Throughput { from: from?, to: to?, load: load?, lasts: lasts?, port, listen })
}

fn check_lasts(checker: &mut Checker, text: Option<&At<String>>, timeout: Duration) -> Option<Duration> {
    let Some(text) = text else { return Some(LASTS) };
    let lasts = checker.duration(text)?;
    if lasts.is_zero() {
        checker.mistake(Mistake::new("in no time nothing arrives", &text.span, "is measured so long"));
    }
    if Span::of(lasts).whole() >= timeout {
        let title = format!("{} is longer than the step may take", quote(text));
        let label = format!("and its warm-up; its `timeout` is {}", show_duration(timeout));
        let mistake = Mistake::new(title, &text.span, label);
        checker.mistake(mistake.help("give the step a longer `timeout`"));
    }
    Some(lasts)
}

/// Keys that are of the other protocol.
fn refuse(checker: &mut Checker, protocol: &str, keys: [(&str, Option<&Range<usize>>); 2]) {
    for (key, span) in keys {
        if let Some(span) = span {
            let title = format!("`{key}` says nothing about {protocol}");
            let other = if protocol == "TCP" { "udp" } else { "tcp" };
            let mistake = Mistake::new(title, span, "not of this protocol");
            checker.mistake(mistake.help(format!("leave it out, or say `protocol = \"{other}\"`")));
        }
    }
}

fn check_streams(checker: &mut Checker, table: &ThroughputTable) -> Option<Load> {
    let keys = [
        ("size", table.size.as_ref().map(|size| &size.span)),
        ("rate", table.rate.as_ref().map(|rate| &rate.span)),
    ];
    refuse(checker, "TCP", keys);
    let count = table.streams.as_ref().map_or(1, |streams| {
        if !(1..=MOST_STREAMS).contains(&streams.value) {
            let title = format!("{} streams cannot be opened", streams.value);
            checker.mistake(Mistake::new(title, &streams.span, format!("1 to {MOST_STREAMS}")));
        }
        streams.value
    });
    let way = match &table.way {
        None => Way::Forth,
        Some(word) => match word.as_str() {
            "forth" => Way::Forth,
            "back" => Way::Back,
            "both" => Way::Both,
            _ => {
                let title = format!("{} is no way", quote(word));
                let mistake = Mistake::new(title, &word.span, "unknown");
                checker.mistake(mistake.help("it is `forth`, `back` or `both`"));
                return None;
            }
        },
    };
    Some(Load::Streams(Streams { count, way, ..Streams::default() }))
}

fn check_datagrams(checker: &mut Checker, table: &ThroughputTable) -> Option<Load> {
    let keys = [
        ("streams", table.streams.as_ref().map(|streams| &streams.span)),
        ("way", table.way.as_ref().map(|way| &way.span)),
    ];
    refuse(checker, "UDP", keys);
    let size = table.size.as_ref().map_or(SIZE, |size| {
        if !(SMALLEST..=LARGEST).contains(&size.value) {
            let title = format!("a datagram of {} bytes cannot be sent", size.value);
            let mistake = Mistake::new(title, &size.span, format!("{SMALLEST} to {LARGEST}"));
            checker.mistake(mistake.help("headers apart; 16 bytes are its number"));
        }
        size.value
    });
    let Some(text) = &table.rate else { return Some(Load::Datagrams(Datagrams::flat_out(size))) };
    match parse_rate(text) {
        Ok(rate) => Some(Load::Datagrams(Datagrams::at(size, rate))),
        Err(why) => {
            checker.mistake(Mistake::new(format!("{} is not a rate", quote(text)), &text.span, why));
            None
        }
    }
}

/// What cannot be sent does not arrive: from a host that is down nothing comes.
pub(super) async fn throughput(lab: &Lab, verb: &Throughput) -> Tried {
    match send(lab, verb).await {
        Ok(tried) => tried,
        Err(why) if matches!(why.kind(), Kind::Down | Kind::Refused) => {
            let came = Came { why: Some(why.to_string()), ..Came::default() };
            Ok(Outcome::Traffic(came)).into()
        }
        Err(why) => Err(why).into(),
    }
}

async fn send(lab: &Lab, verb: &Throughput) -> Result<Tried> {
    let ip = lab.find(&named(&verb.from), &addressed(&verb.to)).await?;
    let (near, far, path) = path(lab, verb, ip)?;
    let span = Span::of(verb.lasts);
    let (came, note) = match verb.load {
        Load::Streams(streams) => {
            let carried = probe::carry([&near, &far], move |stop| streams.run(&path, span, stop)).await?;
            let came = Came { rate: whole(carried.bits_per_second()), ..Came::default() };
            (came, costs(carried.cost, carried.all()))
        }
        Load::Datagrams(datagrams) => {
            let found = probe::carry([&near, &far], move |stop| datagrams.run(&path, span, stop)).await?;
            let came = Came {
                rate: whole(found.bits_per_second()),
                sent: found.sent,
                lost: found.lost(),
                duplicates: found.arrivals.duplicates,
                reordered: found.arrivals.reordered,
                why: None,
            };
            let sent = whole(found.sent_bits_per_second());
            let note = format!(
                "{} datagrams were sent, at {sent}; {} came, {} twice, {} overtaken; the receiver had no room for {}",
                found.sent, found.arrivals.unique, came.duplicates, came.reordered, found.overflowed
            );
            (came, note)
        }
    };
    Ok(Tried { outcome: Ok(Outcome::Traffic(came)), notes: vec![note] })
}

fn path(lab: &Lab, verb: &Throughput, ip: std::net::IpAddr) -> Result<(Place, Place, Path)> {
    let near = lab.at(&verb.from)?;
    let (far, listened) = match &verb.listen {
        Listen::There => (far_end(lab, &verb.to)?, verb.port),
        Listen::At { on, port } => (lab.at(on)?, Some(*port)),
    };
    let path = Path::new(near.netns()?, far.netns()?, ip);
    let path = match (verb.port, listened) {
        (None, None) => path,
        (dialled, listened) => {
            let listened = listened.or(dialled).unwrap_or_default();
            path.ports(dialled.unwrap_or(listened), listened)
        }
    };
    Ok((near, far, path))
}

/// Whole bits a second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; there are no negative rates"
)]
fn whole(bits_per_second: f64) -> Speed {
    Speed(bits_per_second.round() as u64)
}

fn costs(cost: Cost, bytes: u64) -> String {
    format!("{bytes} bytes came; CPU time of the sender {:.1?}, of the receiver {:.1?}", cost.from, cost.to)
}
