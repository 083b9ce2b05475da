//! Events as JSON lines.

use serde_json::{Value, json};

use crate::scenario::{EVENT_VERSION, RunEvent};

/// An event of a file's run, as one line of JSON without its end. Each line says its version and its file.
pub fn json_line(file: &str, event: &RunEvent) -> String {
    let mut line = json!({ "version": EVENT_VERSION, "file": file });
    if let (Value::Object(line), Ok(Value::Object(event))) = (&mut line, serde_json::to_value(event)) {
        line.extend(event);
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::{Counts, Verdict};

    #[test]
    fn a_line_says_version_file_and_event() {
        let counts = Counts { held: 3, ..Counts::default() };
        let end = RunEvent::End { verdict: Verdict::Held, counts, took: Duration::from_millis(20) };
        let line: Value = serde_json::from_str(&json_line("a.toml", &end)).expect("JSON");
        let want = json!({
            "version": 1, "file": "a.toml", "event": "end", "verdict": "held",
            "counts": { "held": 3, "failed": 0, "skipped": 0, "left": 0 }, "took_ms": 20.0,
        });
        assert_eq!(line, want);
    }
}
