//! The tables of faults, checked: whom they name is there.

use super::file::{DropTable, FaultTable, PartitionEntry, PartitionTable};
use super::step::{FaultVerb, HealVerb};
use crate::fault::{
    Fault, Filter, Partition, Process, Protocol, Tunnel, parse_offset, parse_protocol, parse_signal,
};
use crate::topology::{At, Checker, HostName, Mistake, NetworkName, list, quote};

/// VNIs have 24 bits (RFC 7348 §5).
const VNIS: u32 = 1 << 24;

/// The signal that `docker kill` sends.
const KILL: i32 = 9;

/// A fault, and the name that it is healed by.
pub(super) fn check_fault(
    checker: &mut Checker,
    table: &At<FaultTable>,
    name: Option<&At<String>>,
) -> Option<FaultVerb> {
    let fault = check(checker, &table.value);
    if let Some(name) = name {
        if name.value == ALL || name.is_empty() {
            let title = format!("a fault cannot be called {}", quote(name));
            checker.mistake(Mistake::new(title, &name.span, "means something else, or nothing"));
        }
        checker.faults.push(name.clone());
    }
    Some(FaultVerb { fault: fault?, name: name.map(|name| name.value.clone()) })
}

/// In place of a name: all faults.
const ALL: &str = "all";

/// What is healed: all, or what was named before.
pub(super) fn check_heal(checker: &mut Checker, text: &At<String>) -> Option<HealVerb> {
    if text.value == ALL {
        return Some(HealVerb::All);
    }
    if checker.faults.iter().any(|name| name.value == text.value) {
        return Some(HealVerb::Named(text.value.clone()));
    }
    let known: Vec<String> = checker.faults.iter().map(|name| name.value.clone()).collect();
    let mistake = Mistake::new(format!("no fault is named {}", quote(text)), &text.span, "healed here");
    checker.mistake(match known[..] {
        [] => mistake.help("name one with `as`, or say `heal = \"all\"`"),
        _ => mistake.help(format!("named so far is {}", list(known))),
    });
    None
}

fn check(checker: &mut Checker, table: &FaultTable) -> Option<Fault> {
    Some(match table {
        FaultTable::Partition(partition) => Fault::Partition(check_partition(checker, partition)?),
        FaultTable::Drop(drop) => check_drop(checker, drop)?,
        FaultTable::Crash(host) => Fault::Crash(checker.host(host)?.name),
        FaultTable::Pause(host) => Fault::Pause(checker.host(host)?.name),
        FaultTable::Engine(host) => Fault::Engine(checker.engine(host)?),
        FaultTable::Kill(kill) => {
            let container = checker.container(&kill.container)?;
            if container.command.is_empty() {
                let title = format!("container {} runs no command", quote(&kill.container));
                let mistake = Mistake::new(title, &kill.container.span, "nothing to kill");
                checker.mistake(mistake.help("give it a `command`"));
                return None;
            }
            let signal = match &kill.signal {
                None => KILL,
                Some(text) => word(checker, text, "signal", parse_signal)?,
            };
            Fault::Kill(Process { container: container.name, signal })
        }
        FaultTable::Clock(clock) => {
            let host = checker.host(&clock.host)?.name;
            Fault::Clock { host, offset: word(checker, &clock.offset, "time", parse_offset)? }
        }
    })
}

fn word<T>(
    checker: &mut Checker,
    text: &At<String>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = parse(text);
    let wrong = |why| Mistake::new(format!("{} is not a {what}", quote(text)), &text.span, why);
    parsed.map_err(|why| checker.mistake(wrong(why))).ok()
}

