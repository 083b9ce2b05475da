//! The encoding: nested attributes, and messages between "begin" and "end" in one datagram. Attributes and single messages are
//! those of all of netfilter.

use std::io;

use netlink_sys::Socket;

use super::{Chain, Family, Hook, Table, expr};

/// `NFNL_SUBSYS_NFTABLES` and the batch messages, `linux/netfilter/nfnetlink.h`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFT_MSG_*`, `linux/netfilter/nf_tables.h`.
const NEW_TABLE: u16 = 0;
pub(super) const GET_TABLE: u16 = 1;
const DEL_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
pub(super) const GET_RULE: u16 = 7;
/// `NFTA_TABLE_NAME`.
pub(super) const TABLE_NAME: u16 = 1;
/// `NFTA_RULE_USERDATA`: a type, a length and a value each, one byte for the first two (libnftnl's `udata`).
pub(super) const RULE_USERDATA: u16 = 7;
/// `NFTNL_UDATA_RULE_COMMENT`.
const COMMENT: u8 = 0;
/// `NLM_F_*`, `linux/netlink.h`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// A list of attributes, encoded. Numbers of nftables are big-endian.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).expect("an attribute is shorter than 64 KiB");
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// What is sent.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), b"\0"].concat())
    }

    pub(super) fn nested(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NESTED, &inner.0)
    }
}

/// Messages that take effect together or not at all.
pub(super) struct Batch {
    datagram: Vec<u8>,
    count: u32,
}

impl Batch {
    fn new() -> Batch {
        let mut batch = Batch { datagram: Vec::new(), count: 0 };
        batch.put(BATCH_BEGIN, REQUEST, 0, SUBSYSTEM, &Attributes::default());
        batch
    }

    fn put(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &Attributes) {
        let start = self.datagram.len();
        // struct nlmsghdr: length, type, flags, sequence, port; struct nfgenmsg: family, version, resource.
        let length = u32::try_from(20 + attributes.0.len()).expect("a message is shorter than 4 GiB");
        self.datagram.extend_from_slice(&length.to_ne_bytes());
        self.datagram.extend_from_slice(&kind.to_ne_bytes());
        self.datagram.extend_from_slice(&flags.to_ne_bytes());
        self.datagram.extend_from_slice(&self.count.to_ne_bytes());
        self.datagram.extend_from_slice(&0_u32.to_ne_bytes());
        self.datagram.extend_from_slice(&[family, 0]);
        self.datagram.extend_from_slice(&resource.to_be_bytes());
        self.datagram.extend_from_slice(&attributes.0);
        debug_assert_eq!(self.datagram.len() - start, length as usize);
        self.count += 1;
    }

    fn add(&mut self, message: u16, flags: u16, family: Family, attributes: &Attributes) {
        self.put(SUBSYSTEM << 8 | message, REQUEST | ACK | flags, number(family), 0, attributes);
    }

    fn end(mut self) -> Batch {
        self.put(BATCH_END, REQUEST, 0, SUBSYSTEM, &Attributes::default());
        self
    }

    /// Sends it and hears the verdict. The kernel has answered by the time `send` returns.
    pub(super) fn send(&self, socket: &Socket) -> io::Result<()> {
        socket.send(&self.datagram, 0)?;
        // Begin and end are not acknowledged; a failed batch may acknowledge only what failed.
        let expected = self.count - 2;
        let mut answered = 0;
        let mut verdict = Ok(());
        while answered < expected {
            let mut buffer = Vec::with_capacity(16 * 1024);
            match socket.recv(&mut buffer, libc::MSG_DONTWAIT) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
            for (kind, body) in messages(&buffer) {
                if kind == ERROR {
                    answered += 1;
                    if let (Ok(()), Some(code @ 1..)) = (&verdict, error(body)) {
                        verdict = Err(io::Error::from_raw_os_error(code));
                    }
                }
            }
        }
        verdict
    }
}

pub(super) fn replace(table: &Table) -> Batch {
    let named = Attributes::default().text(TABLE_NAME, &table.name);
    let mut batch = Batch::new();
    // Made first, so that removing it cannot fail.
    batch.add(NEW_TABLE, CREATE, table.family, &named);
    batch.add(DEL_TABLE, 0, table.family, &named);
    batch.add(NEW_TABLE, CREATE, table.family, &named);
    for chain in &table.chains {
        batch.add(NEW_CHAIN, CREATE, table.family, &describe(&table.name, chain));
        for rule in &chain.rules {
            let mut said = Attributes::default()
                .text(1, &table.name)
                .text(2, &chain.name)
                .nested(4, &expr::expressions(rule));
            if let Some(comment) = &rule.comment {
                said = said.bytes(RULE_USERDATA, &user_data(comment));
            }
            batch.add(NEW_RULE, CREATE | APPEND, table.family, &said);
        }
    }
    batch.end()
}

