//! Impaired wires: from their tables to what they mean.

use std::time::Duration;

use super::check::Checker;
use super::file::{At, FilterTable, ImpairmentTable, JitterTable, PickTable, RateTable, WordOr};
use super::model::Wire;
use super::report::{Mistake, quote};
use crate::fault::{
    Contradiction, Distribution, Filter, Impairment, Jitter, Pick, Queue, Rate, Tunnel, parse_protocol,
    parse_rate, parse_share,
};

/// VNIs have 24 bits (RFC 7348 §5).
const VNIS: u32 = 1 << 24;

/// A host's wire: both directions alike, or each on its own.
pub(crate) fn check_wire(checker: &mut Checker, table: &At<ImpairmentTable>) -> Option<Wire> {
    let (up, down) = (table.up.as_deref(), table.down.as_deref());
    if up.is_none() && down.is_none() {
        let both = check_impairment(checker, table)?;
        return Some(Wire { up: Some(both.clone()), down: Some(both) });
    }
    if says_more(table) {
        let mistake = Mistake::new("`up` and `down` say all of it", &table.span, "says more");
        checker.mistake(mistake.help("move the other keys into `up` and `down`"));
    }
    let mut one = |side: Option<&At<ImpairmentTable>>| match side {
        None => Some(None),
        Some(table) => {
            refuse_sides(checker, table);
            check_impairment(checker, table).map(Some)
        }
    };
    let (up, down) = (one(up), one(down));
    Some(Wire { up: up?, down: down? })
}

/// Directions within a direction make no sense, nor do hosts.
fn refuse_sides(checker: &mut Checker, table: &ImpairmentTable) {
    let inner = [table.up.as_deref(), table.down.as_deref()].into_iter().flatten().map(|side| &side.span);
    for span in inner.chain(table.host.as_ref().map(|host| &host.span)) {
        checker.mistake(Mistake::new("this does not belong into a direction", span, "in `up` or `down`"));
    }
}

fn says_more(table: &ImpairmentTable) -> bool {
    let ImpairmentTable {
        host: _,
        delay,
        jitter,
        loss,
        duplicate,
        reorder,
        corrupt,
        rate,
        mtu,
        hold,
        only,
        up: _,
        down: _,
    } = table;
    delay.is_some()
        || jitter.is_some()
        || [loss, duplicate, reorder, corrupt].iter().any(|pick| pick.is_some())
        || rate.is_some()
        || mtu.is_some()
        || hold.is_some()
        || only.is_some()
}

fn check_impairment(checker: &mut Checker, table: &At<ImpairmentTable>) -> Option<Impairment> {
    let mut pick = |entry: &Option<At<WordOr<PickTable>>>| match entry {
        None => Some(Pick::Never),
        Some(entry) => check_pick(checker, entry),
    };
    let (loss, duplicate) = (pick(&table.loss), pick(&table.duplicate));
    let (reorder, corrupt) = (pick(&table.reorder), pick(&table.corrupt));
    let jitter = table.jitter.as_ref().map_or(Some(Jitter::default()), |entry| check_jitter(checker, entry));
    let rate = optional(table.rate.as_ref(), |entry| check_rate(checker, entry));
    let only = optional(table.only.as_ref(), |filter| check_filter(checker, filter));
    let mtu = table.mtu.as_ref().map(|mtu| mtu.value);
    if let Some(mtu) = &table.mtu
        && mtu.value < 68
    {
        // RFC 791: every module must forward 68 octets.
        checker.mistake(Mistake::new(
            format!("an MTU of {} does not work", mtu.value),
            &mtu.span,
            "68 or more",
        ));
    }
    Some(Impairment {
        delay: checker.duration_or(table.delay.as_ref(), Duration::ZERO),
        jitter: jitter?,
        loss: loss?,
        duplicate: duplicate?,
        reorder: reorder?,
        corrupt: corrupt?,
        rate: rate.ok()?,
        mtu,
        hold: table.hold.as_ref().is_some_and(|hold| hold.value),
        only: only.ok()?,
    })
}

/// A mistake that the checker has been told of.
struct Noted;

/// What is there is checked.
fn optional<T, U>(entry: Option<&T>, check: impl FnOnce(&T) -> Option<U>) -> Result<Option<U>, Noted> {
    entry.map(|entry| check(entry).ok_or(Noted)).transpose()
}

fn word<T>(
    checker: &mut Checker,
    text: &At<String>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let wrong = |why| Mistake::new(format!("{} is not a {what}", quote(text)), &text.span, why);
    parse(text).map_err(|why| checker.mistake(wrong(why))).ok()
}

