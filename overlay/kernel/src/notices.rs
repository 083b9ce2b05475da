//! Whether anything was changed in a namespace: the kernel tells of it, so that nobody has to look who only wants to see that all is as
//! it was.

use std::io;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_XFRM};
use netlink_sys::{Socket, SocketAddr};

use crate::error::{Context, Result};
use crate::netns::Netns;

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
    sockets: Vec<Socket>,
}

impl Notices {
    /// From now on, of all but neighbours and forwarding entries.
    pub fn new(netns: &Netns) -> Result<Notices> {
        Notices::of(netns, ROUTE_GROUPS.to_vec())
    }

    /// From now on, of all. Where hosts talk, neighbours are learned, doubted and confirmed all the time.
    pub fn with_neighbours(netns: &Netns) -> Result<Notices> {
        Notices::of(netns, [&ROUTE_GROUPS[..], &[NEIGHBOUR_GROUP]].concat())
    }

    fn of(netns: &Netns, groups: Vec<u32>) -> Result<Notices> {
        let opened = netns.run(move || -> io::Result<Vec<Socket>> {
            Ok(vec![open(NETLINK_ROUTE, &groups)?, open(NETLINK_NETFILTER, &[NFTABLES_GROUP])?])
        })?;
        Ok(Notices { sockets: opened.doing("listen for changes in", netns.name())? })
    }

    /// From now on, of the states and policies of IPsec alone. A kernel that has none refuses.
    pub fn of_ipsec(netns: &Netns) -> Result<Notices> {
        let opened = netns.run(|| open(NETLINK_XFRM, &XFRM_GROUPS))?;
        let opened = opened.doing("listen for changes of IPsec in", netns.name())?;
        Ok(Notices { sockets: vec![opened] })
    }

    /// Whether something was changed since this was last asked, by whomever.
    pub fn any(&self) -> bool {
        // Both, or what the second one has would be told next time.
        self.sockets.iter().filter(|socket| take(socket)).count() > 0
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

/// Takes all that waits, and says whether that was something.
fn take(socket: &Socket) -> bool {
    let mut any = false;
    let mut buffer = Vec::with_capacity(ROOM.unsigned_abs() as usize);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, 0) {
            // Cut short or lost (`ENOBUFS`), it was there.
            Ok(_) => any = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return any,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
            // Who cannot hear has to look.
            Err(_) => return true,
        }
    }
}
