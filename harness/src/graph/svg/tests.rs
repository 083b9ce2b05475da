#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::graph::sample::lab;

fn graph(hosts: u32, containers: u32) -> Graph {
    let (report, inspection) = lab(hosts, containers);
    let graph = Graph::of(&report, &inspection, &[]);
    if graph.is_large() { graph.fold() } else { graph }
}

/// Nothing lies on anything else, and everything lies in what it belongs to.
fn check(graph: &Graph) {
    let sheet = Sheet::new(graph);
    let page = Rect { x: 0, y: 0, w: sheet.width, h: sheet.height };
    let apart = |all: &[Rect]| {
        for (number, one) in all.iter().enumerate() {
            assert!(page.holds(*one), "{one:?} in {page:?}");
            for other in &all[number + 1..] {
                assert!(!one.overlaps(*other), "{one:?} {other:?}");
            }
        }
    };
    let bars = sheet.bars.iter().map(|bar| bar.rect);
    apart(&sheet.blocks.iter().map(|block| block.rect).chain(bars).collect::<Vec<_>>());
    for block in &sheet.blocks {
        apart(&block.chambers.iter().map(|room| room.rect).chain(block.header).collect::<Vec<_>>());
        for room in &block.chambers {
            assert!(block.rect.holds(room.rect));
            apart(&room.chips.iter().map(|chip| chip.rect).chain([room.title]).collect::<Vec<_>>());
            for chip in &room.chips {
                assert!(room.rect.holds(chip.rect), "{:?} in {:?}", chip.rect, room.rect);
                assert!(chip.lines.iter().all(|line| width(line, SMALL) < chip.rect.w));
            }
        }
    }
    for bar in &sheet.bars {
        apart(&bar.chips.iter().map(|chip| chip.rect).collect::<Vec<_>>());
        assert!(bar.chips.iter().all(|chip| bar.rect.holds(chip.rect)), "{bar:?}");
    }
    for edge in &graph.edges {
        assert!(route(graph, &sheet, edge).is_some(), "{edge:?}");
    }
    // What leads up from a tunnel crosses no host's name.
    for line in &sheet.lines {
        assert!(line.right > line.left && line.right < sheet.width);
    }
    for block in &sheet.blocks {
        let up =
            block.chambers.iter().flat_map(|room| &room.chips).filter(|chip| chip.interface.vni.is_some());
        for chip in up {
            assert!(block.header.is_none_or(|header| chip.rect.middle() > header.right()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overlaps_whatever_the_lab(hosts in 0..60_u32, containers in 0..9_u32) {
        check(&graph(hosts, containers));
    }
}

#[test]
fn nothing_overlaps_with_two_twenty_and_two_hundred_hosts() {
    for hosts in [2, 20, 200] {
        check(&graph(hosts, 2));
    }
}

#[test]
fn names_of_any_length_fit() {
    let (mut report, mut inspection) = lab(2, 2);
    let long = "x".repeat(253);
    report.networks[0].name.clone_from(&long);
    report.containers[0].name.clone_from(&long);
    inspection.namespaces.iter_mut().find(|held| held.name == "C0").unwrap().name = long;
    check(&Graph::of(&report, &inspection, &[]));
}

#[test]
fn rows_of_hosts_are_no_wider_than_a_page() {
    let graph = graph(200, 2);
    let sheet = Sheet::new(&graph);
    assert!(sheet.width < 2200, "{}", sheet.width);
    assert!(sheet.bars.len() > 5);
}
