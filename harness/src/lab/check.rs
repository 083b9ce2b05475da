//! Whether store and kernels agree, and putting right what does not.

use serde::{Deserialize, Serialize};

use super::Lab;
use crate::error::Result;
use crate::scenario;

/// What does not agree in a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The version of this format.
    pub version: u32,
    /// Each in a sentence that says what it does harm to. Nothing, if all is well.
    pub findings: Vec<String>,
    /// Whether it was tried to put them right. `findings` is what there was before.
    pub repaired: bool,
    /// What remained after that.
    pub remaining: Vec<String>,
}

/// The version of [`Checked`].
const VERSION: u32 = 1;

impl Lab {
    /// Compares what the store asks for with what the kernels of all hosts hold, and the store's documents with one another.
    /// With `repair`, what is wrong is put right: engines do so by themselves with their kernels from time to time; that books
    /// of the store are corrected has to be asked for. A host that is down is not looked at.
    pub async fn check(&self, repair: bool) -> Result<Checked> {
        let findings = scenario::findings(self).await?;
        let mut checked = Checked { version: VERSION, findings, repaired: false, remaining: Vec::new() };
        if repair && !checked.findings.is_empty() {
            let engines: Vec<_> = self.hosts().filter_map(|host| host.engine().ok()).collect();
            if let Some(engine) = engines.first() {
                let corrected = engine.correct().await?;
                self.events().say("check", format_args!("{corrected} documents of the store were corrected"));
            }
            for engine in &engines {
                engine.mend().await?;
            }
            checked.repaired = true;
            checked.remaining = scenario::findings(self).await?;
        }
        Ok(checked)
    }
}
