//! The machine itself: a lab changes nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::console::{Console, finish, tool};

/// What a lab could change by mistake, each under its name.
fn machine() -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    // The caller's thread shows the machine's own namespaces.
    for file in ["route", "ipv6_route", "if_inet6", "fib_trie"] {
        let path = format!("/proc/thread-self/net/{file}");
        facts.insert(path.clone(), fs::read_to_string(path).unwrap_or_default());
    }
    // Their counters run, whatever a lab does.
    let links = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let names: Vec<&str> =
        links.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    facts.insert("links".to_owned(), names.join(" "));
    for setting in [
        "ipv4/ip_forward",
        "ipv4/conf/all/forwarding",
        "ipv4/conf/all/rp_filter",
        "ipv4/ping_group_range",
        "ipv6/conf/all/forwarding",
        "bridge/bridge-nf-call-iptables",
    ] {
        let path = format!("/proc/sys/net/{setting}");
        facts.insert(path.clone(), fs::read_to_string(path).unwrap_or_default());
    }
    facts.insert("hostname".to_owned(), fs::read_to_string("/proc/sys/kernel/hostname").unwrap());
    facts.insert("mounts".to_owned(), fs::read_to_string("/proc/thread-self/mountinfo").unwrap());
    for directory in ["/run", "/run/netns", "/var/run/docker"] {
        let entries = fs::read_dir(directory).map(|entries| {
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            format!("{names:?}")
        });
        facts.insert(directory.to_owned(), entries.unwrap_or_default());
    }
    if tool("ip") {
        for what in ["link", "addr", "route show table all", "rule", "neigh show nud permanent", "netns"] {
            let mut command = Command::new("ip");
            command.arg("-o").args(what.split(' '));
            facts.insert(format!("ip {what}"), finish(command, "").out);
        }
    }
    if tool("nft") {
        let mut command = Command::new("nft");
        command.args(["--stateless", "list", "ruleset"]);
        // Who may not look gets an error, which is to be the same afterwards.
        let said = finish(command, "");
        facts.insert("nft list ruleset".to_owned(), said.out + &said.err);
    }
    facts
}

fn assert_same(before: &BTreeMap<String, String>, when: &str) {
    for (fact, now) in machine() {
        assert_eq!(before.get(&fact), Some(&now), "{fact} has changed {when}");
    }
}

#[test]
fn a_lab_changes_nothing_of_the_machine() {
    let before = machine();
    let console = Console::with_two_hosts();
    assert_same(&before, "while the lab is up");
    console.lab(["ping", "C0", "8.8.8.8", "-c", "1"]).done();
    console
        .lab([
            "exec",
            "docker0",
            "--",
            "sh",
            "-c",
            "hostname other; mkdir -p /run/mine; echo 0 > /proc/sys/net/ipv4/ip_forward",
        ])
        .done();
    console.lab(["network", "create", "more"]).done();
    console.lab(["container", "run", "--net", "more", "sleep", "1000"]).done();
    assert_same(&before, "while the lab is used");
    console.lab(["down", "--wait"]).done();
    assert_same(&before, "after the lab");
    drop(console);
    let fore = Console::new();
    fore.lab(["doctor"]).done();
    assert_same(&before, "after lab doctor");
}
