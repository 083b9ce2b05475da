//! What filters mean, and how their mistakes are shown.

use proptest::prelude::*;

use super::super::dissect::dissect;
use super::super::dissect::tests::{A, B, datagram, echo, packet, tunnelled};
use super::*;

fn fits(filter: &str, frame: &[u8]) -> bool {
    let filter: Filter = filter.parse().unwrap_or_else(|report| panic!("{report}"));
    filter.fits(&dissect(frame))
}

#[test]
fn a_ping_is_a_ping_in_a_tunnel_or_not() {
    let (bare, inside) = (echo(A, B), tunnelled(256, &echo(A, B)));
    for filter in [
        "",
        "icmp",
        "icmp and host 192.168.0.100",
        "src host 192.168.0.2",
        "net 192.168.0.0/24",
        "icmp dst host 192.168.0.100",
    ] {
        assert!(fits(filter, &bare) && fits(filter, &inside), "{filter}");
    }
    for filter in ["arp", "icmp6", "dst host 192.168.0.2", "not icmp", "tcp or arp", "host 192.168.0.1"] {
        assert!(!fits(filter, &bare) && !fits(filter, &inside), "{filter}");
    }
}

#[test]
fn a_tunnel_has_an_outside_and_an_inside() {
    let (bare, inside) = (echo(A, B), tunnelled(256, &echo(A, B)));
    for filter in [
        "udp port 4789",
        "vni 256",
        "vxlan",
        "inner icmp",
        "outer udp",
        "host 10.0.0.10 and icmp",
        "inner (icmp and host 192.168.0.2)",
    ] {
        assert!(fits(filter, &inside) && !fits(filter, &bare), "{filter}");
    }
    assert!(fits("outer icmp", &bare) && !fits("outer icmp", &inside));
    assert!(!fits("vni 257", &inside) && !fits("inner udp", &inside));
    assert!(fits("not vni 257 and not inner udp", &inside));
}

#[test]
fn what_is_encrypted_is_in_no_tunnel_that_one_sees() {
    let esp =
        packet(50, [10, 0, 0, 11], [10, 0, 0, 10], &[&[0, 0, 1, 0, 0, 0, 0, 9], &echo(A, B)[..]].concat());
    assert!(fits("esp", &esp) && fits("esp and host 10.0.0.10", &esp) && fits("not (vxlan or icmp)", &esp));
    assert!(!fits("esp", &tunnelled(256, &echo(A, B))));
}

#[test]
fn words_in_a_row_are_of_one_header() {
    let dns = packet(17, A, B, &datagram(40000, 53, &[]));
    assert!(fits("udp dst port 53", &dns) && !fits("udp src port 53", &dns) && !fits("tcp port 53", &dns));
    // The outer header is UDP, and the inner one has no ports.
    assert!(!fits("udp port 53", &tunnelled(1, &echo(A, B))));
    assert!(fits("inner udp port 53", &tunnelled(1, &dns)));
}

#[test]
fn and_binds_more_than_or_and_not_most() {
    let ping = echo(A, B);
    assert!(fits("icmp or arp and tcp", &ping) && !fits("(icmp or arp) and tcp", &ping));
    assert!(fits("not arp and icmp", &ping) && !fits("not (arp or icmp)", &ping));
    assert!(fits("! arp && (icmp || tcp)", &ping) && fits("!arp", &ping));
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let wrong = [
        "icpm",
        "icmp arp",
        "host",
        "host C0 and tcp",
        "(icmp",
        "icmp)",
        "icmp and",
        "not",
        "vni 16777216",
        "src",
        "icmp port 80",
        "port 99999",
        "tcp dst arp",
        "net 10.0.0.0",
    ];
    let shown = wrong.map(|filter| filter.parse::<Filter>().expect_err(filter).plain());
    insta::assert_snapshot!("mistakes", shown.join("\n\n"));
}

#[test]
fn a_filter_survives_the_way_to_a_lab() {
    let filter: Filter = " icmp and not vni 7 ".parse().expect("a filter");
    let text = serde_json::to_string(&filter).expect("text");
    assert_eq!(text, "\"icmp and not vni 7\"");
    assert_eq!(serde_json::from_str::<Filter>(&text).expect("the same").expression, filter.expression);
    assert!(serde_json::from_str::<Filter>("\"icpm\"").is_err());
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(not|and|or|\\(|\\)|inner|outer|icmp|host|src|1.2.3.4|vni|7|port| |ä|!){0,60}") {
        if let Ok(filter) = text.parse::<Filter>() {
            filter.fits(&dissect(&tunnelled(7, &echo(A, B))));
        }
    }

    #[test]
    fn no_characters_are_too_odd(text in "\\PC{0,60}") {
        if let Err(report) = text.parse::<Filter>() {
            prop_assert!(!report.plain().is_empty());
        }
    }
}
