//! The article's observations that need a tool of the machine: made with that tool, on the hosts and in the containers.
//!
//! What can be observed without one is in `scenarios/two-host.toml`.
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "cli/console.rs"]
mod console;

use console::{Console, Said, tool};
use serde_json::Value;

/// What a tool prints on a host or in a container.
fn on(console: &Console, target: &str, command: &str) -> Said {
    let words = command.split(' ').collect::<Vec<_>>();
    console.lab([&["exec", target, "--"], words.as_slice()].concat())
}

fn json(said: Said) -> Value {
    serde_json::from_str(&said.done()).unwrap()
}

/// A network's id, as Docker's inspect gives it.
fn id_of(console: &Console, network: &str) -> String {
    let shown = json(console.lab(["network", "inspect", network]));
    shown[0]["Id"].as_str().unwrap().to_owned()
}

/// The name of a container's namespace, from its `SandboxKey` as in the article.
fn sandbox_of(console: &Console, container: &str) -> String {
    let shown = json(console.lab(["container", "inspect", container]));
    let key = shown[0]["NetworkSettings"]["SandboxKey"].as_str().unwrap().to_owned();
    key.strip_prefix("/var/run/docker/netns/").unwrap().to_owned()
}

/// The links of a namespace, by `ip -d -j link`.
fn links(console: &Console, target: &str, namespace: Option<&str>) -> Vec<Value> {
    let inside = namespace.map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
    let shown = json(on(console, target, &format!("{inside}ip -d -j link show")));
    shown.as_array().unwrap().clone()
}

fn named<'a>(links: &'a [Value], name: &str) -> &'a Value {
    links.iter().find(|link| link["ifname"] == name).unwrap_or_else(|| panic!("no {name} in {links:?}"))
}

fn at(links: &[Value], index: &Value) -> Option<Value> {
    links.iter().find(|link| link["ifindex"] == *index).cloned()
}

#[test]
fn both_hosts_list_the_network_by_one_id() {
    let console = Console::with_two_hosts();
    let listed = |host| {
        let listed = json(console.lab(["network", "ls", "--on", host, "--json"]));
        let networks = listed["networks"].as_array().unwrap();
        networks.iter().find(|network| network["Name"] == "demonet").cloned().unwrap()
    };
    assert_eq!(listed("docker0"), listed("docker1"));
    assert_eq!(
        (&listed("docker0")["Driver"], &listed("docker0")["Scope"]),
        (&"overlay".into(), &"global".into())
    );
}

#[test]
fn a_ping_goes_between_containers_and_not_from_a_host() {
    if !tool("ping") {
        return;
    }
    let console = Console::with_two_hosts();
    let said = on(&console, "C1", "ping -c 2 -i 0.1 192.168.0.100").done();
    assert!(said.contains("64 bytes from 192.168.0.100: icmp_seq=1 ttl=64 "), "{said}");
    on(&console, "C0", "ping -c 1 8.8.8.8").done();
    let said = on(&console, "docker1", "ping -c 2 -i 0.1 -W 1 192.168.0.100");
    assert!(said.out.contains("100% packet loss"), "{said:?}");
    console.lab(["ping", "docker1", "192.168.0.100", "-c", "1"]).failed(1);
}

#[test]
fn the_container_has_an_interface_in_the_overlay_and_one_to_the_outside() {
    if !tool("ip") {
        return;
    }
    let console = Console::with_two_hosts();
    let shown = json(on(&console, "C0", "ip -d -j addr show"));
    let shown = shown.as_array().unwrap();
    assert_eq!(shown.len(), 3, "{shown:?}");
    for (name, mac, mtu, address, length) in [
        ("eth0", "02:42:c0:a8:00:64", 1450, "192.168.0.100", 24),
        ("eth1", "02:42:ac:12:00:02", 1500, "172.18.0.2", 16),
    ] {
        let link = named(shown, name);
        assert_eq!((&link["address"], &link["mtu"]), (&mac.into(), &mtu.into()));
        assert_eq!((&link["operstate"], &link["linkinfo"]["info_kind"]), (&"UP".into(), &"veth".into()));
        let addresses: Vec<_> = link["addr_info"].as_array().unwrap().iter().collect();
        let [only] = addresses.as_slice() else { panic!("{addresses:?}") };
        assert_eq!((&only["local"], &only["prefixlen"]), (&address.into(), &length.into()));
    }
}

