//! Docker's ids, and the names that are made of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::docker;

/// How many characters of an id are shown.
const SHORT: usize = 12;

/// The text is not an id of 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 64 hex digits: {0:?}")]
pub struct BadId(String);

/// 32 bytes, drawn so that the first twelve digits do not read as a number.
///
/// A container's short id becomes its hostname, which must not be taken for a number (20.10: `pkg/stringid`).
fn draw(rng: &mut fastrand::Rng) -> [u8; 32] {
    loop {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        let short = &bytes[..SHORT / 2];
        if short.iter().any(|byte| byte >> 4 > 9 || byte & 15 > 9) {
            return bytes;
        }
    }
}

fn read(text: &str) -> Result<[u8; 32], BadId> {
    let bad = || BadId(text.to_owned());
    if text.len() != 64 || !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(bad());
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| bad())?;
    }
    Ok(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// `{}` shows the first twelve digits, as Docker's lists do; `{:#}` all 64.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// Draws one.
            pub fn random(rng: &mut fastrand::Rng) -> $name {
                $name(draw(rng))
            }

            /// Whether the whole id begins with these digits.
            pub fn starts_with(&self, digits: &str) -> bool {
                format!("{self:#}").starts_with(digits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown = if f.alternate() { self.0.len() } else { SHORT / 2 };
                self.0[..shown].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<$name, BadId> {
                read(text).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<$name, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                format!("{id:#}")
            }
        }
    };
}

id! {
    /// A network's id.
    NetworkId
}
id! {
    /// An endpoint's id: one for each container on each network, a new one at every join.
    EndpointId
}
id! {
    /// A container's sandbox: its network namespace. It is not the container's id.
    SandboxId
}
id! {
    /// A container's id.
    ContainerId
}

impl NetworkId {
    /// The name of the overlay's namespace on a host: `1-620dd59483`. The epoch counts how often this host's
    /// engine has built it; the whole is cut to twelve characters (20.10: `ov_network.go`, `generateVxlanName` and `initSandbox`).
    pub fn namespace(&self, epoch: u32) -> String {
        let mut name = format!("{epoch}-{self:#}");
        name.truncate(docker::NETNS_NAME_LEN);
        name
    }

    /// The epoch of a namespace that is this network's, if the name says that it is.
    pub fn epoch_of(&self, namespace: &str) -> Option<u32> {
        let epoch = namespace.split_once('-')?.0.parse().ok()?;
        (self.namespace(epoch) == namespace).then_some(epoch)
    }
}

impl SandboxId {
    /// The name of the container's namespace on its host: `e4b8ecb7ae7c`.
    pub fn namespace(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    const DEMONET: &str = "620dd594834293e912bc17931d589c41bac318734d1084632f02da3177708bdc";

    #[test]
    fn an_id_is_shown_short_and_whole() {
        let id: NetworkId = DEMONET.parse().unwrap();
        assert_eq!(format!("{id}"), "620dd5948342");
        assert_eq!(format!("{id:#}"), DEMONET);
        assert!(id.starts_with("620d") && !id.starts_with("620e"));
    }

    #[test]
    fn an_overlays_namespace_is_named_after_its_network() {
        let id: NetworkId = DEMONET.parse().unwrap();
        assert_eq!(id.namespace(1), "1-620dd59483");
        assert_eq!(id.namespace(10), "10-620dd5948");
        assert_eq!(id.epoch_of("1-620dd59483"), Some(1));
        assert_eq!(id.epoch_of("10-620dd5948"), Some(10));
        assert_eq!(id.epoch_of("1-da1d1a26f9"), None);
        assert_eq!(id.epoch_of("e4b8ecb7ae7c"), None);
    }

    #[test]
    fn a_seed_draws_the_same_ids() {
        let one = EndpointId::random(&mut fastrand::Rng::with_seed(7));
        let two = EndpointId::random(&mut fastrand::Rng::with_seed(7));
        assert_eq!(one, two);
    }

    #[test]
    fn a_short_id_is_never_a_number() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let short = ContainerId::random(&mut rng).to_string();
            assert!(short.parse::<u64>().is_err(), "{short}");
        }
    }

    #[test]
    fn anything_but_64_digits_is_refused() {
        for bad in ["", "620d", &DEMONET.to_uppercase(), &format!("{DEMONET}0")] {
            assert!(bad.parse::<NetworkId>().is_err(), "{bad}");
        }
    }
}
