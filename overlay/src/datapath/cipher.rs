//! What encrypts the frames of encrypted networks between hosts: IPsec's states and policies, and rules beside them. Pure.
//!
//! Each VNI has a mark of its own, which a rule gives to its packets as they leave. A policy for each peer's host says by which state
//! a packet of that mark is encrypted; the state has one of the network's keys. What is to leave in clear nevertheless, or comes in
//! clear, rules drop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kernel::header::UDP;
use kernel::nft::{Action, Base, Chain, Family, Hook, Match, Rule, Table};
use kernel::xfrm::{Association, Policy, Secret, State};

use crate::docker;
use crate::id::NetworkId;
use crate::model::{Keyring, Vni};

/// The nftables table's name.
pub(super) const TABLE: &str = "docker_encrypted";

/// Conventional priorities (`linux/netfilter_ipv4.h`: `NF_IP_PRI_MANGLE`, `NF_IP_PRI_FILTER`).
const MANGLE: i32 = -150;
const FILTER: i32 = 0;

/// Where the VNI is behind the beginning of UDP's header: 8 bytes of that, then flags and a reserved part (RFC 7348 §5).
const VNI_OFFSET: u32 = 12;

/// The bits of a mark that say that it is one of ours; the others are the VNI's.
const MARK_BITS: u32 = 0xFF00_0000;

/// The frames of a VNI, between this host and some others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    /// The network it is of.
    pub(super) network: NetworkId,
    /// Its VNI.
    pub(super) vni: Vni,
    /// The network's keys.
    pub(super) keyring: Keyring,
    /// The other hosts.
    pub(super) peers: BTreeSet<Ipv4Addr>,
}

/// States and policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ciphers {
    /// The states, each with what it encrypts with. Of those that are in the kernel already this is not looked at: another key has
    /// another SPI.
    pub states: BTreeMap<Association, Secret>,
    /// The policies.
    pub policies: BTreeSet<Policy>,
}

impl Ciphers {
    /// What there should be on a host. Of each key there is a state a direction, so that a policy goes over to another one without
    /// a packet in between that has none; and policies are for the primary one.
    pub(super) fn of<'a>(vtep: Ipv4Addr, tunnels: impl IntoIterator<Item = &'a Tunnel>) -> Ciphers {
        let mut all = Ciphers::default();
        for tunnel in tunnels {
            for peer in &tunnel.peers {
                for key in tunnel.keyring.keys() {
                    for (source, destination) in [(vtep, *peer), (*peer, vtep)] {
                        let by = association(tunnel, key.tag, source, destination);
                        let secret = Secret { key: key.bytes, salt: by.spi.to_be_bytes() };
                        all.states.insert(by, secret);
                    }
                }
                let by = association(tunnel, tunnel.keyring.primary(), vtep, *peer);
                let policy = Policy { by, port: docker::VXLAN_PORT, mark: mark(tunnel.vni) };
                all.policies.insert(policy);
            }
        }
        all
    }
}

/// The mark of a VNI's packets, and the number of its states.
fn mark(vni: Vni) -> u32 {
    docker::ESP_MARK | vni.get()
}

/// Whether a mark, or a state's number, is one that [`mark`] gives.
fn is_ours(mark: u32) -> bool {
    mark & MARK_BITS == docker::ESP_MARK
}

/// The state of a key in one direction. Its SPI is drawn from what tells it from others, as Docker's is from both hosts and the tag
/// (20.10: `drivers/overlay/encryption.go`, `buildSPI`), so that both ends know it; here the network counts, too, whose key it is.
fn association(tunnel: &Tunnel, tag: u32, source: Ipv4Addr, destination: Ipv4Addr) -> Association {
    let mut hash = Fnv::default();
    hash.write(&source.octets());
    hash.write(&tag.to_be_bytes());
    hash.write(&destination.octets());
    hash.write(format!("{:#}", tunnel.network).as_bytes());
    hash.write(&tunnel.vni.get().to_be_bytes());
    // Those below are reserved (RFC 4303 §2.1).
    let spi = if hash.0 < 256 { hash.0 + 256 } else { hash.0 };
    Association { source, destination, spi, reqid: mark(tunnel.vni) }
}

/// FNV-1a of 32 bits, which Go calls `fnv.New32a`.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0x811c_9dc5)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// States and policies as the kernel has them, those alone that are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// The states.
    pub states: BTreeSet<Association>,
    /// The policies.
    pub policies: BTreeSet<Policy>,
}

impl Present {
    /// Of all that a host has, those that are ours.
    pub(super) fn among(states: Vec<State>, policies: Vec<Policy>) -> Present {
        let states = states.into_iter().map(|state| state.association);
        Present {
            states: states.filter(|state| is_ours(state.reqid)).collect(),
            policies: policies.into_iter().filter(|policy| is_ours(policy.mark)).collect(),
        }
    }
}

