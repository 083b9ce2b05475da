//! Workflow commands of GitHub Actions: each file's lines folded, and an annotation where a step failed
//! (<https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>).

use std::fmt::Write;
use std::path::Path;

use crate::scenario::{RunEvent, StepEnd, Verdict};
use crate::topology::{Report, parse, step_lines};

/// Puts the run of one file into a group of its own, and annotates the file.
#[derive(Clone, Debug)]
pub struct Github {
    /// The file as it was named.
    name: String,
    /// The file as the server is to find it.
    place: String,
    source: String,
    token: String,
    open: bool,
    annotations: String,
}

impl Github {
    /// For the file called `name`, which says `source`. Annotations point to `place`. What is in between is no command, whatever
    /// a lab prints: `token` is what nobody in a lab can know.
    pub fn new(name: &str, place: &str, source: &str, token: &str) -> Github {
        Github {
            name: name.to_owned(),
            place: place.to_owned(),
            source: source.to_owned(),
            token: token.to_owned(),
            open: false,
            annotations: String::new(),
        }
    }

    /// What is to be printed for an event: `text`, which shows it, and commands around it.
    pub fn show(&mut self, event: &RunEvent, text: &str) -> String {
        let mut shown = String::new();
        // Writing to a string cannot fail.
        if !std::mem::replace(&mut self.open, true) {
            let _ = write!(shown, "::group::{}\n::stop-commands::{}\n", data(&self.name), self.token);
        }
        shown += text;
        match event {
            RunEvent::Done { number, name, end: StepEnd::Failed(failure), .. } => {
                let line = step_lines(&self.source).get(number - 1).copied().unwrap_or(1);
                let mut message = format!("expected {}, got {}", failure.expected, failure.got);
                for note in &failure.notes {
                    let _ = write!(message, "\n{note}");
                }
                self.annotate(line, name, &message);
            }
            RunEvent::End { verdict, .. } => {
                if let Verdict::Broken { why } = verdict {
                    let wrong = parse(&self.name, &self.source).err();
                    self.annotate(wrong.as_ref().map_or(1, Report::line), "not played to its end", why);
                }
                let _ = write!(shown, "::{}::\n::endgroup::\n{}", self.token, self.annotations);
            }
            _ => {}
        }
        shown
    }

    fn annotate(&mut self, line: usize, title: &str, message: &str) {
        let (place, title) = (property(&self.place), property(title));
        let _ =
            writeln!(self.annotations, "::error file={place},line={line},title={title}::{}", data(message));
    }
}

/// The path of a file within the repository, which is checked out at `workspace`; the file is named as from `here`. As it
/// is named, if it is elsewhere.
pub fn place(file: &Path, here: &Path, workspace: &Path) -> String {
    let whole = here.join(file);
    whole.strip_prefix(workspace).unwrap_or(file).display().to_string()
}

/// A message as a command takes it: on one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command: it ends at a comma, and all of them at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::{Counts, Failure};

    const FILE: &str =
        "[[host]]\nname = \"h0\"\n\n[[step]]\nname = \"it holds\"\n\n[[step]]\nname = \"it does not\"\n";

    fn end(verdict: Verdict) -> RunEvent {
        RunEvent::End { verdict, counts: Counts::default(), took: Duration::ZERO }
    }

    fn failed(got: &str) -> RunEvent {
        let failure = Failure { expected: "0% loss".into(), got: got.into(), ..Failure::default() };
        let end = StepEnd::Failed(failure);
        RunEvent::Done { number: 2, name: "it, or not: no".into(), end, took: Duration::ZERO, tries: 1 }
    }

    #[test]
    fn a_failed_step_is_annotated_where_it_stands() {
        let mut github = Github::new("x.toml", "labs/x.toml", FILE, "t0");
        let mut text = github.show(&failed("100%\nof 2"), "  FAIL\n");
        text += &github.show(&end(Verdict::Failed), "  1 failed\n");
        assert_eq!(
            text,
            "::group::x.toml\n::stop-commands::t0\n  FAIL\n  1 failed\n::t0::\n::endgroup::\n\
             ::error file=labs/x.toml,line=7,title=it%2C or not%3A no::expected 0%25 loss, got 100%25%0Aof 2\n"
        );
    }

    #[test]
    fn a_file_with_a_mistake_is_annotated_at_its_first() {
        let source = format!("{FILE}[[container]]\nname = \"C0\"\non = \"h1\"\n");
        let mut github = Github::new("x.toml", "x.toml", &source, "t0");
        let text = github.show(&end(Verdict::Broken { why: "no such host".into() }), "");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("::error file=x.toml,line="), "{text}");
        assert!(!last.contains("line=1,"), "{text}");
    }

    #[test]
    fn a_place_is_within_the_repository() {
        let of =
            |file: &str, here: &str| place(Path::new(file), Path::new(here), Path::new("/home/runner/w/w"));
        assert_eq!(of("labs/x.toml", "/home/runner/w/w"), "labs/x.toml");
        assert_eq!(of("x.toml", "/home/runner/w/w/labs"), "labs/x.toml");
        assert_eq!(of("/home/runner/w/w/x.toml", "/"), "x.toml");
        assert_eq!(of("x.toml", "/elsewhere"), "x.toml");
    }

    proptest! {
        #[test]
        fn a_message_stays_in_its_command(got in ".*", name in ".*") {
            let mut github = Github::new(&name, &name, FILE, "t0");
            let text = github.show(&failed(&got), "") + &github.show(&end(Verdict::Failed), "");
            let commands: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(commands.len(), 6, "{}", text);
            let properties = commands[4].strip_prefix("::error ").and_then(|rest| rest.split_once("::"));
            prop_assert_eq!(properties.map(|(list, _)| list.split(',').count()), Some(3));
        }
    }
}
