//! Events as people read them: a line a step; on failure what was expected, what came, and how to see it again.

use std::fmt::Write;
use std::time::Duration;

use crate::scenario::{Counts, Failure, RunEvent, StepEnd, Verdict};

/// Columns of a step's name; longer ones push the time to the right.
const NAME: usize = 64;

/// Most earlier values shown; of more, the first and the last ones.
const EARLIER: usize = 4;

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Marks are coloured.
    Coloured,
    /// Plain text.
    Plain,
}

/// Shows the run of one file.
#[derive(Clone, Debug)]
pub struct Human {
    file: String,
    paint: Paint,
    seed: u64,
    /// The head has been shown.
    begun: bool,
}

/// SGR codes (ECMA-48, 8.3.117).
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const BOLD: &str = "1";

impl Human {
    /// A displayer for that file.
    pub fn new(file: &str, paint: Paint) -> Human {
        Human { file: file.to_owned(), paint, seed: 0, begun: false }
    }

    /// The text for an event: whole lines, or nothing.
    pub fn show(&mut self, event: &RunEvent) -> String {
        match event {
            RunEvent::Begin { description, seed, .. } => {
                (self.seed, self.begun) = (*seed, true);
                self.head(description)
            }
            RunEvent::Up { hosts, networks, containers, took } => {
                let parts = [(*hosts, "host"), (*networks, "network"), (*containers, "container")];
                let parts = parts.map(|(count, what)| counted(count, what));
                self.line(GREEN, "up", &parts.join(", "), Some(*took))
            }
            RunEvent::Step { .. } => String::new(),
            RunEvent::Done { name, end, took, tries, .. } => match end {
                StepEnd::Held => self.line(GREEN, "ok", name, Some(*took)),
                StepEnd::Skipped { reason } => self.line(YELLOW, "skip", &format!("{name}: {reason}"), None),
                StepEnd::Failed(failure) => {
                    self.line(RED, "FAIL", name, Some(*took)) + &self.explain(failure, *tries)
                }
            },
            RunEvent::Bundle { path } => detail("see", path),
            RunEvent::Kept { name } => detail(
                "kept",
                &format!("`lab --lab {name} exec …` looks at it; `lab down {name}`, or ^C, ends it"),
            ),
            RunEvent::End { verdict, counts, took } => self.end(verdict, *counts, *took),
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        match self.paint {
            Paint::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Paint::Plain => text.to_owned(),
        }
    }

    fn head(&self, description: &str) -> String {
        format!("{}  {description}", self.painted(BOLD, &self.file)).trim_end().to_owned() + "\n"
    }

    fn line(&self, colour: &str, mark: &str, text: &str, took: Option<Duration>) -> String {
        let mark = self.painted(colour, &format!("{mark:<4}"));
        let took = took.map(show_time).unwrap_or_default();
        format!("  {mark}  {text:<NAME$} {took:>8}").trim_end().to_owned() + "\n"
    }

    fn explain(&self, failure: &Failure, tries: u32) -> String {
        let mut text = String::new();
        if failure.always.is_some() {
            text += &detail("always", "the step itself held; this has to hold after every step");
        }
        text += &detail("expected", &failure.expected);
        let tried = if tries > 1 { format!(" (try {tries})") } else { String::new() };
        text += &detail("got", &format!("{}{tried}", failure.got));
        for note in &failure.notes {
            text += &detail("", note);
        }
        for (number, seen) in earlier(failure) {
            let label = if number == 0 { "before" } else { "" };
            text += &detail(label, &format!("{:>8}  {}", show_time(seen.after), seen.got));
        }
        text + &detail("again", &format!("LAB_SEED={} lab run {}", self.seed, quoted(&self.file)))
    }

    fn end(&self, verdict: &Verdict, counts: Counts, took: Duration) -> String {
        let (text, what) = match verdict {
            Verdict::Held | Verdict::Failed => (String::new(), self.tally(counts)),
            Verdict::Skipped { reason } => {
                (self.line(YELLOW, "skip", reason, None), self.painted(YELLOW, "skipped"))
            }
            Verdict::Broken { why } => {
                let head = if self.begun { String::new() } else { self.head("") };
                (head + &self.complaint(why), self.painted(RED, "not played to its end"))
            }
        };
        format!("{text}  {what}, in {}\n", show_time(took))
    }

    /// Why a file could not be played; of several lines, as a mistake in it has.
    fn complaint(&self, why: &str) -> String {
        let (first, rest) = why.split_once('\n').unwrap_or((why, ""));
        let rest = rest.lines().map(|line| format!("        {line}\n"));
        self.line(RED, "FAIL", first, None) + &rest.collect::<String>()
    }

    /// The steps of one run in a few words.
    fn tally(&self, counts: Counts) -> String {
        let all = [
            (counts.failed, "failed", RED),
            (counts.held, "held", GREEN),
            (counts.skipped, "skipped", YELLOW),
            (counts.left, "not played", YELLOW),
        ];
        let all = all.iter().filter(|(count, ..)| *count > 0);
        let all: Vec<String> =
            all.map(|(count, word, colour)| self.painted(colour, &format!("{count} {word}"))).collect();
        if all.is_empty() { "no steps".to_owned() } else { all.join(", ") }
    }
}

/// The closing line for several files.
pub fn summary(verdicts: &[(String, Verdict)], took: Duration, paint: Paint) -> String {
    let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|(_, verdict)| is(verdict)).count();
    let held = count(|verdict| *verdict == Verdict::Held);
    let failed = count(|verdict| *verdict == Verdict::Failed);
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped { .. }));
    let broken = verdicts.len() - held - failed - skipped;
    let painter = Human::new("", paint);
    let mut text = String::new();
    for (file, verdict) in verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Held) {
        let (word, colour) = match verdict {
            Verdict::Failed => ("failed", RED),
            Verdict::Skipped { .. } => ("skipped", YELLOW),
            _ => ("not played", RED),
        };
        let _ = writeln!(text, "{}  {file}", painter.painted(colour, &format!("{word:<10}")));
    }
    let all = [(held, "held"), (failed, "failed"), (skipped, "skipped"), (broken, "not played")];
    let all: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let files = counted(verdicts.len(), "file");
    let _ = writeln!(text, "{files}: {}, in {}", all.join(", "), show_time(took));
    text
}

