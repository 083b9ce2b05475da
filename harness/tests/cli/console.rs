//! `lab` as a person uses it: the real binary, with a state directory of the test's own.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kernel::Pidfd;
use tempfile::TempDir;

/// A command that takes longer hangs.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A state directory, and `lab` with it. All its labs end with it, and leave nothing.
#[derive(Debug)]
pub(crate) struct Console {
    directory: TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Console {
    pub(crate) fn new() -> Console {
        Console { directory: TempDir::with_prefix("lab-cli-").unwrap() }
    }

    /// One with the article's lab up.
    pub(crate) fn with_two_hosts() -> Console {
        let console = Console::new();
        console.lab(["up", "scenarios/two-host.toml"]).done();
        console
    }

    /// Where its labs are kept.
    pub(crate) fn state(&self) -> PathBuf {
        self.place("state")
    }

    /// A place beside them, for a file of the test's.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `lab` with these arguments, not started yet; its working directory is the repository.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = hearing(env!("CARGO_BIN_EXE_lab"));
        command.args(args).current_dir(repository()).stdin(Stdio::null());
        command.env("LAB_STATE", self.state()).env_remove("LAB_SEED").env_remove("GITHUB_ACTIONS");
        command.env("SHELL", "/bin/sh");
        command
    }

    /// `lab` with these arguments, to its end.
    pub(crate) fn lab<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Said {
        finish(self.command(args), "")
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let down = self.lab(["down", "--all"]);
        if thread::panicking() {
            return;
        }
        assert_eq!(down.code, 0, "{down:?}");
        let left = fs::read_dir(self.state()).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something is left in {}", self.state().display());
        assert_eq!(processes(&self.state()), Vec::<PathBuf>::new(), "processes are left");
    }
}

impl Said {
    /// It succeeded; what it printed.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// It failed with that code; its complaint.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// A command that ^C ends even where it does not end the tests: what a shell runs in the background ignores that, and so does all that it
/// starts (POSIX, Shell Command Language, 2.9.3.1).
pub(crate) fn hearing(program: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,QUIT", program]);
    command
}

/// The command to its end, with `input` to read; killed, and the test failed, if it does not come to one.
pub(crate) fn finish(mut command: Command, input: &str) -> Said {
    let what = format!("{command:?}");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    let process = Pidfd::open(child.id().cast_signed()).unwrap();
    // What it does not read is not our concern.
    let (input, pipe) = (input.to_owned(), child.stdin.take());
    thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(input.as_bytes())));
    let hear = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = hear(Box::new(child.stdout.take().unwrap()));
    let err = hear(Box::new(child.stderr.take().unwrap()));
    let in_time = process.ended(LIMIT).unwrap();
    if !in_time {
        process.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert!(in_time, "{what} did not end within {LIMIT:?}; it said {out:?} and {err:?}");
    // A signal's end never is what a test of `lab` wants unasked.
    Said { code: status.code().unwrap_or(-1), out, err }
}

/// Whether the machine has a program. If not, the part of the test that needs it says so, or fails if all are required.
pub(crate) fn tool(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(sbin).any(|directory| directory.join(name).is_file());
    if !found {
        missing(format_args!("this machine has no `{name}`"));
    }
    found
}

/// Says that a part of the running test is left out, past the test runner's capture.
pub(crate) fn missing(why: impl std::fmt::Display) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("LAB_REQUIRE").is_none_or(|require| require != "1"), "{test}: {why}");
    let _ = writeln!(std::io::stderr(), "{test}: not checked in full: {why}");
}

/// The repository's top.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The processes that were started for labs in that state directory, as far as we may look.
pub(crate) fn processes(state: &Path) -> Vec<PathBuf> {
    let wanted = format!("LAB_STATE={}", state.display());
    let ours = |process: &PathBuf| {
        fs::read(process.join("environ")).is_ok_and(|environment| {
            environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
        })
    };
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter(ours).collect()
}
