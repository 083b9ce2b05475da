//! Pseudo-terminals: a program run as a person at a terminal would run it, and that person's end of the line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::unistd::setsid;

use crate::error::{Context, Result};

/// How many characters a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// The person's end: what is written is typed, what is read is what the screen would show.
#[derive(Debug)]
pub struct Pty(File);

impl Pty {
    /// Starts `command` on a new terminal of that size, as the leader of a session of its own: its standard
    /// input, output and error are that terminal.
    pub fn spawn(mut command: Command, size: Size) -> Result<(Pty, Child)> {
        let name = command.get_program().to_string_lossy().into_owned();
        let near = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC);
        let near = near.doing("open", "/dev/ptmx")?;
        grantpt(&near).and_then(|()| unlockpt(&near)).doing("unlock", "a pseudo-terminal")?;
        let path = ptsname_r(&near).doing("name", "a pseudo-terminal")?;
        let open = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&path);
        let far = open.doing("open", &path)?;
        let own = || far.try_clone().doing("duplicate", &path);
        command.stdin(own()?).stdout(own()?).stderr(own()?);
        let lead = || {
            setsid()?;
            #[expect(unsafe_code, reason = "TIOCSCTTY has no safe form")]
            // SAFETY: plain numbers; descriptor 0 is the terminal, set by the caller of this function.
            let taken = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
            Errno::result(taken).map(drop).map_err(io::Error::from)
        };
        #[expect(unsafe_code, reason = "the child has to become the terminal's session before it runs")]
        // SAFETY: only system calls; nothing is allocated.
        unsafe {
            command.pre_exec(lead);
        }
        let pty = Pty(owned(near).into());
        pty.resize(size)?;
        let child = command.spawn().doing("start", name)?;
        Ok((pty, child))
    }

    /// Changes the size; the programs in the foreground are told.
    pub fn resize(&self, size: Size) -> Result<()> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        #[expect(unsafe_code, reason = "TIOCSWINSZ has no safe form")]
        // SAFETY: the pointer is to a window size that outlives the call.
        let set = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        Errno::result(set).map(drop).doing("resize", "a pseudo-terminal")
    }

    /// A second handle to the same end, for another thread.
    pub fn try_clone(&self) -> io::Result<Pty> {
        self.0.try_clone().map(Pty)
    }
}

fn owned(near: PtyMaster) -> OwnedFd {
    #[expect(unsafe_code, reason = "nix gives its descriptor up as a number only")]
    // SAFETY: the number was owned by `near`, which has just given it up.
    unsafe {
        OwnedFd::from_raw_fd(near.into_raw_fd())
    }
}

impl Read for Pty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // How a terminal says that nobody is left on its other end.
            Err(e) if e.raw_os_error() == Some(libc::EIO) => Ok(0),
            read => read,
        }
    }
}

impl Write for Pty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_program_on_a_terminal_knows_its_size() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -t 0 && stty size </dev/tty"]);
        let (mut pty, mut child) = Pty::spawn(command, Size { rows: 7, columns: 31 }).unwrap();
        let mut said = String::new();
        pty.read_to_string(&mut said).unwrap();
        assert_eq!(said.trim(), "7 31");
        assert!(child.wait().unwrap().success());
    }
}
