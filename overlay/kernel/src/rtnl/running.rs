//! Links that really carry frames, and addresses at which they are really taken in.
//!
//! A link that is up and has a carrier may still drop what is sent: the kernel puts a queue in the place of the one
//! that drops all, and opens a bridge port, in work that it does later (`net/core/link_watch.c`). Since 6.5 a
//! question for the single link makes it do that work at once; older kernels do it soon.

use std::net::Ipv6Addr;
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkPayload};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::Socket;

use super::{Rtnl, messages, put};
use crate::error::{Context, Error, Result};

/// Between two looks, on a kernel that does not hurry when it is looked at.
const PAUSE: Duration = Duration::from_micros(200);

impl Rtnl {
    /// Waits until the link carries frames: it is up, its other end is too, and what follows from it is done.
    pub fn wait_running(&self, index: u32, name: &str, patience: Duration) -> Result<()> {
        let start = Instant::now();
        let object = || format!("link {name} in {}", self.namespace);
        loop {
            let socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let running = is_running(&socket, index).doing("look at", object())?;
            drop(socket);
            if running {
                return Ok(());
            }
            if start.elapsed() > patience {
                return Err(Error::other("wait for", object(), "it carries no frames"));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits until what is sent to an IPv6 address of this namespace is taken in, and who asks for it is answered. The kernel
    /// does what is needed for it only after it has taken the address, also without duplicate address detection
    /// (`addrconf_dad_work`, `net/ipv6/addrconf.c`): it joins the group that is asked, then enters the route to itself.
    pub fn wait_local(&self, ip: Ipv6Addr, patience: Duration) -> Result<()> {
        let start = Instant::now();
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet6;
        let its = RouteAttribute::Destination(RouteAddress::Inet6(ip));
        loop {
            let routes = self.list("routes", RouteNetlinkMessage::GetRoute(request.clone()))?;
            let is_its = |message: &RouteNetlinkMessage| {
                matches!(message, RouteNetlinkMessage::NewRoute(route)
                    if route.header.kind == RouteType::Local && route.attributes.contains(&its))
            };
            if routes.iter().any(is_its) {
                return Ok(());
            }
            if start.elapsed() > patience {
                let object = format_args!("address {ip} in {}", self.namespace);
                return Err(Error::other("wait for", object, "nothing is taken in there"));
            }
            thread::sleep(PAUSE);
        }
    }
}

fn is_running(socket: &Socket, index: u32) -> std::io::Result<bool> {
    let mut question = LinkMessage::default();
    question.header.index = index;
    let mut datagram = Vec::new();
    put(&mut datagram, RouteNetlinkMessage::GetLink(question), 1, NLM_F_REQUEST | NLM_F_ACK);
    socket.send(&datagram, 0)?;
    let mut running = false;
    let mut buffer = Vec::with_capacity(super::BUFFER);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            match message?.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    running = link.header.flags.contains(LinkFlags::Running);
                }
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(running),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
    }
}
