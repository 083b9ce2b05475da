//! Wrong scenario files: a caret under the mistake, and nothing is built.

use std::fs;
use std::path::PathBuf;

use crate::console::{Console, processes};

/// The smallest lab, for mistakes to be made in.
const SOUND: &str = r#"
[[host]]
name = "docker0"
ip = "10.0.0.10"

[[host]]
name = "docker1"

[[network]]
name = "demonet"
subnet = "192.168.0.0/24"

[[container]]
name = "C0"
on = "docker0"
networks = [{ name = "demonet", ip = "192.168.0.100" }]

[[step]]
ping = { from = "C0", to = "docker1" }
"#;

/// The file with its mistake is refused so: the snapshot has the caret.
#[track_caller]
fn refused(case: &str, right: &str, wrong: &str) {
    assert!(SOUND.contains(right), "{right:?} is not in the file");
    let console = Console::new();
    let file = console.place("wrong.toml");
    fs::write(&file, SOUND.replacen(right, wrong, 1)).unwrap();
    let said = console.lab(["up", file.to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains('^'), "no caret in {}", said.err);
    insta::with_settings!({ filters => [(r"--> .*wrong\.toml", "--> wrong.toml")] }, {
        insta::assert_snapshot!(format!("mistake-{case}"), said.err);
    });
    let left = fs::read_dir(console.state()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something was built");
    assert_eq!(processes(&console.state()), Vec::<PathBuf>::new());
}

#[test]
fn the_file_without_a_mistake_is_sound() {
    let console = Console::new();
    let file = console.place("right.toml");
    fs::write(&file, SOUND).unwrap();
    console.lab(["up", file.to_str().unwrap()]).done();
}

#[test]
fn an_unknown_key() {
    refused("unknown-key", "subnet =", "sub_net =");
}

#[test]
fn an_unknown_host() {
    refused("unknown-host", "on = \"docker0\"", "on = \"docker7\"");
}

#[test]
fn a_name_twice() {
    refused("duplicate-name", "name = \"docker1\"", "name = \"docker0\"");
}

#[test]
fn an_address_outside_its_subnet() {
    refused("address-outside", "192.168.0.100", "192.168.1.100");
}

#[test]
fn an_address_that_is_taken() {
    refused("address-taken", "name = \"docker1\"", "name = \"docker1\"\nip = \"10.0.0.10\"");
}

#[test]
fn subnets_that_overlap() {
    refused(
        "overlap",
        "[[container]]",
        "[[network]]\nname = \"other\"\nsubnet = \"192.168.0.128/25\"\n\n[[container]]",
    );
}

#[test]
fn a_subnet_that_covers_the_underlay() {
    refused("covers-underlay", "192.168.0.0/24", "10.0.0.0/8");
}

#[test]
fn no_cidr() {
    refused("bad-cidr", "192.168.0.0/24", "192.168.0.0/33");
}

#[test]
fn a_step_with_two_verbs() {
    refused("two-verbs", "to = \"docker1\" }", "to = \"docker1\" }\ncheck.drift = \"none\"");
}

#[test]
fn a_reference_to_nothing() {
    refused("missing-reference", "from = \"C0\"", "from = \"C7\"");
}

#[test]
fn what_is_no_toml() {
    refused("no-toml", "[[step]]", "[[step]");
}
