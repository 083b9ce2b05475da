//! The messages of `linux/xfrm.h`: structs as the kernel has them in memory, then attributes. Numbers are this machine's, but for
//! addresses, ports and SPIs, which are as they are on the wire.

use std::io;
use std::net::Ipv4Addr;

use netlink_sys::Socket;

use super::{Association, CIPHER, ICV_BITS, Policy, Secret, State};
use crate::header::{ESP, UDP};
use crate::nft::wire::{Attributes, attribute, error, messages};

/// `XFRM_MSG_*`.
const NEW_STATE: u16 = 0x10;
const DEL_STATE: u16 = 0x11;
pub(super) const GET_STATE: u16 = 0x12;
const DEL_POLICY: u16 = 0x14;
pub(super) const GET_POLICY: u16 = 0x15;
const UPDATE_POLICY: u16 = 0x19;
/// `XFRMA_*`.
const TEMPLATES: u16 = 5;
const AEAD: u16 = 18;
const MARK: u16 = 21;
/// `XFRM_POLICY_OUT`; `XFRM_POLICY_ALLOW`, `XFRM_MODE_TRANSPORT` and `XFRM_SHARE_ANY` are 0.
const OUT: u8 = 1;
const TRANSPORT: u8 = 0;
/// `XFRM_INF`.
const NO_LIMIT: u64 = u64::MAX;
/// `AF_INET`.
const IPV4: u16 = 2;
/// `NLM_F_*`, `linux/netlink.h`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Where in the structs what is read is: `xfrm_selector` is 56 bytes, `xfrm_id` 24, `xfrm_address_t` 16, `xfrm_lifetime_cfg` 64,
/// `xfrm_lifetime_cur` 32, `xfrm_stats` 12, `xfrm_user_tmpl` 64; all but the lifetimes are aligned to 4 bytes, those to 8.
const SELECTOR: usize = 56;
const STATE: usize = 224;
const POLICY: usize = 168;
const TEMPLATE: usize = 64;

