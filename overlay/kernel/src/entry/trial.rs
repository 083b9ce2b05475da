//! One test, run again inside namespaces of its own.
//!
//! The outer test starts the test binary for this one test and believes nothing but what the inner
//! says of itself on the life line: `begin` before the body, then `end` or `panic`. libtest's own
//! verdict is not enough: `--exact` with a name that does not exist passes "0 tests".

use std::any::Any;
use std::env;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::{Inner, Life, Outcome, inside, report};
use crate::error::{Context, Result};

/// How long a test may take inside, when the environment says nothing else.
const LIMIT: Duration = Duration::from_mins(1);
/// The variable that says something else, in seconds.
const LIMIT_VARIABLE: &str = "LAB_TEST_TIMEOUT";
/// For a body that watches itself, once its time is over.
const GRACE: Duration = Duration::from_secs(10);
/// Marks the body's output among libtest's own.
const MARK: &str = "\u{1e}lab-trial\u{1e}";

/// What the outer knows of a test.
enum Verdict {
    /// The body returned, and its process ended well; not so well if libtest had waited for a panic.
    Returned(ExitStatus),
    /// The body panicked, or returned an error, and said so itself. It has printed the message, too.
    Panicked(String),
    /// Anything else: it never ran, hung, died, left.
    Broken(String),
}

/// A test that runs inside fresh namespaces. `module` and `name` are those of the test function, as `module_path!()` says
/// them.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    module: &'a str,
    name: &'a str,
    limit: Option<Duration>,
    panics: bool,
    grace: Duration,
}

impl<'a> Trial<'a> {
    /// The test of that name in that module.
    pub const fn new(module: &'a str, name: &'a str) -> Trial<'a> {
        Trial { module, name, limit: None, panics: false, grace: Duration::ZERO }
    }

    /// With a time limit of its own. Without, it is what `LAB_TEST_TIMEOUT` says, in seconds, or a minute.
    #[must_use]
    pub const fn limit(self, limit: Duration) -> Trial<'a> {
        Trial { limit: Some(limit), ..self }
    }

    /// A test that is to panic (`#[should_panic]`): only the body's own panic counts as one, and whatever else goes wrong is
    /// printed and does not panic.
    #[must_use]
    pub const fn panicking(self) -> Trial<'a> {
        Trial { panics: true, ..self }
    }

    /// A test whose body ends itself when its time is over, by [`give_up`]: it gets some more, to say in what state it hangs.
    #[must_use]
    pub const fn watching_itself(self) -> Trial<'a> {
        Trial { grace: GRACE, ..self }
    }

    /// The test's name as libtest has it.
    pub fn path(&self) -> String {
        path(self.module, self.name)
    }

    /// How long the test may take.
    pub fn patience(&self) -> Duration {
        let said = env::var(LIMIT_VARIABLE).ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
        self.limit.or(said).unwrap_or(LIMIT)
    }

    /// Runs `body`: here, if this process is inside already, else in a child.
    pub fn run<R: Outcome>(self, body: impl FnOnce() -> R) {
        if inside() {
            return run(body);
        }
        match watch(&self.path(), self.patience() + self.grace) {
            Verdict::Returned(status) if status.success() || self.panics => {}
            Verdict::Returned(status) => {
                fail(complain(format!("the test's process failed after its body had ended: {status}")))
            }
            // The inner has printed its own panic message; a second one would only hide it.
            Verdict::Panicked(why) => fail(why),
            Verdict::Broken(why) if self.panics => drop(complain(why)),
            Verdict::Broken(why) => fail(complain(why)),
        }
    }
}

/// Ends a test from another thread than the body's, as if the body had failed. For whoever watches it from inside.
pub fn give_up(why: &str) -> ! {
    eprintln!("Error: {why}");
    let _ = report(&format!("panic {}", one_line(why)));
    let _ = std::io::stdout().flush();
    std::process::exit(1)
}

/// The test's name as libtest has it: without the crate.
fn path(module: &str, name: &str) -> String {
    match module.split_once("::") {
        Some((_crate, rest)) => format!("{rest}::{name}"),
        None => name.to_owned(),
    }
}

