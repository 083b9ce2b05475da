//! From the tables of a scenario to its steps, or to every mistake in them.

use std::ops::Range;
use std::time::Duration;

use super::captures::check_capture;
use super::diffs::{check_diff, known};
use super::expectations::check_expect;
use super::fact::Check;
use super::facts::check_fact;
use super::faults::{check_fault, check_heal, check_nemesis};
use super::file::{CheckTable, RepeatTable, StepTable};
use super::hands::{check_make, check_unmake};
use super::requests::one_line;
use super::step::{Capture, Events, Repeat, Step, Verb, Wait};
use super::throughput::check_throughput;
use super::verbs::{
    check_container_verb, check_exec, check_kv, check_network_verb, check_ping, check_resolve, check_tcp,
    check_udp,
};
use crate::topology::{At, Checker, Mistake, TIMEOUT, WordOr, quote, show_duration};

/// Checks the steps in order, and what holds after each.
pub(crate) fn check_scenario(
    checker: &mut Checker,
    steps: &[At<StepTable>],
    always: &[At<CheckTable>],
) -> (Vec<Step>, Vec<Check>) {
    // First the facts that hold always: they may name only what is there from the start.
    let always = always.iter().filter_map(|table| check_fact(checker, table, &table.span)).collect();
    let steps = steps.iter().filter_map(|table| check_step(checker, table)).collect();
    (steps, always)
}

fn check_step(checker: &mut Checker, table: &At<StepTable>) -> Option<Step> {
    let within = table.within.as_ref().and_then(|text| checker.duration(text));
    let holds_for = table.holds_for.as_ref().and_then(|text| checker.duration(text));
    let timeout = checker.duration_or(table.timeout.as_ref(), TIMEOUT);
    for (text, time) in [(&table.within, within), (&table.holds_for, holds_for)] {
        if let (Some(text), Some(time)) = (text, time)
            && time > timeout
        {
            check_limit(checker, text, timeout);
        }
    }
    let mut requires: Vec<String> =
        table.requires.iter().filter_map(|tool| check_tool(checker, tool)).collect();
    let verb = one_verb(checker, table)?;
    if let (Some(name), None) = (&table.name_of_fault, &table.fault) {
        checker.mistake(Mistake::new("only a fault has a name", &name.span, "names nothing"));
    }
    let verb = check_verb(checker, table, verb, timeout)?;
    if let (Verb::Nemesis(_) | Verb::Repeat(_) | Verb::Parallel(_) | Verb::Capture(_), Some(text)) =
        (&verb, table.within.as_ref().or(table.holds_for.as_ref()))
    {
        let mistake = Mistake::new("this is played once", &text.span, "tried again");
        checker.mistake(mistake.help("say it in the steps within"));
    }
    requires.extend(verb.steps().iter().flat_map(|step| step.requires.iter().cloned()));
    let expect = check_expect(checker, &verb, table.expect.as_ref());
    let name = match &table.name {
        Some(name) => one_line(name),
        None => verb.to_string(),
    };
    checker.steps.insert(name.clone());
    Some(Step { name, requires, verb, expect, within, holds_for, timeout })
}

fn check_limit(checker: &mut Checker, text: &At<String>, timeout: Duration) {
    let limit = show_duration(timeout);
    let title = format!("{} is longer than the step may take", quote(text));
    let mistake = Mistake::new(title, &text.span, format!("its `timeout` is {limit}"));
    checker.mistake(mistake.help("give the step a longer `timeout`"));
}

/// A program that is looked for on the machine, by its name.
fn check_tool(checker: &mut Checker, tool: &At<String>) -> Option<String> {
    let good = !tool.is_empty() && !tool.contains(['/', '\0']) && !tool.contains(char::is_whitespace);
    if !good {
        let title = format!("{} is not a program's name", quote(tool));
        checker.mistake(Mistake::new(title, &tool.span, "looked for in PATH"));
    }
    good.then(|| tool.value.clone())
}

/// The one verb of a step.
fn one_verb(checker: &mut Checker, table: &At<StepTable>) -> Option<&'static str> {
    fn of<T>(verb: &'static str, table: Option<&At<T>>) -> Option<(&'static str, Range<usize>)> {
        table.map(|table| (verb, table.span.clone()))
    }
    let all = [
        of("ping", table.ping.as_ref()),
        of("exec", table.exec.as_ref()),
        of("tcp", table.tcp.as_ref()),
        of("udp", table.udp.as_ref()),
        of("throughput", table.throughput.as_ref()),
        of("resolve", table.resolve.as_ref()),
        of("kv", table.kv.as_ref()),
        of("network", table.network.as_ref()),
        of("container", table.container.as_ref()),
        of("check", table.check.as_ref()),
        of("wait", table.wait.as_ref()),
        of("fault", table.fault.as_ref()),
        of("heal", table.heal.as_ref()),
        of("nemesis", table.nemesis.as_ref()),
        of("repeat", table.repeat.as_ref()),
        of("parallel", table.parallel.as_ref()),
        of("capture", table.capture.as_ref()),
        of("diff", table.diff.as_ref()),
        of("events", table.events.as_ref()),
        of("make", table.make.as_ref()),
        of("unmake", table.unmake.as_ref()),
    ];
    let mut given: Vec<_> = all.into_iter().flatten().collect();
    given.sort_by_key(|(_, span)| span.start);
    match &given[..] {
        [(verb, _)] => Some(verb),
        [] => {
            let mistake = Mistake::new("a step needs a verb", &table.span, "does nothing");
            checker.mistake(mistake.help(
                "one of `ping`, `exec`, `tcp`, `udp`, `throughput`, `resolve`, `kv`, `network`, `container`, `check`, `wait`, `fault`, `heal`, `nemesis`, `repeat`, `parallel`, `capture`, `diff`, `events`, `make` and `unmake`",
            ));
            None
        }
        [(first, at), (second, again), ..] => {
            let title = format!("a step has one verb, this one has `{first}` and `{second}`");
            let mistake = Mistake::new(title, again, "the second one").beside(at, "the first one");
            checker.mistake(mistake.help(format!("put `{second}` into a `[[step]]` of its own")));
            None
        }
    }
}

