//! The JSON schema of topology files, from the same tables that read them.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::file::File;

/// The schema, for editors and for other programs that write such files.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// TOML has no null: a key that may be left out is left out.
fn without_null(schema: &mut Schema) {
    let null = |kind: &Value| kind == "null" || kind.get("type").is_some_and(|kind| kind == "null");
    for key in ["type", "anyOf"] {
        let Some(Value::Array(kinds)) = schema.get_mut(key) else { continue };
        kinds.retain(|kind| !null(kind));
        let [only] = &mut kinds[..] else { continue };
        let only = only.take();
        schema.remove(key);
        match only {
            Value::Object(object) => object.into_iter().for_each(|(key, value)| {
                // What the place says of itself is nearer than what its type says.
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }),
            kind => {
                schema.insert(key.to_owned(), kind);
            }
        }
    }
}