fn fail(why: String) -> ! {
    resume_unwind(Box::new(why))
}

/// The inner's half.
#[expect(clippy::print_stdout, reason = "the mark belongs between the test's own lines")]
fn run<R: Outcome>(body: impl FnOnce() -> R) {
    println!("{MARK}");
    report("begin").expect("the life line is open");
    let result = catch_unwind(AssertUnwindSafe(body));
    println!("{MARK}");
    match result {
        Ok(returned) => match returned.failure() {
            None => report("end").expect("the life line is open"),
            Some(why) => {
                eprintln!("Error: {why}");
                report(&format!("panic {}", one_line(&why))).expect("the life line is open");
                resume_unwind(Box::new(why));
            }
        },
        Err(panic) => {
            report(&format!("panic {}", one_line(message(&*panic)))).expect("the life line is open");
            resume_unwind(panic);
        }
    }
}

/// The outer's half.
fn watch(path: &str, limit: Duration) -> Verdict {
    match attend(path, limit) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Broken(error.to_string()),
    }
}

fn attend(path: &str, limit: Duration) -> Result<Verdict> {
    let executable = env::current_exe().doing("find", "the test's executable")?;
    let mut command = Command::new(executable);
    command.args([path, "--exact", "--nocapture", "--test-threads=1", "--include-ignored"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut inner = Inner::spawn(command, Life::Attached, None)?;
    let output = collect(inner.child().stdout.take());
    let errors = collect(inner.child().stderr.take());
    let (said, ended) = inner.read_line_to_end(limit);
    let status = if ended { inner.wait() } else { inner.end() }.doing("wait for", "the test's process")?;
    // All of the lab is dead, so both pipes are at their end.
    print(&output.join().unwrap_or_default(), &errors.join().unwrap_or_default());
    if !ended {
        let hung = format!("the test hung: no end after {} s; it was ended", limit.as_secs());
        return Ok(Verdict::Broken(hung));
    }
    let mut lines = said.lines();
    match lines.next() {
        Some("begin") => {}
        Some(line) => return Ok(Verdict::Broken(line.trim_start_matches("error ").to_owned())),
        None => {
            let never = format!("the body of `{path}` never ran inside the lab ({status})");
            return Ok(Verdict::Broken(never));
        }
    }
    Ok(match lines.next() {
        Some("end") => Verdict::Returned(status),
        Some(line) => match line.strip_prefix("panic ") {
            Some(why) => Verdict::Panicked(unline(why)),
            None => Verdict::Broken(format!("the test wrote to the life line: {line}")),
        },
        None => Verdict::Broken(format!("the test's process died: {}", died(status.code()))),
    })
}

/// An exit code above 128 is a signal's.
fn died(code: Option<i32>) -> String {
    match code {
        Some(code @ 129..) => match nix::sys::signal::Signal::try_from(code - 128) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("exit code {code}"),
        },
        Some(code) => format!("exit code {code}"),
        None => "killed".to_owned(),
    }
}

/// Says on standard error why the test failed, where libtest captures it.
fn complain(why: String) -> String {
    eprintln!("{why}");
    why
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Prints the body's own output, through the macros that libtest captures.
#[expect(clippy::print_stdout, reason = "a test's output is printed where libtest captures it")]
fn print(output: &str, errors: &str) {
    let body: Vec<&str> = output.split(MARK).collect();
    match body.as_slice() {
        // libtest's line before, the body, libtest's line behind (nothing, if the process died).
        [_, body, ..] => print!("{}", body.strip_prefix('\n').unwrap_or(body)),
        _ => print!("{output}"),
    }
    eprint!("{errors}");
    let _ = std::io::stdout().flush();
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

/// A message on one line of the life line.
fn one_line(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unline(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, c == '\\') {
            (_, true) => plain.push(if rest.next() == Some('n') { '\n' } else { '\\' }),
            (c, false) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_line() {
        for text in ["plain", "two\nlines", "a \\n that is none", "\\\n\\"] {
            assert_eq!(unline(&one_line(text)), text);
            assert!(!one_line(text).contains('\n'));
        }
    }
}
