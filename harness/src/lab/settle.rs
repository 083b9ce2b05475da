//! Waiting until engines know what there is.

use std::time::Duration;

use overlay::Engine;

use super::Lab;
use crate::error::{Error, Kind, Result};

/// How long engines may take to know each other's endpoints before `up` gives up.
pub(super) const READY: Duration = Duration::from_secs(30);
/// How long they are waited for while something is wrong in the lab on purpose: some may not hear of each other at all.
const HINDERED: Duration = Duration::from_secs(2);

impl Lab {
    /// Waits until every engine has done what the store asks for now: then containers reach each other.
    pub(crate) async fn settle(&self) -> Result<()> {
        if self.topology().kv.is_none() {
            return Ok(());
        }
        let engines = self.hosts().filter_map(|host| host.engine().ok());
        let engines: Vec<Engine> = engines.filter(|engine| !engine.is_paused()).collect();
        let hindered = !self.wanted_faults().is_empty();
        let settled = tokio::time::timeout(if hindered { HINDERED } else { READY }, agree(&engines)).await;
        match settled {
            Ok(agreed) => agreed?,
            Err(_) if hindered => self.events().say("fault", "not all engines know of it yet"),
            Err(_) => {
                let late = format_args!("the engines did not agree within {} s", READY.as_secs());
                return Err(Error::new(Kind::Machine, late));
            }
        }
        // A network has its VNI from its first container on: a fault may have waited for it.
        if self.wanted_faults().iter().any(|active| active.fault.network().is_some()) {
            self.conform().await?;
        }
        Ok(())
    }
}

/// Waits until every engine has done what the store asks for now, as one of them says that it is.
async fn agree(engines: &[Engine]) -> Result<()> {
    let Some(first) = engines.first() else { return Ok(()) };
    let index = first.store_index().await?;
    for engine in engines {
        engine.converged(index).await?;
    }
    Ok(())
}

/// An engine's answer, if it comes in time.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = overlay::Result<T>>,
    otherwise: &str,
) -> Result<T> {
    let late = |_| Error::new(Kind::Machine, format_args!("{otherwise} within {} s", limit.as_secs()));
    Ok(tokio::time::timeout(limit, answer).await.map_err(late)??)
}
