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

/// Runs `body` inside fresh namespaces: here, if this process is inside already, else in a child.
/// `module` and `name` are those of the test function, as `module_path!()` says them.
pub fn trial<R: Outcome>(module: &str, name: &str, body: impl FnOnce() -> R) {
    if inside() {
        return run(body);
    }
    match watch(&path(module, name)) {
        Verdict::Returned(status) if status.success() => {}
        Verdict::Returned(status) => {
            fail(complain(format!("the test's process failed after its body had ended: {status}")))
        }
        Verdict::Broken(why) => fail(complain(why)),
        // The inner has printed its own panic message; a second one would only hide it.
        Verdict::Panicked(why) => fail(why),
    }
}

/// As [`trial`], for a test that is to panic. Only a panic of the body is one: where the body never ran, hung or died, this
/// returns, and libtest says that the test did not panic.
pub fn panicking_trial<R: Outcome>(module: &str, name: &str, body: impl FnOnce() -> R) {
    if inside() {
        return run(body);
    }
    match watch(&path(module, name)) {
        Verdict::Returned(_) => {}
        Verdict::Broken(why) => drop(complain(why)),
        Verdict::Panicked(why) => fail(why),
    }
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
fn watch(path: &str) -> Verdict {
    match attend(path) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Broken(error.to_string()),
    }
}

fn attend(path: &str) -> Result<Verdict> {
    let limit = env::var(LIMIT_VARIABLE).ok().and_then(|s| s.parse().ok()).map_or(LIMIT, Duration::from_secs);
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
