//! The JSON schema of topology files, from the same tables that read them.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The schema, for editors and for other programs that write such files.
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<File>().to_value()
}
