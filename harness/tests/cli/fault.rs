//! `lab fault` and `lab heal`: what goes wrong in a lab that is up.

use crate::console::Console;

#[test]
fn a_fault_is_made_listed_and_healed() {
    let console = Console::with_two_hosts();
    let ping = || console.lab(["ping", "docker0", "docker1"]);
    ping().done();
    assert_eq!(
        console.lab(["fault", "partition", "cut", "docker0", "docker1"]).done(),
        "fault 1: docker0 and docker1 do not hear each other; heal it with: lab heal 1\n"
    );
    ping().failed(1);
    console.lab(["ping", "docker0", "consul"]).done();
    let listed = console.lab(["fault", "ls"]).done();
    assert!(listed.starts_with("FAULT   NAME   FRAMES   WHAT\n1       -      "), "{listed}");
    assert!(listed.ends_with("docker0 and docker1 do not hear each other\n"), "{listed}");
    let json: serde_json::Value =
        serde_json::from_str(&console.lab(["fault", "ls", "--json"]).done()).unwrap();
    assert_eq!(json["faults"][0]["fault"]["partition"]["cut"], serde_json::json!(["docker0", "docker1"]));
    assert!(json["taken"]["1"]["frames"].as_u64().unwrap() > 0);
    assert_eq!(console.lab(["heal"]).done(), "fault 1 is healed\n");
    assert_eq!(console.lab(["heal"]).done(), "nothing is wrong\n");
    assert_eq!(console.lab(["fault", "ls"]).done(), "FAULT   NAME   FRAMES   WHAT\n");
}

#[test]
fn a_host_is_taken_away_and_brought_back() {
    let console = Console::with_two_hosts();
    console.lab(["fault", "crash", "docker0", "--as", "power"]).done();
    assert_eq!(console.lab(["exec", "docker0", "true"]).failed(125), "lab: host docker0 is down\n");
    console.lab(["heal", "power"]).done();
    console.lab(["ping", "C1", "C0"]).done();
    console.lab(["fault", "crash", "docker0"]).done();
    console.lab(["fault", "restart", "docker0"]).done();
    console.lab(["exec", "C0", "true"]).done();
    console.lab(["fault", "pause", "docker1"]).done();
    console.lab(["fault", "resume", "docker1"]).done();
    console.lab(["fault", "engine", "docker1"]).done();
    console.lab(["fault", "kill", "C0", "--signal", "TERM"]).done();
    assert_eq!(console.lab(["heal", "--all"]).done(), "2 healed\n");
    console.lab(["network", "ls", "--on", "docker1"]).done();
}

#[test]
fn a_store_ails_for_one_host_and_begins_anew() {
    let console = Console::with_two_hosts();
    let listed = |on: &str| console.lab(["network", "ls", "--on", on]);
    assert_eq!(
        console.lab(["fault", "kv", "error", "--host", "docker1", "--as", "errs"]).done(),
        "fault 1: the store answers errors, for docker1 alone; heal it with: lab heal errs\n"
    );
    assert!(listed("docker1").failed(1).contains("No cluster leader"));
    listed("docker0").done();
    assert_eq!(
        console.lab(["fault", "kv", "delay", "5ms"]).done(),
        "fault 2: the store answers 5ms late; heal it with: lab heal 2\n"
    );
    let faults: serde_json::Value =
        serde_json::from_str(&console.lab(["fault", "ls", "--json"]).done()).unwrap();
    assert_eq!(faults["faults"][0]["fault"]["kv"]["ails"]["how"], "error");
    assert_eq!(console.lab(["heal", "--all"]).done(), "2 healed\n");
    listed("docker1").done();
    console.lab(["kv", "put", "mine", "1"]).done();
    assert_eq!(
        console.lab(["fault", "kv", "restart", "empty"]).done(),
        "fault 3: the store began anew, empty; there is nothing to heal\n"
    );
    assert_eq!(console.lab(["kv", "get", "mine"]).failed(1), "lab: the store has no key mine\n");
    assert_eq!(console.lab(["fault", "ls"]).done(), "FAULT   NAME   FRAMES   WHAT\n");
    let wrong = |args: &[&str], said: &str| {
        let complaint = console.lab([&["fault", "kv"], args].concat()).failed(2);
        assert!(complaint.contains(said), "{complaint}");
    };
    wrong(&["restart", "disk"], "this store has no disk");
    wrong(&["restart", "empty", "--host", "docker1"], "a store begins anew for everybody");
    wrong(&["restart", "anew"], "it is `empty` or `disk`");
    wrong(&["restart", "empty", "--as", "anew"], "there is nothing that `anew` would heal");
    wrong(
        &["stale", "--host", "docker9"],
        "no host is named `docker9`; there is `consul`, `docker0`, `docker1`",
    );
}

