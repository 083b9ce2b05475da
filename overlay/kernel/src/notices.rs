//! Whether anything was changed in a namespace: the kernel tells of it, so that nobody has to look who only wants to see that all is as
//! it was.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_XFRM};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::unix::AsyncFd;

use crate::error::{Context, Result};
use crate::netns::Netns;
use crate::rtnl::is_idle;

/// `RTNLGRP_LINK`, `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`, `_IPV4_NETCONF`, `_IPV6_NETCONF`,
/// `linux/rtnetlink.h`.
const ROUTE_GROUPS: [u32; 7] = [1, 5, 7, 9, 11, 24, 25];
/// `RTNLGRP_NEIGH`, forwarding entries too.
const NEIGHBOUR_GROUP: u32 = 3;
/// `NFNLGRP_NFTABLES`, `linux/netfilter/nfnetlink.h`.
const NFTABLES_GROUP: u32 = 7;
/// `XFRMNLGRP_SA`, `XFRMNLGRP_POLICY`, `linux/xfrm.h`.
const XFRM_GROUPS: [u32; 2] = [3, 4];
/// Of what is told only that it was is wanted: what has no room counts as told, too.
const ROOM: libc::c_int = 4096;

/// Hears whether something was changed in one namespace: links, addresses, routes, nftables, and whether it forwards; neighbours and
/// forwarding entries where that is asked for. Not other sysctls, which the kernel does not tell of. Does not hold the namespace's threads, but keeps it alive.
#[derive(Debug)]
pub struct Notices {
    ears: Vec<Ear>,
}

/// A socket, and which of what comes there counts.
#[derive(Debug)]
struct Ear {
    socket: Socket,
    is_meant: fn(&[u8]) -> bool,
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Notices {
    /// From now on, of all but neighbours and forwarding entries.
    pub fn new(netns: &Netns) -> Result<Notices> {
        Notices::of(netns, ROUTE_GROUPS.to_vec())
    }

    /// From now on, of all; but for what bridges learn from their ports and forget, which nobody has told them, and misses. Where hosts talk,
    /// neighbours are learned, doubted and confirmed all the time.
    pub fn with_neighbours(netns: &Netns) -> Result<Notices> {
        Notices::of(netns, [&ROUTE_GROUPS[..], &[NEIGHBOUR_GROUP]].concat())
    }

    fn of(netns: &Netns, groups: Vec<u32>) -> Result<Notices> {
        let opened = netns.run(move || -> io::Result<Vec<Ear>> {
            let route = Ear { socket: open(NETLINK_ROUTE, &groups)?, is_meant: |told| !is_idle(told) };
            let rules = Ear { socket: open(NETLINK_NETFILTER, &[NFTABLES_GROUP])?, is_meant: |_| true };
            Ok(vec![route, rules])
        })?;
        Ok(Notices { ears: opened.doing("listen for changes in", netns.name())? })
    }

    /// From now on, of the states and policies of IPsec alone. A kernel that has none refuses.
    pub fn of_ipsec(netns: &Netns) -> Result<Notices> {
        let opened = netns.run(|| open(NETLINK_XFRM, &XFRM_GROUPS))?;
        let opened = opened.doing("listen for changes of IPsec in", netns.name())?;
        Ok(Notices { ears: vec![Ear { socket: opened, is_meant: |_| true }] })
    }

    /// Whether something was changed since this was last asked, by whomever.
    pub fn any(&self) -> bool {
        // Both, or what the second one has would be told next time.
        self.ears.iter().filter(|ear| ear.take()).count() > 0
    }
}

/// Several that are asked at once whether anything was told: what each costs is paid only then.
#[derive(Debug)]
pub struct Audience(Epoll);

impl Audience {
    /// Of nobody.
    pub fn new() -> Result<Audience> {
        let made = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from);
        made.map(Audience).doing("wait for", "changes")
    }

    /// One more, until it is dropped.
    pub fn add(&self, notices: &Notices) -> Result<()> {
        let added = notices.ears.iter().try_for_each(|ear| {
            self.0.add(ear, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(io::Error::from)
        });
        added.doing("wait for", "changes")
    }

    /// What rings when any of them is told something, also of those that are added later. To be called on a tokio runtime.
    pub fn bell(&self) -> Result<Bell> {
        let own = self.0.0.try_clone().doing("wait for", "changes")?;
        #[expect(unsafe_code, reason = "tokio has no safe form")]
        // SAFETY: the bell owns the descriptor, and closes it only after the registration is over.
        let registered = unsafe { AsyncFd::register(own) }.map_err(io::Error::other);
        registered.map(Bell).doing("wait for", "changes")
    }

    /// Whether any of them was told something that it has not taken. Who cannot be asked may have been.
    pub fn is_told(&self) -> bool {
        self.0.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO).map_or(true, |ready| ready > 0)
    }
}

/// Rings when an audience is told something.
#[derive(Debug)]
pub struct Bell(AsyncFd<OwnedFd>);

impl Bell {
    /// Resolves when it rings. It does so again at what is told after all was taken, so that [`Audience::is_told`] said no.
    pub async fn rung(&self) {
        // One that cannot be waited for is as one that rings.
        if let Ok(mut ready) = self.0.readable().await {
            ready.clear_ready();
        }
    }
}

fn open(protocol: isize, groups: &[u32]) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    socket.set_rx_buf_sz(ROOM)?;
    groups.iter().try_for_each(|group| socket.add_membership(*group))?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

impl Ear {
    /// Takes all that waits, and says whether that was something.
    fn take(&self) -> bool {
        let mut any = false;
        let mut buffer = Vec::with_capacity(ROOM.unsigned_abs() as usize);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                // Cut short or lost (`ENOBUFS`), it was there.
                Ok(_) => any |= (self.is_meant)(&buffer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return any,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                // Who cannot hear has to look.
                Err(_) => return true,
            }
        }
    }
}
