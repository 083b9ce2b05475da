//! Entering a lab: the current executable, started again inside namespaces of its own.
//!
//! ```text
//! outer                       Command(current executable), stdin = one end of a socket pair: the life line
//! └ shepherd                  PID namespace (and a user namespace, unless it has the capabilities); waits, cleans up
//!   └ init, pid 1             mount, network, UTS and IPC namespaces; reaps; exits when the life line breaks
//!     └ inner, pid 2          returns from the constructor into `main`
//! ```
//!
//! A constructor does this before `main`, where the process is still single-threaded and ordinary
//! code may fork. It is inert unless one environment variable is set, so that a test binary of any
//! crate can enter a lab of its own: a dev-dependency gets no binaries to start.
//!
//! When init dies, everything in the PID namespace dies with it, and with the last process and
//! descriptor go the namespaces. Init dies when the outer does (end of file on the life line), when
//! the shepherd does (its pidfd; the parent-death signal, if init itself is stuck), and when the inner ends.

mod init;
mod inside;
mod outcome;
mod remains;
mod trial;

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, Result};
use crate::pidfd::Pidfd;

pub use inside::{detach, inside, line, rootless};
pub use outcome::Outcome;
pub use remains::Remains;
pub use trial::{Trial, give_up};

/// Set for the re-executed process only; the constructor removes it first thing.
const ENTER: &str = "KERNEL_ENTER";
/// What the shepherd removes when the lab is over: the locked file, and the names of the files beside it.
const LOCK: &str = "KERNEL_LOCK";
const BESIDE: &str = "KERNEL_BESIDE";
/// How a lab is let go. The inner asks, the outer grants it once it has written down that there is a lab, init no longer
/// watches the life line and says so. Whenever the outer is killed, either there is no lab or somebody knows of it.
const ASKED: &str = "may the lab stay?";
const GRANTED: &str = "it may";
const DETACHED: &str = "detached";
/// Exit code of a lab that could not be entered, as Docker's for its own failures.
pub const EXIT_ENTRY: i32 = 125;

/// How long a lab lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as the outer and its thread: a test, a foreground lab.
    Attached,
    /// Until it is told otherwise: the inner may call [`detach`], after which the outer may leave.
    Detachable,
}

/// A process started inside a lab, seen from outside. Dropping it ends the lab, unless detached.
#[derive(Debug)]
pub struct Inner {
    child: Child,
    line: UnixStream,
}

impl Inner {
    /// Starts `command`, which has to be the current executable, inside fresh namespaces. Its standard
    /// input becomes the life line; the rest is as the caller sets it. When all is over, `remains` are removed,
    /// unless somebody else has locked their file by then.
    pub fn spawn(mut command: Command, life: Life, remains: Option<&Remains>) -> Result<Inner> {
        let (ours, theirs) = UnixStream::pair().doing("make", "the life line of a lab")?;
        command.env(ENTER, if life == Life::Attached { "attached" } else { "detachable" });
        if let Some(remains) = remains {
            remains.tell(&mut command);
        }
        command.stdin(OwnedFd::from(theirs));
        let child = command.spawn().doing("start", command.get_program().to_string_lossy())?;
        // `command` holds the other end until it is dropped; without that, its end would never be seen.
        drop(command);
        Ok(Inner { child, line: ours })
    }

    /// The process that was started: the shepherd.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The life line. What the inner writes to [`line()`] is read here.
    pub fn line(&self) -> &UnixStream {
        &self.line
    }

    /// Sends `text`, one line, and descriptors with it.
    pub fn send(&self, text: &str, fds: &[BorrowedFd<'_>]) -> Result<()> {
        crate::pass::send(self.line.as_fd(), format!("{text}\n").as_bytes(), fds)
            .doing("write to", "the life line")
    }

    /// Waits for the inner to call [`detach`], and grants it; after that the lab outlives this value, if it was started so.
    /// Lines that come before are handed to `each`.
    pub fn wait_detached(mut self, mut each: impl FnMut(&str)) -> io::Result<Inner> {
        let mut lines = BufReader::new(&self.line).lines();
        for line in &mut lines {
            let line = line?;
            match line.as_str() {
                ASKED => (&self.line).write_all(format!("{GRANTED}\n").as_bytes())?,
                DETACHED => {
                    drop(lines);
                    return Ok(self);
                }
                line => each(line),
            }
        }
        drop(lines);
        // The shepherd tidies up first.
        self.child.wait()?;
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the lab ended before it was up"))
    }

    /// The child's own handle, for its output pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Breaks the life line and waits for the end.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        self.line.shutdown(std::net::Shutdown::Both)?;
        self.child.wait()
    }

    /// Waits until SIGINT, SIGTERM or SIGHUP asks for the end, or the lab ends by itself. For a process with one thread.
    pub fn wait_or_signal(&mut self) -> Result<()> {
        let mut asked = SigSet::empty();
        asked.add(Signal::SIGINT);
        asked.add(Signal::SIGTERM);
        asked.add(Signal::SIGHUP);
        asked.thread_block().doing("block", "signals")?;
        let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_CLOEXEC).doing("make", "a signalfd")?;
        let shepherd = Pidfd::open(self.child.id().cast_signed()).doing("open", "the shepherd")?;
        let mut both = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(shepherd.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut both, PollTimeout::NONE).map(drop).doing("wait for", "the lab")
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Reads what is left on the line, until its end or until `limit` has passed.
    pub(crate) fn read_line_to_end(&mut self, limit: Duration) -> (String, bool) {
        let deadline = std::time::Instant::now() + limit;
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return (String::from_utf8_lossy(&text).into_owned(), false);
            }
            // A zero duration would mean "for ever", hence the check above.
            let read = self
                .line
                .set_read_timeout(Some(left))
                .and_then(|()| io::Read::read(&mut self.line, &mut chunk));
            match read {
                Ok(0) => return (String::from_utf8_lossy(&text).into_owned(), true),
                Ok(n) => text.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => return (String::from_utf8_lossy(&text).into_owned(), true),
            }
        }
    }
}

/// Writes one line to the life line, from inside.
pub fn report(text: &str) -> io::Result<()> {
    match line() {
        Some(mut line) => writeln!(line, "{text}"),
        None => Err(io::Error::other("not inside a lab")),
    }
}
