//! Faults of a lab: injected, listed, healed.
//!
//! What the switch and the wires do follows from the list of faults and is made so anew each time the list changes; what
//! happens to hosts and processes is done once, and undone once.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use kernel::Mac;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Lab;
use crate::error::{Error, Kind, Result};
use crate::events::{Edge, Span};
use crate::fault::{self, Active, Contradiction, Fault, FaultId, Filter, Guard, KvFault, Names, PluggedIn};
use crate::host::blocking;
use crate::topology::{self, HostName, NetworkName};

/// How long an engine may take to say what it knows of networks: it may be cut off from the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// The faults, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Faults {
    last: FaultId,
    all: Vec<(Active, Stage)>,
}

/// How far a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is being injected: nobody is told of it yet.
    Comes,
    /// It is there.
    Is,
    /// It is being healed: nothing asks for it any more, and something of it may still be there.
    Goes,
}

/// What a fault has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Frames; one that several packets travel in (GSO) counts once.
    pub frames: u64,
    /// Bytes, without the Ethernet header.
    pub bytes: u64,
}

impl Lab {
    /// Makes something go wrong, until the guard is dropped or somebody heals it. Returns when it has. Of an event nothing can be
    /// healed, and it is in no list.
    pub async fn inject(&self, fault: Fault) -> Result<Guard> {
        self.inject_named(None, fault).await
    }

    /// As [`Lab::inject`]; the fault has a name to be healed by. That another one has it is an error.
    pub async fn inject_as(&self, name: &str, fault: Fault) -> Result<Guard> {
        self.inject_named(Some(name.to_owned()), fault).await
    }

    async fn inject_named(&self, name: Option<String>, fault: Fault) -> Result<Guard> {
        // One at a time: each works on what the one before it has left.
        let _turn = self.0.injecting.lock().await;
        if let Some(name) = &name
            && self.faults().iter().any(|active| active.name.as_ref() == Some(name))
        {
            return Err(Error::new(Kind::Input, format_args!("a fault named `{name}` is there already")));
        }
        if let Some(Contradiction::Port(why) | Contradiction::Address(why)) =
            fault.filter().and_then(Filter::contradiction)
        {
            return Err(Error::new(Kind::Input, why));
        }
        if let (Some(name), true) = (&name, fault.is_event()) {
            let nothing = format_args!("there is nothing that `{name}` would heal: {fault}, and that is all");
            return Err(Error::new(Kind::Input, nothing));
        }
        let active = self.enlist(name, fault);
        // From now on, so that it is healed if nobody waits for it to the end.
        let guard = Guard::new(self.clone(), active.id);
        if let Err(error) = self.begin(&active.fault).await {
            // What it failed for is what counts; half a fault is none.
            self.enter(active.id, Stage::Goes);
            let _ = self.end(&active.fault).await;
            self.strike(active.id);
            guard.forget();
            return Err(error);
        }
        if active.fault.is_event() {
            self.strike(active.id);
        } else {
            self.enter(active.id, Stage::Is);
        }
        if active.fault.is_event() {
            self.events().say("fault", format_args!("fault {}: {}", active.id, active.fault));
        } else {
            self.say_edge(&active, true);
        }
        Ok(guard)
    }

    /// The faults that are there, in the order in which they came: each from when it has been injected until nothing is left of
    /// it.
    pub fn faults(&self) -> Vec<Active> {
        self.list().but(Stage::Comes)
    }

    /// The faults that somebody wants to be there.
    pub(super) fn wanted_faults(&self) -> Vec<Active> {
        self.list().but(Stage::Goes)
    }

    /// Heals a fault and waits until it is. That there is none of that number is an error.
    pub async fn heal(&self, id: FaultId) -> Result<()> {
        if self.lift(id).await? {
            return Ok(());
        }
        let known = self.faults().into_iter().map(|active| active.id.to_string()).collect::<Vec<_>>();
        Err(Error::no_such("fault", &id.to_string(), known.iter().map(String::as_str)))
    }