#[test]
fn the_default_route_leads_over_the_gateway_bridge() {
    if !tool("ip") {
        return;
    }
    let console = Console::with_two_hosts();
    let shown = on(&console, "C0", "ip route show").done();
    let shown: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        shown,
        [
            "default via 172.18.0.1 dev eth1",
            "172.18.0.0/16 dev eth1 proto kernel scope link src 172.18.0.2",
            "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.100",
        ]
    );
}

#[test]
fn a_host_lists_the_containers_namespace_and_the_overlays() {
    if !tool("ip") {
        return;
    }
    let console = Console::with_two_hosts();
    let overlay = format!("1-{}", &id_of(&console, "demonet")[..10]);
    for (host, container) in [("docker0", "C0"), ("docker1", "C1")] {
        let listed = on(&console, host, "ip netns ls").done();
        let mut names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
        names.sort_unstable();
        let sandbox = sandbox_of(&console, container);
        let mut expected = [sandbox.as_str(), overlay.as_str()];
        expected.sort_unstable();
        assert_eq!(names, expected, "{host}");
        assert!(
            on(&console, host, &format!("ip netns exec {sandbox} ip addr show eth0"))
                .done()
                .contains("192.168.0.")
        );
    }
    assert_eq!(on(&console, "consul", "ip netns ls").done(), "");
}

#[test]
fn the_other_end_of_eth1_is_a_port_of_docker_gwbridge() {
    if !tool("ip") {
        return;
    }
    let console = Console::with_two_hosts();
    let (container, host) = (links(&console, "C0", None), links(&console, "docker0", None));
    let peer = &named(&container, "eth1")["link_index"];
    let port = at(&host, peer).expect("the peer of eth1 on the host");
    assert_eq!(port["master"], "docker_gwbridge");
    let name = port["ifname"].as_str().unwrap();
    assert!(name.len() == 11 && name.starts_with("veth"), "{name}");
    assert_eq!(named(&host, "docker_gwbridge")["linkinfo"]["info_kind"], "bridge");
    let bridge = on(&console, "docker0", "ip -o -4 addr show docker_gwbridge").done();
    assert!(bridge.contains(" inet 172.18.0.1/16 "), "{bridge}");
    if tool("ethtool") {
        let statistics = on(&console, "C0", "ethtool -S eth1").done();
        assert!(statistics.contains(&format!("peer_ifindex: {peer}\n")), "{statistics}");
    }
    // The other end of eth0 is not on the host.
    assert_eq!(at(&host, &named(&container, "eth0")["link_index"]), None);
}

