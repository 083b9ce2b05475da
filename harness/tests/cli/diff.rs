//! `lab diff`: what an operation changed, from files and from the lab.

use std::fs;

use serde_json::Value;

use crate::console::{Console, finish};

#[test]
fn what_an_operation_changed_is_told_by_meaning_and_by_exit_code() {
    let console = Console::with_two_hosts();
    let before = console.place("before.json");
    let before = before.to_str().unwrap();
    fs::write(before, console.lab(["inspect", "--json"]).done()).unwrap();
    let same = console.lab(["diff", before]);
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{same:?}");
    // What traffic leaves behind is none, unless it is asked for.
    console.lab(["ping", "C0", "8.8.8.8", "-c", "1"]).done();
    console.lab(["diff", before]).done();
    let counted = console.lab(["diff", before, "--counters"]);
    assert!(counted.code == 1 && counted.out.contains("  ~ rule docker "), "{counted:?}");
    assert!(counted.out.contains(": bytes 0 -> ") && counted.out.contains(", packets 0 -> "), "{counted:?}");

    console.lab(["network", "create", "--subnet", "10.5.0.0/24", "second"]).done();
    console.lab(["network", "connect", "second", "C0", "--ip", "10.5.0.7"]).done();
    let told = console.lab(["diff", before, "--on", "C0"]);
    assert_eq!(told.code, 1);
    let expected = "C0
  + link eth2 address 02:42:0a:05:00:07 carrier kind veth mtu 1450 up
  + address 10.5.0.7/24 dev eth2
  + route 10.5.0.0/24 dev eth2 src 10.5.0.7
";
    assert_eq!(told.out, expected);
    // Between two files, one of them the standard input, and the other way round.
    let after = console.lab(["inspect", "--json"]).done();
    let told = finish(console.command(["diff", "-", before, "--on", "C0"]), &after);
    assert_eq!((told.code, told.out), (1, expected.replace("  + ", "  - ")));
    let told = finish(console.command(["diff", before, "-", "--on", "C0", "--json"]), &after);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["version"], 1);
    let address = &told["changes"][1];
    assert_eq!(
        (&address["namespace"], &address["object"], &address["name"], &address["change"]),
        (&"C0".into(), &"address".into(), &"10.5.0.7/24 dev eth2".into(), &"added".into())
    );
}

#[test]
fn what_cannot_be_compared_is_said_and_is_no_difference() {
    let console = Console::new();
    let file = console.place("letter");
    let file = file.to_str().unwrap();
    fs::write(file, "dear").unwrap();
    let said = console.lab(["diff", file, file]).failed(2);
    assert!(said.contains("letter is not what `lab inspect --json` prints"), "{said}");
    fs::write(file, r#"{"version": 2}"#).unwrap();
    assert!(console.lab(["diff", file, file]).failed(2).contains("is of version 2"));
    fs::write(file, r#"{"version": 1, "namespaces": []}"#).unwrap();
    console.lab(["diff", file, file]).done();
    let said = console.lab(["diff", file, file, "--on", "C0"]).failed(2);
    assert_eq!(said, "lab: neither side has a host or container `C0`\n");
    assert!(console.lab(["diff", "nowhere.json"]).failed(2).contains("cannot read nowhere.json"));
    assert!(console.lab(["diff", "-", "-"]).failed(2).contains("standard input"));
    // No lab to compare with.
    console.lab(["diff", file]).failed(2);
}
