//! What became of a store between two moments, as it is written down: enough to make of the earlier state the later.

use super::{Catalog, Change, Entry, Key, Session};
use serde::{Deserialize, Serialize};

/// A difference between two states of a store; from an empty one, a whole state.
///
/// Not in it is what Consul does not log either: how far TTLs and lock-delays have run. A store that is read back gives every
/// session its whole TTL again, and has no lock-delays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Index of the last logged write.
    pub(super) index: u64,
    /// Index of the last write that changed an entry.
    pub(super) written: u64,
    /// Index of the last write that left a tombstone.
    pub(super) buried: u64,
    /// Index of the last write of a session.
    pub(super) opened: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) entries: Vec<Became<Entry>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tombstones: Vec<Became<u64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sessions: Vec<Became<Session>>,
    /// All of it, if something in it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) catalog: Option<Catalog>,
}

/// What is now where something was changed; nothing, if it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Became<T> {
    #[serde(with = "escaped")]
    pub(super) at: Key,
    pub(super) is: Option<T>,
}

impl Delta {
    /// Nothing that a read could tell was changed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.tombstones.is_empty()
            && self.sessions.is_empty()
            && self.catalog.is_none()
    }

    /// What was changed, for those who wait for it.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let session =
            |became: &Became<Session>| Change::Session(String::from_utf8_lossy(&became.at).into_owned());
        let keys = self.entries.iter().map(|became| Change::Key(became.at.clone()));
        keys.chain(self.sessions.iter().map(session)).chain(self.catalog.iter().map(|_| Change::Catalog))
    }
}

/// Bytes as text that stays readable: all but printable ASCII is percent-encoded.
mod escaped {
    use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
    use serde::{Deserialize, Deserializer, Serializer};

    const BEYOND: &AsciiSet = &CONTROLS.add(b'%');

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&percent_encode(bytes, BEYOND))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(percent_decode_str(&String::deserialize(deserializer)?).collect())
    }
}

/// A value in base64, as in Consul's API.
pub(super) mod base64 {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::kv::store) fn serialize<S: Serializer>(
        value: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(value))
    }

    pub(in crate::kv::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Bytes::from).map_err(de::Error::custom)
    }
}