fn check_verb(checker: &mut Checker, table: &StepTable, verb: &str, timeout: Duration) -> Option<Verb> {
    let fails = table.expect.as_ref().is_some_and(|expect| expect.error.is_some());
    match verb {
        "ping" => check_ping(checker, table.ping.as_ref()?).map(Verb::Ping),
        "exec" => check_exec(checker, table.exec.as_ref()?).map(Verb::Exec),
        "tcp" => check_tcp(checker, table.tcp.as_ref()?).map(Verb::Tcp),
        "udp" => check_udp(checker, table.udp.as_ref()?).map(Verb::Udp),
        "throughput" => check_throughput(checker, table.throughput.as_ref()?, timeout).map(Verb::Throughput),
        "resolve" => check_resolve(checker, table.resolve.as_ref()?).map(Verb::Resolve),
        "kv" => check_kv(checker, table.kv.as_ref()?).map(Verb::Kv),
        "network" => check_network_verb(checker, table.network.as_ref()?, fails).map(Verb::Network),
        "container" => check_container_verb(checker, table.container.as_ref()?, fails).map(Verb::Container),
        "fault" => check_fault(checker, table.fault.as_ref()?, table.name_of_fault.as_ref()).map(Verb::Fault),
        "heal" => check_heal(checker, table.heal.as_ref()?).map(Verb::Heal),
        "nemesis" => check_nemesis(checker, table.nemesis.as_ref()?, timeout).map(Verb::Nemesis),
        "repeat" => check_repeat(checker, table.repeat.as_ref()?).map(Verb::Repeat),
        "parallel" => {
            let steps = table.parallel.as_ref()?;
            check_steps(checker, steps, &steps.span).map(Verb::Parallel)
        }
        "capture" => {
            let table = table.capture.as_ref()?;
            let request = check_capture(checker, table);
            let steps = check_steps(checker, &table.step, &table.span);
            Some(Verb::Capture(Capture { request: request?, steps: steps? }))
        }
        "diff" => {
            let table = table.diff.as_ref()?;
            let before = known(checker);
            let steps = check_steps(checker, &table.step, &table.span);
            check_diff(checker, table, before, steps).map(Verb::Diff)
        }
        "events" => {
            let table = table.events.as_ref()?;
            let steps = check_steps(checker, &table.step, &table.span);
            steps.map(|steps| Verb::Events(Events { steps }))
        }
        "make" => check_make(checker, table.make.as_ref()?).map(Verb::Make),
        "unmake" => check_unmake(checker, table.unmake.as_ref()?).map(Verb::Unmake),
        "check" => {
            let check = table.check.as_ref()?;
            check_fact(checker, check, &check.span).map(Verb::Check)
        }
        _ => {
            let wait = table.wait.as_ref()?;
            match &wait.value {
                WordOr::Word(text) => {
                    checker.duration(&wait.with(text.clone())).map(|time| Verb::Wait(Wait::Time(time)))
                }
                WordOr::Table(check) => {
                    check_fact(checker, check, &wait.span).map(|check| Verb::Wait(Wait::Until(check)))
                }
            }
        }
    }
}

/// Most rounds of one step.
const MOST_ROUNDS: u32 = 1_000_000;

fn check_repeat(checker: &mut Checker, table: &At<RepeatTable>) -> Option<Repeat> {
    let count = table.count.value;
    if !(1..=MOST_ROUNDS).contains(&count) {
        let title = format!("steps cannot be played {count} times");
        checker.mistake(Mistake::new(title, &table.count.span, format!("1 to {MOST_ROUNDS}")));
    }
    let steps = check_steps(checker, &table.step, &table.span)?;
    Some(Repeat { count, steps })
}

/// Steps within a step.
fn check_steps(checker: &mut Checker, tables: &[At<StepTable>], span: &Range<usize>) -> Option<Vec<Step>> {
    if tables.is_empty() {
        checker.mistake(Mistake::new("there is no step in it", span, "does nothing"));
    }
    // All of them, so that all mistakes are found.
    let steps: Vec<Option<Step>> = tables.iter().map(|table| check_step(checker, table)).collect();
    steps.into_iter().collect()
}
