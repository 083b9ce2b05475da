#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use super::sample::lab;
use super::*;
use crate::fault::{Active, Fault, Partition};
use crate::lab::{ContainerReport, Inspection, Report};

fn graph((report, inspection): &(Report, Inspection)) -> Graph {
    Graph::of(report, inspection, &[])
}

#[test]
fn two_hosts_look_so_in_each_format() {
    let graph = graph(&lab(2, 1));
    for format in Format::ALL {
        // What it looks like is a file of its own.
        let shown = graph.show(format).replace(STYLE, "");
        insta::assert_snapshot!(format!("two-hosts-{format}"), shown);
    }
}

#[test]
fn every_interface_but_the_loopback_appears_once() {
    for (hosts, containers) in [(0, 0), (1, 0), (2, 1), (3, 4), (20, 2), (200, 2)] {
        let lab = lab(hosts, containers);
        let graph = graph(&lab);
        let all: Vec<&str> = graph.interfaces().map(|(_, interface)| interface.id.as_str()).collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(once.len(), all.len());
        let held = lab.1.namespaces.iter().flat_map(|held| &held.holds.links);
        assert_eq!(all.len(), held.filter(|link| link.name != "lo").count());
        for (format, before, after) in
            [(Format::Svg, "data-interface=\"", "\""), (Format::Dot, "  \"", "\" [label=")]
        {
            if graph.is_large() {
                continue;
            }
            let shown = graph.show(format);
            for id in &all {
                let mark = format!("{before}{id}{after}");
                assert_eq!(shown.matches(&mark).count(), 1, "{mark} in {format}");
            }
        }
    }
}

#[test]
fn every_edge_ends_at_what_is_there_and_every_veth_has_its_other_half() {
    for (hosts, containers) in [(1, 1), (2, 1), (20, 3), (200, 2)] {
        let graph = graph(&lab(hosts, containers));
        for graph in [&graph, &graph.fold()] {
            let mut known: BTreeSet<&str> = graph.interfaces().map(|(_, one)| one.id.as_str()).collect();
            known.extend(graph.segments.iter().map(|segment| segment.id.as_str()));
            for Edge { from, to, .. } in &graph.edges {
                assert!(known.contains(from.as_str()) && known.contains(to.as_str()), "{from} {to}");
            }
        }
        let mut halves: BTreeMap<&str, usize> = BTreeMap::new();
        for edge in graph.edges.iter().filter(|edge| edge.join == Join::Veth) {
            *halves.entry(&edge.from).or_default() += 1;
            *halves.entry(&edge.to).or_default() += 1;
        }
        let veths = graph.interfaces().filter(|(_, one)| one.kind.as_deref() == Some("veth"));
        assert!(veths.into_iter().all(|(_, one)| halves.get(one.id.as_str()) == Some(&1)));
    }
}

#[test]
fn a_pair_is_of_one_host_though_all_hosts_have_the_same_indexes() {
    let graph = graph(&lab(20, 3));
    for edge in graph.edges.iter().filter(|edge| edge.join == Join::Veth) {
        let host = |id: &str| {
            let holds =
                |host: &&Host| host.rooms.iter().flat_map(|room| &room.interfaces).any(|one| one.id == id);
            graph.hosts.iter().find(holds).map(|host| host.name.clone())
        };
        let hosts = (host(&edge.from), host(&edge.to));
        assert!(hosts.0.is_none() || hosts.1.is_none() || hosts.0 == hosts.1, "{edge:?}");
    }
}

#[test]
fn the_same_lab_has_the_same_bytes() {
    for hosts in [2, 20, 200] {
        let lab = lab(hosts, 2);
        for format in Format::ALL {
            assert_eq!(graph(&lab).show(format), graph(&lab).show(format));
        }
    }
}

#[test]
fn many_hosts_are_a_box_each_and_say_who_is_on_them() {
    let graph = graph(&lab(200, 3));
    assert!(graph.is_large());
    let folded = graph.fold();
    assert!(folded.hosts.iter().all(|host| host.rooms.len() == 1));
    assert_eq!(folded.hosts[1].rooms[0].notes, ["10.0.0.10, engine", "on demonet", "C0 C1 C2"]);
    let ids: Vec<&str> = folded.hosts[1].rooms[0].interfaces.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["docker0/1-e1021de995/vxlan1", "docker0/eth0"]);
    let svg = graph.show(Format::Svg);
    assert_eq!(svg.matches("data-host=\"").count(), 201);
    assert!(
        !graph_of_few().is_large() && graph_of_few().show(Format::Text).contains("container C0, running")
    );
}

