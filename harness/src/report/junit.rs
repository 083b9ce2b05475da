//! JUnit's XML: a suite a file, a case a step. Written by hand, in the dialect that CI servers share
//! (<https://github.com/testmoapp/junitxml>).

use std::fmt::Write;
use std::time::Duration;

use crate::scenario::{Failure, RunEvent, StepEnd, Verdict};
use crate::xml::escaped;

/// What a case is called that is about no step.
const LAB: &str = "the lab";

/// The suites of a run.
#[derive(Clone, Debug, Default)]
pub struct Junit {
    suites: Vec<Suite>,
}

#[derive(Clone, Debug, Default)]
struct Suite {
    file: String,
    seed: Option<u64>,
    took: Duration,
    cases: Vec<Case>,
    broken: Option<String>,
    bundle: Option<String>,
}

#[derive(Clone, Debug)]
struct Case {
    name: String,
    took: Duration,
    end: StepEnd,
}

impl Junit {
    /// Takes an event of a file's run.
    pub fn take(&mut self, file: &str, event: &RunEvent) {
        let at = self.suites.iter().position(|suite| suite.file == file).unwrap_or_else(|| {
            self.suites.push(Suite { file: file.to_owned(), ..Suite::default() });
            self.suites.len() - 1
        });
        let suite = &mut self.suites[at];
        match event {
            RunEvent::Begin { seed, .. } => suite.seed = Some(*seed),
            RunEvent::Done { name, end, took, .. } => {
                suite.cases.push(Case { name: name.clone(), took: *took, end: end.clone() });
            }
            RunEvent::Bundle { path } => suite.bundle = Some(path.clone()),
            RunEvent::End { verdict, took, .. } => {
                suite.took = *took;
                match verdict {
                    Verdict::Broken { why } => suite.broken = Some(why.clone()),
                    Verdict::Skipped { reason } => suite.cases.push(Case {
                        name: LAB.to_owned(),
                        took: *took,
                        end: StepEnd::Skipped { reason: reason.clone() },
                    }),
                    Verdict::Held | Verdict::Failed => {}
                }
            }
            RunEvent::Up { .. } | RunEvent::Step { .. } | RunEvent::Kept { .. } => {}
        }
    }

    /// The document.
    pub fn xml(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let sum = |of: fn(&Suite) -> usize| self.suites.iter().map(of).sum::<usize>();
        let totals = totals(sum(Suite::tests), sum(Suite::failures), sum(Suite::errors), sum(Suite::skipped));
        let took: Duration = self.suites.iter().map(|suite| suite.took).sum();
        // Writing to a string cannot fail.
        let _ = writeln!(xml, "<testsuites name=\"lab\" {totals} time=\"{}\">", seconds(took));
        for suite in &self.suites {
            suite.write(&mut xml);
        }
        xml + "</testsuites>\n"
    }
}

impl Suite {
    fn tests(&self) -> usize {
        self.cases.len() + self.errors()
    }

    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.end, StepEnd::Failed(_))).count()
    }

    fn errors(&self) -> usize {
        usize::from(self.broken.is_some())
    }

    fn skipped(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.end, StepEnd::Skipped { .. })).count()
    }

    fn write(&self, xml: &mut String) {
        let file = escaped(&self.file);
        let totals = totals(self.tests(), self.failures(), self.errors(), self.skipped());
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" {totals} time=\"{}\">", seconds(self.took));
        if let Some(seed) = self.seed {
            let _ =
                writeln!(xml, "    <properties><property name=\"LAB_SEED\" value=\"{seed}\"/></properties>");
        }
        for case in &self.cases {
            let (name, time) = (escaped(&case.name), seconds(case.took));
            let open = format!("    <testcase name=\"{name}\" classname=\"{file}\" time=\"{time}\"");
            let _ = match &case.end {
                StepEnd::Held => writeln!(xml, "{open}/>"),
                StepEnd::Skipped { reason } => {
                    writeln!(xml, "{open}><skipped message=\"{}\"/></testcase>", escaped(reason))
                }
                StepEnd::Failed(failure) => {
                    let message = format!("expected {}, got {}", failure.expected, failure.got);
                    let (message, text) = (escaped(&message), escaped(&self.text(failure)));
                    writeln!(xml, "{open}><failure message=\"{message}\">{text}</failure></testcase>")
                }
            };
        }
        if let Some(why) = &self.broken {
            let first = escaped(why.lines().next().unwrap_or_default());
            let _ = writeln!(
                xml,
                "    <testcase name=\"{LAB}\" classname=\"{file}\"><error message=\"{first}\">{}</error></testcase>",
                escaped(why)
            );
        }
        xml.push_str("  </testsuite>\n");
    }

    fn text(&self, failure: &Failure) -> String {
        let mut text = format!("expected {}\ngot {}\n", failure.expected, failure.got);
        for note in &failure.notes {
            let _ = writeln!(text, "{note}");
        }
        for seen in &failure.earlier {
            let _ = writeln!(text, "before, after {} s: {}", seconds(seen.after), seen.got);
        }
        if let Some(bundle) = &self.bundle {
            let _ = writeln!(text, "see {bundle}");
        }
        text
    }
}

fn totals(tests: usize, failures: usize, errors: usize, skipped: usize) -> String {
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Counts;

    #[test]
    fn a_suite_has_a_case_a_step() {
        let ms = Duration::from_millis;
        let done =
            |name: &str, end| RunEvent::Done { number: 1, name: name.into(), end, took: ms(12), tries: 1 };
        let failure = Failure { expected: "a < b".into(), got: "\"b\"".into(), ..Failure::default() };
        let events = [
            RunEvent::Begin { name: "x".into(), description: String::new(), seed: 7, steps: 3 },
            done("it holds", StepEnd::Held),
            done("no tool", StepEnd::Skipped { reason: "no `ip`".into() }),
            done("it fails & says so", StepEnd::Failed(failure)),
            RunEvent::Bundle { path: "/tmp/lab-x-1".into() },
            RunEvent::End { verdict: Verdict::Failed, counts: Counts::default(), took: ms(50) },
        ];
        let mut junit = Junit::default();
        for event in &events {
            junit.take("x.toml", event);
        }
        let why = "no namespaces\nfor you".to_owned();
        let broken =
            RunEvent::End { verdict: Verdict::Broken { why }, counts: Counts::default(), took: ms(1) };
        junit.take("y.toml", &broken);
        insta::assert_snapshot!(junit.xml());
    }
}
