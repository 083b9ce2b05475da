//! Numbers that a namespace has for others: by them it is told where something happened.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::PoisonError;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::{BUFFER, Rtnl, exchange, messages, put};
use crate::error::{Context, Result};
use crate::netns::Netns;

impl Rtnl {
    /// The number that this connection's namespace has for `netns`; `number`, which has to be free, if it had none.
    pub(crate) fn number(&self, netns: &Netns, number: i32) -> Result<i32> {
        self.ask_number(netns, number).doing("give a number to", format_args!("namespace {}", netns.name()))
    }

    fn ask_number(&self, netns: &Netns, number: i32) -> io::Result<i32> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let fd = NsidAttribute::Fd(netns.as_fd().as_raw_fd().unsigned_abs());
        let mut new = NsidMessage::default();
        new.attributes = vec![fd.clone(), NsidAttribute::Id(number)];
        let mut datagram = Vec::new();
        put(&mut datagram, RouteNetlinkMessage::NewNsId(new), 1, NLM_F_REQUEST | NLM_F_ACK);
        match exchange(&socket, &datagram, 1)?.first() {
            None => return Ok(number),
            Some((_, libc::EEXIST, _)) => {}
            Some((_, code, _)) => return Err(io::Error::from_raw_os_error(*code)),
        }
        let mut question = NsidMessage::default();
        question.attributes = vec![fd];
        datagram.clear();
        put(&mut datagram, RouteNetlinkMessage::GetNsId(question), 2, NLM_F_REQUEST);
        socket.send(&datagram, 0)?;
        let mut buffer = Vec::with_capacity(BUFFER);
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            match message?.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNsId(known)) => {
                    let id = |attribute| if let NsidAttribute::Id(id) = attribute { Some(id) } else { None };
                    return known
                        .attributes
                        .into_iter()
                        .find_map(id)
                        .ok_or_else(|| io::ErrorKind::NotFound.into());
                }
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
