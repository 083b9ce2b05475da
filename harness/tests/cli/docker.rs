//! `lab network`, `lab container`: Docker's verbs, flags, shapes and complaints.
//!
//! The texts are those that a Docker Engine 20.10 gave to the same requests.

use serde_json::{Value, json};

use crate::console::Console;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

fn is_id(text: &str) -> bool {
    text.len() == 65 && text.ends_with('\n') && text.trim_end().chars().all(|c| c.is_ascii_hexdigit())
}

#[test]
fn a_network_is_created_listed_inspected_and_removed() {
    let console = Console::with_two_hosts();
    let network = |args: &[&str]| console.lab([&["network"], args].concat());
    let id = network(&[
        "create",
        "--driver",
        "overlay",
        "--subnet",
        "10.77.0.0/24",
        "--ip-range",
        "10.77.0.128/25",
        "--gateway",
        "10.77.0.254",
        "--aux-address",
        "a=10.77.0.5",
        "--opt",
        "com.docker.network.driver.mtu=1300",
        "--label",
        "colour=red",
        "--internal",
        "wide",
    ]);
    let id = id.done();
    assert!(is_id(&id), "{id}");
    // Every host knows it, by its name, its id and the beginning of its id.
    for (on, name) in [("docker0", "wide"), ("docker1", id.trim_end()), ("docker1", &id[..12])] {
        let shown = parse(&network(&["inspect", "--on", on, name]).done());
        let [shown] = shown.as_array().unwrap().as_slice() else { panic!("{shown}") };
        assert_eq!(shown["Id"], id.trim_end());
        assert_eq!(shown["Driver"], "overlay");
        assert_eq!(shown["Scope"], "global");
        assert_eq!(shown["Internal"], true);
        assert_eq!(
            shown["IPAM"]["Config"],
            json!([{
                "Subnet": "10.77.0.0/24", "IPRange": "10.77.0.128/25", "Gateway": "10.77.0.254",
                "AuxiliaryAddresses": { "a": "10.77.0.5" },
            }])
        );
        assert_eq!(shown["Options"], json!({ "com.docker.network.driver.mtu": "1300" }));
        assert_eq!(shown["Labels"], json!({ "colour": "red" }));
    }
    let listed = network(&["ls", "--on", "docker1"]).done();
    assert!(listed.starts_with("NETWORK ID     NAME "), "{listed}");
    assert!(listed.contains(&format!("\n{}   wide ", &id[..12])), "{listed}");
    let listed = parse(&network(&["ls", "--json"]).done());
    assert_eq!(listed["version"], 1);
    let wide = listed["networks"].as_array().unwrap().iter().find(|network| network["Name"] == "wide");
    assert_eq!(
        wide,
        Some(&json!({ "ID": id.trim_end(), "Name": "wide", "Driver": "overlay", "Scope": "global" }))
    );
    assert_eq!(network(&["rm", "wide"]).done(), "wide\n");
    assert!(!network(&["ls", "--on", "docker1"]).done().contains("wide"));
}

#[test]
fn ipv6_is_asked_for_with_dockers_flags() {
    let console = Console::with_two_hosts();
    let create = [
        "network",
        "create",
        "--subnet",
        "fd00:1::/64",
        "--subnet",
        "10.73.0.0/24",
        "--gateway",
        "fd00:1::fe",
    ];
    let said = console.lab([&create[..], &["v6net"]].concat()).failed(1);
    assert!(said.contains("the network is without IPv6, which has to be asked for (--ipv6"), "{said}");
    console.lab([&create[..], &["--ipv6", "v6net"]].concat()).done();
    let run =
        ["container", "run", "--on", "docker1", "--name", "S1", "--net", "v6net", "--ip6", "fd00:1::51"];
    console.lab(run).done();
    console.lab(["network", "connect", "--ip6", "fd00:1::c0", "v6net", "C0"]).done();
    let pinged = console.lab(["ping", "C0", "fd00:1::51"]).done();
    assert!(pinged.ends_with("ms\n") && pinged.contains("4 sent, 4 answered, 0% loss"), "{pinged}");
    console.lab(["ping", "S1", "ipv6:C0"]).done();
    let shown = parse(&console.lab(["network", "inspect", "v6net"]).done());
    assert_eq!(shown[0]["EnableIPv6"], true);
    assert_eq!(
        shown[0]["IPAM"]["Config"],
        json!([{ "Subnet": "10.73.0.0/24" }, { "Subnet": "fd00:1::/64", "Gateway": "fd00:1::fe" }])
    );
    let shown = parse(&console.lab(["container", "inspect", "S1"]).done());
    let its = &shown[0]["NetworkSettings"]["Networks"]["v6net"];
    assert_eq!(its["IPAMConfig"], json!({ "IPv6Address": "fd00:1::51" }));
    assert_eq!((&its["GlobalIPv6Address"], &its["GlobalIPv6PrefixLen"]), (&json!("fd00:1::51"), &json!(64)));
    let listed = console.lab(["ps"]).done();
    assert!(listed.contains("10.73.0.2/24 fd00:1::51/64 on v6net"), "{listed}");
    assert!(listed.contains("10.73.0.0/24, fd00:1::/64"), "{listed}");
    let inspected = console.lab(["inspect", "S1"]).done();
    assert!(inspected.contains("address fd00:1::51/64 dev eth0"), "{inspected}");
    assert!(inspected.contains("route fd00:1::/64 dev eth0"), "{inspected}");
}

