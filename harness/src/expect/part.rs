//! What of a JSON value is not as it should be. Pure.

use serde_json::Value;

/// What is different in `whole` from what `part` says, a line each, with a JSON pointer in front: objects may have more keys,
/// arrays have as many elements.
pub(crate) fn differences(part: &Value, whole: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", part, whole, &mut found);
    found
}

fn compare(at: &str, part: &Value, whole: &Value, found: &mut Vec<String>) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (key, value) in part {
                // RFC 6901 §3.
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match whole.get(key) {
                    Some(there) => compare(&at, value, there, found),
                    None => found.push(format!("{at}: expected {value}, there is none")),
                }
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            if part.len() != whole.len() {
                found.push(format!(
                    "{}: expected {} elements, there are {}",
                    root(at),
                    part.len(),
                    whole.len()
                ));
            }
            for (number, (value, there)) in part.iter().zip(whole).enumerate() {
                compare(&format!("{at}/{number}"), value, there, found);
            }
        }
        _ if part == whole => {}
        _ => found.push(format!("{}: expected {part}, got {whole}", root(at))),
    }
}

/// The pointer to the whole is empty, which reads badly.
fn root(at: &str) -> &str {
    if at.is_empty() { "/" } else { at }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_said_with_its_place() {
        let whole =
            json!({ "Name": "demonet", "IPAM": { "Config": [{ "Subnet": "10.0.0.0/8" }] }, "Labels": {} });
        let part = json!({ "Name": "demonet", "IPAM": { "Config": [{ "Subnet": "192.168.0.0/24" }] }, "Labels": { "a/b": "c" }, "Peers": [1] });
        assert_eq!(
            differences(&part, &whole),
            [
                "/IPAM/Config/0/Subnet: expected \"192.168.0.0/24\", got \"10.0.0.0/8\"",
                "/Labels/a~1b: expected \"c\", there is none",
                "/Peers: expected [1], there is none",
            ]
        );
    }

    #[test]
    fn what_is_not_asked_for_may_be_anything_but_arrays_are_whole() {
        assert!(differences(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 })).is_empty());
        assert_eq!(differences(&json!([1]), &json!([1, 2])), ["/: expected 1 elements, there are 2"]);
        assert_eq!(differences(&json!(1), &json!("1")), ["/: expected 1, got \"1\""]);
    }
}