fn check_jitter(checker: &mut Checker, entry: &At<WordOr<JitterTable>>) -> Option<Jitter> {
    let table = match &entry.value {
        WordOr::Word(text) => return word(checker, &entry.with(text.clone()), "jitter", str::parse),
        WordOr::Table(table) => table,
    };
    let distribution = match table.distribution.as_ref() {
        None => Distribution::default(),
        Some(text) => word(checker, text, "distribution", str::parse)?,
    };
    let correlation = share(checker, table.correlation.as_ref(), 0.0)?;
    Some(Jitter { spread: checker.duration(&table.spread)?, distribution, correlation })
}

fn share(checker: &mut Checker, text: Option<&At<String>>, default: f64) -> Option<f64> {
    text.map_or(Some(default), |text| word(checker, text, "share", parse_share))
}

fn check_pick(checker: &mut Checker, entry: &At<WordOr<PickTable>>) -> Option<Pick> {
    let table = match &entry.value {
        WordOr::Word(text) => return word(checker, &entry.with(text.clone()), "share", str::parse),
        WordOr::Table(table) => table,
    };
    let mut number = |number: &At<u64>| {
        if number.value == 0 {
            checker.mistake(Mistake::new(
                "frames are counted from 1",
                &number.span,
                "there is no such frame",
            ));
        }
        number.value
    };
    Some(match table {
        PickTable::Every(every) => Pick::Every(number(every)),
        PickTable::Exactly(these) => Pick::Exactly(these.iter().map(number).collect()),
        PickTable::Bursts(bursts) => Pick::Bursts {
            begin: share(checker, Some(&bursts.begin), 0.0)?,
            end: share(checker, Some(&bursts.end), 0.0)?,
            bad: share(checker, bursts.bad.as_ref(), 1.0)?,
            good: share(checker, bursts.good.as_ref(), 0.0)?,
        },
    })
}

fn check_rate(checker: &mut Checker, entry: &At<WordOr<RateTable>>) -> Option<Rate> {
    let table = match &entry.value {
        WordOr::Word(text) => return word(checker, &entry.with(text.clone()), "rate", str::parse),
        WordOr::Table(table) => table,
    };
    let rate = Rate::new(word(checker, &table.rate, "rate", parse_rate)?);
    let queue = match &table.queue {
        None => return Some(rate),
        Some(entry) => match &entry.value {
            WordOr::Word(text) => word(checker, &entry.with(text.clone()), "size", str::parse)?,
            WordOr::Table(table) => Queue::Packets(table.packets.value),
        },
    };
    Some(Rate { queue, ..rate })
}

/// Frames by what they carry.
pub(crate) fn check_filter(checker: &mut Checker, table: &FilterTable) -> Option<Filter> {
    let inside = check_tunnel(checker, table);
    let protocol = optional(table.protocol.as_ref(), |text| word(checker, text, "protocol", parse_protocol));
    let address = optional(table.address.as_ref(), |text| checker.any_address(text));
    let port = table.port.as_ref().map(|port| port.value);
    let filter = Filter { inside: inside.ok()?, protocol: protocol.ok()?, address: address.ok()?, port };
    match (filter.contradiction(), &table.port, &table.address) {
        (Some(Contradiction::Port(why)), Some(port), _) => {
            checker.mistake(Mistake::new(why, &port.span, "a port"));
        }
        (Some(Contradiction::Address(why)), _, Some(address)) => {
            checker.mistake(Mistake::new(why, &address.span, "such an address"));
        }
        _ => {}
    }
    Some(filter)
}

/// The tunnel that is meant, if one is.
fn check_tunnel(checker: &mut Checker, table: &FilterTable) -> Result<Option<Tunnel>, Noted> {
    let said = [
        table.network.as_ref().map(|text| &text.span),
        table.vni.as_ref().map(|vni| &vni.span),
        table.encapsulated.as_ref().map(|any| &any.span),
    ];
    if let [first, second, ..] = said.into_iter().flatten().collect::<Vec<_>>()[..] {
        let title = "one of `network`, `vni` and `encapsulated` is enough";
        checker.mistake(Mistake::new(title, second, "the second one").beside(first, "the first one"));
        return Err(Noted);
    }
    if let Some(vni) = &table.vni
        && vni.value >= VNIS
    {
        checker.mistake(Mistake::new(format!("{} is not a VNI", vni.value), &vni.span, "24 bits at most"));
        return Err(Noted);
    }
    if let Some(text) = &table.network {
        let network = checker.network(text).ok_or(Noted)?;
        return Ok(Some(Tunnel::Network(network.name)));
    }
    let any = table.encapsulated.as_ref().is_some_and(|any| any.value).then_some(Tunnel::Any);
    Ok(table.vni.as_ref().map(|vni| Tunnel::Vni(vni.value)).or(any))
}
