//! A command that goes on, heard as it speaks: through pipes, or on a terminal.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use kernel::Pidfd;
use kernel::pty::{Pty, Size};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::console::LIMIT;

/// A command that runs.
pub(crate) struct Stream {
    child: Child,
    heard: Receiver<Vec<u8>>,
    /// What it said and nobody has waited for yet.
    text: String,
    pty: Option<Pty>,
}

impl Stream {
    /// Starts it; its standard output and error are heard together.
    pub(crate) fn start(mut command: Command) -> Stream {
        let (said, heard) = mpsc::channel();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        hear_lines(child.stdout.take().unwrap(), said.clone());
        hear_lines(child.stderr.take().unwrap(), said);
        Stream { child, heard, text: String::new(), pty: None }
    }

    /// Starts it on a terminal of 24 lines by 80.
    pub(crate) fn on_terminal(command: Command) -> Stream {
        let (said, heard) = mpsc::channel();
        let (pty, child) = Pty::spawn(command, Size { rows: 24, columns: 80 }).unwrap();
        hear(pty.try_clone().unwrap(), said);
        Stream { child, heard, text: String::new(), pty: Some(pty) }
    }

    /// Waits until it says that, after what was waited for before.
    #[track_caller]
    pub(crate) fn see(&mut self, what: &str) -> &mut Stream {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.text.find(what) {
                self.text.drain(..at + what.len());
                return self;
            }
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => panic!("no {what:?} in time, but {:?}", self.text),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no {what:?} before its end, but {:?}", self.text)
                }
            }
        }
    }

    /// Waits for a line, after what was waited for before; without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(end) = self.text.find('\n') {
                let line = self.text.drain(..=end).collect::<String>();
                return line.trim_end().to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes =
                self.heard.recv_timeout(left).unwrap_or_else(|_| panic!("no line, but {:?}", self.text));
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Whether it has said nothing that nobody has waited for.
    pub(crate) fn silent(&mut self) -> bool {
        self.text.extend(self.heard.try_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        self.text.is_empty()
    }

    /// Whether that is among what it has said and nobody has waited for.
    pub(crate) fn has(&self, what: &str) -> bool {
        self.text.contains(what)
    }

    /// Types that.
    pub(crate) fn key(&mut self, text: &str) -> &mut Stream {
        self.pty.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        self
    }

    /// Changes the terminal's size.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) -> &mut Stream {
        self.pty.as_ref().unwrap().resize(Size { rows, columns }).unwrap();
        self
    }

    /// Sends a signal to the command alone.
    pub(crate) fn send(&mut self, signal: Signal) -> &mut Stream {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        self
    }

    /// Its end: the exit code, or 128 and the signal; and what it had still said.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let process = Pidfd::open(self.child.id().cast_signed()).unwrap();
        assert!(process.ended(LIMIT).unwrap(), "it does not end; it said {:?}", self.text);
        let status = self.child.wait().unwrap();
        // Something else may have the pipes still; what it says later is not waited for.
        while let Ok(bytes) = self.heard.recv_timeout(Duration::from_millis(200)) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        (code.unwrap(), std::mem::take(&mut self.text))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Line by line, as two outputs are heard as one.
fn hear_lines(from: impl Read + Send + 'static, said: mpsc::Sender<Vec<u8>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if said.send([line.as_slice(), b"\n"].concat()).is_err() {
                return;
            }
        }
    });
}

fn hear(mut from: impl Read + Send + 'static, said: mpsc::Sender<Vec<u8>>) {
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if said.send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
}
