//! What a capture is asked for.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::error::{Error, Kind, Result};

/// What is to be captured, where, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// At which interfaces.
    pub on: Interfaces,
    /// Which packets.
    pub filter: Filter,
    /// How many bytes of each packet are kept; all unless said.
    pub snapshot: Option<u32>,
    /// Ends after so many packets.
    pub count: Option<u64>,
    /// Ends after so long.
    pub lasts: Option<Duration>,
}

/// Which interfaces are meant. The default: all there are, and those that come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interfaces {
    /// All of hosts, overlays, containers, the switch and the outside world, and those that come.
    #[default]
    All,
    /// These: `C0`, `docker0:eth0`, `docker0/demonet`, `docker0/1-620dd59483/vxlan1`. Without an interface all of that namespace.
    Of(Vec<String>),
    /// Those that a packet from the one to the other crosses.
    Path {
        /// A host or a container.
        from: String,
        /// As `lab ping` takes it.
        to: String,
    },
}

/// `at docker0:eth0 that are icmp`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            Interfaces::All => f.write_str("anywhere")?,
            Interfaces::Of(targets) => write!(f, "at {}", targets.join(", "))?,
            Interfaces::Path { from, to } => write!(f, "between {from} and {to}")?,
        }
        if self.filter.is_all() { Ok(()) } else { write!(f, " that are `{}`", self.filter) }
    }
}

impl Request {
    /// At these interfaces.
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a str>) -> Request {
        let all = targets.into_iter().map(str::to_owned).collect();
        Request { on: Interfaces::Of(all), ..Request::default() }
    }

    /// At those that a packet from the one to the other crosses.
    pub fn path(from: &str, to: &str) -> Request {
        Request { on: Interfaces::Path { from: from.into(), to: to.into() }, ..Request::default() }
    }

    /// Only those packets: `icmp and host 192.168.0.100`. A mistake is shown with a caret under it.
    pub fn filter(self, text: &str) -> Result<Request> {
        let filter = text.parse().map_err(|report| Error::new(Kind::Input, report))?;
        Ok(Request { filter, ..self })
    }

    /// Of each packet so many bytes.
    #[must_use]
    pub fn snapshot(self, bytes: u32) -> Request {
        Request { snapshot: Some(bytes), ..self }
    }

    /// Ends after so many packets.
    #[must_use]
    pub fn count(self, packets: u64) -> Request {
        Request { count: Some(packets), ..self }
    }
}