#[test]
fn networks_are_refused_in_dockers_words() {
    let console = Console::with_two_hosts();
    for (args, complaint) in [
        (&["--subnet", "192.168.0.0/24", "dup"][..], "Pool overlaps with other one on this address space"),
        (&["demonet"], "network with name demonet already exists"),
        (
            &["--subnet", "300.1.1.0/24", "bad"],
            "Invalid subnet 300.1.1.0/24 : invalid CIDR address: 300.1.1.0/24",
        ),
        (&["--subnet", "10.0.0.0/24", "under"], "Pool overlaps with other one on this address space"),
        (
            &["--subnet", "10.72.0.0/24", "--gateway", "10.99.0.1", "far"],
            "no matching subnet for gateway 10.99.0.1",
        ),
        (&["--driver", "macvlan", "other"], "plugin \"macvlan\" not found"),
    ] {
        let said = console.lab([&["network", "create"], args].concat()).failed(1);
        assert_eq!(said, format!("lab: {complaint}\n"));
    }
    let said = console.lab(["network", "rm", "demonet"]).failed(1);
    assert!(said.starts_with("lab: error while removing network: network demonet id "), "{said}");
    assert!(said.ends_with(" has active endpoints\n"), "{said}");
    assert_eq!(console.lab(["network", "inspect", "nosuch"]).failed(2), "lab: network nosuch not found\n");
    assert_eq!(
        console.lab(["network", "ls", "--on", "consul"]).failed(2),
        "lab: no engine runs on host consul\n"
    );
}

#[test]
fn one_name_that_is_wrong_does_not_keep_the_others_from_it() {
    let console = Console::with_two_hosts();
    for name in ["a", "b"] {
        console.lab(["network", "create", name]).done();
    }
    let shown = console.lab(["network", "inspect", "a", "nosuch", "b"]);
    assert_eq!((shown.code, shown.err.as_str()), (2, "lab: network nosuch not found\n"));
    assert_eq!(parse(&shown.out).as_array().unwrap().len(), 2);
    let removed = console.lab(["network", "rm", "a", "demonet", "b"]);
    assert_eq!((removed.code, removed.out.as_str()), (1, "a\nb\n"));
    let removed = console.lab(["container", "rm", "C0", "nosuch", "C1"]);
    assert_eq!((removed.code, removed.out.as_str()), (2, "C0\nC1\n"));
    console.lab(["network", "rm", "demonet"]).done();
}

