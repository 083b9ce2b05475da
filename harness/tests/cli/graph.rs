//! `lab graph`: the lab as a picture; `lab trace --svg`: a packet's way on it.

use std::fs;

use serde_json::Value;

use crate::console::Console;

#[test]
fn the_articles_lab_is_drawn_from_what_its_kernels_hold() {
    let console = Console::with_two_hosts();
    let filters = [("1-[0-9a-f]{10}", "1-<id>"), ("veth[0-9a-f]{7}", "veth<random>")];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!("graph", console.lab(["graph"]).done());
    });
    let inspected: Value = serde_json::from_str(&console.lab(["inspect", "--json"]).done()).unwrap();
    let svg = console.lab(["graph", "--format", "svg"]).done();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    for held in inspected["namespaces"].as_array().unwrap() {
        for link in held["holds"]["links"].as_array().unwrap() {
            let id = format!("{}/{}", held["name"].as_str().unwrap(), link["name"].as_str().unwrap());
            let times = svg.matches(&format!("data-interface=\"{id}\"")).count();
            assert_eq!(times, usize::from(link["name"] != "lo"), "{id}");
        }
    }
    let graph: Value = serde_json::from_str(&console.lab(["graph", "--json"]).done()).unwrap();
    let edges = graph["edges"].as_array().unwrap();
    let veths = edges.iter().filter(|edge| edge["join"] == "veth").count();
    // Four wires; and for each of two containers a pair to its overlay and one to its host.
    assert_eq!((graph["version"].as_u64(), veths), (Some(1), 8), "{edges:?}");
    assert!(console.lab(["graph", "-f", "mermaid"]).done().starts_with("flowchart TB\n"));
    assert!(console.lab(["graph", "-f", "dot"]).done().starts_with("graph lab {\n"));
    assert!(console.lab(["graph", "-f", "png"]).failed(2).contains("text, svg, mermaid, dot"));
}

#[test]
fn the_same_lab_is_drawn_by_the_same_bytes_and_another_state_by_others() {
    let console = Console::with_two_hosts();
    for format in ["text", "svg", "mermaid", "dot"] {
        let draw = || console.lab(["graph", "--format", format]).done();
        assert_eq!(draw(), draw());
    }
    let before = console.lab(["graph"]).done();
    console.lab(["fault", "crash", "docker1"]).done();
    let crashed = console.lab(["graph"]).done();
    assert!(crashed.contains("docker1  10.0.0.11, engine, down\n└─ container C1, lost\n"), "{crashed}");
    assert!(crashed.ends_with("\nfault 1: host docker1 is down\n"), "{crashed}");
    console.lab(["heal", "--all"]).done();
    console.lab(["fault", "wire", "docker0", "--loss", "every=100"]).done();
    let wire = console.lab(["graph"]).done();
    assert_ne!(before, wire);
    assert!(wire.contains("switch/plug1") && wire.contains(" ~~ "), "{wire}");
    let svg = console.lab(["graph", "--format", "svg"]).done();
    assert!(svg.contains("class=\"edge wire\"") && svg.contains("class=\"host ill\""), "{svg}");
}

#[test]
fn a_packets_way_is_drawn_and_where_it_was_lost() {
    let console = Console::with_two_hosts();
    let file = console.place("way.svg");
    let said = console.lab(["trace", "C1", "C0", "--svg", file.to_str().unwrap()]).done();
    assert!(said.starts_with("C1 -> C0 (192.168.0.100), icmp: answered after "), "{said}");
    let svg = fs::read_to_string(&file).unwrap();
    // Each hop has a number where it was seen, and one in the list.
    let hops = said.lines().filter(|line| line.contains(" ms  ")).count();
    assert_eq!(svg.matches("<circle class=\"badge ").count(), 2 * hops, "{svg}");
    assert!(svg.contains("class=\"way there\"") && svg.contains("class=\"way back\""), "{svg}");
    assert!(svg.contains("encapsulated for VNI 256"), "{svg}");

    console.lab(["fault", "partition", "cut", "docker0", "docker1"]).done();
    let lost = console.lab(["trace", "C1", "C0", "--svg"]);
    assert_eq!(lost.code, 1);
    assert!(lost.out.starts_with("<svg ") && lost.out.contains("class=\"lost\""), "{}", lost.out);
    assert!(lost.out.contains("last seen: switch/port2, in, on its way there"), "{}", lost.out);
    assert!(lost.out.contains("why: fault 1 took it in the switch"), "{}", lost.out);
    let nowhere = console.lab(["trace", "C1", "C0", "--svg", "/nowhere/x.svg"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.starts_with("lab: cannot write /nowhere/x.svg: "), "{nowhere:?}");
}
