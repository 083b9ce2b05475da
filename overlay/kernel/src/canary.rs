//! Waiting until the kernel has freed a namespace.
//!
//! That happens behind our backs when the last holder is gone, and only then are its links gone and
//! is the kernel quiet. A canary is a veth pair: one leg in the namespace that is watched, the near
//! leg in a namespace of the observer's own. The near leg vanishes with the far one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Context, Result};
use crate::netns::Netns;
use crate::rtnl::{Batch, NewLink, Rtnl, link_names};

/// `RTNLGRP_LINK`, `linux/rtnetlink.h`.
const LINK_GROUP: u32 = 1;
/// What the near legs' names begin with.
const LEG: &str = "canary";

/// Watches namespaces die. It is one netlink socket, so it can be handed to another process.
#[derive(Debug)]
pub struct Canary {
    socket: Socket,
}

impl Canary {
    /// Puts a leg into each of `watched`. Holds none of them.
    pub fn new(watched: &[&Netns]) -> Result<Canary> {
        let home = Netns::new("canary")?;
        let socket = home.run(|| -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            // What says that it is time to look again may be lost where much goes at once; a look must not fail for it.
            socket.set_no_enobufs(true)?;
            socket.add_membership(LINK_GROUP)?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        })?;
        let socket = socket.doing("open", "a netlink connection for a canary")?;
        let rtnl = Rtnl::new(&home)?;
        let mut batch = Batch::new();
        for (number, netns) in (0_u32..).zip(watched) {
            let near = NewLink {
                index: 100 + number,
                name: format!("{LEG}{number}"),
                up: false,
                ..NewLink::default()
            };
            let far = NewLink {
                index: 0,
                // The kernel counts: others may watch the same namespace.
                name: format!("{LEG}%d"),
                ..NewLink::default()
            };
            batch = batch.veth(&near, &far, Some(netns.as_fd()));
        }
        rtnl.apply(&batch)?;
        Ok(Canary { socket })
    }

    /// Waits until all that is watched has been freed; false if that took longer than `limit`.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.watch(limit).doing("watch", "a canary")
    }

    fn watch(&self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            // What came in so far only says that it is time to look again.
            self.drain()?;
            if !link_names(&self.socket)?.iter().any(|name| name.starts_with(LEG)) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let patience =
                PollTimeout::try_from(left.min(Duration::from_secs(1))).unwrap_or(PollTimeout::ZERO);
            #[expect(unsafe_code, reason = "netlink-sys lends its descriptor as a number only")]
            // SAFETY: the socket lives as long as this borrow.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(self.socket.as_raw_fd()) };
            poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], patience)?;
        }
    }

    fn drain(&self) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, libc::MSG_DONTWAIT) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An overflow lost notifications, and those are only hints.
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl From<Canary> for OwnedFd {
    fn from(canary: Canary) -> OwnedFd {
        #[expect(unsafe_code, reason = "netlink-sys gives its descriptor as a number")]
        // SAFETY: the socket has just given up its descriptor.
        unsafe {
            OwnedFd::from_raw_fd(canary.socket.into_raw_fd())
        }
    }
}

impl From<OwnedFd> for Canary {
    /// The descriptor has to come from a canary.
    fn from(fd: OwnedFd) -> Canary {
        #[expect(unsafe_code, reason = "netlink-sys takes its descriptor as a number")]
        // SAFETY: the descriptor is open and has just been given up.
        let socket = unsafe { Socket::from_raw_fd(fd.into_raw_fd()) };
        Canary { socket }
    }
}