#[test]
fn the_other_end_of_eth0_is_a_port_of_br0_in_the_overlays_namespace() {
    if !tool("ip") {
        return;
    }
    let console = Console::with_two_hosts();
    let overlay = format!("1-{}", &id_of(&console, "demonet")[..10]);
    for (host, container) in [("docker0", "C0"), ("docker1", "C1")] {
        let inside = links(&console, host, Some(&overlay));
        let mut names: Vec<_> = inside.iter().map(|link| link["ifname"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["br0", "lo", "veth2", "vxlan1"]);
        let port = at(&inside, &named(&links(&console, container, None), "eth0")["link_index"]).unwrap();
        assert_eq!(
            (&port["ifname"], &port["master"], &port["mtu"]),
            (&"veth2".into(), &"br0".into(), &1450.into())
        );
        assert_eq!(named(&inside, "br0")["mtu"], 1450);
        let vxlan = named(&inside, "vxlan1");
        assert_eq!((&vxlan["master"], &vxlan["mtu"]), (&"br0".into(), &1450.into()));
        let data = &vxlan["linkinfo"]["info_data"];
        assert_eq!((&data["id"], &data["port"], &data["ageing"]), (&256.into(), &4789.into(), &300.into()));
        for flag in ["proxy", "l2miss", "l3miss"] {
            assert_eq!(data[flag], true, "{flag}");
        }
        // As the article prints it.
        let shown = on(&console, host, &format!("ip netns exec {overlay} ip -d link show vxlan1")).done();
        assert!(shown.contains("vxlan id 256 srcport 0 0 dstport 4789 "), "{shown}");
        assert!(shown.contains(" proxy l2miss l3miss ttl auto ageing 300 "), "{shown}");
    }
}

/// As a Docker Engine 20.10 was seen to write them: permanent, the VTEP behind the MAC.
#[test]
fn each_host_knows_the_others_container() {
    if !(tool("ip") && tool("bridge")) {
        return;
    }
    let console = Console::with_two_hosts();
    let overlay = format!("1-{}", &id_of(&console, "demonet")[..10]);
    for (host, ip, mac, vtep) in [
        ("docker0", "192.168.0.2", "02:42:c0:a8:00:02", "10.0.0.11"),
        ("docker1", "192.168.0.100", "02:42:c0:a8:00:64", "10.0.0.10"),
    ] {
        let neighbours =
            on(&console, host, &format!("ip netns exec {overlay} ip neigh show dev vxlan1")).done();
        assert_eq!(neighbours.trim_end(), format!("{ip} lladdr {mac} PERMANENT"));
        let fdb = on(&console, host, &format!("ip netns exec {overlay} bridge fdb show dev vxlan1")).done();
        let entry = format!("{mac} dst {vtep} ");
        let entry = fdb.lines().find(|line| line.starts_with(&entry));
        assert!(entry.is_some_and(|entry| entry.trim_end().ends_with("self permanent")), "{fdb}");
    }
}

#[test]
fn the_way_out_is_masqueraded_and_containers_are_kept_apart_on_the_bridge() {
    if !tool("nft") {
        return;
    }
    let console = Console::with_two_hosts();
    let rules = on(&console, "docker0", "nft list ruleset").done();
    assert!(rules.contains("ip saddr 172.18.0.0/16 oifname != \"docker_gwbridge\""), "{rules}");
    assert!(rules.contains("masquerade"), "{rules}");
    console.lab(["container", "run", "--name", "C2", "--net", "demonet"]).done();
    console.lab(["ping", "C2", "C0@demonet", "-c", "1"]).done();
    console.lab(["ping", "C2", "172.18.0.2", "-c", "1"]).failed(1);
}

#[test]
fn the_stores_key_browser_is_reached_from_a_host_by_name() {
    if !tool("curl") {
        return;
    }
    let console = Console::with_two_hosts();
    let keys = json(on(&console, "docker0", "curl -s http://consul:8500/v1/kv/?keys"));
    let keys: Vec<&str> = keys.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let id = id_of(&console, "demonet");
    let shown = json(console.lab(["network", "inspect", "demonet"]));
    let endpoints: Vec<String> = shown[0]["Containers"]
        .as_object()
        .unwrap()
        .values()
        .map(|container| format!("endpoint/{id}/{}/", container["EndpointID"].as_str().unwrap()))
        .collect();
    assert_eq!(endpoints.len(), 2);
    let wanted = [
        format!("network/{id}/"),
        format!("endpoint_count/{id}/"),
        format!("overlay/network/{id}/"),
        "ipam/default/config/GlobalDefault/".to_owned(),
        "ipam/default/data/GlobalDefault/192.168.0.0/24/".to_owned(),
        "idm/vxlan-id/".to_owned(),
    ];
    for key in wanted.iter().chain(&endpoints) {
        let key = format!("docker/network/v1.0/{key}");
        assert!(keys.contains(&key.as_str()), "{key} in {keys:?}");
    }
    for node in ["docker/nodes/10.0.0.10:2376", "docker/nodes/10.0.0.11:2376"] {
        assert!(keys.contains(&node), "{node} in {keys:?}");
    }
    let page = on(&console, "docker1", "curl -s -L http://consul:8500/ui/").done();
    assert!(page.contains("<title>Keys</title>"), "{page}");
}
