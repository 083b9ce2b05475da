//! Faults of a lab: injected, listed, healed.
//!
//! What the switch and the wires do follows from the list of faults and is made so anew each time the list changes; what
//! happens to hosts and processes is done once, and undone once.

use std::sync::PoisonError;

use super::Lab;
use crate::error::{Error, Kind, Result};
use crate::fault::{Active, Fault, FaultId, Guard};

/// The faults that are there, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Faults {
    last: FaultId,
    active: Vec<Active>,
}

impl Lab {
    /// Makes something go wrong, until the guard is dropped or somebody heals it. Returns when it has.
    pub async fn inject(&self, fault: Fault) -> Result<Guard> {
        // One at a time: each works on what the one before it has left.
        let _turn = self.0.injecting.lock().await;
        let active = self.enlist(fault);
        if let Err(error) = self.begin(&active.fault).await {
            // What it failed for is what counts; half a fault is none.
            self.strike(active.id);
            let _ = self.end(&active.fault).await;
            return Err(error);
        }
        self.events().say("fault", format_args!("fault {}: {}", active.id, active.fault));
        Ok(Guard::new(self.clone(), active.id))
    }

    /// The faults that are there, in the order in which they came.
    pub fn faults(&self) -> Vec<Active> {
        self.list().active.clone()
    }

    /// Heals a fault and waits until it is. That there is none of that number is an error.
    pub async fn heal(&self, id: FaultId) -> Result<()> {
        if self.lift(id).await? {
            return Ok(());
        }
        let known = self.faults().into_iter().map(|active| active.id.to_string()).collect::<Vec<_>>();
        Err(Error::no_such("fault", &id.to_string(), known.iter().map(String::as_str)))
    }

    /// Heals all faults, the latest first; how many there were. Goes on past what fails; the first failure is returned.
    pub async fn heal_all(&self) -> Result<usize> {
        let mut ids: Vec<FaultId> = self.faults().into_iter().map(|active| active.id).collect();
        ids.reverse();
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
        let Some(active) = self.strike(id) else { return Ok(false) };
        self.end(&active.fault).await?;
        self.events().say("fault", format_args!("fault {id} healed: {}", active.fault));
        Ok(true)
    }

    async fn begin(&self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Wire { .. } | Fault::Drop { .. } | Fault::Partition(_) => self.conform().await,
            Fault::Crash(host) => self.crash(host.as_str()),
            Fault::Pause(_) | Fault::Engine(_) | Fault::Kill(_) | Fault::Clock { .. } => not_yet(fault),
        }
    }

    async fn end(&self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Wire { .. } | Fault::Drop { .. } | Fault::Partition(_) => self.conform().await,
            _ => not_yet(fault),
        }
    }

    /// Makes the switch and the wires what the faults that are there ask for.
    #[expect(clippy::unused_async, reason = "not there yet")]
    async fn conform(&self) -> Result<()> {
        Err(Error::new(Kind::Input, "faults of the underlay are not there yet"))
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enlist(&self, fault: Fault) -> Active {
        let mut faults = self.list();
        faults.last += 1;
        let active = Active { id: faults.last, fault };
        faults.active.push(active.clone());
        active
    }

    fn strike(&self, id: FaultId) -> Option<Active> {
        let mut faults = self.list();
        let at = faults.active.iter().position(|active| active.id == id)?;
        Some(faults.active.remove(at))
    }
}

fn not_yet(fault: &Fault) -> Result<()> {
    Err(Error::new(Kind::Input, format_args!("{fault}: not there yet")))
}
