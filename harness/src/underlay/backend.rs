//! What carries the frames of a wire that is not bare.

use std::env;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// Which backend is used, as [`Backend::word`] has it. Unless it is said, the best that the machine has: netem for what it can
/// do, else TAP devices, else packet sockets.
const CHOICE: &str = "LAB_WIRE";

/// How an impaired wire is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Packet sockets and a thread a direction, on any kernel and for any user. Frames of several packets stay whole unless
    /// packets have fates of their own; encapsulated ones are always cut apart by the kernel before.
    PacketSockets,
    /// TAP devices and a thread a direction, for who may open `/dev/net/tun`, from Linux 6.17 on. Encapsulated frames of several
    /// packets stay whole, too, unless packets have fates of their own.
    Tap,
    /// The kernel's netem, where it is there, for wires that delay every frame alike and do nothing else. If the delay gets
    /// shorter, frames that come then overtake those on their way.
    Netem,
}

impl Backend {
    const ALL: [Backend; 3] = [Self::PacketSockets, Self::Tap, Self::Netem];

    fn word(self) -> &'static str {
        match self {
            Self::PacketSockets => "packet",
            Self::Tap => "tap",
            Self::Netem => "netem",
        }
    }

    /// The one that was chosen, if one was. That nobody knows it is an error.
    pub(super) fn chosen() -> Result<Option<Backend>> {
        let choice = env::var(CHOICE).unwrap_or_default();
        match Self::ALL.into_iter().find(|backend| backend.word() == choice) {
            None if !choice.is_empty() => {
                let unknown = format_args!("{CHOICE} is `packet`, `tap` or `netem`, not `{choice}`");
                Err(Error::new(Kind::Input, unknown))
            }
            found => Ok(found),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketSockets => f.write_str("packet sockets"),
            Self::Tap => f.write_str("TAP devices"),
            Self::Netem => f.write_str("netem"),
        }
    }
}
