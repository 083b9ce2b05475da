//! A scenario played on a lab: its steps in order, each until it has held or failed.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::act::{Act, Compared, Heard};
use super::event::{Counts, Failure, RunEvent, Seen, StepEnd, Verdict};
use super::expect::{Mismatch, Outcome};
use super::fact::Check;
use super::look::look;
use super::patience::{Next, Patience};
use super::perform::Tried;
use super::step::{Capture, Diff, Repeat, Step, Verb, Wait};
use crate::error::Error;
use crate::events::{Edge, Span};
use crate::lab::Lab;
use crate::probe::missing_tool;
use crate::topology::show_duration;

/// How a scenario is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A step whose tools are missing fails; otherwise it is skipped.
    pub require: bool,
}

/// What came of the steps of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// The steps, counted.
    pub counts: Counts,
    /// The step that failed, by its place from 1, and why. It was the last one played.
    pub failure: Option<(usize, Failure)>,
}

impl Played {
    /// What came of it.
    pub fn verdict(&self) -> Verdict {
        if self.failure.is_some() { Verdict::Failed } else { Verdict::Held }
    }
}

/// Plays the steps of the lab's topology, until one fails: those after it rely on it. `sink` hears what happens as it
/// happens.
pub async fn play(lab: &Lab, options: Options, mut sink: impl FnMut(RunEvent)) -> Played {
    let topology = lab.topology();
    let end =
        Limit { at: Instant::now() + topology.timeout, whose: "the scenario's", time: topology.timeout };
    let mut played = Played::default();
    for (number, step) in (1..).zip(&topology.steps) {
        let name = step.name.clone();
        sink(RunEvent::Step { number, name: name.clone() });
        let begun = Instant::now();
        let mut tries = 0;
        say_edge(lab, number, None, format_args!("step {number} begins: {name}"));
        let mut ended = match missing_tool(&step.requires) {
            Some(tool) if options.require => StepEnd::Failed(lacking(tool)),
            Some(tool) => StepEnd::Skipped { reason: format!("this machine has no `{tool}`") },
            None => play_step(lab, step, begun, end, &mut tries).await,
        };
        if ended == StepEnd::Held
            && let Err(failure) = hold_always(lab, &topology.always, end).await
        {
            ended = StepEnd::Failed(failure);
        }
        played.counts.add(&ended);
        let word = match &ended {
            StepEnd::Held => "held",
            StepEnd::Skipped { .. } => "skipped",
            StepEnd::Failed(_) => "failed",
        };
        say_edge(lab, number, Some(word), format_args!("step {number} {}", said_shortly(&ended)));
        sink(RunEvent::Done { number, name, end: ended.clone(), took: begun.elapsed(), tries });
        if let StepEnd::Failed(failure) = ended {
            played.counts.left = topology.steps.len() - number;
            played.failure = Some((number, failure));
            break;
        }
    }
    played
}

/// A step begins, or has ended so.
fn say_edge(lab: &Lab, number: usize, end: Option<&str>, text: std::fmt::Arguments<'_>) {
    let of = Span::Step(u64::try_from(number).unwrap_or(u64::MAX));
    let edge = Edge { of, begins: end.is_none(), end: end.map(str::to_owned), hosts: Vec::new() };
    lab.events().mark("step", edge, text);
}

fn said_shortly(end: &StepEnd) -> String {
    match end {
        StepEnd::Held => "has held".to_owned(),
        StepEnd::Skipped { reason } => format!("is skipped: {reason}"),
        StepEnd::Failed(failure) => format!("has failed: expected {}, got {}", failure.expected, failure.got),
    }
}

/// When something has to end, and who says so.
#[derive(Clone, Copy)]
struct Limit {
    at: Instant,
    whose: &'static str,
    time: Duration,
}

impl Limit {
    fn sooner(self, other: Limit) -> Limit {
        if other.at < self.at { other } else { self }
    }

    fn passed(&self) -> String {
        format!("no end: {} {} were over", self.whose, show_duration(self.time))
    }
}

fn lacking(tool: &str) -> Failure {
    Failure {
        expected: format!("`{tool}` to be on this machine"),
        got: "no such program".to_owned(),
        notes: vec!["LAB_REQUIRE is set; without it the step is skipped".to_owned()],
        ..Failure::default()
    }
}

