//! `lab check`: what does not agree is said and put right.

use crate::console::Console;

#[test]
fn a_store_that_was_written_to_by_hand_is_found_out_and_put_right() {
    let console = Console::with_two_hosts();
    assert_eq!(console.lab(["check"]).done(), "store and kernels agree\n");
    let keys = console.lab(["kv", "ls", "docker/network/v1.0/endpoint_count/"]).done();
    let key = keys.lines().find(|key| *key != "docker/network/v1.0/endpoint_count/").unwrap();
    console.lab(["kv", "put", key, r#"{"Count":7}"#]).done();

    let finding =
        "demonet is said to have 7 endpoints and has 2: it cannot be removed, or is although it is in use";
    let said = console.lab(["check"]);
    assert_eq!((said.code, said.out.as_str()), (1, format!("{finding}\n").as_str()));
    assert_eq!(said.err, "1 finding; `lab check --repair` puts right what it can\n");
    let said = console.lab(["check", "--json"]);
    assert_eq!(said.code, 1);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["version"], &json["findings"][0]), (&1.into(), &finding.into()));

    let repaired = console.lab(["check", "--repair"]).done();
    assert_eq!(repaired, format!("{finding}\nput right\n"));
    assert_eq!(console.lab(["check"]).done(), "store and kernels agree\n");
    assert_eq!(console.lab(["kv", "get", key]).done(), "{\"Count\":2}\n");
}