#[test]
fn a_network_is_lost_inside_its_tunnel() {
    let console = Console::with_two_hosts();
    console.lab(["fault", "drop", "--network", "demonet", "--protocol", "icmp"]).done();
    console.lab(["ping", "C1", "C0"]).failed(1);
    console.lab(["ping", "docker1", "docker0"]).done();
    console.lab(["fault", "clock", "docker0", "1h"]).done();
    assert_eq!(
        console.lab(["heal"]).failed(2),
        "lab: there are several faults; name them, or say --all (`lab fault ls` lists them)\n"
    );
    console.lab(["heal", "1"]).done();
    console.lab(["ping", "C1", "C0"]).done();
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let console = Console::with_two_hosts();
    let wrong = |args: &[&str], code, said: &str| {
        let complaint = console.lab([&["fault"], args].concat()).failed(code);
        assert!(complaint.contains(said), "{complaint}");
    };
    wrong(&["crash", "docker9"], 2, "no host is named `docker9`; there is `consul`, `docker0`, `docker1`");
    wrong(
        &["partition", "cut", "docker0", "docker0"],
        2,
        "host docker0 cannot be on two sides of a partition",
    );
    wrong(&["drop", "--network", "x"], 2, "no network is named `x`; there is `demonet`");
    wrong(&["kill", "C1"], 2, "container C1 runs no command");
    wrong(&["engine", "consul"], 2, "no engine runs on host consul");
    wrong(&["clock", "docker0", "-99999h"], 2, "at most `24h`");
    wrong(&["drop", "--protocol", "ipx"], 2, "it is `arp`, `icmp`, `icmpv6`, `tcp` or `udp`");
    assert!(console.lab(["heal", "7"]).failed(2).contains("no fault is named `7`; there is none"));
    assert_eq!(console.lab(["fault", "ls"]).done(), "FAULT   NAME   FRAMES   WHAT\n");
}

#[test]
fn a_wire_is_impaired_and_says_what_it_did() {
    let console = Console::with_two_hosts();
    let far =
        ["fault", "wire", "docker0", "--up", "--delay", "20ms", "--jitter", "1ms,normal", "--as", "far"];
    assert_eq!(
        console.lab(far).done(),
        "fault 1: the wire from docker0: delay 20ms, jitter 1ms,normal; heal it with: lab heal far\n"
    );
    let third = ["--loss", "every=2", "--protocol", "icmp"];
    console.lab([&["fault", "wire", "docker1", "--down"], &third[..]].concat()).done();
    let pinged = console.lab(["ping", "docker0", "docker1", "-c", "4", "-i", "1ms"]).done();
    assert!(pinged.contains("4 sent, 2 answered, 50% loss"), "{pinged}");
    let listed = console.lab(["fault", "ls"]).done();
    // How it is carried is the machine's affair.
    let wires = |shown: &str| {
        ["packet sockets", "TAP devices"].iter().any(|backend| {
            let line = format!("wire of docker0, by {backend}\n  from it: delay 20ms, jitter 1ms,normal: ");
            shown.contains(&line)
        })
    };
    assert!(wires(&listed), "{listed}");
    assert!(listed.contains("\n  to it: loss every=2, only ICMP: "), "{listed}");
    assert!(listed.contains(" meant, ") && listed.contains(", 2 lost"), "{listed}");
    assert!(wires(&console.lab(["inspect", "docker0"]).done()));
    assert!(!console.lab(["inspect", "consul"]).done().contains("wire of"));
    console.lab(["heal", "--all"]).done();
    assert!(!console.lab(["inspect"]).done().contains("wire of"));
    let wrong = |args: &[&str], said: &str| {
        let complaint = console.lab([&["fault", "wire"], args].concat()).failed(2);
        assert!(complaint.contains(said), "{complaint}");
    };
    wrong(
        &["docker9", "--delay", "1ms"],
        "no host is named `docker9`; there is `consul`, `docker0`, `docker1`",
    );
    wrong(&["docker0", "--loss", "30"], "it is `every=4`, `exactly=3,7,19` or `bursts=1%/25%`");
    wrong(&["docker0", "--rate", "fast"], "it is a number and a unit, such as `50mbit`");
    wrong(&["docker0", "--mtu", "67"], "67 is not in 68..=4294967295");
    assert_eq!(console.lab(["fault", "ls"]).done(), "FAULT   NAME   FRAMES   WHAT\n");
}

fn nemesis<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["fault", "nemesis", "--seed", "7"], args].concat()
}

#[test]
fn a_nemesis_says_what_comes_and_ends_with_its_client() {
    let console = Console::with_two_hosts();
    let dry = console.lab(nemesis(&["--for", "20s", "--dry-run"])).done();
    assert!(dry.starts_with("seed 7: 12 faults in 20s\n  at    0.637s for   0.722s  "), "{dry}");
    assert_eq!(console.lab(nemesis(&["--for", "20s", "--dry-run"])).done(), dry);
    let cuts = ["--faults", "partition", "--strike", "200ms", "--pause", "100ms"];
    let said = console.lab(nemesis(&[&["--for", "1s"], &cuts[..]].concat())).done();
    assert!(said.starts_with("seed 7: ") && said.lines().count() > 1, "{said}");
    assert_eq!(console.lab(["heal"]).done(), "nothing is wrong\n");
    assert!(
        console
            .lab(nemesis(&["--for", "1s", "--faults", "flood"]))
            .failed(2)
            .contains("it is one of `partition`, `wire`, `crash`, `pause`, `engine`, `kill` and `kv`")
    );
    let nobody = console.lab(nemesis(&["--for", "1s", "--hosts", "consul", "--faults", "engine"])).failed(2);
    assert_eq!(nobody, "lab: a nemesis finds nobody here whom engine could befall\n");
}
