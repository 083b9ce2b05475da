//! Conditions on a text: contains, fits a glob, equals, is JSON with these values.

use std::fmt;

use serde_json::Value;

use crate::expect::differences;

/// Longest piece of a text shown when it is not what was expected.
const LONGEST_SHOWN: usize = 400;

/// One condition on a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// This is found in it.
    Contains(String),
    /// One of its lines, without white space around, fits this glob.
    Matches(String),
    /// It is this, but for white space at its end.
    Equals(String),
    /// Read as JSON it has these values: objects may have more keys, arrays have as many elements.
    Json(Value),
}

impl Text {
    /// Whether a text fulfils the condition.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(glob) => text.lines().any(|line| fits(glob, line.trim())),
            Self::Equals(whole) => text.trim_end() == whole.trim_end(),
            Self::Json(part) => {
                serde_json::from_str(text).is_ok_and(|whole: Value| differences(part, &whole).is_empty())
            }
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(part) => write!(f, "something that contains {part:?}"),
            Self::Matches(glob) => write!(f, "a line that matches {glob:?}"),
            Self::Equals(whole) => write!(f, "{whole:?}"),
            Self::Json(part) => write!(f, "JSON with {part}"),
        }
    }
}

/// Whether a text fits a glob: `*` is any run of characters, `?` is one, all else is itself.
pub(crate) fn fits(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where to go on when a later character does not fit: after the last `*`, one character further.
    let mut retry = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g + 1, t));
                g += 1;
            }
            Some('?') => (g, t) = (g + 1, t + 1),
            Some(c) if *c == text[t] => (g, t) = (g + 1, t + 1),
            _ => match retry {
                Some((after, from)) => {
                    (g, t) = (after, from + 1);
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// A text as a report shows it: quoted, its middle left out if it is long.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim_end();
    let count = text.chars().count();
    if count <= LONGEST_SHOWN {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(LONGEST_SHOWN / 2).collect();
    let tail: String = text.chars().skip(count - LONGEST_SHOWN / 2).collect();
    format!("{head:?} … {tail:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn globs_fit_whole_lines() {
        assert!(fits("default via * dev eth?", "default via 172.18.0.1 dev eth1"));
        assert!(fits("*", ""));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(!fits("a*b", "a-b-c"));
        assert!(!fits("?", ""));
        assert!(Text::Matches("b?".into()).holds("a\n  b1 \nc"));
        assert!(!Text::Matches("b".into()).holds("a\nb1"));
    }

    #[test]
    fn json_asks_for_a_part() {
        let inspect = r#"[{"Name": "demonet", "Internal": false, "IPAM": {"Config": [{"Subnet": "a"}]}}]"#;
        assert!(Text::Json(json!([{"Name": "demonet"}])).holds(inspect));
        assert!(Text::Json(json!([{"IPAM": {"Config": [{"Subnet": "a"}]}}])).holds(inspect));
        assert!(!Text::Json(json!([{"Name": "demonet"}, {}])).holds(inspect));
        assert!(!Text::Json(json!([{"Attachable": false}])).holds(inspect));
        assert!(!Text::Json(json!({})).holds("no JSON"));
    }

    proptest! {
        #[test]
        fn every_text_fits_itself_and_a_star(text in "[^*?]*") {
            prop_assert!(fits(&text, &text));
            prop_assert!(fits("*", &text));
            let open = text.clone() + "*";
            prop_assert!(fits(&open, &text));
        }

        #[test]
        fn a_glob_never_panics(glob in "[ab*?é]*", text in "[abé]*") {
            let _ = fits(&glob, &text);
        }
    }
}