fn check_partition(checker: &mut Checker, entry: &At<PartitionEntry>) -> Option<Partition> {
    let table = match &entry.value {
        PartitionEntry::Word(word) => {
            return match word.as_str() {
                "halves" => Some(Partition::Halves),
                "ring" => Some(Partition::Ring),
                // The lab's seed is mixed in when it is played.
                "random" => Some(Partition::Random { seed: 0 }),
                _ => {
                    let mistake =
                        Mistake::new(format!("{} is not a partition", quote(word)), &entry.span, "not known");
                    checker.mistake(mistake.help("`halves`, `ring`, `random`, or a table with `isolate`, `bridge`, `cut`, `one_way` or `groups`"));
                    None
                }
            };
        }
        PartitionEntry::Table(table) => table,
    };
    Some(match table {
        PartitionTable::Isolate(host) => Partition::Isolate(checker.host(host)?.name),
        PartitionTable::Bridge(host) => Partition::Bridge(checker.host(host)?.name),
        PartitionTable::Cut(pair) => {
            let (one, other) = check_pair(checker, pair)?;
            Partition::Cut(one, other)
        }
        PartitionTable::OneWay(pair) => {
            let (from, to) = check_pair(checker, pair)?;
            Partition::OneWay { from, to }
        }
        PartitionTable::Groups(groups) => {
            let mut seen: Vec<HostName> = Vec::new();
            let mut checked = Vec::new();
            for group in groups {
                let mut side = Vec::new();
                for text in group {
                    let host = checker.host(text)?.name;
                    if seen.contains(&host) {
                        let title = format!("{} is on two sides", quote(text));
                        checker.mistake(Mistake::new(title, &text.span, "said before"));
                    }
                    seen.push(host.clone());
                    side.push(host);
                }
                checked.push(side);
            }
            Partition::Groups(checked)
        }
    })
}

/// Two hosts, not the same.
fn check_pair(checker: &mut Checker, pair: &At<Vec<At<String>>>) -> Option<(HostName, HostName)> {
    let [one, other] = &pair.value[..] else {
        let title = format!("two hosts are wanted here, not {}", pair.value.len());
        checker.mistake(Mistake::new(title, &pair.span, "write [\"docker0\", \"docker1\"]"));
        return None;
    };
    let (first, second) = (checker.host(one), checker.host(other));
    let (first, second) = (first?.name, second?.name);
    if first == second {
        checker.mistake(Mistake::new("a host always hears itself", &other.span, "the same as the first"));
        return None;
    }
    Some((first, second))
}

fn check_drop(checker: &mut Checker, table: &DropTable) -> Option<Fault> {
    let inside = check_tunnel(checker, table).ok()?;
    let protocol = match &table.protocol {
        None => None,
        Some(text) => Some(word(checker, text, "protocol", parse_protocol)?),
    };
    let address = match &table.address {
        None => None,
        Some(text) => Some(checker.address(text)?),
    };
    if let (Some(port), Some(Protocol::Arp | Protocol::Icmp)) = (&table.port, protocol) {
        checker.mistake(Mistake::new("neither ARP nor ICMP has ports", &port.span, "a port"));
    }
    let only = Filter { inside, protocol, address, port: table.port.as_ref().map(|port| port.value) };
    if let Some(between) = &table.between {
        if let Some(other) = table.from.as_ref().or(table.to.as_ref()) {
            let mistake = Mistake::new("`between` says both ends", &other.span, "says one of them again");
            checker.mistake(mistake.beside(&between.span, "both ends"));
        }
        let (from, to) = check_pair(checker, between)?;
        return Some(Fault::Drop { only, from: Some(from), to: Some(to), both: true });
    }
    let end = |checker: &mut Checker, text: &Option<At<String>>| match text {
        None => Some(None),
        Some(text) => checker.host(text).map(|host| Some(host.name)),
    };
    let (from, to) = (end(checker, &table.from), end(checker, &table.to));
    Some(Fault::Drop { only, from: from?, to: to?, both: false })
}

/// A mistake that has been noted.
struct Noted;

/// The tunnel that is meant, if one is.
fn check_tunnel(checker: &mut Checker, table: &DropTable) -> Result<Option<Tunnel>, Noted> {
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
    if let Some(text) = &table.network {
        let network: NetworkName = checker.network(text).ok_or(Noted)?.name;
        return Ok(Some(Tunnel::Network(network)));
    }
    if let Some(vni) = &table.vni {
        if vni.value >= VNIS {
            checker.mistake(Mistake::new(
                format!("{} is not a VNI", vni.value),
                &vni.span,
                "24 bits at most",
            ));
            return Err(Noted);
        }
        return Ok(Some(Tunnel::Vni(vni.value)));
    }
    Ok(table.encapsulated.as_ref().is_some_and(|any| any.value).then_some(Tunnel::Any))
}
