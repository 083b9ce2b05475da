//! What has passed the interfaces of a lab.

use kernel::rtnl::Counters;
use kernel::{Netns, Rtnl};
use serde::{Deserialize, Serialize};

use super::Lab;
use crate::error::Result;
use crate::host::blocking;

/// What has passed the interfaces of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// As [`Held`](super::Held) has it: `docker0`, `docker0/1-620dd59483`, `C0`, `switch`.
    pub name: String,
    /// Link by link.
    pub links: Vec<Counters>,
}

impl Lab {
    /// What has passed the interfaces of a host (with its sandboxes) or a container so far; of all of them, the switch and the outside
    /// world, if none is named.
    pub async fn passed(&self, target: Option<&str>) -> Result<Vec<Passed>> {
        let rooms = self.rooms(target)?;
        let look =
            |(name, netns): (String, Netns)| Ok(Passed { name, links: Rtnl::new(&netns)?.counters()? });
        blocking(move || rooms.into_iter().map(look).collect()).await
    }
}
