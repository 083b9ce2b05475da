//! `lab bench`: what layers cost, as a table, as JSON and as a chart.

use std::fs;

use crate::console::Console;

#[test]
fn every_layer_of_the_smallest_lab_is_measured_against_a_bare_veth() {
    let console = Console::new();
    let chart = tempfile::NamedTempFile::new().unwrap();
    let svg = chart.path().to_str().unwrap();
    let said = console.lab(["bench", "--for", "4s", "--rounds", "1", "--json", "--svg", svg]);
    assert_eq!(said.code, 0, "{}", said.err);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["version"], &json["mtu"], &json["base"]), (&1.into(), &1500.into(), &"veth".into()));
    let layers = json["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["loopback", "veth", "underlay", "same_host", "cross_host", "macvlan", "gateway", "impaired"]
    );
    for layer in layers {
        assert!(layer["tcp"]["bits_per_second"].as_f64().unwrap() > 0.0, "{layer}");
        assert!(layer["round_trips"]["latency"]["count"].as_u64().unwrap() > 0, "{layer}");
        assert!(layer["datagrams"]["cpu_ns_per_packet"].is_f64(), "{layer}");
    }
    assert!((layers[1]["tcp"]["ratio"].as_f64().unwrap() - 1.0).abs() < f64::EPSILON);
    let drawn = fs::read_to_string(svg).unwrap();
    assert_eq!((drawn.matches("<polyline").count(), drawn.starts_with("<svg")), (8, true), "{drawn}");
}

#[test]
fn a_lab_that_lacks_layers_is_measured_by_those_that_it_has() {
    let console = Console::new();
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(file.path(), "host = [{ name = \"a\", engine = false }, { name = \"b\", engine = false }]\n")
        .unwrap();
    let file = file.path().to_str().unwrap();
    let said = console.lab(["bench", file, "--for", "60ms", "--rounds", "1"]).done();
    assert!(said.contains("host to host   a to b"), "{said}");
    assert!(
        said.contains("no overlay, cross host: this lab has not two containers on different hosts"),
        "{said}"
    );
}