/// A comment, as `nft` writes and reads it.
fn user_data(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    [&[COMMENT, length], comment.as_bytes(), b"\0"].concat()
}

/// The comment in a rule's user data, if it begins with one: nobody here writes anything else.
pub(super) fn comment(data: &[u8]) -> Option<String> {
    let (&[kind, length], rest) = data.split_first_chunk()?;
    (kind == COMMENT).then(|| rest.get(..usize::from(length)).map(text)).flatten()
}

pub(super) fn remove(family: Family, name: &str) -> Batch {
    let mut batch = Batch::new();
    batch.add(DEL_TABLE, 0, family, &Attributes::default().text(TABLE_NAME, name));
    batch.end()
}

/// One text attribute of everything that `message` lists, in all families.
pub(super) fn list(socket: &Socket, message: u16, wanted: u16) -> io::Result<Vec<String>> {
    let dumped = dump(socket, message)?;
    Ok(dumped.iter().filter_map(|body| Some(text(attribute(body.get(4..)?, wanted)?))).collect())
}

pub(super) fn dump(socket: &Socket, message: u16) -> io::Result<Vec<Vec<u8>>> {
    dump_of(socket, SUBSYSTEM << 8 | message, 0)
}

/// The body of everything that a message of some subsystem lists; family 0 is all.
pub(crate) fn dump_of(socket: &Socket, kind: u16, family: u8) -> io::Result<Vec<Vec<u8>>> {
    let mut request = Batch { datagram: Vec::new(), count: 0 };
    request.put(kind, REQUEST | DUMP, family, 0, &Attributes::default());
    socket.send(&request.datagram, 0)?;
    let mut found = Vec::new();
    loop {
        let mut buffer = Vec::with_capacity(64 * 1024);
        socket.recv(&mut buffer, 0)?;
        for (kind, body) in messages(&buffer) {
            match kind {
                DONE => return Ok(found),
                ERROR => return Err(io::Error::from_raw_os_error(error(body).unwrap_or(libc::EPROTO))),
                _ => found.push(body.to_vec()),
            }
        }
    }
}

/// Sends one message of some subsystem, and hears the verdict.
pub(crate) fn tell(socket: &Socket, kind: u16, family: u8, attributes: &Attributes) -> io::Result<()> {
    let mut request = Batch { datagram: Vec::new(), count: 0 };
    request.put(kind, REQUEST | ACK, family, 0, attributes);
    socket.send(&request.datagram, 0)?;
    let mut buffer = Vec::with_capacity(4096);
    socket.recv(&mut buffer, 0)?;
    let verdict = messages(&buffer).find(|(kind, _)| *kind == ERROR).and_then(|(_, body)| error(body));
    match verdict.unwrap_or(libc::EPROTO) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Netdev => 5,
        Family::Bridge => 7,
    }
}

fn describe(table: &str, chain: &Chain) -> Attributes {
    // Hook numbers of `linux/netfilter.h`; netdev has its own.
    let (kind, number, device) = match &chain.hook {
        Hook::Prerouting => ("nat", 0, None),
        Hook::Input => ("filter", 1, None),
        Hook::Forward => ("filter", 2, None),
        Hook::Output => ("filter", 3, None),
        Hook::Reroute => ("route", 3, None),
        Hook::NatOutput => ("nat", 3, None),
        Hook::Postrouting => ("nat", 4, None),
        Hook::Ingress(device) => ("filter", 0, Some(device)),
    };
    let mut hook = Attributes::default().u32(1, number).bytes(2, &chain.priority.to_be_bytes());
    if let Some(device) = device {
        hook = hook.text(3, device);
    }
    Attributes::default()
        .text(1, table)
        .text(3, &chain.name)
        .nested(4, &hook)
        .u32(5, u32::from(chain.accept))
        .text(7, kind)
}

/// Type and body of each message of a datagram.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
        let body = rest.get(16..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The positive error number of an acknowledgement; 0 is success.
pub(crate) fn error(body: &[u8]) -> Option<i32> {
    Some(-i32::from_ne_bytes(body.get(..4)?.try_into().ok()?))
}

pub(crate) fn each(attributes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?) & !NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn attribute(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    each(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}
