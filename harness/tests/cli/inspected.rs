//! `lab network inspect` and `lab container inspect`, held against what a Docker Engine 20.10 showed of the same lab: field by field,
//! but for ids and times.

use serde_json::{Value, json};

use crate::console::{Console, repository};

/// What Docker showed.
fn observed(file: &str) -> Value {
    let path = repository().join("overlay/tests/fixtures/inspect").join(file);
    parse(&std::fs::read_to_string(path).unwrap())
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

/// The three documents of the article's lab: `demonet`, the gateway bridge of docker0, the network settings of C0. Each id is replaced
/// by whose it is, so that also what refers to what is compared; what is no time of RFC 3339 stays.
fn named(demonet: &Value, gateway: &Value, settings: &Value) -> [Value; 3] {
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {value}"))
            .to_owned()
    };
    let member = |network: &Value, name: &str| {
        let members = network.pointer("/0/Containers").and_then(Value::as_object).unwrap();
        let (key, its) =
            members.iter().find(|(_, its)| its["Name"] == *name).unwrap_or_else(|| panic!("no {name}"));
        (key.clone(), text(its, "/EndpointID"))
    };
    let sandbox = text(settings, "/SandboxID");
    let (c0, c0_endpoint) = member(demonet, "C0");
    let (_, c1_endpoint) = member(demonet, "C1");
    let (_, gateway_endpoint) = member(gateway, &format!("gateway_{}", &sandbox[..12]));
    let ids = [
        (text(demonet, "/0/Id"), "demonet"),
        (text(gateway, "/0/Id"), "gateway"),
        (c0, "C0"),
        (sandbox, "sandbox"),
        (c0_endpoint, "C0-on-demonet"),
        (c1_endpoint, "C1-on-demonet"),
        (gateway_endpoint, "C0-on-gateway"),
    ];
    [demonet, gateway, settings].map(|document| {
        let mut shown = document.to_string();
        for (id, whose) in &ids {
            assert_eq!(id.len(), 64, "{id}");
            shown = shown.replace(id, &format!("<{whose}>")).replace(&id[..12], &format!("<{whose}, short>"));
        }
        let mut document = parse(&shown);
        if let Some(created) = document.pointer_mut("/0/Created")
            && created.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
        {
            *created = "<time>".into();
        }
        document
    })
}

#[test]
fn what_is_inspected_is_what_docker_showed_field_by_field() {
    let console = Console::with_two_hosts();
    let [demonet, gateway, c0] = [
        ["network", "inspect", "--on", "docker0", "demonet"],
        ["network", "inspect", "--on", "docker0", "docker_gwbridge"],
        ["container", "inspect", "--on", "docker0", "C0"],
    ]
    .map(|args| parse(&console.lab(args).done()));
    let ours = named(&demonet, &gateway, &c0[0]["NetworkSettings"]);
    let docker = named(&observed("demonet.json"), &observed("gw.json"), &observed("C0.json"));
    for (ours, docker) in ours.iter().zip(&docker) {
        assert_eq!(format!("{ours:#}"), format!("{docker:#}"));
    }
}

#[test]
fn peers_are_inspected_where_it_is_asked_for() {
    let console = Console::with_two_hosts();
    let inspect = |on: &str, more: &[&str]| {
        parse(&console.lab([&["network", "inspect", "--on", on], more].concat()).done())[0].take()
    };
    let plain = inspect("docker1", &["demonet"]);
    for verbose in ["-v", "--verbose"] {
        let mut shown = inspect("docker1", &[verbose, "demonet"]);
        let peers = shown.as_object_mut().unwrap().remove("Peers").unwrap();
        assert_eq!(shown, plain);
        let its = plain["Containers"].as_object().unwrap().values().find(|its| its["Name"] == "C0").unwrap();
        assert_eq!(peers, json!([{ "Name": "10.0.0.10:2376", "IP": "10.0.0.10", "Endpoints": [its] }]));
        assert_eq!(
            (&its["IPv4Address"], &its["MacAddress"]),
            (&"192.168.0.100/24".into(), &"02:42:c0:a8:00:64".into())
        );
    }
    assert!(inspect("docker1", &["-v", "docker_gwbridge"]).get("Peers").is_none());
    // Who is gone is nobody's peer.
    console.lab(["container", "rm", "C0"]).done();
    assert_eq!(inspect("docker1", &["-v", "demonet"])["Peers"], json!([]));
}

#[test]
fn a_container_has_the_mac_that_was_chosen_for_it() {
    let console = Console::with_two_hosts();
    let run = |name: &str, mac: &str| {
        console.lab([
            "container",
            "run",
            "-d",
            "--on",
            "docker1",
            "--name",
            name,
            "--net",
            "demonet",
            "--mac-address",
            mac,
        ])
    };
    run("C2", "92:d0:c6:0a:29:33").done();
    let shown = parse(&console.lab(["container", "inspect", "C2"]).done());
    assert_eq!(shown[0]["Config"]["MacAddress"], "92:d0:c6:0a:29:33");
    assert_eq!(shown[0]["NetworkSettings"]["Networks"]["demonet"]["MacAddress"], "92:d0:c6:0a:29:33");
    console.lab(["ping", "C0", "C2", "-c", "1"]).done();
    console.lab(["ping", "C1", "C2", "-c", "1"]).done();
    let without = parse(&console.lab(["container", "inspect", "C1"]).done());
    assert!(without[0]["Config"].get("MacAddress").is_none(), "{without}");
    assert_eq!(
        run("C3", "92:d0:c6:0a:29:33").failed(1),
        "lab: MAC address 92:d0:c6:0a:29:33 is already in use by C2 on network demonet\n"
    );
    assert!(run("C3", "01:00:5e:00:00:01").failed(1).contains("it is a group's"));
    assert!(run("C3", "92:d0").failed(2).contains("92:d0 is not a valid mac address"));
}
