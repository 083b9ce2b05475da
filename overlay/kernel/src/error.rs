//! What went wrong: the operation, its object, and the kernel's reason.

use std::fmt::{self, Display};
use std::io;

/// `cannot <op> <object>: <reason>`.
#[derive(Debug)]
pub struct Error {
    op: &'static str,
    object: String,
    reason: io::Error,
    /// The kernel's own sentence (netlink's extended acknowledgement), when it gave one.
    said: Option<String>,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `op` on `object`.
    pub fn new(op: &'static str, object: impl Display, reason: impl Into<io::Error>) -> Self {
        Error { op, object: object.to_string(), reason: reason.into(), said: None }
    }

    /// An error that no system call reported.
    pub fn other(op: &'static str, object: impl Display, reason: impl Display) -> Self {
        Self::new(op, object, io::Error::other(reason.to_string()))
    }

    pub(crate) fn said(mut self, said: Option<String>) -> Self {
        self.said = said;
        self
    }

    /// The kernel's error number, if one was given.
    pub fn errno(&self) -> Option<i32> {
        self.reason.raw_os_error()
    }

    /// Whether the object was not there.
    pub fn is_missing(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOENT | libc::ENODEV | libc::ESRCH | libc::EADDRNOTAVAIL))
    }

    /// Whether the object was there already.
    pub fn is_taken(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// Whether a socket already has the address and port.
    pub fn is_in_use(&self) -> bool {
        self.errno() == Some(libc::EADDRINUSE)
    }

    /// Whether the kernel forbade it.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.errno(), Some(libc::EPERM | libc::EACCES))
    }

    /// Whether a limit was reached: of namespaces, for one, of which there may be none.
    pub fn is_full(&self) -> bool {
        self.errno() == Some(libc::ENOSPC)
    }

    /// Whether the kernel has no such feature.
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.errno(),
            Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::ENOSYS)
        )
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.op, self.object)?;
        // "(os error 2)" helps nobody who reads the sentence before it.
        let reason = self.reason.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason);
        match &self.said {
            Some(said) => write!(f, "{said} ({reason})"),
            None => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

/// Says what was being done when an error came up.
pub trait Context<T> {
    /// Turns any error into `cannot <op> <object>: …`.
    fn doing(self, op: &'static str, object: impl Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn doing(self, op: &'static str, object: impl Display) -> Result<T> {
        self.map_err(|reason| Error::new(op, object, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = Error::new("remove", "link 4242 in docker0", io::Error::from_raw_os_error(libc::ENODEV));
        assert_eq!(error.to_string(), "cannot remove link 4242 in docker0: No such device");
        assert!(error.is_missing());
        let error = error.said(Some("no such link".into()));
        assert_eq!(error.to_string(), "cannot remove link 4242 in docker0: no such link (No such device)");
    }
}
