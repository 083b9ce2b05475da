//! One test, run again inside namespaces of its own.
//!
//! The outer test starts the test binary for this one test and believes nothing but what the inner
//! says of itself on the life line: `begin` before the body, then `end` or `panic`. libtest's own
//! verdict is not enough: `--exact` with a name that does not exist passes "0 tests".

use std::any::Any;
use std::env;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Inner, Life, Outcome, inside, report};

/// How long a test may take inside, when the environment says nothing else.
const LIMIT: Duration = Duration::from_mins(1);
/// The variable that says something else, in seconds.
const LIMIT_VARIABLE: &str = "LAB_TEST_TIMEOUT";
/// Marks the body's output among libtest's own.
const MARK: &str = "\u{1e}lab-trial\u{1e}";

/// Runs `body` inside fresh namespaces: here, if this process is inside already, else in a child.
/// `module` and `name` are those of the test function, as `module_path!()` says them.
pub fn trial<R: Outcome>(module: &str, name: &str, body: impl FnOnce() -> R) {
    if inside() {
        return run(body);
    }
    let path = match module.split_once("::") {
        Some((_crate, rest)) => format!("{rest}::{name}"),
        None => name.to_owned(),
    };
    if let Err(why) = watch(&path) {
        // The inner has printed its own panic message; a second one would only hide it.
        resume_unwind(Box::new(why));
    }
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

/// The outer's half: `Err` says why the test failed.
fn watch(path: &str) -> Result<(), String> {
    let limit = env::var(LIMIT_VARIABLE).ok().and_then(|s| s.parse().ok()).map_or(LIMIT, Duration::from_secs);
    let executable = env::current_exe().map_err(|e| format!("cannot find the test's executable: {e}"))?;
    let mut command = Command::new(executable);
    command.args([path, "--exact", "--nocapture", "--test-threads=1", "--include-ignored"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut inner = Inner::spawn(command, Life::Attached, None).map_err(|e| e.to_string())?;
    let output = collect(inner.child().stdout.take());
    let errors = collect(inner.child().stderr.take());
    let (said, ended) = inner.read_line_to_end(limit);
    let status = if ended { inner.wait() } else { inner.end() }.map_err(|e| e.to_string())?;
    // All of the lab is dead, so both pipes are at their end.
    print(&output.join().unwrap_or_default(), &errors.join().unwrap_or_default());
    if !ended {
        return complain(format!("the test hung: no end after {} s; it was ended", limit.as_secs()));
    }
    let mut lines = said.lines();
    match lines.next() {
        Some("begin") => {}
        Some(line) => return complain(line.trim_start_matches("error ").to_owned()),
        None => return complain(format!("the body of `{path}` never ran inside the lab ({status})")),
    }
    match lines.next() {
        Some("end") if status.success() => Ok(()),
        Some("end") => complain(format!("the test's process failed after its body had ended: {status}")),
        Some(line) => Err(unline(line.strip_prefix("panic ").unwrap_or(line))),
        None => complain(format!("the test's process died: {}", died(status.code()))),
    }
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

fn complain(why: String) -> Result<(), String> {
    eprintln!("{why}");
    Err(why)
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
