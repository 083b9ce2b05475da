//! The reference in `scenarios/README.md`: it says what is so.

use super::*;

fn readme() -> String {
    std::fs::read_to_string(scenarios().join("README.md")).unwrap()
}

#[test]
fn the_smallest_file_of_the_reference_loads() {
    let readme = readme();
    let block = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let topology = good(block);
    assert_eq!((topology.hosts.len(), topology.containers.len(), topology.steps.len()), (3, 2, 1));
}

#[test]
fn the_reference_lists_every_shipped_file_with_its_description() {
    let readme = readme();
    for file in all_shipped() {
        let row = format!("| [{file}]({file}) | {} |", shipped(&file).description);
        assert!(readme.contains(&row), "missing: {row}");
    }
}

#[test]
fn every_key_of_the_format_is_in_the_reference() {
    let readme = readme();
    let schema = harness::topology::schema();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let variants = |table: &serde_json::Value| table["oneOf"].as_array().cloned().unwrap_or_default();
    for table in tables.flat_map(|table| variants(table).into_iter().chain([table.clone()])) {
        for key in table["properties"].as_object().into_iter().flat_map(|keys| keys.keys()) {
            let quoted = readme.contains(&format!("`{key}`")) || readme.contains(&format!(".{key}`"));
            let header = readme.contains(&format!("[{key}]")) || readme.contains(&format!("`{key} = "));
            assert!(quoted || header, "{key} is not in the reference");
        }
    }
}
