//! A nemesis let loose on a lab.

use tokio::time::{Instant, sleep_until};

use super::Lab;
use crate::error::Result;
use crate::fault::Schedule;

impl Lab {
    /// Plays a schedule: each fault comes at its time and is healed at its time, or as soon after it as the lab is ready.
    /// Returns when it is over and everything healed. A fault that cannot be made, or healed, ends it with that error.
    ///
    /// Dropping the future ends it, too: what is there then is healed.
    pub async fn endure(&self, schedule: &Schedule) -> Result<()> {
        let begun = Instant::now();
        self.events().say("nemesis", schedule);
        for strike in &schedule.strikes {
            sleep_until(begun + strike.at).await;
            let guard = self.inject(strike.fault.clone()).await?;
            sleep_until(begun + strike.at + strike.lasts).await;
            guard.heal().await?;
        }
        sleep_until(begun + schedule.lasts).await;
        Ok(())
    }
}
