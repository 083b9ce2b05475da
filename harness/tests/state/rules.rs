//! Docker's iptables rules, and those here that mean the same: a written table. Pure.

use super::compare::is_like;

/// What a rule of Docker's has become here.
pub(crate) enum Sense {
    /// These rules, each as a pattern in which `*` stands for anything.
    Here(&'static [&'static str]),
    /// None, for a reason.
    Nothing(&'static str),
}

use Sense::{Here, Nothing};

const NO_DOCKER0: &str = "there is no docker0";
const ANCHOR: &str = "a chain for rules that others would add; those are added to the host's nftables here";
const CHAIN: &str = "Docker's chains are not made: the rules are in nftables' own";

/// On a host, whether or not a port is published.
pub(crate) const HOST: &[(&str, Sense)] = &[
    (
        ":FORWARD DROP",
        // Here for containers alone: what else the host forwards is nobody's business.
        Here(&["docker forward: oifname \"docker_gwbridge\" counter drop"]),
    ),
    ("-A FORWARD -j DOCKER-USER", Nothing(ANCHOR)),
    ("-A DOCKER-USER -j RETURN", Nothing(ANCHOR)),
    ("-A FORWARD -j DOCKER-ISOLATION-STAGE-1", Nothing(NO_DOCKER0)),
    ("-A DOCKER-ISOLATION-STAGE-*", Nothing(NO_DOCKER0)),
    ("-A FORWARD *docker0 *", Nothing(NO_DOCKER0)),
    ("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", Nothing(NO_DOCKER0)),
    ("-A DOCKER -i docker0 -j RETURN", Nothing(NO_DOCKER0)),
    (
        "-A FORWARD -o docker_gwbridge -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        Here(&["docker forward: oifname \"docker_gwbridge\" ct state established,related counter accept"]),
    ),
    ("-A FORWARD -o docker_gwbridge -j DOCKER", Nothing(CHAIN)),
    (
        "-A FORWARD -i docker_gwbridge ! -o docker_gwbridge -j ACCEPT",
        Nothing("the chain here accepts what it does not drop, and drops nothing that leaves the bridge"),
    ),
    (
        "-A FORWARD -i docker_gwbridge -o docker_gwbridge -j DROP",
        Here(&["docker forward: iifname \"docker_gwbridge\" oifname \"docker_gwbridge\" counter drop"]),
    ),
    ("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", Nothing(CHAIN)),
    ("-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER", Nothing(CHAIN)),
    (
        "-A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE",
        Here(&[
            "docker postrouting: ip saddr 172.18.0.0/16 oifname != \"docker_gwbridge\" counter masquerade",
        ]),
    ),
    (
        "-A DOCKER -i docker_gwbridge -j RETURN",
        Nothing("what containers send to a published port is left to a proxy there, and is redirected here"),
    ),
];

/// On a host, for a published port.
pub(crate) const PUBLISHED: &[(&str, Sense)] = &[
    (
        "-A DOCKER -d 172.18.0.2/32 ! -i docker_gwbridge -o docker_gwbridge -p tcp -m tcp --dport 80 -j ACCEPT",
        Here(&[
            "docker forward: oifname \"docker_gwbridge\" ct status dnat ip daddr 172.18.0.2/32 meta l4proto 6 th dport 80 counter accept",
        ]),
    ),
    (
        "-A DOCKER ! -i docker_gwbridge -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80",
        Here(&[
            "docker prerouting: fib daddr type local meta l4proto 6 th dport 8080 counter dnat to 172.18.0.2:80",
            "docker output: fib daddr type local meta l4proto 6 th dport 8080 counter dnat to 172.18.0.2:80",
        ]),
    ),
    (
        // There for what a container sends to itself; here for whatever comes from the bridge, and from the host's loopback,
        // which a proxy serves there.
        "-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
        Here(&[
            "docker postrouting: ip saddr 172.18.0.0/16 oifname \"docker_gwbridge\" ct status dnat counter masquerade",
            "docker postrouting: ip saddr 127.0.0.0/8 oifname \"docker_gwbridge\" ct status dnat counter masquerade",
            // Since the bridge routes the loopback's addresses for it.
            "docker input: iifname \"docker_gwbridge\" ct state established,related counter accept",
            "docker input: iifname \"docker_gwbridge\" ip daddr 127.0.0.0/8 counter drop",
        ]),
    ),
];

/// In a container: questions go to the name server, which listens elsewhere.
pub(crate) const CONTAINER: &[(&str, Sense)] = &[
    ("-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT", Nothing(CHAIN)),
    ("-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING", Nothing(CHAIN)),
    (
        "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:*",
        Here(&["* output: ip daddr 127.0.0.11/32 meta l4proto 6 th dport 53 *dnat to 127.0.0.11:*"]),
    ),
    (
        "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:*",
        Here(&["* output: ip daddr 127.0.0.11/32 meta l4proto 17 th dport 53 *dnat to 127.0.0.11:*"]),
    ),
    (
        "-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p * --sport * -j SNAT --to-source :53",
        Nothing("connection tracking turns the answers back"),
    ),
];

/// Panics unless each of Docker's rules is in the table, each line of the table is Docker's, and the rules here are those that
/// the table names.
pub(crate) fn same_sense(docker: &[String], here: &[String], table: &[&[(&str, Sense)]]) {
    let table: Vec<&(&str, Sense)> = table.iter().copied().flatten().collect();
    for rule in docker {
        let rows = table.iter().filter(|(theirs, _)| is_like(rule, theirs)).count();
        assert_eq!(rows, 1, "how often the table tells what has become of {rule}");
    }
    let mut named: Vec<&str> = Vec::new();
    for (theirs, sense) in table {
        assert!(docker.iter().any(|rule| is_like(rule, theirs)), "Docker has no rule {theirs}");
        match sense {
            Here(ours) => named.extend(*ours),
            Nothing(why) => assert!(!why.is_empty()),
        }
    }
    for ours in &named {
        assert!(here.iter().any(|rule| is_like(rule, ours)), "there is no rule {ours} in {here:#?}");
    }
    let more: Vec<&String> =
        here.iter().filter(|rule| named.iter().all(|ours| !is_like(rule, ours))).collect();
    assert!(more.is_empty(), "these rules are no rule's of Docker: {more:#?}");
}