    /// Heals the fault of that name and waits until it is. That there is none is an error.
    pub async fn heal_named(&self, name: &str) -> Result<()> {
        let faults = self.faults();
        match faults.iter().find(|active| active.name.as_deref() == Some(name)) {
            Some(active) => self.heal(active.id).await,
            None => {
                Err(Error::no_such("fault", name, faults.iter().filter_map(|active| active.name.as_deref())))
            }
        }
    }

    /// Heals all faults: first those of the underlay, then the store's, then the others, and of each kind the latest first, so
    /// that a host that comes back finds what it needs. How many there were. Goes on past what fails; the first failure is returned.
    pub async fn heal_all(&self) -> Result<usize> {
        let mut faults = self.faults();
        faults.sort_by_key(|active| (self.rank(&active.fault), std::cmp::Reverse(active.id)));
        let ids: Vec<FaultId> = faults.into_iter().map(|active| active.id).collect();
        let mut first = Ok(ids.len());
        for id in ids {
            if let Err(error) = self.lift(id).await {
                first = first.and(Err(error));
            }
        }
        first
    }

    /// Heals a fault, if it is there; whether it was.
    pub(crate) async fn lift(&self, id: FaultId) -> Result<bool> {
        let _turn = self.0.injecting.lock().await;
        let Some(active) = self.enter(id, Stage::Goes) else { return Ok(false) };
        let ended = self.end(&active.fault).await;
        // Also if that failed: who heals it hears why, and it is not tried again.
        self.strike(id);
        ended?;
        self.say_edge(&active, false);
        Ok(true)
    }

    /// A fault has come, or is healed.
    fn say_edge(&self, active: &Active, begins: bool) {
        let Active { id, fault, .. } = active;
        let hosts = fault.befalls(self.topology());
        let edge = Edge { of: Span::Fault(*id), begins, end: None, hosts };
        self.events().mark(
            "fault",
            edge,
            format_args!("fault {id}{}: {fault}", if begins { "" } else { " healed" }),
        );
    }

    /// Asks for a fault no more, ahead of its being healed.
    pub(crate) fn let_go(&self, id: FaultId) {
        self.enter(id, Stage::Goes);
    }

