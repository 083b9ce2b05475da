//! Who does not hear whom.

use serde::{Deserialize, Serialize};

use crate::topology::HostName;

/// Hosts that do not hear each other. What a partition cuts is decided when it is injected, for the hosts of the topology
/// in the file's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// Two halves; of an odd number the second is the larger one.
    Halves,
    /// These on one side, the others on the other.
    Groups(Vec<Vec<HostName>>),
    /// One host, away from all others.
    Isolate(HostName),
    /// Each host hears only its neighbours in a ring; with fewer than four nothing is cut.
    Ring,
    /// Two halves that both hear that one host.
    Bridge(HostName),
    /// Two hosts, of each other.
    Cut(HostName, HostName),
    /// One way only: what the first sends does not reach the second.
    OneWay {
        /// Who is not heard.
        from: HostName,
        /// Who does not hear.
        to: HostName,
    },
    /// Two halves drawn by a seed.
    Random {
        /// Where the draw starts from.
        seed: u64,
    },
}
