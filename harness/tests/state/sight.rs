//! What was seen of a real Docker in the same situation, and how a lab compares with it.

use std::collections::BTreeMap;

use kernel::Snapshot;

use super::compare::{differences, explain};
use super::differences::{KNOWN, RENAMED};
use super::objects::{Fields, Kind, Objects, Room};
use super::observed;
use super::rules::{CONTAINER, HOST, PUBLISHED, same_sense};
use super::shot::Shot;
use super::store::{self, Names, Tree};

macro_rules! seen {
    ($file:literal) => {
        include_str!(concat!("../../../overlay/tests/fixtures/observed/", $file))
    };
}

/// What was seen of a Docker in a namespace.
pub(crate) struct Seen {
    pub(crate) room: String,
    pub(crate) host: String,
    pub(crate) holds: Snapshot,
    /// What was asked about.
    pub(crate) kinds: &'static [Kind],
    /// Fields that were not printed, or that tell how many there had been before.
    pub(crate) without: &'static [&'static str],
}

const LINKS: &[Kind] = &[Kind::Link, Kind::Address, Kind::Route];
pub(crate) const TABLES: &[Kind] = &[Kind::Link, Kind::Address, Kind::Route, Kind::Neighbour, Kind::Fdb];

/// Compares a lab with what was seen of a Docker in the same situation; nothing, if there is no such observation.
pub(crate) fn compare(topology: &str, shot: &Shot) {
    kept_apart(shot);
    // The part of the observation of containers by network, and the container's address on the gateway bridge, where it was not
    // the first one.
    let by_network = |title: &str, outside: u8| {
        let seen = observed::part(
            seen!("containers-by-network.txt"),
            &format!("container on {title} (host docker0)"),
        );
        vec![plain("C0", &first_outside(seen, outside))]
    };
    let mut found = Vec::new();
    let rooms = match topology {
        "two-host" => {
            found.extend(of_store(shot, &observed::tree(seen!("kv.txt"), seen!("kv-keys.txt"))));
            found.extend(of_settings(
                shot,
                "docker0/1-<demonet>",
                &observed::settings(seen!("overlay-netns-sysctl.txt")),
            ));
            of_rules(shot, "docker0", &observed::rules(seen!("host-iptables.txt")), &[HOST]);
            of_rules(shot, "C0", &observed::rules(seen!("container-netns-C0.txt")), &[CONTAINER]);
            article()
        }
        "two-networks" => {
            let title = "container on demonet published 8080:80, then connected to mtunet";
            let seen = observed::part(seen!("publish-and-two-networks.txt"), title);
            let seen = first_outside(seen, 8);
            of_rules(shot, "docker0", &observed::rules(&seen), &[HOST, PUBLISHED]);
            vec![plain("web", &seen)]
        }
        "internal" => by_network("intnet", 2),
        "several-subnets" => by_network("multinet", 4),
        "ipv6" => by_network("v6net", 3),
        "mtu-1300" => by_network("mtunet", 5),
        "vni-777" => by_network("vninet", 6),
        "address-range" => by_network("auxnet", 7),
        _ => return,
    };
    found.extend(of_rooms(shot, &rooms));
    explain(topology, &found, KNOWN);
}

/// The two hosts of the article.
fn article() -> Vec<Seen> {
    let holds = |text: &str| {
        let rename = |text: String, (theirs, ours): &(&str, &str)| {
            assert!(text.contains(theirs), "nothing is called {theirs} there");
            text.replace(theirs, ours)
        };
        observed::holds(&RENAMED.iter().fold(text.to_owned(), rename))
    };
    vec![
        Seen {
            room: "docker0/1-<demonet>".to_owned(),
            host: "docker0".to_owned(),
            holds: holds(seen!("overlay-netns-docker0.txt")),
            kinds: TABLES,
            without: &[],
        },
        Seen {
            room: "docker1/1-<demonet>".to_owned(),
            host: "docker1".to_owned(),
            holds: holds(seen!("overlay-netns-docker1.txt")),
            kinds: TABLES,
            // Its daemon had had an endpoint before.
            without: &["index"],
        },
        Seen {
            room: "C0".to_owned(),
            host: "docker0".to_owned(),
            holds: observed::holds(seen!("container-netns-C0.txt")),
            kinds: TABLES,
            without: &[],
        },
        Seen {
            room: "docker0".to_owned(),
            host: "docker0".to_owned(),
            holds: observed::holds(seen!("host-interfaces.txt")),
            kinds: LINKS,
            without: &[],
        },
    ]
}

