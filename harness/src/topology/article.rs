//! The article's set-up as a value: what `scenarios/two-host.toml` says, without the file.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use overlay::Resolution;
use overlay::dns::Resolv;

use super::model::{
    Attachment, Container, Host, Kv, Network, Record, Requires, Subnet, Topology, Underlay, Wire,
};
use super::name::{ContainerName, HostName, NetworkName};

impl Topology {
    /// A store, two Docker hosts, one overlay, one container on each host.
    pub fn two_hosts() -> Self {
        let host = |name, last, engine| Host {
            name: host_name(name),
            ip: Ipv4Addr::new(10, 0, 0, last),
            engine,
            wire: Wire::default(),
            resolution: Resolution::Store,
            volatile: Vec::new(),
            cgroups: false,
        };
        let subnet = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 24).into();
        let container = |name, on, ip| Container {
            name: container_name(name),
            on: host_name(on),
            networks: vec![Attachment {
                network: network_name("demonet"),
                ip,
                mac: None,
                ip6: None,
                aliases: Vec::new(),
            }],
            publish: Vec::new(),
            command: vec!["sleep".into(), "3600".into()],
            env: BTreeMap::new(),
            dns: Resolv::default(),
            anonymous: false,
        };
        let topology = Self {
            name: "two-host".into(),
            description: "The article: a store, two Docker hosts, one overlay, one container on each.".into(),
            seed: 7,
            requires: Requires::default(),
            record: Record::default(),
            underlay: Underlay {
                subnet: Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 24),
                mtu: 1500,
                gateway: Ipv4Addr::new(10, 0, 0, 1),
                internet: vec![Ipv4Addr::new(8, 8, 8, 8)],
                dns: BTreeMap::new(),
            },
            kv: Some(Kv::Stub {
                host: host_name("consul"),
                session_ttl_min: Duration::from_secs(10),
                persist: false,
            }),
            hosts: vec![host("consul", 5, false), host("docker0", 10, true), host("docker1", 11, true)],
            networks: vec![Network {
                name: network_name("demonet"),
                on: host_name("docker0"),
                subnets: vec![Subnet { subnet, gateway: None, ip_range: None, aux: BTreeMap::new() }],
                ipv6: false,
                internal: false,
                attachable: false,
                options: BTreeMap::new(),
                labels: BTreeMap::new(),
            }],
            containers: vec![
                container("C0", "docker0", Some(Ipv4Addr::new(192, 168, 0, 100))),
                Container { command: Vec::new(), ..container("C1", "docker1", None) },
            ],
            processes: Vec::new(),
            steps: Vec::new(),
            always: Vec::new(),
            timeout: Duration::from_mins(1),
            digest: String::new(),
        };
        topology.with_digest()
    }
}

const GOOD: &str = "the names of the article are good ones";

fn host_name(name: &str) -> HostName {
    name.parse().expect(GOOD)
}

fn container_name(name: &str) -> ContainerName {
    name.parse().expect(GOOD)
}

fn network_name(name: &str) -> NetworkName {
    name.parse().expect(GOOD)
}
