//! What encrypts a host's networks, in its kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kernel::nft::{Family, Nft};
use kernel::{Error, Netns, Notices, Result, Xfrm};

use super::cipher::{CipherOp, Ciphers, Present, TABLE, Tunnel, cipher_plan, cipher_rules};
use super::converge::Datapath;
use crate::id::NetworkId;
use crate::ledger::View;
use crate::model::{Held, Network, Vni};

/// The encrypted networks of a host. As long as there are none, nothing of it is opened.
#[derive(Debug)]
pub(super) struct Encryption {
    host: Netns,
    vtep: Ipv4Addr,
    open: Option<Open>,
    /// What is to be encrypted, by network.
    tunnels: BTreeMap<NetworkId, Vec<Tunnel>>,
    /// What the kernel is taken to have.
    present: Present,
    /// The VNIs that it is taken to have rules for. None: nobody knows.
    ruled: Option<BTreeSet<Vni>>,
    /// What the kernel has of the networks' keys.
    held: BTreeMap<NetworkId, Held>,
}

/// Connections to the host's kernel.
#[derive(Debug)]
struct Open {
    xfrm: Xfrm,
    nft: Nft,
    /// Who hears of changes. None: they are looked for each time.
    notices: Option<Notices>,
}

impl Encryption {
    /// Of a host that has none yet.
    pub(super) fn new(host: &Netns, vtep: Ipv4Addr) -> Encryption {
        Encryption {
            host: host.clone(),
            vtep,
            open: None,
            tunnels: BTreeMap::new(),
            present: Present::default(),
            ruled: Some(BTreeSet::new()),
            held: BTreeMap::new(),
        }
    }

    /// Takes over what an earlier engine has left, if it has left something.
    pub(super) fn adopt(&mut self) -> Result<()> {
        if Nft::new(&self.host)?.tables()?.iter().any(|table| table == TABLE) {
            self.open()?;
        }
        Ok(())
    }

    /// Looks at what there is, and mends it.
    pub(super) fn mend(&mut self) -> Result<()> {
        self.look()?;
        self.agree()
    }

    /// Whether nothing here is encrypted, nor was.
    pub(super) fn is_unused(&self) -> bool {
        self.open.is_none()
    }

    /// Whether a look would show nothing new.
    pub(super) fn is_calm(&self) -> bool {
        let heard = |open: &Open| open.notices.as_ref().is_none_or(Notices::any);
        self.ruled.is_some() && !self.open.as_ref().is_some_and(heard)
    }

    /// Encrypts a network's frames so from now on.
    pub(super) fn set(&mut self, network: NetworkId, tunnels: Vec<Tunnel>) -> Result<()> {
        if self.tunnels.get(&network) == Some(&tunnels) && self.held.contains_key(&network) {
            return Ok(());
        }
        self.tunnels.insert(network, tunnels);
        self.agree()
    }

    /// Encrypts no other networks any more.
    pub(super) fn keep(&mut self, stays: impl Fn(NetworkId) -> bool) -> Result<()> {
        let had = self.tunnels.len();
        self.tunnels.retain(|network, _| stays(*network));
        self.held.retain(|network, _| stays(*network));
        if self.tunnels.len() == had { Ok(()) } else { self.agree() }
    }

    /// What the kernel has of the networks' keys.
    pub(super) fn held(&self) -> &BTreeMap<NetworkId, Held> {
        &self.held
    }

