//! A socket that hears what the kernel tells of a namespace without being asked.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::BUFFER;
use crate::error::{Context, Result};
use crate::netns::Netns;

/// One that is waited for on a tokio runtime.
#[derive(Debug)]
pub(super) struct Listener(AsyncFd<Socket>);

/// A socket made inside `netns` that hears these groups (`RTNLGRP_*`, `linux/rtnetlink.h`) from now on. With `room` for so many bytes
/// of the kernel's books; the kernel's own default unless said. What it is for, in words: `listen for misses in`.
pub(super) fn open(
    netns: &Netns,
    groups: &'static [u32],
    room: Option<i32>,
    what: &'static str,
) -> Result<Socket> {
    let opened = netns.run(move || -> io::Result<Socket> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        if let Some(room) = room {
            socket.set_rx_buf_sz(room)?;
        }
        groups.iter().try_for_each(|group| socket.add_membership(*group))?;
        socket.set_non_blocking(true)?;
        Ok(socket)
    })?;
    opened.doing(what, netns.name())
}

impl Listener {
    /// Waits on the current runtime.
    pub(super) fn new(socket: Socket) -> io::Result<Listener> {
        #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
        // SAFETY: the socket owns its descriptor, is moved in, and nobody takes it out again.
        let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(Listener(registered.map_err(io::Error::other)?))
    }

    /// What `take` makes of what waits, once that is something: until then it says [`io::ErrorKind::WouldBlock`].
    pub(super) async fn next<T>(&self, take: impl Fn(&Socket) -> io::Result<T>) -> io::Result<T> {
        loop {
            let mut ready = self.0.readable().await?;
            // Without an answer there was nothing to hear after all.
            if let Ok(heard) = ready.try_io(|socket| take(socket.get_ref())) {
                return heard;
            }
        }
    }
}

/// Hands over each datagram that waits; whether the kernel had no room for others (`ENOBUFS`). [`io::ErrorKind::WouldBlock`], if
/// there was neither.
pub(super) fn take(socket: &Socket, mut hear: impl FnMut(&[u8])) -> io::Result<bool> {
    let (mut any, mut overflowed) = (false, false);
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, 0) {
            Ok(_) => {
                any = true;
                hear(&buffer);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => overflowed = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && (any || overflowed) => {
                return Ok(overflowed);
            }
            Err(error) => return Err(error),
        }
    }
}