/// A container that was looked at with a small `ip`, which does not print all; others had been made on its host before.
fn plain(room: &'static str, text: &str) -> Seen {
    let holds = observed::holds(text);
    Seen {
        room: room.to_owned(),
        host: "docker0".to_owned(),
        holds,
        kinds: LINKS,
        without: &["index", "peer", "proto"],
    }
}

/// As if the container had been the first one on its gateway bridge, and not one of so many.
fn first_outside(text: &str, last: u8) -> String {
    let first = text.replace(&format!("172.18.0.{last}"), "172.18.0.2");
    first.replace(&format!("02:42:ac:12:00:{last:02x}"), "02:42:ac:12:00:02")
}

pub(crate) fn of_rooms(shot: &Shot, seen: &[Seen]) -> Vec<String> {
    let theirs =
        seen.iter().map(|seen| Room { name: seen.room.clone(), host: seen.host.clone(), holds: &seen.holds });
    let theirs: Vec<Room<'_>> = theirs.collect();
    // What is elsewhere was not looked at there.
    let mut ours = shot.named();
    ours.retain(|room| theirs.iter().any(|other| other.name == room.name));
    let mut found = Vec::new();
    for (their, seen) in theirs.iter().zip(seen) {
        let name = &their.name;
        let our = ours.iter().find(|room| room.name == *name).unwrap_or_else(|| panic!("there is no {name}"));
        let of = |room, all| limited(Objects::of(room, all), seen);
        let differ = differences(&of(their, &theirs), &of(our, &ours));
        found.extend(differ.iter().map(|differ| format!("{name}: {differ}")));
    }
    found
}

/// What was asked about, as far as it was printed.
fn limited(mut objects: Objects, seen: &Seen) -> Objects {
    objects.0.retain(|(kind, _), _| seen.kinds.contains(kind));
    for fields in objects.0.values_mut() {
        fields.retain(|name, _| !seen.without.contains(&name.as_str()));
    }
    objects
}

/// The settings that Docker makes; others are the machine's.
pub(crate) fn of_settings(shot: &Shot, room: &str, docker: &BTreeMap<String, String>) -> Vec<String> {
    let (_, held) = shot.rooms.iter().find(|(_, held)| shot.names.in_text(&held.name) == room).unwrap();
    let (mut theirs, mut ours) = (Objects::default(), Objects::default());
    for (key, value) in docker {
        let Some(our) = held.settings.get(key) else { continue };
        let field = |value: &str| Fields::from([("is".to_owned(), value.to_owned())]);
        theirs.put(Kind::Setting, key.clone(), field(value));
        ours.put(Kind::Setting, key.clone(), field(our));
    }
    assert!(!theirs.0.is_empty());
    differences(&theirs, &ours).iter().map(|differ| format!("{room}: {differ}")).collect()
}

pub(crate) fn of_store(shot: &Shot, docker: &Tree) -> Vec<String> {
    let theirs = store::objects(docker, &Names::of(docker));
    let differ = differences(&theirs, &store::objects(&shot.tree, &shot.names));
    differ.iter().map(|differ| format!("store: {differ}")).collect()
}

pub(crate) fn of_rules(shot: &Shot, room: &str, docker: &[String], table: &[&[(&str, super::rules::Sense)]]) {
    let (_, held) = shot.rooms.iter().find(|(_, held)| held.name == room).unwrap();
    same_sense(docker, &held.rules, table);
}

/// On gateway bridges containers do not reach one another: by a rule, which bridged frames have to see, or else by their ports.
fn kept_apart(shot: &Shot) {
    for (_, held) in &shot.rooms {
        let Some(bridge) = held.holds.link("docker_gwbridge") else { continue };
        let filtered =
            held.settings.get("net.bridge.bridge-nf-call-iptables").is_some_and(|value| value == "1");
        let mut ports = held.holds.links.iter().filter(|link| link.master == Some(bridge.index));
        assert!(filtered || ports.all(|port| port.isolated), "{}: {:?}", held.name, held.settings);
    }
}