    /// The connections, and what is there once they are.
    fn open(&mut self) -> Result<()> {
        if self.open.is_none() {
            // What is missing is said in more than an error number.
            let lacking = |error: Error| kernel::probe::esp().err().unwrap_or(error);
            let xfrm = Xfrm::new(&self.host).map_err(lacking)?;
            let notices = Notices::of_ipsec(&self.host).ok();
            self.open = Some(Open { xfrm, nft: Nft::new(&self.host)?, notices });
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        if let Some(notices) = &open.notices {
            notices.any();
        }
        self.present = Present::of(&open.xfrm)?;
        let mut have = open.nft.rules()?;
        have.retain(|line| line.split_once(' ').is_some_and(|(table, _)| table == TABLE));
        let due = self.ruled.as_ref().filter(|vnis| !vnis.is_empty()).map(cipher_rules);
        if have != due.map(|table| table.lines()).unwrap_or_default() {
            self.ruled = None;
        }
        Ok(())
    }

    /// Makes the kernel agree with what is to be encrypted.
    fn agree(&mut self) -> Result<()> {
        if !self.tunnels.is_empty() {
            self.open()?;
        }
        let Some(open) = &self.open else { return Ok(()) };
        let want = Ciphers::of(self.vtep, self.tunnels.values().flatten());
        let vnis: BTreeSet<Vni> = self.tunnels.values().flatten().map(|tunnel| tunnel.vni).collect();
        // Before there is anything to encrypt: nothing leaves in clear meanwhile.
        if self.ruled.as_ref() != Some(&vnis) {
            self.ruled = None;
            write_rules(&open.nft, &vnis)?;
            self.ruled = Some(vnis);
        }
        let done = change(&open.xfrm, &mut self.present, &want);
        if done.is_err() {
            // What came of it is seen when it is tried again.
            self.look()?;
            return done;
        }
        let held = |tunnels: &Vec<Tunnel>| {
            let ring = &tunnels.first()?.keyring;
            Some(Held { receives: ring.keys().iter().map(|key| key.tag).collect(), sends: ring.primary() })
        };
        let all = self.tunnels.iter().filter_map(|(network, tunnels)| Some((*network, held(tunnels)?)));
        self.held = all.collect();
        Ok(())
    }
}

impl Present {
    /// What a host has, of ours.
    pub fn of(xfrm: &Xfrm) -> Result<Present> {
        Ok(Present::among(xfrm.states()?, xfrm.policies()?))
    }
}

fn write_rules(nft: &Nft, vnis: &BTreeSet<Vni>) -> Result<()> {
    if !vnis.is_empty() {
        return nft.replace(&cipher_rules(vnis));
    }
    match nft.remove(Family::Ip, TABLE) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// Makes the changes one by one, and notes each.
fn change(xfrm: &Xfrm, present: &mut Present, want: &Ciphers) -> Result<()> {
    for op in cipher_plan(present, want) {
        // Somebody may have removed what is to be removed.
        let gone = |done: Result<()>| match done {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        };
        match op {
            CipherOp::AddState(state) => {
                let Some(secret) = want.states.get(&state) else { continue };
                xfrm.add(&state, secret)?;
                present.states.insert(state);
            }
            CipherOp::SetPolicy(policy) => {
                xfrm.set_policy(&policy)?;
                let about = |its: &kernel::xfrm::Policy| (its.by.source, its.by.destination, its.mark);
                present.policies.retain(|other| about(other) != about(&policy));
                present.policies.insert(policy);
            }
            CipherOp::RemovePolicy(policy) => {
                gone(xfrm.remove_policy(&policy))?;
                present.policies.remove(&policy);
            }
            CipherOp::RemoveState(state) => {
                gone(xfrm.remove(&state))?;
                present.states.remove(&state);
            }
        }
    }
    Ok(())
}

impl Datapath {
    /// Encrypts a network's frames, if they are to be encrypted, between this host and all others that are on it. It has to be done
    /// before any can be sent.
    pub(super) fn encrypt(&mut self, view: &View, network: &Network) -> Result<()> {
        if !network.encrypted() {
            return Ok(());
        }
        let tunnels = tunnels(view, network, self.vtep);
        let lost = || {
            Error::other("encrypt", format_args!("network {}", network.name), "its keys are not in the store")
        };
        self.encryption.set(network.id, tunnels.ok_or_else(lost)?)
    }

    /// What the kernel has of networks' keys.
    pub(crate) fn held(&self) -> &BTreeMap<NetworkId, Held> {
        self.encryption.held()
    }
}

/// What is to be encrypted of a network on a host. None: it has no keys.
fn tunnels(view: &View, network: &Network, vtep: Ipv4Addr) -> Option<Vec<Tunnel>> {
    let keyring = view.keyring(network.id)?;
    let mut peers = view.hosts_on(network.id);
    peers.remove(&vtep);
    let tunnel = |vni| Tunnel { network: network.id, vni, keyring: keyring.clone(), peers: peers.clone() };
    Some(network.vnis().map(tunnel).collect())
}

/// What encrypts a host's networks, as the store has it: the networks are those that the host has a namespace of.
pub fn ciphers_due(
    view: &View,
    vtep: Ipv4Addr,
    here: impl Fn(NetworkId) -> bool,
) -> (Ciphers, BTreeSet<Vni>) {
    let networks = view.networks.values().map(|found| &found.value.network);
    let encrypted = networks.filter(|network| network.encrypted() && here(network.id));
    let tunnels: Vec<Tunnel> =
        encrypted.filter_map(|network| tunnels(view, network, vtep)).flatten().collect();
    (Ciphers::of(vtep, &tunnels), tunnels.iter().map(|tunnel| tunnel.vni).collect())
}
