//! What `ip`, `bridge` and `sysctl` printed on a real Docker Engine 20.10 with a Consul, read back as values. Pure.
//!
//! As much of it is read as is asked about. What a line is, is told by its first word.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use kernel::rtnl::{Address, Bridge, FdbEntry, Link, Neighbour, Port, Route, Vxlan};
use kernel::{Mac, Snapshot};

use super::store::Tree;

/// What the tools printed of a namespace.
pub(crate) fn holds(text: &str) -> Snapshot {
    let mut holds = Snapshot::default();
    let mut current = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [first, rest @ ..] = words.as_slice() else { continue };
        let after = |name: &str| after(rest, name);
        if let Some(index) = first.strip_suffix(':').and_then(|index| index.parse().ok()) {
            current = index;
            link(&mut holds, index, rest);
        } else if let Some(link) = holds.links.iter_mut().find(|link| link.index == current)
            && line.starts_with(' ')
        {
            match *first {
                "link/ether" | "link/loopback" => link.mac = rest[0].parse().ok(),
                "bridge" => describe_bridge(link, rest),
                "vxlan" => describe_vxlan(link, rest),
                "bridge_slave" => describe_port(link, rest),
                "inet" | "inet6" => holds.addresses.extend(address(current, rest)),
                _ => {}
            }
        } else if *first == "default"
            || (first.parse::<IpNet>().is_ok() && matches!(rest.first(), Some(&("dev" | "via"))))
        {
            holds.routes.push(Route {
                to: first.parse().ok(),
                gateway: after("via").and_then(|ip| ip.parse().ok()),
                dev: after("dev").and_then(|name| index(&holds, name)),
                source: after("src").and_then(|ip| ip.parse().ok()),
                by_kernel: after("proto") == Some("kernel"),
                link_scope: after("scope") == Some("link"),
            });
        } else if let (Ok(mac), Some(name)) = (first.parse::<Mac>(), after("dev")) {
            holds.fdb.push(FdbEntry {
                dev: index(&holds, name).expect(name),
                mac,
                vtep: after("dst").and_then(|ip| ip.parse().ok()),
                own: rest.contains(&"self"),
                permanent: rest.contains(&"permanent"),
            });
        } else if let (Ok(ip), Some(name)) = (first.parse::<IpAddr>(), after("dev")) {
            holds.neighbours.push(Neighbour {
                dev: index(&holds, name).expect(name),
                ip,
                mac: after("lladdr").and_then(|mac| mac.parse().ok()),
                permanent: rest.contains(&"PERMANENT"),
            });
        }
    }
    holds
}

/// The word after this one.
fn after<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied()
}

fn number(words: &[&str], name: &str) -> u32 {
    after(words, name).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name} in {words:?}"))
}

fn index(holds: &Snapshot, name: &str) -> Option<u32> {
    holds.link(name).map(|link| link.index)
}

/// `eth0@if7: <BROADCAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master br0 …`. A link is shown by `ip link` and by `ip addr`.
fn link(holds: &mut Snapshot, index: u32, words: &[&str]) {
    let name = words[0].trim_end_matches(':');
    let (name, peer) = name.split_once("@if").unwrap_or((name, ""));
    let flags: Vec<&str> = words[1].trim_matches(['<', '>']).split(',').collect();
    let peer = peer.parse().ok();
    let link = Link {
        index,
        name: name.to_owned(),
        // Not every `ip` prints the kind: what has its other end elsewhere is a veth, unless a later line says what it is.
        kind: peer.map(|_| "veth".to_owned()),
        mtu: number(words, "mtu"),
        up: flags.contains(&"UP"),
        carrier: flags.contains(&"LOWER_UP"),
        master: after(words, "master").and_then(|master| holds.link(master)).map(|master| master.index),
        peer,
        ..Link::default()
    };
    if holds.by_index(index).is_none() {
        holds.links.push(link);
    }
}

fn describe_bridge(link: &mut Link, words: &[&str]) {
    link.kind = Some("bridge".to_owned());
    link.bridge = Some(Bridge {
        stp: number(words, "stp_state") != 0,
        vlan_filtering: number(words, "vlan_filtering") != 0,
        snooping: number(words, "mcast_snooping") != 0,
        ageing: number(words, "ageing_time"),
    });
}

fn describe_vxlan(link: &mut Link, words: &[&str]) {
    link.kind = Some("vxlan".to_owned());
    link.vxlan = Some(Vxlan {
        vni: number(words, "id"),
        port: u16::try_from(number(words, "dstport")).expect("a port"),
        proxy: words.contains(&"proxy"),
        learning: !words.contains(&"nolearning"),
        l2miss: words.contains(&"l2miss"),
        l3miss: words.contains(&"l3miss"),
        ageing: number(words, "ageing"),
    });
}

