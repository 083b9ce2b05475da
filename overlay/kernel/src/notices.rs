//! Whether anything was changed in a namespace: the kernel tells of it, so that nobody has to look who only wants to see that all is as
//! it was.
//!
//! The kernel goes through all sockets that listen, whatever their namespace, for each change anywhere (`netlink_broadcast_filtered`,
//! `net/netlink/af_netlink.c`). So there is one pair of sockets for all namespaces of a process, in a namespace of its own that has
//! numbers for the others; what it hears of comes with the number.

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::caps::Caps;
use crate::error::{Context, Error, Result};
use crate::netns::Netns;
use crate::rtnl::Rtnl;

/// `RTNLGRP_LINK`, `_NEIGH` (forwarding entries too), `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`, `linux/rtnetlink.h`.
const ROUTE_GROUPS: [u32; 6] = [1, 3, 5, 7, 9, 11];
/// `NFNLGRP_NFTABLES`, `linux/netfilter/nfnetlink.h`.
const NFTABLES_GROUP: u32 = 7;
/// `RTM_NEWNEIGH`, `_DELNEIGH`, `_GETNEIGH`, `linux/rtnetlink.h`.
const NEIGHBOURS: [u16; 3] = [28, 29, 30];
/// `NUD_FAILED` and `NUD_PERMANENT`, `linux/neighbour.h`.
const FAILED: u16 = 0x20;
const PERMANENT: u16 = 0x80;
/// Where a `struct ndmsg` begins behind a header, and its state in it.
const STATE: usize = 16 + 8;
/// Of a change no more is wanted than its first bytes.
const BYTES: usize = 64;
/// Room for what is told and not heard yet, in bytes. What has no room has happened everywhere.
const ROOM: libc::c_int = 1 << 20;

/// The one of this process, while somebody listens.
static OBSERVER: Mutex<Weak<Observer>> = Mutex::new(Weak::new());

/// Hears whether something was changed in one namespace: links, addresses, routes, entries that are to stay of neighbours and of
/// forwarding tables, nftables. Not sysctls, which the kernel does not tell of. Does not keep the namespace alive.
#[derive(Debug)]
pub struct Notices {
    observer: Arc<Observer>,
    number: i32,
    stirred: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Observer {
    home: Rtnl,
    heard: Mutex<Heard>,
}

#[derive(Debug)]
struct Heard {
    sockets: [Socket; 2],
    /// Who listens, by the number of the namespace; several may be there for one.
    all: BTreeMap<i32, Vec<Weak<AtomicBool>>>,
    next: i32,
}

impl Notices {
    /// From now on.
    pub fn new(netns: &Netns) -> Result<Notices> {
        let observer = Observer::of_this_process()?;
        let mut heard = observer.heard();
        heard.next += 1;
        let number = observer.home.number(netns, heard.next)?;
        let stirred = Arc::new(AtomicBool::new(false));
        heard.all.entry(number).or_default().push(Arc::downgrade(&stirred));
        drop(heard);
        Ok(Notices { observer, number, stirred })
    }

    /// Whether something was changed since this was last asked, by whomever.
    pub fn any(&self) -> bool {
        self.observer.heard().hear();
        self.stirred.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        let mut heard = self.observer.heard();
        if let Some(all) = heard.all.get_mut(&self.number) {
            all.retain(|other| !other.ptr_eq(&Arc::downgrade(&self.stirred)));
            if all.is_empty() {
                heard.all.remove(&self.number);
            }
        }
    }
}

impl Observer {
    fn of_this_process() -> Result<Arc<Observer>> {
        let mut shared = OBSERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = shared.upgrade() {
            return Ok(observer);
        }
        // Or it would hear nothing, and say so (`do_one_broadcast`).
        if !Caps::effective().doing("read", "/proc/self/status")?.net_broadcast {
            return Err(Error::other("listen", "in other namespaces", "CAP_NET_BROADCAST is missing"));
        }
        let home = Netns::new("observer")?;
        let opened = home.run(|| -> io::Result<[Socket; 2]> {
            Ok([open(NETLINK_ROUTE, &ROUTE_GROUPS)?, open(NETLINK_NETFILTER, &[NFTABLES_GROUP])?])
        })?;
        let sockets = opened.doing("listen for changes in", "all namespaces")?;
        let heard = Mutex::new(Heard { sockets, all: BTreeMap::new(), next: 0 });
        let observer = Arc::new(Observer { home: Rtnl::new(&home)?, heard });
        *shared = Arc::downgrade(&observer);
        Ok(observer)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Takes all that waits, and notes where it was.
    fn hear(&mut self) {
        let Heard { sockets, all, .. } = self;
        for socket in &*sockets {
            loop {
                match take(socket) {
                    Ok(Some(number)) => all.get(&number).into_iter().flatten().for_each(stir),
                    Ok(None) | Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN) => break,
                    // More than there was room for.
                    Err(Errno::ENOBUFS) => all.values().flatten().for_each(stir),
                    // Who cannot hear has to look.
                    Err(_) => {
                        all.values().flatten().for_each(stir);
                        break;
                    }
                }
            }
        }
    }
}

fn stir(who: &Weak<AtomicBool>) {
    if let Some(stirred) = who.upgrade() {
        stirred.store(true, Ordering::Relaxed);
    }
}

fn open(protocol: isize, groups: &[u32]) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    socket.set_rx_buf_sz(ROOM)?;
    socket.set_listen_all_namespaces(true)?;
    groups.iter().try_for_each(|group| socket.add_membership(*group))?;
    Ok(socket)
}

/// The number of the namespace in which the next thing was changed that counts.
fn take(socket: &Socket) -> nix::Result<Option<i32>> {
    let (mut bytes, mut control) = ([0; BYTES], nix::cmsg_space!(i32));
    let mut into = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut control), flags)?;
    let number = message.cmsgs()?.find_map(|control| match control {
        // `NETLINK_LISTEN_ALL_NSID` of `SOL_NETLINK`: there is no other.
        ControlMessageOwned::Unknown(unknown) => {
            unknown.data_bytes.first_chunk().copied().map(i32::from_ne_bytes)
        }
        _ => None,
    });
    let length = message.bytes;
    Ok(number.filter(|_| counts(&bytes[..length.min(BYTES)])))
}

/// Whether a message is of what somebody has set, and not of what the kernel learns and forgets while packets pass.
fn counts(message: &[u8]) -> bool {
    let number =
        |at: usize| message.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_ne_bytes);
    match number(4) {
        Some(kind) if NEIGHBOURS.contains(&kind) => {
            kind != NEIGHBOURS[2] && number(STATE).is_some_and(|state| state & (PERMANENT | FAILED) != 0)
        }
        _ => true,
    }
}