/// Whether a host has rules for encrypted networks, by the lines of all its rules.
pub fn encrypts(lines: &[String]) -> bool {
    lines.iter().any(|line| is_of_table(line))
}

fn is_of_table(line: &str) -> bool {
    line.strip_prefix(TABLE).is_some_and(|rest| rest.starts_with(' '))
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CipherOp {
    /// Makes a state.
    AddState(Association),
    /// Makes a policy, or puts it in the place of the one about the same packets.
    SetPolicy(Policy),
    /// Takes a policy out.
    RemovePolicy(Policy),
    /// Takes a state out.
    RemoveState(Association),
}

/// The changes that make `want` of `have`: states before the policies that use them, policies before states that they have used, so that
/// no packet meets a policy whose state is not there.
pub(super) fn cipher_plan(have: &Present, want: &Ciphers) -> Vec<CipherOp> {
    let about = |policy: &Policy| (policy.by.source, policy.by.destination, policy.port, policy.mark);
    let met: BTreeSet<_> = want.policies.iter().map(about).collect();
    let new_states = want.states.keys().filter(|state| !have.states.contains(state));
    let stale_policies = have.policies.iter().filter(|policy| !met.contains(&about(policy)));
    let stale_states = have.states.iter().filter(|state| !want.states.contains_key(state));
    let ops = new_states.copied().map(CipherOp::AddState);
    let ops = ops.chain(want.policies.difference(&have.policies).copied().map(CipherOp::SetPolicy));
    let ops = ops.chain(stale_policies.copied().map(CipherOp::RemovePolicy));
    ops.chain(stale_states.copied().map(CipherOp::RemoveState)).collect()
}

/// The rules for these VNIs: their packets are marked as they leave, and dropped if nothing encrypts them; what comes in clear is
/// dropped.
///
/// Docker's are the first and the last, for each network `OUTPUT … MARK` and `INPUT … ipsec ACCEPT` with `INPUT … DROP` behind it. The
/// one between is not Docker's: there, what has no policy (yet) leaves in clear.
pub(super) fn cipher_rules(vnis: &BTreeSet<Vni>) -> Table {
    let each = |action: &dyn Fn(Vni) -> Action, further: &[Match], what: &str| {
        let rule = |vni: &Vni| {
            Rule::when([&packets_of(*vni)[..], further].concat(), action(*vni))
                .saying(format_args!("{vni} {what}"))
        };
        vnis.iter().map(rule).collect()
    };
    let chain = |name: &str, hook, priority, rules| Chain {
        name: name.to_owned(),
        hook,
        priority,
        accept: true,
        rules,
    };
    let chains = vec![
        chain("mark", Hook::Reroute, MANGLE, each(&|vni| Action::Mark(mark(vni)), &[], "is to be encrypted")),
        chain(
            "output",
            Hook::Output,
            FILTER,
            each(&|_| Action::Drop, &[Match::GoesInClear], "would leave in clear"),
        ),
        chain("input", Hook::Input, FILTER, each(&|_| Action::Drop, &[Match::CameInClear], "came in clear")),
    ];
    Table { family: Family::Ip, name: TABLE.to_owned(), chains }
}

/// VXLAN of a VNI.
fn packets_of(vni: Vni) -> [Match; 3] {
    let [_, a, b, c] = vni.get().to_be_bytes();
    [
        Match::Protocol(UDP),
        Match::DestinationPort(docker::VXLAN_PORT),
        Match::Payload { base: Base::Transport, offset: VNI_OFFSET, value: vec![a, b, c] },
    ]
}

/// What differs from what there should be, and what that does harm to, each in a sentence. `lines` are those of all rules that the
/// host has.
pub fn cipher_faults(have: &Present, lines: &[String], want: &Ciphers, vnis: &BTreeSet<Vni>) -> Vec<String> {
    let mut found = Vec::new();
    for op in cipher_plan(have, want) {
        found.push(match op {
            CipherOp::AddState(state) => format!("{state} is missing: what it encrypts is lost"),
            CipherOp::SetPolicy(policy) => format!("{policy} is missing: nothing is sent there"),
            CipherOp::RemovePolicy(policy) => format!("{policy} is there, and nothing asks for it"),
            CipherOp::RemoveState(state) => {
                format!("{state} is there, and nothing asks for it: its key is known to others")
            }
        });
    }
    let its: Vec<&String> = lines.iter().filter(|line| is_of_table(line)).collect();
    let due = if vnis.is_empty() { Vec::new() } else { cipher_rules(vnis).lines() };
    if !its.into_iter().eq(&due) {
        found.push(format!(
            "the rules of {TABLE} are not those of the encrypted networks that are here: what is to be encrypted may be lost, or come in clear"
        ));
    }
    found
}

#[cfg(test)]
mod tests;
