//! The tables of faults, checked: whom they name is there.

use std::time::Duration;

use super::ailments::check_kv_fault;
use super::file::{DropTable, FaultTable, NemesisTable, PartitionTable};
use super::step::{FaultVerb, HealVerb, NemesisVerb};
use crate::fault::{Fault, Nemesis, Partition, Process, Way, parse_offset, parse_signal};
use crate::topology::{
    At, Checker, FilterTable, HostName, ImpairmentTable, Mistake, WordOr, check_filter, check_wire, list,
    quote, show_duration,
};

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
        if fault.as_ref().is_some_and(Fault::is_event) {
            let mistake = Mistake::new("of a restart there is nothing to heal", &name.span, "heals nothing");
            checker.mistake(mistake.help("leave `as` out"));
        }
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
        FaultTable::Wire(wire) => check_wire_fault(checker, wire)?,
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
        FaultTable::Kv(kv) => Fault::Kv(check_kv_fault(checker, kv)?),
    })
}

/// A word that is read as something else.
pub(super) fn word<T>(
    checker: &mut Checker,
    text: &At<String>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = parse(text);
    let wrong = |why| Mistake::new(format!("{} is not a {what}", quote(text)), &text.span, why);
    parsed.map_err(|why| checker.mistake(wrong(why))).ok()
}

fn check_partition(checker: &mut Checker, entry: &At<WordOr<PartitionTable>>) -> Option<Partition> {
    let table = match &entry.value {
        WordOr::Word(word) => {
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
        WordOr::Table(table) => table,
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
    let filter = FilterTable {
        network: table.network.clone(),
        vni: table.vni.clone(),
        encapsulated: table.encapsulated.clone(),
        protocol: table.protocol.clone(),
        address: table.address.clone(),
        port: table.port.clone(),
    };
    let only = check_filter(checker, &filter)?;
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

/// What a nemesis may do in a step that takes that long at most.
pub(super) fn check_nemesis(
    checker: &mut Checker,
    table: &NemesisTable,
    timeout: Duration,
) -> Option<NemesisVerb> {
    let lasts = checker.duration(&table.lasts);
    if let Some(lasts) = lasts
        && lasts >= timeout
    {
        let title = format!("{} is longer than the step may take", quote(&table.lasts));
        let mistake =
            Mistake::new(title, &table.lasts.span, format!("its `timeout` is {}", show_duration(timeout)));
        checker.mistake(mistake.help("give the step a longer `timeout`"));
    }
    let faults: Vec<_> = table.faults.iter().map(|text| word(checker, text, "fault", str::parse)).collect();
    let hosts: Vec<_> = table.hosts.iter().map(|text| checker.host(text).map(|host| host.name)).collect();
    let nemesis = Nemesis {
        lasts: lasts?,
        faults: faults.into_iter().collect::<Option<_>>()?,
        hosts: hosts.into_iter().collect::<Option<_>>()?,
        strike: checker.duration_or(table.strike.as_ref(), Nemesis::STRIKE),
        pause: checker.duration_or(table.pause.as_ref(), Nemesis::PAUSE),
    };
    Some(NemesisVerb { nemesis, seed: table.seed })
}

/// A wire of one host, both ways alike or one of them.
fn check_wire_fault(checker: &mut Checker, table: &At<ImpairmentTable>) -> Option<Fault> {
    let Some(host) = &table.host else {
        checker.mistake(Mistake::new("`host` is missing", &table.span, "whose wire?").help("add `host = …`"));
        return None;
    };
    let host = checker.host(host)?.name;
    let wire = check_wire(checker, table)?;
    let (way, impairment) = match (table.up.is_some(), table.down.is_some()) {
        (true, true) => {
            let mistake = Mistake::new("a fault has one direction, or both alike", &table.span, "has two");
            checker.mistake(mistake.help("make two faults of it"));
            return None;
        }
        (true, false) => (Way::Up, wire.up),
        (false, true) => (Way::Down, wire.down),
        (false, false) => (Way::Both, wire.up),
    };
    Some(Fault::Wire { host, way, impairment: Box::new(impairment?) })
}
