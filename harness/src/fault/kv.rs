//! What can be wrong with the store. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::topology::{HostName, show_duration};

/// Something wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvFault {
    /// It serves badly.
    Ails {
        /// How.
        how: Ailment,
        /// Only whoever asks from this host's addresses notices, its containers included; everybody, unless said.
        host: Option<HostName>,
    },
    /// Its process ends and another one begins: connections break, and what is not kept is lost. An event, with nothing to heal.
    Restart(Comeback),
}

/// How the store serves badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ailment {
    /// Each answer comes so much later; what was asked for is done at once.
    Delay(Duration),
    /// Nothing is done, and each answer is that of a Consul without a leader: status 500, `No cluster leader`.
    Error,
    /// Connections on which a query blocks are closed, at once.
    DropWatches,
    /// Queries that block do not wake: not before they are healed, or their wait is over.
    StallWatches,
    /// Reads of keys, sessions and catalog, also those that ask for consistency, are answered from the state at the moment of the fault,
    /// as by a server that lost its leader then. Writes are done. Of several, the first one counts: no reader sees time run backwards.
    Stale,
    /// Connections are reset, those that are there and those that come.
    Refuse,
}

/// With what a store comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comeback {
    /// With nothing, whether it has a disk or not.
    Empty,
    /// With what is on its disk.
    Disk,
}

/// As files and command lines write it.
impl FromStr for Comeback {
    type Err = String;
    fn from_str(text: &str) -> Result<Comeback, String> {
        match text {
            "empty" => Ok(Self::Empty),
            "disk" => Ok(Self::Disk),
            _ => Err("it is `empty` or `disk`".to_owned()),
        }
    }
}

/// In a few words, for events and lists.
impl fmt::Display for KvFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ails { how, host } => {
                write!(f, "the store {how}")?;
                host.as_ref().map_or(Ok(()), |host| write!(f, ", for {host} alone"))
            }
            Self::Restart(Comeback::Empty) => f.write_str("the store began anew, empty"),
            Self::Restart(Comeback::Disk) => f.write_str("the store began anew, from its disk"),
        }
    }
}

/// What the store does.
impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(f, "answers {} late", show_duration(*time)),
            Self::Error => f.write_str("answers errors"),
            Self::DropWatches => f.write_str("drops watches"),
            Self::StallWatches => f.write_str("lets watches sleep"),
            Self::Stale => f.write_str("answers reads from the past"),
            Self::Refuse => f.write_str("refuses connections"),
        }
    }
}
