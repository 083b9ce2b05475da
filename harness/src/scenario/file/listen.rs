//! Where a step's echo server is, as written.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::topology::At;

/// Whether the lab opens an echo server at the far end, or where else it does.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum ListenEntry {
    /// At the far end, or not.
    There(bool),
    /// Somewhere else.
    At(ListenTable),
}

/// Where the lab opens an echo server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenTable {
    /// A host or a container.
    pub(crate) on: At<String>,
    /// 7, echo, unless said.
    pub(crate) port: Option<At<u16>>,
}

impl<'de> Deserialize<'de> for ListenEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ListenEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, or a table such as { on = \"C0\", port = 80 }")
            }
            fn visit_bool<E>(self, there: bool) -> Result<ListenEntry, E> {
                Ok(ListenEntry::There(there))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListenEntry, A::Error> {
                ListenTable::deserialize(MapAccessDeserializer::new(map)).map(ListenEntry::At)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
