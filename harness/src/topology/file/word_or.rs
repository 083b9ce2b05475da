//! A word, or a table that says more.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A word, or a table that says more.
#[derive(Clone, Debug)]
pub(crate) enum WordOr<T> {
    Word(String),
    Table(T),
}

/// What is expected where a [`WordOr`] stands.
pub(crate) trait Example {
    /// In words, with an example of each: `a share such as "30%", or a table such as { every = 4 }`.
    const EXAMPLE: &'static str;
}

impl<'de, T: Deserialize<'de> + Example> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Example> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXAMPLE)
            }
            fn visit_str<E>(self, text: &str) -> Result<WordOr<T>, E> {
                Ok(WordOr::Word(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WordOr<T>, A::Error> {
                let table = T::deserialize(MapAccessDeserializer::new(&mut map))?;
                // A table of one key leaves the others.
                match map.next_key::<String>()? {
                    None => Ok(WordOr::Table(table)),
                    Some(_) => Err(A::Error::custom("wanted exactly 1 element")),
                }
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for WordOr<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("WordOr{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