fn describe_port(link: &mut Link, words: &[&str]) {
    let on = |name| after(words, name) == Some("on");
    link.port = Some(Port { hairpin: on("hairpin"), learning: on("learning"), flood: on("flood") });
}

/// `192.168.0.1/24 brd 192.168.0.255 scope global br0`.
fn address(dev: u32, words: &[&str]) -> Option<Address> {
    let broadcast = after(words, "brd").and_then(|ip| ip.parse().ok());
    Some(Address { dev, net: words[0].parse().ok()?, broadcast })
}

/// The part of a text that begins with the line `=== title`.
pub(crate) fn part<'a>(text: &'a str, title: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("=== {title}\n")).expect(title);
    rest.split("\n===").next().unwrap_or(rest)
}

/// What `sysctl` printed.
pub(crate) fn settings(text: &str) -> BTreeMap<String, String> {
    let pairs =
        text.lines().filter(|line| line.starts_with("net.")).filter_map(|line| line.split_once(" = "));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The rules that `iptables-save` printed, with the chains' policies where they are not to accept.
pub(crate) fn rules(text: &str) -> Vec<String> {
    let policy = |line: &str| line.split(" [").next().unwrap_or(line).to_owned();
    let said = |line: &&str| line.starts_with("-A ") || line.starts_with(':') && line.contains(" DROP");
    text.lines().filter(said).map(policy).collect()
}

/// The documents and the places in the store's tree. A place is no document of its own.
pub(crate) fn tree(documents: &str, keys: &str) -> Tree {
    let empty = keys.lines().map(|key| (key.to_owned(), String::new()));
    let mut lines = documents.lines();
    let mut tree = Tree::new();
    for (key, value) in empty {
        tree.insert(key, (value, false));
    }
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        tree.insert(key.trim_start_matches("== ").to_owned(), (value.to_owned(), false));
    }
    tree
}

#[test]
fn what_the_tools_print_is_read_back() {
    let holds = holds(
        "2: br0: <BROADCAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP\n    \
         link/ether 96:29:a0:ec:10:90 brd ff:ff:ff:ff:ff:ff promiscuity 0\n    \
         bridge ageing_time 30000 stp_state 0 vlan_filtering 0 mcast_snooping 1\n\
         5: vxlan0@if5: <BROADCAST,UP> mtu 1450 master br0 state UNKNOWN\n    \
         link/ether 9a:0c:f5:05:da:5e brd ff:ff:ff:ff:ff:ff\n    \
         vxlan id 256 srcport 0 0 dstport 4789 proxy l2miss l3miss ttl auto ageing 300 udpcsum\n    \
         bridge_slave state forwarding hairpin off learning on flood on\n\
         2: br0: <BROADCAST,UP,LOWER_UP> mtu 1450 state UP\n    \
         inet 192.168.0.1/24 brd 192.168.0.255 scope global br0\n\
         default via 172.18.0.1 dev br0 \n\
         192.168.0.0/24 dev br0 proto kernel scope link src 192.168.0.1 \n\
         192.168.0.2 dev vxlan0 lladdr 02:42:c0:a8:00:02 PERMANENT \n\
         02:42:c0:a8:00:02 dev vxlan0 dst 10.0.0.11 link-netnsid 0 self permanent\n",
    );
    let (bridge, vxlan) = (&holds.links[0], &holds.links[1]);
    assert_eq!((holds.links.len(), bridge.bridge.as_ref().unwrap().ageing), (2, 30000));
    assert_eq!((vxlan.kind.as_deref(), vxlan.master, vxlan.carrier), (Some("vxlan"), Some(2), false));
    let settings = vxlan.vxlan.as_ref().unwrap();
    assert_eq!((settings.vni, settings.ageing, settings.learning), (256, 300, true));
    assert_eq!(vxlan.port, Some(Port { hairpin: false, learning: true, flood: true }));
    assert_eq!(
        holds.addresses_of("br0").iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.168.0.1/24"]
    );
    let routes: Vec<_> = holds.routes.iter().map(|route| (route.to.is_some(), route.by_kernel)).collect();
    assert_eq!(routes, [(false, false), (true, true)]);
    assert!(holds.neighbours[0].permanent && holds.neighbours[0].dev == 5);
    assert!(holds.fdb[0].own && holds.fdb[0].vtep.is_some());
}