/// A message that is on its way to the kernel.
pub(super) struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: u16, body: &[u8], attributes: &Attributes) -> Request {
        // struct nlmsghdr: length, type, flags, sequence, port.
        let length = 16 + body.len() + attributes.encoded().len();
        let length = u32::try_from(length).expect("a message is shorter than 4 GiB").to_ne_bytes();
        let (kind, flags) = (kind.to_ne_bytes(), (REQUEST | flags).to_ne_bytes());
        Request([&length[..], &kind, &flags, &[0; 8], body, attributes.encoded()].concat())
    }

    /// Sends it and hears the verdict.
    pub(super) fn send(&self, socket: &Socket) -> io::Result<()> {
        socket.send(&self.0, 0)?;
        let mut buffer = Vec::with_capacity(4096);
        socket.recv(&mut buffer, 0)?;
        let verdict = messages(&buffer).find(|(kind, _)| *kind == ERROR).and_then(|(_, body)| error(body));
        match verdict.unwrap_or(libc::EPROTO) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// The body of everything that a message lists.
pub(super) fn dump(socket: &Socket, kind: u16) -> io::Result<Vec<Vec<u8>>> {
    let request = Request::new(kind, DUMP, &[], &Attributes::default());
    socket.send(&request.0, 0)?;
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

/// A new state: `xfrm_usersa_info`, and its AEAD.
pub(super) fn add(association: &Association, secret: &Secret) -> Request {
    let mut body = Vec::with_capacity(STATE);
    // Nothing is selected: the policy does that.
    body.extend([0; SELECTOR]);
    body.extend(id(association));
    body.extend(address(association.source));
    body.extend(no_limits());
    // What it has done so far, and its statistics; then a sequence number of the request's.
    body.extend([0; 32 + 12 + 4]);
    body.extend(association.reqid.to_ne_bytes());
    body.extend(IPV4.to_ne_bytes());
    // Mode, replay window, flags.
    body.extend([TRANSPORT, 0, 0]);
    body.resize(STATE, 0);

    // `xfrm_algo_aead`: a name of 64 bytes, the lengths of key and check value in bits, the key with its salt.
    let mut name = [0; 64];
    name[..CIPHER.len()].copy_from_slice(CIPHER.as_bytes());
    let key = [&secret.key[..], &secret.salt].concat();
    let bits = u32::try_from(key.len() * 8).unwrap_or(u32::MAX);
    let aead = [&name[..], &bits.to_ne_bytes(), &ICV_BITS.to_ne_bytes(), &key].concat();
    Request::new(NEW_STATE, ACK | CREATE | EXCLUSIVE, &body, &Attributes::default().bytes(AEAD, &aead))
}

/// A state's end: `xfrm_usersa_id`.
pub(super) fn remove(association: &Association) -> Request {
    let spi = association.spi.to_be_bytes();
    let body = [&address(association.destination)[..], &spi, &IPV4.to_ne_bytes(), &[ESP, 0]].concat();
    Request::new(DEL_STATE, ACK, &body, &Attributes::default())
}

/// A policy, new or in another's place: `xfrm_userpolicy_info`, with `xfrm_user_tmpl` and `xfrm_mark`.
pub(super) fn set_policy(policy: &Policy) -> Request {
    let mut body = Vec::with_capacity(POLICY);
    body.extend(selector(policy));
    body.extend(no_limits());
    // What it has done so far, then priority and index.
    body.extend([0; 32 + 4 + 4]);
    // Direction, action, flags, share.
    body.extend([OUT, 0, 0, 0]);
    body.resize(POLICY, 0);

    let by = &policy.by;
    let mut template = Vec::with_capacity(TEMPLATE);
    template.extend(id(by));
    template.extend(IPV4.to_ne_bytes());
    template.extend([0; 2]);
    template.extend(address(by.source));
    template.extend(by.reqid.to_ne_bytes());
    // Mode, share, whether it may be left out; and which algorithms are allowed, of which an AEAD is none.
    template.extend([TRANSPORT, 0, 0, 0]);
    template.extend([0xff; 12]);
    let attributes = Attributes::default().bytes(TEMPLATES, &template).bytes(MARK, &mark(policy));
    Request::new(UPDATE_POLICY, ACK | CREATE, &body, &attributes)
}

/// A policy's end: `xfrm_userpolicy_id`.
pub(super) fn remove_policy(policy: &Policy) -> Request {
    let body = [&selector(policy)[..], &[0; 4], &[OUT, 0, 0, 0]].concat();
    Request::new(DEL_POLICY, ACK, &body, &Attributes::default().bytes(MARK, &mark(policy)))
}

/// A state that was listed, if it is one of ESP in transport mode over IPv4.
pub(super) fn state(body: &[u8]) -> Option<State> {
    let body = body.get(..STATE)?;
    let association = Association {
        destination: read_address(body, 56)?,
        spi: u32::from_be_bytes(read(body, 72)?),
        source: read_address(body, 80)?,
        reqid: u32::from_ne_bytes(read(body, 208)?),
    };
    let is_ours = body[76] == ESP && u16::from_ne_bytes(read(body, 212)?) == IPV4 && body[214] == TRANSPORT;
    is_ours.then_some(State {
        association,
        packets: u64::from_ne_bytes(read(body, 168)?),
        forged: u32::from_ne_bytes(read(body, 200)?),
    })
}

/// A policy that was listed, if it is one that [`set_policy`] makes.
pub(super) fn policy(body: &[u8]) -> Option<Policy> {
    let (head, attributes) = body.split_at_checked(POLICY)?;
    let template = attribute(attributes, TEMPLATES).filter(|template| template.len() == TEMPLATE)?;
    let mark = attribute(attributes, MARK)?;
    let by = Association {
        destination: read_address(template, 0)?,
        spi: u32::from_be_bytes(read(template, 16)?),
        source: read_address(template, 28)?,
        reqid: u32::from_ne_bytes(read(template, 44)?),
    };
    let (port, mark) = (u16::from_be_bytes(read(head, 32)?), u32::from_ne_bytes(read(mark, 0)?));
    let policy = Policy { by, port, mark };
    let is_ours = head[160] == OUT && template[20] == ESP && head[..SELECTOR] == selector(&policy)[..];
    is_ours.then_some(policy)
}

/// `xfrm_selector`: UDP from one host to a port of another.
fn selector(policy: &Policy) -> Vec<u8> {
    let by = &policy.by;
    let mut bytes = [address(by.destination), address(by.source)].concat();
    bytes.extend(policy.port.to_be_bytes());
    // Its mask, then any source port.
    bytes.extend([0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(IPV4.to_ne_bytes());
    // Both addresses as a whole, the protocol; then any interface, any user.
    bytes.extend([32, 32, UDP]);
    bytes.resize(SELECTOR, 0);
    bytes
}

/// `xfrm_id`.
fn id(association: &Association) -> Vec<u8> {
    [&address(association.destination)[..], &association.spi.to_be_bytes(), &[ESP, 0, 0, 0]].concat()
}

/// `xfrm_mark`: all of the mark.
fn mark(policy: &Policy) -> [u8; 8] {
    let mut bytes = [0xff; 8];
    bytes[..4].copy_from_slice(&policy.mark.to_ne_bytes());
    bytes
}

/// `xfrm_lifetime_cfg`: no limit of bytes and packets, and none (0) of seconds.
fn no_limits() -> Vec<u8> {
    [&NO_LIMIT.to_ne_bytes().repeat(4)[..], &[0; 32]].concat()
}

/// `xfrm_address_t`, which has room for IPv6.
fn address(ip: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&ip.octets());
    bytes
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn read_address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    read::<4>(bytes, at).map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ASSOCIATION: Association = Association {
        source: Ipv4Addr::new(10, 0, 0, 10),
        destination: Ipv4Addr::new(10, 0, 0, 11),
        spi: 0x1a2b_3c4d,
        reqid: 0xd000_0100,
    };

    /// The body of a request, as a listing would have it.
    fn body(request: &Request) -> &[u8] {
        let length = u32::from_ne_bytes(read(&request.0, 0).unwrap());
        assert_eq!(length as usize, request.0.len());
        &request.0[16..]
    }

    #[test]
    fn a_state_is_read_as_it_is_written() {
        let request = add(&ASSOCIATION, &Secret { key: [7; 16], salt: [9; 4] });
        let body = self::body(&request);
        assert_eq!(state(body), Some(State { association: ASSOCIATION, packets: 0, forged: 0 }));
        let aead = attribute(&body[STATE..], AEAD).unwrap();
        // 64 for the name, two lengths, 16 of the key and 4 of the salt.
        assert_eq!(aead.len(), 64 + 4 + 4 + 20);
        assert!(aead.starts_with(b"rfc4106(gcm(aes))\0") && aead.ends_with(&[7, 9, 9, 9, 9]));
        assert_eq!((&aead[64..68], &aead[68..72]), (&160_u32.to_ne_bytes()[..], &64_u32.to_ne_bytes()[..]));
        assert_eq!(self::body(&remove(&ASSOCIATION)).len(), 24);
    }

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        let policy = Policy { by: ASSOCIATION, port: 4789, mark: 0xd000_0100 };
        let request = set_policy(&policy);
        assert_eq!(super::policy(body(&request)), Some(policy));
        assert_eq!(selector(&policy).len(), SELECTOR);
    }

    #[test]
    fn what_others_have_made_is_passed_over() {
        let policy = Policy { by: ASSOCIATION, port: 4789, mark: 0xd000_0100 };
        let mut tunnel = body(&add(&ASSOCIATION, &Secret { key: [7; 16], salt: [9; 4] })).to_vec();
        tunnel[214] = 1;
        assert_eq!(state(&tunnel), None);
        let mut inward = body(&set_policy(&policy)).to_vec();
        inward[160] = 0;
        assert_eq!(super::policy(&inward), None);
        for cut in 0..inward.len() {
            assert_eq!(super::policy(&inward[..cut]), None);
        }
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Secret { key: [7; 16], salt: [9; 4] }), "Secret(…)");
    }
}