    async fn begin(&self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Wire { .. } | Fault::Drop { .. } | Fault::Partition(_) => self.conform().await,
            Fault::Crash(host) => self.crash(host.as_str()),
            Fault::Pause(host) => self.pause(host.as_str()).await,
            Fault::Engine(host) => self.stop_engine(host.as_str()),
            Fault::Kill(process) => self.kill(process).await,
            Fault::Clock { host, offset } => self.set_clocks(host.as_str(), *offset).await,
            Fault::Kv(KvFault::Ails { .. }) => self.afflict(),
            Fault::Kv(KvFault::Restart(comeback)) => self.restart_store(*comeback).await,
        }
    }

    async fn end(&self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Wire { .. } | Fault::Drop { .. } | Fault::Partition(_) => self.conform().await,
            Fault::Crash(host) => self.restart(host.as_str()).await,
            Fault::Pause(host) => self.resume(host.as_str()).await,
            Fault::Engine(host) => self.revive_engine(host.as_str()).await,
            Fault::Kill(process) => self.run_again(process).await,
            Fault::Clock { host, .. } => self.set_clocks(host.as_str(), 0).await,
            Fault::Kv(_) => {
                self.relieve();
                Ok(())
            }
        }
    }

    /// In which order faults are healed.
    fn rank(&self, fault: &Fault) -> u8 {
        let store = self.topology().kv.as_ref().map(|topology::Kv::Stub { host, .. }| host);
        match fault {
            Fault::Wire { .. } | Fault::Drop { .. } | Fault::Partition(_) => 0,
            Fault::Crash(host) | Fault::Pause(host) if store == Some(host) => 1,
            Fault::Kv(_) => 1,
            _ => 2,
        }
    }

    /// Makes the switch and the wires what the faults that are there ask for.
    pub(super) async fn conform(&self) -> Result<()> {
        let mut vnis = self.0.conforming.lock().await;
        let faults = self.wanted_faults();
        self.learn_vnis(&faults, &mut vnis).await?;
        self.conform_wires(&faults, &vnis).await?;
        // After the wires: one that is spliced has a port of another name.
        let names = self.names(&vnis);
        let table = fault::table(&faults, &names)?;
        let lab = self.clone();
        blocking(move || {
            lab.0.cuts.end();
            lab.0.fabric.cut(table.as_ref())?;
            lab.0.cuts.begin(table.as_ref(), &names);
            Ok(())
        })
        .await
    }

    /// What rules call the hosts, their ports and the networks.
    fn names(&self, vnis: &BTreeMap<NetworkName, Vec<u32>>) -> Names {
        let hosts: Vec<HostName> = self.topology().hosts.iter().map(|host| host.name.clone()).collect();
        let plugged_in = |host: &topology::Host| {
            let port = *self.0.ports.get(host.name.as_str())?;
            let (name, mac) = (self.0.fabric.port_name(port), Mac::of(host.ip));
            Some((host.name.clone(), PluggedIn { port: name, bridge: port.bridge(), mac }))
        };
        let ports = self.topology().hosts.iter().filter_map(plugged_in).collect();
        Names { hosts, ports, vnis: vnis.clone() }
    }

    /// Learns the VNIs of the networks that faults name. What was learnt once stays known: the fault may be that the store
    /// is not heard any more.
    async fn learn_vnis(&self, faults: &[Active], vnis: &mut BTreeMap<NetworkName, Vec<u32>>) -> Result<()> {
        let named = faults.iter().filter_map(|active| active.fault.network());
        let unknown: Vec<&NetworkName> =
            named.filter(|name| vnis.get(*name).is_none_or(Vec::is_empty)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut failed = Error::new(Kind::NoSuch, "no engine runs in this lab");
        for engine in self.hosts().filter_map(|host| host.engine().ok()) {
            let heard = timeout(PATIENCE, engine.networks()).await;
            let summaries = match heard {
                Ok(Ok(summaries)) => summaries,
                Ok(Err(error)) => {
                    failed = error.into();
                    continue;
                }
                Err(_) => {
                    failed =
                        Error::new(Kind::Machine, "no engine could ask the store for the networks' VNIs");
                    continue;
                }
            };
            for name in unknown {
                let Some(found) = summaries.iter().find(|network| *name == *network.name) else {
                    let known = summaries.iter().map(|network| network.name.as_str());
                    return Err(Error::no_such("network", name.as_str(), known));
                };
                vnis.insert(name.clone(), found.vnis.iter().map(|vni| vni.get()).collect());
            }
            return Ok(());
        }
        Err(failed)
    }

    /// The frames and bytes that each fault of the switch has taken so far: cuts, partitions, drops.
    pub async fn losses(&self) -> Result<BTreeMap<FaultId, Taken>> {
        let lab = self.clone();
        let counted = blocking(move || lab.0.fabric.counted()).await?;
        let mut losses: BTreeMap<FaultId, Taken> = BTreeMap::new();
        for counted in counted {
            let Some(id) = fault::fault_of(&counted.comment) else { continue };
            let taken = losses.entry(id).or_default();
            taken.frames += counted.packets;
            taken.bytes += counted.bytes;
        }
        Ok(losses)
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enlist(&self, name: Option<String>, fault: Fault) -> Active {
        let mut faults = self.list();
        faults.last += 1;
        let active = Active { id: faults.last, name, fault };
        faults.all.push((active.clone(), Stage::Comes));
        active
    }

    /// Says how far a fault is. None: it is not in the list.
    fn enter(&self, id: FaultId, stage: Stage) -> Option<Active> {
        let mut faults = self.list();
        let (active, its) = faults.all.iter_mut().find(|(active, _)| active.id == id)?;
        *its = stage;
        Some(active.clone())
    }

    fn strike(&self, id: FaultId) {
        self.list().all.retain(|(active, _)| active.id != id);
    }
}

impl Faults {
    fn but(&self, stage: Stage) -> Vec<Active> {
        self.all.iter().filter(|(_, its)| *its != stage).map(|(active, _)| active.clone()).collect()
    }
}