/// Earlier values, numbered; the middle ones are left out if there are many.
fn earlier(failure: &Failure) -> impl Iterator<Item = (usize, &crate::scenario::Seen)> {
    let many = failure.earlier.len();
    failure
        .earlier
        .iter()
        .enumerate()
        .filter(move |(number, _)| many <= EARLIER || *number == 0 || *number + EARLIER > many)
}

fn detail(label: &str, text: &str) -> String {
    format!("        {label:<9} {text}\n")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A time to three digits or so.
fn show_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.0}us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.0}ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1}s")
    } else {
        format!("{}m{:02}s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Seen;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn done(name: &str, end: StepEnd, took: u64, tries: u32) -> RunEvent {
        RunEvent::Done { number: 1, name: name.into(), end, took: ms(took), tries }
    }

    #[test]
    fn a_run_is_a_line_a_step_and_a_failure_explains_itself() {
        let seen = |after, got: &str| Seen { after: ms(after), got: got.into() };
        let failure = Failure {
            always: None,
            expected: "a loss of 0%".into(),
            got: "1 of 2 answered".into(),
            earlier: vec![seen(1100, "0 of 2 answered")],
            notes: vec!["there is no way from C1 to 192.168.0.100".into()],
        };
        let events = [
            RunEvent::Begin { name: "x".into(), description: "Two hosts.".into(), seed: 7, steps: 4 },
            RunEvent::Up { hosts: 3, networks: 1, containers: 2, took: ms(38) },
            done("hosts reach each other", StepEnd::Held, 102, 1),
            done("ip says so", StepEnd::Skipped { reason: "this machine has no `ip`".into() }, 0, 0),
            done("containers reach each other", StepEnd::Failed(failure), 5012, 5),
            RunEvent::Bundle { path: "/tmp/lab-x-1".into() },
            RunEvent::End {
                verdict: Verdict::Failed,
                counts: Counts { held: 1, failed: 1, skipped: 1, left: 1 },
                took: ms(5300),
            },
        ];
        let mut human = Human::new("two host.toml", Paint::Plain);
        let text: String = events.iter().map(|event| human.show(event)).collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_are_only_for_marks() {
        let mut human = Human::new("x.toml", Paint::Coloured);
        let text = human.show(&done("it holds", StepEnd::Held, 1, 1));
        assert!(text.starts_with("  \u{1b}[32mok  \u{1b}[0m  it holds "), "{text:?}");
    }

    #[test]
    fn several_files_are_summed_up() {
        let broken = Verdict::Broken { why: "no namespaces".into() };
        let skipped = Verdict::Skipped { reason: "no root".into() };
        let verdicts = [("a", Verdict::Held), ("b", Verdict::Failed), ("c", broken), ("d", skipped)];
        let verdicts = verdicts.map(|(file, verdict)| (file.to_owned(), verdict));
        assert_eq!(
            summary(&verdicts, ms(61_000), Paint::Plain),
            "failed      b\nnot played  c\nskipped     d\n4 files: 1 held, 1 failed, 1 skipped, 1 not played, in 1m01s\n"
        );
    }
}
