//! The ports of a host that its containers have published.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use kernel::{Error, Netns};

use crate::docker;
use crate::id::SandboxId;
use crate::model::{Binding, Protocol, Publish};

/// Who has which port. Each is held by a socket of the host, so that no process there gets it, nor takes it from one that has
/// it: Docker does so with its proxy, and without it too (20.10: `libnetwork/portmapper`, `dummyProxy`).
#[derive(Debug)]
pub(super) struct Ports {
    host: Netns,
    held: BTreeMap<SandboxId, Vec<(Binding, Option<OwnedFd>)>>,
}

/// A port cannot be had. In Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPort {
    #[error("Bind for {}:{} failed: port is already allocated", .0.host_ip, .0.host_port)]
    Allocated(Binding),
    #[error("listen {} {}: bind: address already in use", .0.protocol, .0.host())]
    InUse(Binding),
    #[error("listen {} {}: bind: cannot assign requested address", .0.protocol, .0.host())]
    NotHere(Binding),
    #[error("Bind for {}:{} failed: all ports are allocated", .0.address(), .0.port)]
    NoneLeft(Publish),
    #[error("{0}")]
    Kernel(String),
}

impl Ports {
    pub(super) fn new(host: &Netns) -> Ports {
        Ports { host: host.clone(), held: BTreeMap::new() }
    }

    /// All that is published.
    pub(super) fn all(&self) -> impl Iterator<Item = (SandboxId, Binding)> {
        self.held.iter().flat_map(|(sandbox, held)| held.iter().map(|(binding, _)| (*sandbox, *binding)))
    }

    /// What a container has published.
    pub(super) fn of(&self, sandbox: SandboxId) -> Vec<Binding> {
        self.all().filter(|(other, _)| *other == sandbox).map(|(_, binding)| binding).collect()
    }

    /// Gives a container the ports that it wants: all, or none. It gets those again that it `had`.
    pub(super) fn take(
        &mut self,
        sandbox: SandboxId,
        wants: &[Publish],
        had: &[Binding],
        rng: &mut fastrand::Rng,
    ) -> Result<(), BadPort> {
        for want in wants {
            match self.take_one(want, had, rng) {
                Ok(held) => self.held.entry(sandbox).or_default().push(held),
                Err(why) => {
                    self.release(sandbox);
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    fn take_one(
        &self,
        want: &Publish,
        had: &[Binding],
        rng: &mut fastrand::Rng,
    ) -> Result<(Binding, Option<OwnedFd>), BadPort> {
        let before = had.iter().find(|binding| want.is(binding) && self.holder(binding).is_none());
        if let Some(before) = before
            && let Ok(socket) = self.hold(*before)
        {
            return Ok((*before, Some(socket)));
        }
        let (ports, start) = if let Some(ports) = &want.host {
            (ports.clone(), 0)
        } else {
            let ports = self.ephemeral()?;
            let start = rng.usize(..ports.len());
            (ports, start)
        };
        let only = ports.start() == ports.end();
        for port in ports.clone().skip(start).chain(ports.take(start)) {
            let binding = want.at(port);
            let tried = match self.holder(&binding) {
                Some(_) => Err(BadPort::Allocated(binding)),
                None => self.hold(binding),
            };
            match tried {
                Ok(socket) => return Ok((binding, Some(socket))),
                Err(BadPort::Allocated(_) | BadPort::InUse(_)) if !only => {}
                Err(why) => return Err(why),
            }
        }
        Err(BadPort::NoneLeft(want.clone()))
    }

    /// Takes a container's ports over from an earlier engine: what is redirected to it is its, whoever listens there by now.
    pub(super) fn adopt(&mut self, sandbox: SandboxId, had: Vec<Binding>) {
        let held: Vec<_> = had.into_iter().map(|binding| (binding, self.hold(binding).ok())).collect();
        if !held.is_empty() {
            self.held.insert(sandbox, held);
        }
    }

    /// Holds what could not be held when it was taken over: the earlier engine, or a process, had it still.
    pub(super) fn hold_all(&mut self) {
        let mut all = std::mem::take(&mut self.held);
        for (binding, socket) in all.values_mut().flatten().filter(|(_, socket)| socket.is_none()) {
            *socket = self.hold(*binding).ok();
        }
        self.held = all;
    }

    /// Whether nothing is left to be held.
    pub(super) fn are_held(&self) -> bool {
        self.held.values().flatten().all(|(_, socket)| socket.is_some())
    }

    /// Gives a container's ports back.
    pub(super) fn release(&mut self, sandbox: SandboxId) {
        self.held.remove(&sandbox);
    }

    /// Who has a port that collides with this one.
    fn holder(&self, binding: &Binding) -> Option<SandboxId> {
        self.all().find(|(_, other)| other.collides(binding)).map(|(sandbox, _)| sandbox)
    }

    fn hold(&self, binding: Binding) -> Result<OwnedFd, BadPort> {
        let address = SocketAddr::V4(binding.host());
        let socket = match binding.protocol {
            Protocol::Tcp => self.host.listen(address).map(OwnedFd::from),
            Protocol::Udp => self.host.udp(address).map(OwnedFd::from),
        };
        socket.map_err(|error: Error| match error {
            error if error.is_in_use() => BadPort::InUse(binding),
            error if error.is_missing() => BadPort::NotHere(binding),
            error => BadPort::Kernel(error.to_string()),
        })
    }

    /// The ports of which one is drawn.
    fn ephemeral(&self) -> Result<RangeInclusive<u16>, BadPort> {
        let text =
            self.host.sysctl("ipv4/ip_local_port_range").map_err(|why| BadPort::Kernel(why.to_string()))?;
        let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
        Ok(match (numbers.next(), numbers.next()) {
            (Some(first), Some(last)) if first <= last => first..=last,
            _ => docker::EPHEMERAL_PORTS,
        })
    }
}
