//! A fault that is there, and its end.

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::Fault;
use crate::error::Result;
use crate::lab::Lab;

/// The number of a fault of a lab; never used again.
pub type FaultId = u64;

/// A fault that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// Its number, from 1.
    pub id: FaultId,
    /// The name that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What went wrong.
    pub fault: Fault,
}

/// Holds a fault; dropped, it heals it.
///
/// Dropping begins the healing and does not wait for it. [`Guard::heal`] does, and says what went wrong.
#[derive(Debug)]
#[must_use = "dropping the guard heals the fault"]
pub struct Guard {
    lab: Lab,
    id: Option<FaultId>,
}

impl Guard {
    pub(crate) fn new(lab: Lab, id: FaultId) -> Guard {
        Guard { lab, id: Some(id) }
    }

    /// The fault's number.
    pub fn id(&self) -> FaultId {
        self.id.unwrap_or_default()
    }

    /// Heals the fault and waits until it is. That somebody else has healed it already is fine.
    pub async fn heal(mut self) -> Result<()> {
        let Some(id) = self.id else { return Ok(()) };
        // The number is kept meanwhile, so that it is healed also if nobody waits to the end.
        let healed = self.lab.lift(id).await.map(drop);
        self.id = None;
        healed
    }

    /// Leaves the fault there until somebody else heals it, or the lab ends.
    pub fn forget(mut self) -> FaultId {
        self.id.take().unwrap_or_default()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.lab.let_go(id);
        // Without a runtime the lab is going down, and the fault with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let lab = self.lab.clone();
        runtime.spawn(async move {
            if let Err(error) = lab.lift(id).await {
                lab.events().say("fault", format_args!("fault {id} was not healed: {error}"));
            }
        });
    }
}
