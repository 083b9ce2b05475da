//! A process on a machine: started there, heard, waited for.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use kernel::{Machine, Pidfd};
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Line, Log, State, Stream};
use crate::error::{Error, Kind, Result};
use crate::events::now;

/// Where programs are looked for when nothing else is said, as Docker sets it.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// The program and its arguments; never empty.
    pub(crate) command: Vec<String>,
    /// Its environment, on top of `PATH`, `HOME` and `HOSTNAME`.
    pub(crate) env: BTreeMap<String, String>,
    /// What `HOSTNAME` says.
    pub(crate) hostname: String,
    /// What it reads from its standard input; nothing, if not given.
    pub(crate) stdin: Option<String>,
}

/// A process that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    /// As the supervisor sees it.
    pub(crate) pid: u32,
    /// What it printed.
    pub(crate) log: Log,
    pidfd: Pidfd,
    state: watch::Receiver<State>,
    /// Its reader ends, and the child is killed, when this is dropped.
    _alive: watch::Sender<()>,
}

impl Process {
    /// Starts `program` on `machine`. Its end may be awaited; its output is kept. `tell` is told that it runs, and that it
    /// has ended before anybody who waits for that.
    pub(crate) fn start(
        machine: &Machine,
        program: Program,
        tell: impl Fn(State) + Send + 'static,
    ) -> Result<Process> {
        let runtime = Handle::current();
        let command = program.command.clone();
        let (stdin, admission) = (program.stdin.clone(), machine.admission());
        let started = machine.spawn(move || {
            // Tokio registers the child with its runtime; nothing is started on this thread but the process.
            let _runtime = runtime.enter();
            let mut command = build(&program);
            admission.admit(command.as_std_mut());
            command.spawn()
        })?;
        let mut child = started.map_err(|e| refused(&command, &e))?;
        let pid = child.id().unwrap_or_default();
        // It is a zombie at least until it is waited for below: the number is its own.
        let pidfd = Pidfd::open(pid.cast_signed()).map_err(|e| refused(&command, &e))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A process that does not read its input is not our concern.
            tokio::spawn(async move { drop(pipe.write_all(text.as_bytes()).await) });
        }
        let log = Log::default();
        let (ended, state) = watch::channel(State::Running);
        let (alive, owner) = watch::channel(());
        let attended = attend(child, log.clone(), owner);
        tell(State::Running);
        tokio::spawn(async move {
            let end = State::Exited(attended.await);
            tell(end);
            let _ = ended.send(end);
        });
        Ok(Process { pid, log, pidfd, state, _alive: alive })
    }

    /// Whether it is alive.
    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Sends it a signal. That it has ended is fine.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let failed =
            |e| Error::new(Kind::Machine, format_args!("cannot send {signal} to process {}: {e}", self.pid));
        self.pidfd.signal(signal).map_err(failed)
    }

    /// Waits for its end; its exit status.
    pub(crate) async fn wait(&self) -> i32 {
        self.ended().await
    }

    /// Its end, which may be waited for without holding it.
    pub(crate) fn ended(&self) -> impl Future<Output = i32> + Send + use<> {
        let mut state = self.state.clone();
        async move {
            let ended = state.wait_for(|state| matches!(state, State::Exited(_))).await;
            match ended.as_deref() {
                Ok(State::Exited(code)) => *code,
                // The task that attends it always says how it ended, unless the whole lab is going down.
                _ => 128 + 9,
            }
        }
    }
}

fn build(program: &Program) -> Command {
    let mut command = Command::new(&program.command[0]);
    command.args(&program.command[1..]);
    command.env_clear();
    let terminal = std::env::var_os("TERM").unwrap_or_else(|| "dumb".into());
    command.env("PATH", PATH).env("HOME", "/root").env("TERM", terminal).env("HOSTNAME", &program.hostname);
    command.envs(&program.env).current_dir("/");
    command.stdin(if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn refused(command: &[String], error: &io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    };
    Error::new(Kind::Input, format_args!("cannot run `{}`: {why}", command.join(" ")))
}

/// Waits for a child's end, and brings it about when the owner is gone; its exit status.
async fn attend(mut child: Child, log: Log, mut owner: watch::Receiver<()>) -> i32 {
    let output = tokio::spawn(hear(child.stdout.take(), Stream::Stdout, log.clone()));
    let errors = tokio::spawn(hear(child.stderr.take(), Stream::Stderr, log.clone()));
    let status = tokio::select! {
        status = child.wait() => status,
        // The owner is gone: nobody waits, and the child is to end.
        _ = owner.changed() => { let _ = child.start_kill(); child.wait().await }
    };
    // What a daemon it left behind prints later is not waited for; what it printed itself is.
    let readers = async {
        let _ = tokio::join!(output, errors);
    };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(100), readers).await;
    log.close();
    status.map_or(-1, |s| s.code().or_else(|| s.signal().map(|n| 128 + n)).unwrap_or(-1))
}

async fn hear(pipe: Option<impl AsyncRead + Unpin>, stream: Stream, log: Log) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        log.push(Line { at: now(), stream, text });
        line.clear();
    }
}