/// Plays a step, and those within it.
async fn play_step(lab: &Lab, step: &Step, begun: Instant, end: Limit, tries: &mut u32) -> StepEnd {
    let limit = Limit { at: begun + step.timeout, whose: "the step's", time: step.timeout }.sooner(end);
    lab.mark(&step.name);
    match &step.verb {
        Verb::Repeat(repeat) => play_rounds(lab, repeat, limit, tries).await,
        Verb::Parallel(steps) => play_at_once(lab, steps, limit, tries).await,
        Verb::Capture(capture) => play_captured(lab, step, capture, limit, tries).await,
        Verb::Diff(diff) => play_compared(lab, step, diff, limit, tries).await,
        Verb::Events(events) => play_heard(lab, step, &events.steps, limit, tries).await,
        verb => try_step(lab, step, &Act::Verb(verb), begun, limit, tries).await,
    }
}

/// Plays steps in order, round by round, until one fails.
async fn play_rounds(lab: &Lab, Repeat { count, steps }: &Repeat, limit: Limit, tries: &mut u32) -> StepEnd {
    for round in 1..=*count {
        *tries = round;
        for step in steps {
            let end = Box::pin(play_step(lab, step, Instant::now(), limit, &mut 0)).await;
            if let StepEnd::Failed(failure) = end {
                return within(format_args!("in round {round} of {count}, step"), step, failure);
            }
        }
    }
    StepEnd::Held
}

/// Plays steps in order, and looks at what passed meanwhile.
async fn play_captured(lab: &Lab, step: &Step, verb: &Capture, limit: Limit, tries: &mut u32) -> StepEnd {
    *tries = 1;
    let failed = |why: Error| {
        StepEnd::Failed(Failure { expected: expected(step), got: why.to_string(), ..Failure::default() })
    };
    let capture = match lab.capture(verb.request.clone()).await {
        Ok(capture) => capture,
        Err(why) => return failed(why),
    };
    for step in &verb.steps {
        let end = Box::pin(play_step(lab, step, Instant::now(), limit, &mut 0)).await;
        if let StepEnd::Failed(failure) = end {
            return within(format_args!("in step"), step, failure);
        }
    }
    let captured = match capture.end().await {
        Ok(captured) => captured,
        Err(why) => return failed(why),
    };
    let outcome = Outcome::Packets { found: captured.lines(), lost: captured.lost + captured.forgotten };
    match step.expect.judge(&outcome) {
        Ok(()) => StepEnd::Held,
        Err(Mismatch { expected, got }) => StepEnd::Failed(Failure { expected, got, ..Failure::default() }),
    }
}

/// Plays steps in order, and looks at what is otherwise then: again until it is what was expected, since not everything that a
/// step leads to is there when it ends.
async fn play_compared(lab: &Lab, step: &Step, verb: &Diff, limit: Limit, tries: &mut u32) -> StepEnd {
    match Compared::now(lab).await {
        Ok(before) => play_then(lab, step, &verb.steps, &Act::Compare(verb, before), limit, tries).await,
        Err(why) => unable(step, &why),
    }
}

/// Plays steps in order, and hears what is said meanwhile, and until what was expected is said.
async fn play_heard(lab: &Lab, step: &Step, steps: &[Step], limit: Limit, tries: &mut u32) -> StepEnd {
    match Heard::from_now(lab).await {
        Ok(heard) => match heard.meanwhile(lab, play_all(lab, steps, limit)).await {
            Some(failed) => failed,
            None => try_step(lab, step, &Act::Hear(heard), Instant::now(), limit, tries).await,
        },
        Err(why) => unable(step, &why),
    }
}

/// Plays steps in order, and then tries that.
async fn play_then(
    lab: &Lab,
    step: &Step,
    steps: &[Step],
    act: &Act<'_>,
    limit: Limit,
    tries: &mut u32,
) -> StepEnd {
    match play_all(lab, steps, limit).await {
        Some(failed) => failed,
        None => try_step(lab, step, act, Instant::now(), limit, tries).await,
    }
}

/// Plays steps in order; the first that fails, if one does.
async fn play_all(lab: &Lab, steps: &[Step], limit: Limit) -> Option<StepEnd> {
    for step in steps {
        let end = Box::pin(play_step(lab, step, Instant::now(), limit, &mut 0)).await;
        if let StepEnd::Failed(failure) = end {
            return Some(within(format_args!("in step"), step, failure));
        }
    }
    None
}

/// It could not even begin.
fn unable(step: &Step, why: &Error) -> StepEnd {
    StepEnd::Failed(Failure { expected: expected(step), got: why.to_string(), ..Failure::default() })
}