fn graph_of_few() -> Graph {
    graph(&lab(20, 1))
}

#[test]
fn names_mean_nothing_to_the_formats_they_are_written_in() {
    let nasty = "<img src=x onerror=alert(1)>\"]];%%{init}%% \\ & ' \u{1b}[2J";
    let (mut report, mut inspection) = lab(2, 1);
    nasty.clone_into(&mut report.name);
    nasty.clone_into(&mut report.networks[0].name);
    for container in &mut report.containers {
        container.name = format!("{nasty}{}", container.name);
    }
    for held in inspection.namespaces.iter_mut().filter(|held| held.name.starts_with('C')) {
        held.name = format!("{nasty}{}", held.name);
    }
    let graph = Graph::of(&report, &inspection, &[]);
    assert_eq!(graph.hosts[1].rooms[1].id, format!("{nasty}C0"));
    for format in Format::ALL {
        let shown = graph.show(format);
        assert!(!shown.contains('\u{1b}'), "{format}");
        assert!(format == Format::Text || format == Format::Dot || !shown.contains("<img"), "{format}");
        assert!(format != Format::Dot || !shown.contains("alert(1)>\"]"), "{shown}");
        assert!(format != Format::Mermaid || shown.matches("%%").count() == 1, "{shown}");
    }
}

#[test]
fn a_container_and_a_host_may_have_one_name() {
    let (mut report, mut inspection) = lab(1, 1);
    "docker0".clone_into(&mut report.containers[0].name);
    "docker0".clone_into(&mut inspection.namespaces.iter_mut().find(|held| held.name == "C0").unwrap().name);
    let graph = Graph::of(&report, &inspection, &[]);
    let ids: Vec<&str> = graph.hosts[1].rooms.iter().map(|room| room.id.as_str()).collect();
    assert_eq!(ids, ["docker0/1-e1021de995", "container:docker0", "docker0"]);
    assert!(
        graph
            .edges
            .iter()
            .any(|edge| edge.from == "container:docker0/eth0" || edge.to == "container:docker0/eth0")
    );
}

#[test]
fn what_is_wrong_is_seen() {
    let (mut report, mut inspection) = lab(2, 1);
    report.hosts[2].state = "down".to_owned();
    "lost".clone_into(&mut report.containers[1].state);
    inspection.namespaces.retain(|held| !held.name.starts_with("docker1") && held.name != "C1");
    let cut = Partition::Cut("docker0".parse().unwrap(), "consul".parse().unwrap());
    let faults = [Active { id: 7, name: Some("bad".to_owned()), fault: Fault::Partition(cut) }];
    let graph = Graph::of(&report, &inspection, &faults);
    assert_eq!((graph.hosts[2].up, graph.hosts[2].lost.as_slice()), (false, &["C1".to_owned()][..]));
    assert_eq!(graph.faults[0].hosts, ["docker0", "consul"]);
    let text = graph.show(Format::Text);
    assert!(text.contains("docker1  10.0.1.10, engine, down\n└─ container C1, lost\n"), "{text}");
    assert!(text.ends_with("fault 7 (bad): docker0 and consul do not hear each other\n"), "{text}");
    let svg = graph.show(Format::Svg);
    assert_eq!(svg.matches("class=\"host ill\"").count(), 2);
    assert_eq!(svg.matches("class=\"host down\"").count(), 1);
    assert_eq!(svg.matches("class=\"edge ill\"").count(), 2);
    assert!(svg.contains("C1 lost") && svg.contains("fault 7 (bad): "), "{svg}");
}

#[test]
fn nothing_at_all_is_a_picture_too() {
    let none: Vec<ContainerReport> = Vec::new();
    let (mut report, mut inspection) = lab(0, 0);
    report.hosts.clear();
    report.containers = none;
    inspection.namespaces.clear();
    let graph = Graph::of(&report, &inspection, &[]);
    for format in Format::ALL {
        assert!(!graph.show(format).is_empty());
    }
}