#[test]
fn a_container_is_run_listed_inspected_and_removed() {
    let console = Console::with_two_hosts();
    let container = |args: &[&str]| console.lab([&["container"], args].concat());
    let id = container(&[
        "run",
        "--on",
        "docker1",
        "--name",
        "C2",
        "--net",
        "demonet",
        "--ip",
        "192.168.0.50",
        "--network-alias",
        "web",
        "-e",
        "COLOUR=red",
        "sh",
        "-c",
        "echo $COLOUR; exec sleep 1000",
    ]);
    let id = id.done();
    assert!(is_id(&id), "{id}");
    console.lab(["ping", "C0", "192.168.0.50", "-c", "1"]).done();
    assert_eq!(console.lab(["logs", "C2"]).done(), "red\n");
    let shown = parse(&container(&["inspect", "C2"]).done());
    let on = &shown[0]["NetworkSettings"]["Networks"]["demonet"];
    assert_eq!((&shown[0]["Name"], &on["IPAddress"]), (&"/C2".into(), &"192.168.0.50".into()));
    assert_eq!(on["MacAddress"], "02:42:c0:a8:00:32");
    assert!(on["Aliases"].as_array().unwrap().contains(&"web".into()), "{on}");
    let listed = parse(&container(&["ls", "--on", "docker1", "--json"]).done());
    let names: Vec<_> = listed["containers"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!((&listed["version"], names), (&1.into(), vec!["C1".into(), "C2".into()]));
    assert_eq!(container(&["rm", "C2"]).done(), "C2\n");
    console.lab(["ping", "C0", "192.168.0.50", "-c", "1"]).failed(1);
    // Its name and address are free again; without a name it gets one.
    container(&["run", "--name", "C2", "--net", "demonet", "--ip", "192.168.0.50"]).done();
    container(&["run", "--net", "demonet", "sleep", "1000"]).done();
    assert_eq!(container(&["ls"]).done().lines().count(), 5);
}

#[test]
fn containers_are_refused_in_dockers_words() {
    let console = Console::with_two_hosts();
    let run = |args: &[&str]| console.lab([&["container", "run", "--net"], args, &["sleep", "9"]].concat());
    for (args, code, complaint) in [
        (&["demonet", "--ip", "192.168.0.100"][..], 1, "Address already in use"),
        (&["demonet", "--ip", "192.168.0.1"], 1, "Address already in use"),
        (
            &["demonet", "--ip", "192.168.9.1"],
            1,
            "Invalid address 192.168.9.1: It does not belong to any of this network's subnets",
        ),
        (&["nosuch"], 2, "network nosuch not found"),
    ] {
        assert_eq!(run(args).failed(code), format!("lab: {complaint}\n"));
    }
    let taken = run(&["demonet", "--name", "C0"]).failed(1);
    assert!(taken.starts_with("lab: Conflict. The container name \"/C0\" is already in use"), "{taken}");
    let unknown = console.lab(["container", "run", "--name", "C2", "no-such-program"]).failed(2);
    assert!(unknown.contains("cannot run `no-such-program`: there is no such program"), "{unknown}");
    let elsewhere = console.lab(["container", "rm", "--on", "docker0", "C1"]).failed(2);
    assert_eq!(elsewhere, "lab: container C1 runs on docker1, not on docker0\n");
    let nowhere = console.lab(["container", "ls", "--on", "docker7"]).failed(2);
    assert_eq!(nowhere, "lab: no host is named `docker7`; there is `consul`, `docker0`, `docker1`\n");
    // None of them has left anything.
    assert_eq!(console.lab(["container", "ls"]).done().lines().count(), 3);
}

#[test]
fn a_container_is_renamed_and_looks_for_names_as_it_is_told() {
    let console = Console::with_two_hosts();
    let dns = ["--dns-search", "demonet", "--dns-option", "ndots:1"];
    let run = ["container", "run", "--on", "docker1", "--name", "seeker", "--net", "demonet"];
    console.lab([&run[..], &dns].concat()).done();
    let resolv = console.lab(["exec", "seeker", "cat", "/etc/resolv.conf"]).done();
    assert_eq!(resolv, "search demonet\nnameserver 127.0.0.11\noptions ndots:1\n");

    assert_eq!(console.lab(["container", "rename", "C0", "web"]).done(), "");
    console.lab(["ping", "-c", "1", "seeker", "dns:web"]).done();
    assert!(console.lab(["container", "ls"]).done().lines().any(|line| line.ends_with(" web")));
    console.lab(["container", "rename", "--on", "docker1", "web", "other"]).failed(2);
    let taken = console.lab(["container", "rename", "web", "C1"]).failed(1);
    assert!(taken.contains("The container name \"/C1\" is already in use by container"), "{taken}");
}

#[test]
fn a_container_publishes_ports() {
    let console = Console::with_two_hosts();
    let container = |args: &[&str]| console.lab([&["container"], args].concat());
    let run = |args: &[&str]| container(&[&["run", "--net", "demonet"], args].concat());
    run(&["--name", "web", "-p", "8080:80", "--publish", "127.0.0.1:5353:53/udp", "-p", "7000-7001:70-71"])
        .done();
    let listed = container(&["ls"]).done();
    assert!(listed.starts_with("CONTAINER ID   HOST      COMMAND      STATUS    PORTS "), "{listed}");
    let ports = "0.0.0.0:8080->80/tcp, 127.0.0.1:5353->53/udp, 0.0.0.0:7000->70/tcp, 0.0.0.0:7001->71/tcp";
    assert!(listed.contains(&format!(" {ports}   web\n")), "{listed}");
    let shown = console.lab(["ps"]).done();
    assert!(
        shown.ends_with(&format!("\nCONTAINER   HOST      PORTS\nweb         docker0   {ports}\n")),
        "{shown}"
    );
    let shown = parse(&container(&["inspect", "web"]).done());
    assert_eq!(
        shown[0]["NetworkSettings"]["Ports"],
        json!({
            "53/udp": [{ "HostIp": "127.0.0.1", "HostPort": "5353" }],
            "70/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "7000" }],
            "71/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "7001" }],
            "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }],
        })
    );
    let listed = parse(&container(&["ls", "--json"]).done());
    let web = listed["containers"].as_array().unwrap().iter().find(|c| c["name"] == "web").unwrap();
    assert_eq!(
        web["ports"][0],
        json!({ "port": 80, "protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 8080 })
    );

    // Taken is taken, by whomever; of who is refused nothing stays.
    let refused = run(&["--name", "late", "-p", "8081:80", "-p", "8080:80"]).failed(1);
    assert!(
        refused.starts_with("lab: driver failed programming external connectivity on endpoint gateway_"),
        "{refused}"
    );
    assert!(refused.ends_with("): Bind for 0.0.0.0:8080 failed: port is already allocated\n"), "{refused}");
    assert!(!container(&["ls"]).done().contains("late"));
    let wrong = run(&["-p", "80/sctp"]).failed(2);
    assert!(wrong.contains("`sctp` is no protocol that can be published: write `tcp` or `udp`"), "{wrong}");
    container(&["rm", "web"]).done();
    run(&["--name", "late", "-p", "8080:80", "-p", "80"]).done();
    let listed = container(&["ls"]).done();
    let drawn = listed.split("0.0.0.0:8080->80/tcp, 0.0.0.0:").nth(1).expect("a port that was drawn");
    assert!(drawn.split_once("->80/tcp   late").unwrap().0.parse::<u16>().unwrap() > 1023, "{listed}");
    // Who is outside can be asked whether he reaches the host.
    console.lab(["ping", "internet", "docker0", "-c", "1"]).done();
    assert!(
        console
            .lab(["exec", "internet", "--", "true"])
            .failed(125)
            .contains("nothing runs in the outside world")
    );
}

#[test]
fn a_container_joins_a_network_and_leaves_it() {
    let console = Console::with_two_hosts();
    let network = |args: &[&str]| console.lab([&["network"], args].concat());
    network(&["create", "--subnet", "10.5.0.0/24", "other"]).done();
    for (container, ip) in [("C0", "10.5.0.10"), ("C1", "10.5.0.11")] {
        assert_eq!(network(&["connect", "other", container, "--ip", ip, "--alias", "x"]).done(), "");
    }
    console.lab(["ping", "C0", "10.5.0.11", "-c", "1"]).done();
    assert_eq!(console.lab(["ping", "C0", "C1@other", "-c", "1", "--json"]).code, 0);
    let again = network(&["connect", "other", "C0"]).failed(1);
    assert_eq!(again, "lab: endpoint with name C0 already exists in network other\n");
    network(&["disconnect", "other", "C1"]).done();
    console.lab(["ping", "C0", "10.5.0.11", "-c", "1"]).failed(1);
    let again = network(&["disconnect", "other", "C1"]).failed(2);
    assert!(again.ends_with(" is not connected to network other\n"), "{again}");
    assert_eq!(network(&["connect", "nosuch", "C0"]).failed(2), "lab: network nosuch not found\n");
    network(&["connect", "other", "nobody"]).failed(2);
    // The first network is as it was.
    console.lab(["ping", "C1", "C0", "-c", "1"]).done();
}

#[test]
fn docker_gwbridge_is_shown_as_docker_shows_it() {
    let console = Console::with_two_hosts();
    let shown = parse(&console.lab(["network", "inspect", "docker_gwbridge"]).done());
    assert_eq!(shown[0]["Driver"], "bridge");
    assert_eq!(shown[0]["IPAM"]["Config"], json!([{ "Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1" }]));
    for (option, value) in [
        ("com.docker.network.bridge.enable_icc", "false"),
        ("com.docker.network.bridge.enable_ip_masquerade", "true"),
        ("com.docker.network.bridge.name", "docker_gwbridge"),
    ] {
        assert_eq!(shown[0]["Options"][option], value);
    }
}
