//! Several labs at once, and which of them is meant.

use crate::console::Console;

#[test]
fn two_labs_of_one_file_do_not_know_of_each_other() {
    let console = Console::new();
    for name in ["left", "right"] {
        console.lab(["up", "scenarios/two-host.toml", "--name", name]).done();
    }
    let on = |lab, rest: &[&str]| console.lab([&["--lab", lab], rest].concat());
    for lab in ["left", "right"] {
        on(lab, &["ping", "C1", "192.168.0.100", "-c", "1"]).done();
        on(lab, &["ping", "docker0", "10.0.0.11", "-c", "1"]).done();
    }
    on("left", &["kv", "put", "mine", "1"]).done();
    assert_eq!(on("left", &["kv", "get", "mine"]).done(), "1\n");
    assert_eq!(on("right", &["kv", "get", "mine"]).failed(1), "lab: the store has no key mine\n");
    on("left", &["container", "rm", "C0"]).done();
    on("left", &["ping", "C1", "192.168.0.100", "-c", "1"]).failed(1);
    on("right", &["ping", "C1", "192.168.0.100", "-c", "1"]).done();
    on("left", &["down", "--wait"]).done();
    on("right", &["ping", "C1", "192.168.0.100", "-c", "1"]).done();
}

#[test]
fn which_lab_is_meant_has_to_be_clear() {
    let console = Console::new();
    let none = "lab: no lab is up; `lab up FILE` builds one\n";
    for command in [&["ps"][..], &["inspect"], &["kv", "ls"], &["network", "ls"], &["events"], &["logs"]] {
        assert_eq!(console.lab(command).failed(2), none, "{command:?}");
    }
    for name in ["left", "right"] {
        console.lab(["up", "scenarios/two-host.toml", "--name", name]).done();
    }
    let several = "lab: several labs are up (left, right); say which with --lab\n";
    assert_eq!(console.lab(["ps"]).failed(2), several);
    assert_eq!(console.lab(["down"]).failed(2), several);
    assert_eq!(console.lab(["exec", "C0", "true"]).failed(125), several);
    assert_eq!(
        console.lab(["ps", "--lab", "middle"]).failed(2),
        "lab: no lab is named `middle`; there is `left`, `right`\n"
    );
    assert!(
        console
            .lab(["ps", "--lab", "../left"])
            .failed(2)
            .starts_with("lab: a lab cannot be called `../left`")
    );
    console.lab(["ps", "--lab", "left"]).done();
    console.lab(["down", "left"]).done();
    console.lab(["ps"]).done();
}
