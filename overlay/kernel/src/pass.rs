//! Descriptors sent along with bytes over a Unix socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

/// Most descriptors in one message; ours carry two or three (`SCM_MAX_FD` of the kernel is 253).
const MOST: usize = 16;

/// Sends all of `bytes`, the descriptors with its first byte.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let (mut left, mut fds) = (bytes, fds);
    while !left.is_empty() {
        let sent = send_some(socket, left, fds)?;
        (left, fds) = (&left[sent..], &[]);
    }
    Ok(())
}

/// Sends what the socket takes; how many bytes that was. The descriptors go with the first of them.
pub fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let parts = [IoSlice::new(bytes)];
    Ok(sendmsg::<UnixAddr>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// Reads once: the bytes that came (none at the end) and the descriptors with them.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; MOST]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            #[expect(unsafe_code, reason = "received descriptors come as numbers")]
            // SAFETY: the kernel has just installed these descriptors for us; nobody else owns them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((message.bytes, fds))
}

/// Reads one line and the descriptors that came with it. A line longer than `limit` is an error.
pub fn receive_line(socket: BorrowedFd<'_>, limit: usize) -> io::Result<(String, Vec<OwnedFd>)> {
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    // Byte-exact: what follows the line belongs to somebody else. Peeking keeps it in the socket.
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let peeked = nix::sys::socket::recv(socket.as_raw_fd(), &mut chunk, MsgFlags::MSG_PEEK)?;
        if peeked == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = chunk[..peeked].iter().position(|&b| b == b'\n');
        let (read, more) = receive(socket, &mut chunk[..end.map_or(peeked, |at| at + 1)])?;
        line.extend_from_slice(&chunk[..read]);
        fds.extend(more);
        if line.last() == Some(&b'\n') {
            line.pop();
            return String::from_utf8(line).map(|line| (line, fds)).map_err(io::Error::other);
        }
        if line.len() > limit {
            return Err(io::Error::other("a line without end"));
        }
    }
}
