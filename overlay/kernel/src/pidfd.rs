//! Processes held by descriptor: no number that could become another's meanwhile.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;

/// A process. Readable when it has ended.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// The process that has that pid now.
    pub fn open(pid: i32) -> io::Result<Pidfd> {
        #[expect(unsafe_code, reason = "pidfd_open has no safe form")]
        // SAFETY: plain numbers; the result is a new descriptor that nobody else owns.
        unsafe {
            let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
            Ok(Pidfd(OwnedFd::from_raw_fd(RawFd::try_from(fd).map_err(io::Error::other)?)))
        }
    }

    /// Kills it. That it has ended already is fine: it is what was wanted.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Sends it a signal. That it has ended already is fine.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        #[expect(unsafe_code, reason = "pidfd_send_signal has no safe form")]
        // SAFETY: plain numbers and a null pointer, which means "no further information".
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as i32,
                std::ptr::null::<u8>(),
                0,
            )
        };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until it has ended, at most for `limit`; whether it has.
    pub fn ended(&self, limit: Duration) -> io::Result<bool> {
        let patience = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        Ok(poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], patience)? > 0)
    }

    /// Waits until it has ended.
    pub fn wait(&self) -> io::Result<()> {
        while !self.ended(Duration::from_hours(1))? {}
        Ok(())
    }

    /// Resolves when it has ended. To be called on a tokio runtime.
    pub fn end(&self) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let own = self.0.try_clone()?;
        #[expect(unsafe_code, reason = "tokio has no safe form")]
        // SAFETY: the future owns the descriptor and gives it up only after the registration.
        let registered = unsafe { AsyncFd::register(own) }.map_err(io::Error::other)?;
        Ok(async move { drop(registered.readable().await.map(drop)) })
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
