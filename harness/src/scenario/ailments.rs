//! The table of what is wrong with the store, checked: it is one thing, and there is a store.

use super::faults::word;
use super::file::KvFaultTable;
use crate::fault::{Ailment, Comeback, KvFault};
use crate::topology::{At, Checker, Kv, Mistake};

/// What can be said, for whoever has not.
const EACH: &str =
    "one of `delay`, `error`, `drop_watches`, `stall_watches`, `stale`, `refuse` and `restart`";

pub(super) fn check_kv_fault(checker: &mut Checker, table: &At<KvFaultTable>) -> Option<KvFault> {
    if checker.kv.is_none() {
        let mistake = Mistake::new("there is no store", &table.span, "befalls one");
        checker.mistake(mistake.help("add a `[kv]` table, or a host that runs an engine"));
        return None;
    }
    let flags = [
        (Ailment::Error, &table.error),
        (Ailment::DropWatches, &table.drop_watches),
        (Ailment::StallWatches, &table.stall_watches),
        (Ailment::Stale, &table.stale),
        (Ailment::Refuse, &table.refuse),
    ];
    let said = flags.iter().filter_map(|(_, flag)| flag.as_ref().map(|flag| &flag.span));
    let words = [&table.delay, &table.restart];
    let said: Vec<_> = said.chain(words.into_iter().flatten().map(|word| &word.span)).collect();
    match said[..] {
        [_] => {}
        [] => {
            checker.mistake(
                Mistake::new("what is wrong with the store?", &table.span, "does not say").help(EACH),
            );
            return None;
        }
        [first, second, ..] => {
            let mistake = Mistake::new("a fault of the store is one thing", second, "the second one");
            checker.mistake(mistake.beside(first, "the first one").help("make two faults of it"));
            return None;
        }
    }
    if let Some(text) = &table.restart {
        return check_restart(checker, table, text);
    }
    let host = match &table.host {
        None => None,
        Some(host) => Some(checker.host(host)?.name),
    };
    if let Some(time) = &table.delay {
        return Some(KvFault::Ails { how: Ailment::Delay(checker.duration(time)?), host });
    }
    let (how, flag) = flags.into_iter().find_map(|(how, flag)| Some((how, flag.as_ref()?)))?;
    if !flag.value {
        checker.mistake(
            Mistake::new("a fault that is none", &flag.span, "not wrong").help("leave the step out"),
        );
        return None;
    }
    Some(KvFault::Ails { how, host })
}

fn check_restart(checker: &mut Checker, table: &KvFaultTable, text: &At<String>) -> Option<KvFault> {
    if let Some(host) = &table.host {
        checker.mistake(Mistake::new("a store begins anew for everybody", &host.span, "for one host"));
    }
    let comeback = word(checker, text, "restart", str::parse)?;
    if let (Comeback::Disk, Some(Kv::Stub { persist: false, .. })) = (comeback, &checker.kv) {
        let mistake = Mistake::new("this store has no disk", &text.span, "comes back from it");
        checker.mistake(mistake.help("say `persist = true` in `[kv]`, or `restart = \"empty\"`"));
    }
    Some(KvFault::Restart(comeback))
}