/// Plays steps at once, all of them to their end. Of those that fail the first one in the file counts.
async fn play_at_once(lab: &Lab, steps: &[Step], limit: Limit, tries: &mut u32) -> StepEnd {
    *tries = 1;
    let play = async |step: &Step| Box::pin(play_step(lab, step, Instant::now(), limit, &mut 0)).await;
    let ends = futures_util::future::join_all(steps.iter().map(play)).await;
    let failed = steps.iter().zip(ends).find_map(|(step, end)| match end {
        StepEnd::Failed(failure) => Some(within(format_args!("in step"), step, failure)),
        _ => None,
    });
    failed.unwrap_or(StepEnd::Held)
}

/// A failure of a step within a step.
fn within(place: std::fmt::Arguments<'_>, step: &Step, mut failure: Failure) -> StepEnd {
    failure.notes.insert(0, format!("{place} `{}`", step.name));
    StepEnd::Failed(failure)
}

/// Tries a step until it has held, or has failed.
async fn try_step(
    lab: &Lab,
    step: &Step,
    act: &Act<'_>,
    begun: Instant,
    limit: Limit,
    tries: &mut u32,
) -> StepEnd {
    let within = match step.verb {
        Verb::Wait(Wait::Until(_)) => Some(step.timeout),
        _ => step.within,
    };
    let mut patience = Patience::new(within, step.holds_for);
    let mut earlier: Vec<Seen> = Vec::new();
    loop {
        let began = begun.elapsed();
        let Ok(tried) = timeout_at(limit.at, act.try_once(lab)).await else {
            return out_of_time(step, limit, earlier);
        };
        *tries += 1;
        let ended = begun.elapsed();
        let verdict = judge(step, &tried);
        let pause = match (patience.after(began, ended, verdict.is_ok()), verdict) {
            (Next::Held, _) => return StepEnd::Held,
            (Next::Again(pause), Ok(())) => pause,
            (Next::Again(pause), Err(Mismatch { got, .. })) => {
                if earlier.last().is_none_or(|seen| seen.got != got) {
                    earlier.push(Seen { after: ended, got });
                }
                pause
            }
            (next, verdict) => {
                let Mismatch { expected, got } = verdict.err().unwrap_or_else(|| unexplained(step));
                // The last thing seen is not also an earlier one.
                earlier.pop_if(|seen| seen.got == got);
                let mut notes = tried.notes;
                if let (Next::Lapsed(held), Some(asked)) = (next, step.holds_for) {
                    let (held, asked) = (show_millis(held), show_duration(asked));
                    notes.insert(0, format!("it had held for {held} of {asked}"));
                }
                return StepEnd::Failed(Failure { always: None, expected, got, earlier, notes });
            }
        };
        if Instant::now() + pause >= limit.at {
            return out_of_time(step, limit, earlier);
        }
        // Neither kernel nor store tells of everything that a step may look at.
        sleep(pause).await;
    }
}

/// Whole milliseconds, for people.
fn show_millis(time: Duration) -> String {
    show_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

fn out_of_time(step: &Step, limit: Limit, earlier: Vec<Seen>) -> StepEnd {
    let got = limit.passed();
    StepEnd::Failed(Failure { expected: expected(step), got, earlier, ..Failure::default() })
}

fn unexplained(step: &Step) -> Mismatch {
    Mismatch { expected: expected(step), got: "nothing that explains it".to_owned() }
}

fn judge(step: &Step, tried: &Tried) -> Result<(), Mismatch> {
    match &tried.outcome {
        // The fact as a sentence says more than that it was to hold.
        Ok(Outcome::Fact(Err(why))) => Err(Mismatch { expected: expected(step), got: why.clone() }),
        Ok(outcome) => step.expect.judge(outcome),
        Err(why) => Err(Mismatch { expected: expected(step), got: why.to_string() }),
    }
}

/// What a step expects, when there is no outcome to compare with.
fn expected(step: &Step) -> String {
    match &step.verb {
        Verb::Check(check) | Verb::Wait(Wait::Until(check)) => check.to_string(),
        _ => step.expect.to_string(),
    }
}

/// Looks at what has to hold after every step.
async fn hold_always(lab: &Lab, always: &[Check], limit: Limit) -> Result<(), Failure> {
    for check in always {
        let found = timeout_at(limit.at, look(lab, check)).await;
        let got = match found {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(why))) => why,
            Ok(Err(error)) => error.to_string(),
            Err(_) => limit.passed(),
        };
        let fact = check.to_string();
        return Err(Failure { always: Some(fact.clone()), expected: fact, got, ..Failure::default() });
    }
    Ok(())
}
