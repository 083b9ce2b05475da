//! What exists and what happened: `lab`, `ls`, `ps`, `inspect`, `logs`, `events`, `ping`, `doctor`.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::console::Console;
use crate::stream::Stream;

const ID: (&str, &str) = ("[0-9a-f]{64}", "<id>");
const SHORT: (&str, &str) = ("[0-9a-f]{12}", "<id>        ");
const TIME: (&str, &str) = (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "<time>");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

#[test]
fn lab_alone_says_what_there_is_and_what_to_type() {
    let console = Console::new();
    insta::assert_snapshot!("alone-none", console.lab::<&str>([]).done());
    console.lab(["up", "scenarios/two-host.toml"]).done();
    insta::with_settings!({ filters => [("PID +FILE", "PID FILE"), (r"\d+ s +\d+ +/.*/", "<age> <pid> /")] }, {
        insta::assert_snapshot!("alone-up", console.lab::<&str>([]).done());
    });
}

#[test]
fn ls_as_json_is_stable() {
    let console = Console::with_two_hosts();
    insta::with_settings!({ filters => [TIME, (r#""pid": \d+"#, r#""pid": "<pid>""#), (r#""/.*/"#, "\"/"),
        ("\"rootless\": (true|false)", "\"rootless\": \"<as it was entered>\"")] }, {
        insta::assert_snapshot!("ls-json", console.lab(["ls", "--json"]).done());
    });
}

#[test]
fn ps_shows_hosts_networks_and_containers() {
    let console = Console::with_two_hosts();
    insta::with_settings!({ filters => [SHORT] }, {
        insta::assert_snapshot!("ps", console.lab(["ps"]).done());
    });
    insta::with_settings!({ filters => [ID, (r#""pid": \d+"#, r#""pid": "<pid>""#)] }, {
        insta::assert_snapshot!("ps-json", console.lab(["ps", "--json"]).done());
    });
}

#[test]
fn inspect_shows_what_the_kernel_holds() {
    let console = Console::with_two_hosts();
    // These follow from addresses; others the kernel or the engine draws.
    let known = ["02:42:c0:a8:00:64", "02:42:c0:a8:00:02", "02:42:ac:12:00:02", "02:42:0a:00:00:0a"];
    let drawn = |word: &str| word.len() == 17 && word.matches(':').count() == 5 && !known.contains(&word);
    // What traffic has taught the kernel comes and goes; rules and some settings depend on the machine.
    let lasting = |target| {
        let shown = console.lab(["inspect", target]).done().replace(" isolated", "");
        let learned = |line: &&str| {
            let line = line.trim_start();
            let taught = line.starts_with("neighbour") || line.starts_with("fdb");
            // In containers nobody sets it.
            let of_the_machine = line.contains("bridge-nf") || target == "C0" && line.contains("ip_forward");
            (!taught || line.ends_with("permanent")) && !line.starts_with("rule") && !of_the_machine
        };
        let hide = |line: &str| {
            let words = line.split(' ').map(|word| if drawn(word) { "<mac>" } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        shown.lines().filter(learned).map(hide).collect::<Vec<_>>().join("\n")
    };
    let filters = [("1-[0-9a-f]{10}", "1-<id>"), ("veth[0-9a-f]{7}", "veth<random>")];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!("inspect-C0", lasting("C0"));
        insta::assert_snapshot!("inspect-docker0", lasting("docker0"));
    });
    assert!(console.lab(["inspect", "docker0"]).done().contains("\n  rule docker postrouting: "));
    let all = json(&console.lab(["inspect", "--json"]).done());
    assert_eq!(all["version"], 1);
    let names: Vec<&str> =
        all["namespaces"].as_array().unwrap().iter().map(|held| held["name"].as_str().unwrap()).collect();
    for name in ["switch", "internet", "consul", "docker0", "docker1", "C0", "C1"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    console.lab(["inspect", "nobody"]).failed(2);
}

#[test]
fn logs_show_what_containers_print() {
    let console = Console::with_two_hosts();
    let script = "echo first; echo second; echo hm >&2; read x </run/go; echo third; exit 3";
    console
        .lab(["container", "run", "--name", "talker", "--", "sh", "-c", &format!("mkfifo /run/go; {script}")])
        .done();
    let mut follow = Stream::start(console.command(["logs", "-f", "talker"]));
    follow.see("first\n").see("second\n");
    // Two streams, so no order between them.
    let shown = console.lab(["logs", "talker"]).done();
    assert_eq!(shown.lines().filter(|line| *line != "hm").collect::<Vec<_>>(), ["first", "second"]);
    console.lab(["exec", "talker", "--", "sh", "-c", "echo > /run/go"]).done();
    // It ends with what it follows.
    follow.see("third\n");
    assert_eq!(follow.end().0, 0);
    let mut all: Vec<String> = console.lab(["logs"]).done().lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, ["talker | first", "talker | hm", "talker | second", "talker | third"]);
    let last = console.lab(["logs", "talker", "--json"]).done();
    let last = last.lines().find(|line| line.contains("third")).unwrap();
    assert_eq!(last, r#"{"version":1,"container":"talker","stream":"stdout","text":"third"}"#);
    assert!(console.lab(["container", "ls"]).done().contains("exited (3)"));
    console.lab(["logs", "nobody"]).failed(2);
    assert_eq!(console.lab(["logs", "C1"]).done(), "");
}

#[test]
fn events_say_what_happened() {
    let console = Console::with_two_hosts();
    insta::with_settings!({ filters => [TIME] }, {
        insta::assert_snapshot!("events", console.lab(["events"]).done());
    });
    let first = json(console.lab(["events", "--json"]).done().lines().next().unwrap());
    assert_eq!((&first["version"], &first["what"]), (&1.into(), &"network".into()));
    let mut follow = Stream::start(console.command(["events", "-f"]));
    follow.see("lab two-host is up\n");
    console.lab(["network", "create", "late"]).done();
    follow.see("network    create late on docker0\n");
    console.lab(["down"]).done();
    follow.see("lab two-host went down\n");
    assert_eq!(follow.end().0, 0);
}

#[test]
fn events_of_networks_and_containers_are_in_dockers_words() {
    let console = Console::with_two_hosts();
    let network = console.lab(["network", "create", "--subnet", "10.5.0.0/24", "late"]).done();
    let run = ["container", "run", "--on", "docker1", "--name", "C2", "--net", "late", "sleep", "1000"];
    let container = console.lab(run).done();
    console.lab(["network", "connect", "demonet", "C2"]).done();
    // By its id, too, it is the same network.
    console.lab(["network", "disconnect", &network[..12], "C2"]).done();
    console.lab(["container", "rm", "C2"]).done();
    console.lab(["network", "rm", network.trim_end()]).done();
    let (network, container) = (network.trim_end(), container.trim_end());
    let said = console.lab(["events", "--json"]).done();
    let all: Vec<Value> = said.lines().map(json).skip_while(|event| event["what"] != "up").skip(1).collect();
    let short: Vec<String> = all
        .iter()
        .map(|event| {
            assert_eq!(event["what"], event["Type"]);
            let attributes = event["Actor"]["Attributes"].as_object().unwrap();
            let host = &attributes["host"];
            let id = match (event["Actor"]["ID"].as_str().unwrap(), &attributes["name"]) {
                (id, _) if id == network => "late",
                (id, _) if id == container => "C2",
                (_, name) => name.as_str().unwrap(),
            };
            let of = attributes
                .get("container")
                .map_or("", |of| if *of == container { " C2" } else { " another" });
            let code = attributes.get("exitCode").map_or(String::new(), |code| format!(" {code}"));
            format!("{} {} {id}{of}{code} on {host}", event["Type"], event["Action"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        short,
        [
            "network create late on docker0",
            "container create C2 on docker1",
            "network connect late C2 on docker1",
            "container start C2 on docker1",
            "network connect demonet C2 on docker1",
            "network disconnect late C2 on docker1",
            "container die C2 137 on docker1",
            "network disconnect demonet C2 on docker1",
            "container destroy C2 on docker1",
            "network destroy late on docker0",
        ]
    );
    // A command that ends by itself dies, and its container stays.
    let mut follow = Stream::start(console.command(["events", "-f"]));
    console.lab(["container", "run", "--name", "C3", "--net", "demonet", "--", "sh", "-c", "exit 3"]).done();
    follow.see("container  start C3 on docker0\n").see("container  die C3 on docker0, exit code 3\n");
    assert!(console.lab(["ps"]).done().contains("C3"));
}

#[test]
fn events_of_kernels_come_while_they_are_followed_and_are_not_known_else() {
    let console = Console::with_two_hosts();
    let said = console.lab(["events", "--net"]).failed(2);
    assert!(said.contains("nobody listens to the kernels of this lab; follow its events"), "{said}");
    // Of all that is known they are no part, and that is no error.
    let all = console.lab(["events", "--all"]).done();
    assert!(all.contains("  engine     docker0: ") && all.contains("  store      "), "{all}");
    assert!(!all.contains("  netlink  "), "{all}");
    let mut follow = Stream::start(console.command(["events", "-f", "--net"]));
    follow.see("lab two-host is up\n");
    console
        .lab([
            "container",
            "run",
            "--on",
            "docker1",
            "--name",
            "C2",
            "--net",
            "demonet",
            "--ip",
            "192.168.0.7",
        ])
        .done();
    // In any order: each namespace is heard for itself.
    let mut see_all = |wanted: &[&str]| {
        let mut left = wanted.to_vec();
        while !left.is_empty() {
            let line = follow.line();
            left.retain(|wanted| !line.ends_with(wanted));
        }
    };
    // At the other host: an entry that says who, and one that says where. And the interfaces of the container itself.
    see_all(&[
        ": + neighbour 192.168.0.7 dev vxlan1 at 02:42:c0:a8:00:07 permanent",
        ": + fdb 02:42:c0:a8:00:07 dev vxlan1 self behind 10.0.0.11 permanent",
        "  netlink    C2: + address 192.168.0.7/24 dev eth0",
    ]);
    console.lab(["container", "rm", "C2"]).done();
    see_all(&[
        ": - fdb 02:42:c0:a8:00:07 dev vxlan1 self behind 10.0.0.11 permanent",
        "  netlink    C2: - namespace",
    ]);
    console.lab(["down"]).done();
    assert_eq!(follow.end().0, 0);
}

#[test]
fn what_kernels_told_is_kept_where_the_file_wants_it() {
    let console = Console::new();
    let file = console.place("recorded.toml");
    let text = fs::read_to_string(crate::console::repository().join("scenarios/two-host.toml")).unwrap();
    let text = text.replacen("[underlay]", "[record]\nnetlink = true\n[underlay]", 1);
    assert!(text.contains("[record]"), "{text}");
    fs::write(&file, text).unwrap();
    console.lab(["up", file.to_str().unwrap(), "--name", "recorded"]).done();
    let said = console.lab(["events", "--net", "--json"]).done();
    let told: Vec<Value> = said.lines().map(json).filter(|event| event["what"] == "netlink").collect();
    let is_there = |object: &str, name: &str| {
        told.iter().any(|event| {
            let change = &event["change"];
            change["object"] == *object && change["name"] == *name && change["change"] == "added"
        })
    };
    assert!(is_there("fdb", "02:42:c0:a8:00:64 dev vxlan1 self"), "{said}");
    assert!(is_there("neighbour", "192.168.0.100 dev vxlan1"), "{said}");
    assert!(is_there("link", "docker_gwbridge"), "{said}");
    let at: Vec<String> = said.lines().map(|line| json(line)["at"].as_str().unwrap().to_owned()).collect();
    assert!(at.is_sorted(), "{said}");
}

#[test]
fn ping_tells_whether_anybody_answered() {
    let console = Console::with_two_hosts();
    for (from, to) in [
        ("C1", "C0"),
        ("C1", "192.168.0.100"),
        ("C0", "C1@demonet"),
        ("docker0", "docker1"),
        ("C0", "8.8.8.8"),
    ] {
        let said = console.lab(["ping", from, to, "--count", "3", "--interval", "10ms"]).done();
        let time = (r"\d+\.\d{3} ms", "<time>");
        insta::with_settings!({ filters => [time], description => "the same for every pair" }, {
            insta::assert_snapshot!("ping", said.replace(&format!("{from} -> {to}"), "from -> to"));
        });
    }
    let none = console.lab(["ping", "docker1", "192.168.0.100", "-c", "2", "-i", "10ms"]);
    assert_eq!(none.code, 1);
    assert!(none.out.ends_with("2 sent, 0 answered, 100% loss\n"), "{none:?}");
    let shown = json(&console.lab(["ping", "C1", "C0", "-c", "2", "-i", "10ms", "--json"]).done());
    let keys: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["version", "from", "to", "sent", "received", "loss_percent", "rtt_ns"]);
    assert_eq!(
        (&shown["to"], &shown["received"], &shown["loss_percent"]),
        (&"192.168.0.100".into(), &2.into(), &0.into())
    );
    assert!(shown["rtt_ns"]["min"].as_u64() > Some(0));
    let none = console.lab(["ping", "docker1", "192.168.0.100", "-c", "1", "--json"]);
    assert_eq!((none.code, &json(&none.out)["rtt_ns"]["min"]), (1, &Value::Null));
    assert_eq!(
        console.lab(["ping", "C0", "nobody"]).failed(2),
        "lab: no host or container is named `nobody`; there is `consul`, `docker0`, `docker1`, `C0`, `C1`\n"
    );
    assert!(console.lab(["ping", "C0", "C1", "-c", "0"]).failed(2).contains("0 is not in 1..="));
    assert!(console.lab(["ping", "C0", "C1", "-i", "5"]).failed(2).contains("--interval"));
}

#[test]
fn doctor_says_that_this_machine_is_fit() {
    let console = Console::new();
    let said = console.lab(["doctor"]).done();
    assert!(said.starts_with("this is in "), "{said}");
    assert!(said.contains("\na lab is entered "), "{said}");
    assert!(said.contains("  ok   vxlan (overlay networks)\n"), "{said}");
    assert!(said.ends_with("this machine is fit\n"), "{said}");
    let shown = json(&console.lab(["doctor", "--json"]).done());
    assert_eq!((&shown["version"], &shown["fit"]), (&1.into(), &true.into()));
    assert!(shown["features"].as_array().unwrap().iter().all(|feature| feature["feature"].is_string()));
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let console = Console::with_two_hosts();
    for args in [
        &["ls"][..],
        &["ps"],
        &["inspect"],
        &["kv", "ls"],
        &["events"],
        &["ping", "C0", "C1", "-c", "1"],
        &["network", "inspect", "demonet"],
        &["doctor"],
        &["--help"],
        &["man"],
        &["completions", "bash"],
        &["up", "scenarios/two-host.toml"],
    ] {
        let mut command = console.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(
            (ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()),
            (Some(0), ""),
            "{args:?}"
        );
    }
    // A disk that is full is one.
    let mut command = console.command(["ps"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).starts_with("lab: No space left on device"));
}
