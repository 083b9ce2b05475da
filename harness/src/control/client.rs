//! The client's side. Synchronous and of one thread: whoever enters a user namespace may have no other.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{LONGEST_ANSWER, Reply, Request};
use crate::error::{Error, Kind, Result};
use crate::state::Home;

/// A connection to a lab.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lab: String,
}

/// What came out of a request.
#[derive(Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// The descriptors beside it.
    pub fds: Vec<OwnedFd>,
}

impl Client {
    /// Connects to the lab whose directory that is.
    pub fn connect(home: &Home) -> Result<Client> {
        let lab = home.name().to_owned();
        let stream = home.connect().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                let gone = format_args!("lab {lab} is gone; `lab gc` removes what is left of it");
                Error::new(Kind::NoSuch, gone)
            }
            _ => Error::new(Kind::Machine, format_args!("cannot reach lab {lab}: {e}")),
        })?;
        Ok(Client { stream, lab })
    }

    /// From now on, waits for an answer only so long.
    pub fn patience(&mut self, limit: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(limit)).map_err(|e| self.broken(&e))
    }

    /// Asks, and waits for the end of the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer> {
        self.each(request, |_| Ok(()))
    }

    /// Asks, and takes the value as that type.
    pub fn get<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let answer = self.ask(request)?;
        serde_json::from_value(answer.value).map_err(|e| self.broken(&e))
    }

    /// Asks, hands each item over as it comes, and waits for the end.
    pub fn each(&mut self, request: &Request, mut item: impl FnMut(Value) -> Result<()>) -> Result<Answer> {
        let line = serde_json::to_string(request).map_err(|e| self.broken(&e))?;
        let sent = kernel::pass::send(self.stream.as_fd(), format!("{line}\n").as_bytes(), &[]);
        sent.map_err(|e| self.lost(&e))?;
        loop {
            let (line, fds) =
                kernel::pass::receive_line(self.stream.as_fd(), LONGEST_ANSWER).map_err(|e| self.lost(&e))?;
            match serde_json::from_str(&line).map_err(|e| self.broken(&e))? {
                Reply::Item(value) => item(value)?,
                Reply::Done(value) => return Ok(Answer { value, fds }),
                Reply::Failed(error) => return Err(error),
            }
        }
    }

    /// Waits until the lab is gone; nothing else ends this. The answer to what was asked last must have been heard.
    pub fn outlast(mut self) {
        let mut rest = [0];
        // Nothing is sent unasked, so whatever this returns with is the end.
        while matches!(self.stream.read(&mut rest), Err(e) if e.kind() == io::ErrorKind::Interrupted) {}
    }

    fn lost(&self, error: &io::Error) -> Error {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => {
                Error::new(Kind::Gone, format_args!("lab {} went down", self.lab))
            }
            _ => self.broken(error),
        }
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        Error::new(Kind::Machine, format_args!("lab {} did not answer: {error}", self.lab))
    }
}
