//! Where in a file something is said, for those who point there from outside.

use toml::de::{DeTable, DeValue};

/// The lines, counted from 1, on which the steps of a file begin, in their order. None where there are none, or no TOML.
pub fn step_lines(source: &str) -> Vec<usize> {
    let (root, _) = DeTable::parse_recoverable(source);
    let Some((_, steps)) = root.into_inner().into_iter().find(|(key, _)| key.get_ref() == "step") else {
        return Vec::new();
    };
    match steps.into_inner() {
        DeValue::Array(steps) => steps.into_iter().map(|step| line_of(source, step.span().start)).collect(),
        _ => Vec::new(),
    }
}

/// The line, counted from 1, that a byte of the file is on.
pub(in crate::topology) fn line_of(source: &str, at: usize) -> usize {
    1 + source.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_at_its_heading() {
        let source =
            "schema = 1\n\n[[step]]\nname = \"a\"\n\n# Why.\n[[step]]\nname = \"b\"\n[[host]]\n[[step]]\n";
        assert_eq!(step_lines(source), [3, 7, 10]);
        assert_eq!(step_lines("step = [\n  { name = \"a\" },\n  { name = \"b\" },\n]\n"), [2, 3]);
    }

    #[test]
    fn a_file_without_steps_has_none() {
        for source in ["", "schema = 1\n", "step = 7\n", "[[[", "step = []\n"] {
            assert_eq!(step_lines(source), [0; 0], "{source:?}");
        }
    }
}
