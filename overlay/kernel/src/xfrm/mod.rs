//! IPsec as the kernel does it: which packets are to be encrypted (policies), and how (states). ESP in transport mode over IPv4, with
//! AES-GCM, is what this knows of it.
//!
//! - `wire`: the messages, `linux/xfrm.h`.

mod wire;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use netlink_sys::protocols::NETLINK_XFRM;
use netlink_sys::{Socket, SocketAddr};

use crate::error::{Context, Error, Result};
use crate::netns::Netns;

/// What an AEAD of ESP is called, which takes a salt behind its key (RFC 4106; `net/xfrm/xfrm_algo.c`).
pub const CIPHER: &str = "rfc4106(gcm(aes))";

/// The length of an integrity check value, in bits: of those that RFC 4106 §6 allows the shortest, and Docker's choice (20.10:
/// `drivers/overlay/encryption.go`, `ICVLen`).
pub const ICV_BITS: u32 = 64;

/// What tells a state, a security association, from others. On one host it is sent by or received by, as its ends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Association {
    /// Who encrypts.
    pub source: Ipv4Addr,
    /// Who decrypts.
    pub destination: Ipv4Addr,
    /// The number in each packet's ESP header. Below 256 are reserved ones (RFC 4303 §2.1).
    pub spi: u32,
    /// A number of its maker's own, by which policies choose among states.
    pub reqid: u32,
}

/// What a state encrypts with. Nobody prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// The key of AES-128.
    pub key: [u8; 16],
    /// The first four bytes of each nonce (RFC 4106 §4). No two states of one key may have the same.
    pub salt: [u8; 4],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// UDP datagrams to a port of one host's, from another one, are encrypted by a certain state: those alone that have the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy {
    /// The state by which they are encrypted, and so their two ends.
    pub by: Association,
    /// Their UDP destination port.
    pub port: u16,
    /// The mark that a rule has given them.
    pub mark: u32,
}

/// A state as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// What it is.
    pub association: Association,
    /// Packets that it has encrypted or decrypted.
    pub packets: u64,
    /// Packets whose integrity check failed: of another key, or changed on their way.
    pub forged: u32,
}

/// A connection to the IPsec of one namespace.
#[derive(Debug)]
pub struct Xfrm {
    namespace: String,
    socket: Mutex<Socket>,
}

impl Xfrm {
    /// A connection made inside `netns`. A kernel without it refuses: that [is one of support](Error::is_unsupported).
    pub fn new(netns: &Netns) -> Result<Xfrm> {
        let namespace = netns.name().to_owned();
        let opened = netns.run(|| -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_XFRM)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        })?;
        Ok(Xfrm { socket: Mutex::new(opened.doing("open IPsec in", &namespace)?), namespace })
    }

    /// Makes a state. That it is there already is an error. Without a replay window, as Docker's: a sender that begins anew, after a
    /// crash say, counts from 1 again, and would be taken for a replay.
    pub fn add(&self, association: &Association, secret: &Secret) -> Result<()> {
        self.tell("add", association, &wire::add(association, secret))
    }

    /// Removes a state. What it is about to encrypt is lost.
    pub fn remove(&self, association: &Association) -> Result<()> {
        self.tell("remove", association, &wire::remove(association))
    }

    /// Makes a policy, or puts it in the place of one that is about the same packets: each packet is met by one of them.
    pub fn set_policy(&self, policy: &Policy) -> Result<()> {
        self.tell("set", policy, &wire::set_policy(policy))
    }

    /// Removes a policy: whatever it encrypted leaves as it is.
    pub fn remove_policy(&self, policy: &Policy) -> Result<()> {
        self.tell("remove", policy, &wire::remove_policy(policy))
    }

    /// The states that are there: those of ESP in transport mode over IPv4.
    pub fn states(&self) -> Result<Vec<State>> {
        let listed = wire::dump(&self.lock(), wire::GET_STATE);
        let listed = listed.doing("list", format_args!("IPsec states in {}", self.namespace))?;
        Ok(listed.iter().filter_map(|body| wire::state(body)).collect())
    }

    /// The policies that are there: those that this could have made.
    pub fn policies(&self) -> Result<Vec<Policy>> {
        let listed = wire::dump(&self.lock(), wire::GET_POLICY);
        let listed = listed.doing("list", format_args!("IPsec policies in {}", self.namespace))?;
        Ok(listed.iter().filter_map(|body| wire::policy(body)).collect())
    }

    fn tell(&self, op: &'static str, what: &dyn fmt::Display, request: &wire::Request) -> Result<()> {
        let told = request.send(&self.lock());
        told.map_err(|why| Error::new(op, format_args!("{what} in {}", self.namespace), why))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `IPsec state 10.0.0.10 > 10.0.0.11 spi 0x1a2b3c4d`
impl fmt::Display for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPsec state {} > {} spi {:#010x}", self.source, self.destination, self.spi)
    }
}

/// `IPsec policy 10.0.0.10 > 10.0.0.11 udp dport 4789 mark 0xd0000100 by spi 0x1a2b3c4d`
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Association { source, destination, spi, .. } = self.by;
        let (port, mark) = (self.port, self.mark);
        write!(
            f,
            "IPsec policy {source} > {destination} udp dport {port} mark {mark:#010x} by spi {spi:#010x}"
        )
    }
}
