//! Labs as kernels show them, made without any: each host as a Docker host is, with its indexes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use kernel::rtnl::{Address, Link, Vxlan};
use kernel::{Mac, Snapshot};

use crate::lab::{ContainerReport, Held, HostReport, Inspection, NetworkReport, Report};

/// The network's id, and the name of its namespaces.
const ID: &str = "e1021de9956d0000000000000000000000000000000000000000000000000000";
const OVERLAY: &str = "1-e1021de995";

fn veth(index: u32, name: &str, peer: u32) -> Link {
    let kind = Some("veth".to_owned());
    let up = Link { up: true, carrier: true, mtu: 1500, ..Link::default() };
    Link { index, name: name.to_owned(), kind, peer: Some(peer), peer_netns: Some(0), ..up }
}

fn bridge(index: u32, name: &str, mtu: u32) -> Link {
    Link { kind: Some("bridge".to_owned()), peer: None, peer_netns: None, mtu, ..veth(index, name, 0) }
}

fn vxlan(index: u32, name: &str, vni: u32) -> Link {
    let vxlan = Some(Vxlan { vni, port: 4789, ..Vxlan::default() });
    Link { kind: Some("vxlan".to_owned()), vxlan, ..bridge(index, name, 1450) }
}

fn held(name: &str, mut links: Vec<Link>, addresses: &[(u32, &str)]) -> Held {
    links.insert(
        0,
        Link { index: 1, name: "lo".to_owned(), up: true, carrier: true, mtu: 65536, ..Link::default() },
    );
    for link in &mut links {
        link.mac = Some(Mac([2, 0x42, 0, 0, 0, u8::try_from(link.index % 256).unwrap()]));
    }
    let address =
        |(dev, net): &(u32, &str)| Address { dev: *dev, net: net.parse().unwrap(), broadcast: None };
    let addresses = addresses.iter().map(address).collect();
    let holds = Snapshot { links, addresses, ..Snapshot::default() };
    Held {
        name: name.to_owned(),
        holds,
        settings: BTreeMap::new(),
        rules: Vec::new(),
        counts: Vec::new(),
        encryption: Vec::new(),
    }
}

/// A store and so many Docker hosts, each with so many containers on one overlay.
pub(super) fn lab(hosts: u32, containers: u32) -> (Report, Inspection) {
    let mut sample = Sample::default();
    sample.host("consul", 0, "10.0.0.5", "store");
    for number in 0..hosts {
        let ip = format!("10.{}.{}.10", number / 200, number % 200);
        sample.docker(number, &ip, containers);
    }
    sample.done()
}

#[derive(Default)]
struct Sample {
    report: Vec<HostReport>,
    containers: Vec<ContainerReport>,
    rooms: Vec<Held>,
    inner: Vec<Held>,
    ports: Vec<Link>,
}

impl Sample {
    fn host(&mut self, name: &str, port: u32, ip: &str, role: &str) {
        let (role, ip) = (role.to_owned(), ip.to_owned());
        let net = format!("{ip}/8");
        self.report.push(HostReport {
            name: name.to_owned(),
            ip,
            state: "up".to_owned(),
            role,
            pid: None,
            processes: Vec::new(),
        });
        self.ports.push(Link { master: Some(2), ..veth(10 + port, &format!("port{port}"), 2) });
        self.rooms.push(held(name, vec![veth(2, "eth0", 10 + port)], &[(2, &net)]));
    }

    fn docker(&mut self, number: u32, ip: &str, containers: u32) {
        let name = format!("docker{number}");
        self.host(&name, number + 1, ip, "engine");
        let own = self.rooms.last_mut().unwrap();
        own.holds.links.push(bridge(8, "docker_gwbridge", 1500));
        own.holds.addresses.push(Address { dev: 8, net: "172.18.0.1/16".parse().unwrap(), broadcast: None });
        let mut overlay = vec![bridge(2, "br0", 1450), Link { master: Some(2), ..vxlan(5, "vxlan1", 256) }];
        for count in 0..containers {
            let (outer, inner) = (100 + 2 * count, 101 + 2 * count);
            let (host_side, eth1) = (1000 + 2 * count, 1001 + 2 * count);
            let port =
                Link { master: Some(2), mtu: 1450, ..veth(outer, &format!("veth{}", count + 2), inner) };
            overlay.push(port);
            let gateway =
                Link { master: Some(8), ..veth(host_side, &format!("veth{number:03x}{count:04x}"), eth1) };
            own.holds.links.push(gateway);
            let its = format!("C{}", number * containers + count);
            let address = format!("192.168.{}.{}/16", number % 250, count + 2);
            let links = vec![Link { mtu: 1450, ..veth(inner, "eth0", outer) }, veth(eth1, "eth1", host_side)];
            let second = format!("172.18.0.{}/16", count + 2);
            self.inner.push(held(&its, links, &[(inner, &address), (eth1, &second)]));
            self.containers.push(ContainerReport {
                id: "0".repeat(64),
                name: its,
                host: name.clone(),
                command: Vec::new(),
                state: "running".to_owned(),
                pid: None,
                networks: Vec::new(),
                ports: Vec::new(),
            });
        }
        self.rooms.push(held(&format!("{name}/{OVERLAY}"), overlay, &[(2, "192.168.0.1/16")]));
    }

    fn done(self) -> (Report, Inspection) {
        let mut ports = self.ports;
        ports.push(veth(9999, "port9999", 2));
        let mut links = vec![bridge(2, "switch", 1500)];
        links.append(&mut ports);
        // The outside world is the last port's.
        links.last_mut().unwrap().master = Some(2);
        let mut namespaces = vec![
            held("switch", links, &[]),
            held("internet", vec![veth(2, "eth0", 9999)], &[(2, "10.0.0.1/8"), (2, "8.8.8.8/32")]),
        ];
        namespaces.extend(self.rooms);
        namespaces.extend(self.inner);
        let network = NetworkReport {
            id: ID.to_owned(),
            name: "demonet".to_owned(),
            driver: "overlay".to_owned(),
            subnet: "192.168.0.0/16".to_owned(),
            subnet6: None,
            internal: false,
        };
        let report = Report {
            version: 1,
            name: "sample".to_owned(),
            hosts: self.report,
            networks: vec![network],
            networks_unknown: None,
            containers: self.containers,
        };
        (report, Inspection { version: 1, namespaces, wires: Vec::new(), misses: Vec::new() })
    }
}
