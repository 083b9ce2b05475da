//! The values of encrypted networks' keys. They are this engine's own: Docker's hosts have theirs from a Swarm, and its mode with an
//! external store never had any.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};

use super::BadRecord;
use crate::model::{Held, Keyring, NetworkKey};

/// A network's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyringRecord {
    /// The tag of the one that hosts send by.
    pub primary: u32,
    /// All of them.
    pub keys: Vec<KeyRecord>,
}

/// A key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyRecord {
    /// Its number.
    pub tag: u32,
    /// Its 16 bytes, in Base64 as Go writes bytes.
    key: String,
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRecord({})", self.tag)
    }
}

/// What a host has of a network's keys in its kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HeldRecord {
    /// The tags of those that it receives by.
    pub receives: BTreeSet<u32>,
    /// The tag of the one that it sends by.
    pub sends: u32,
}

impl KeyringRecord {
    /// What to write.
    pub fn of(ring: &Keyring) -> KeyringRecord {
        let key = |key: &NetworkKey| KeyRecord { tag: key.tag, key: BASE64_STANDARD.encode(key.bytes) };
        KeyringRecord { primary: ring.primary(), keys: ring.keys().iter().map(key).collect() }
    }

    /// What it says. What is wrong with a key is said without it.
    pub fn meaning(&self) -> Result<Keyring, BadRecord> {
        let key = |record: &KeyRecord| {
            let bytes = BASE64_STANDARD.decode(&record.key).ok().and_then(|bytes| bytes.try_into().ok());
            let bad = || BadRecord::field("Key", format!("of tag {}: not 16 bytes", record.tag));
            Ok(NetworkKey { tag: record.tag, bytes: bytes.ok_or_else(bad)? })
        };
        let keys = self.keys.iter().map(key).collect::<Result<Vec<_>, BadRecord>>()?;
        Keyring::of(keys, self.primary).ok_or_else(|| BadRecord::field("Primary", self.primary.to_string()))
    }
}

impl HeldRecord {
    /// What to write.
    pub fn of(held: &Held) -> HeldRecord {
        HeldRecord { receives: held.receives.clone(), sends: held.sends }
    }

    /// What it says.
    pub fn meaning(self) -> Held {
        Held { receives: self.receives, sends: self.sends }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::{decode, encode};
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let (_, ring) = Keyring::new([1; 16]).begun([2; 16]).unwrap();
        let text = String::from_utf8(encode(&KeyringRecord::of(&ring))).unwrap();
        assert_eq!(
            text,
            r#"{"Primary":1,"Keys":[{"Tag":1,"Key":"AQEBAQEBAQEBAQEBAQEBAQ=="},{"Tag":2,"Key":"AgICAgICAgICAgICAgICAg=="}]}"#
        );
        assert_eq!(decode::<KeyringRecord>(text.as_bytes()).unwrap().meaning().unwrap(), ring);
        let held = Held { receives: BTreeSet::from([1, 2]), sends: 1 };
        let text = String::from_utf8(encode(&HeldRecord::of(&held))).unwrap();
        assert_eq!(text, r#"{"Receives":[1,2],"Sends":1}"#);
        assert_eq!(decode::<HeldRecord>(text.as_bytes()).unwrap().meaning(), held);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let refused = |text: &str| {
            let record: KeyringRecord = decode(text.as_bytes()).unwrap();
            record.meaning().unwrap_err().to_string()
        };
        let short = refused(r#"{"Primary":1,"Keys":[{"Tag":1,"Key":"c2VjcmV0"}]}"#);
        assert_eq!(short, r#"Key is "of tag 1: not 16 bytes""#);
        let whole = "AQEBAQEBAQEBAQEBAQEBAQ==";
        let other = refused(&format!(r#"{{"Primary":2,"Keys":[{{"Tag":1,"Key":"{whole}"}}]}}"#));
        assert_eq!(other, r#"Primary is "2""#);
    }
}
