//! What a lab consists of, as `lab up` and `lab ps` show it.

use overlay::model::Binding;
use serde::{Deserialize, Serialize};

use super::{Lab, Slot};
use crate::error::Result;
use crate::process::State;

/// What a lab consists of, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The lab's name.
    pub name: String,
    /// Its hosts, in the file's order.
    pub hosts: Vec<HostReport>,
    /// Its networks, as the store has them.
    pub networks: Vec<NetworkReport>,
    /// Why the networks are not known, if the store did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks_unknown: Option<String>,
    /// Its containers, in the order in which they were started.
    pub containers: Vec<ContainerReport>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Its name.
    pub name: String,
    /// Its address on the underlay.
    pub ip: String,
    /// `up` or `down`.
    pub state: String,
    /// `engine`, `store` or nothing.
    pub role: String,
    /// Its init, in the lab's PID namespace; none before its first process.
    pub pid: Option<i32>,
    /// What the topology has run on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessReport>,
}

/// What runs on a host for as long as that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// What it is called.
    pub name: String,
    /// `running` or `exited (N)`.
    pub state: String,
    /// Its pid, in the lab's PID namespace.
    pub pid: u32,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkReport {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `overlay`.
    pub driver: String,
    /// Its subnet.
    pub subnet: String,
    /// Its IPv6 subnet, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet6: Option<String>,
    /// Without a way out.
    pub internal: bool,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// 64 hex digits; empty when lost.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its command; none for a bare sandbox.
    pub command: Vec<String>,
    /// `sandbox`, `running`, `exited (N)` or `lost`.
    pub state: String,
    /// The pid of its command, in the lab's PID namespace.
    pub pid: Option<u32>,
    /// Its networks.
    pub networks: Vec<Attached>,
    /// The ports that it has published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Binding>,
}

impl ContainerReport {
    /// Its ports as `docker ps` shows them: `0.0.0.0:8080->80/tcp`.
    pub fn shown_ports(&self) -> String {
        self.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A container's place on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The network.
    pub network: String,
    /// The interface in the container.
    pub interface: String,
    /// Address and prefix length.
    pub address: String,
    /// The same of IPv6, on a network with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address6: Option<String>,
    /// Its MAC.
    pub mac: String,
}

/// The version of [`Report`].
const VERSION: u32 = 1;

impl Lab {
    /// What it consists of, now.
    pub async fn report(&self) -> Result<Report> {
        let store = self.0.topology.kv.as_ref().map(|crate::topology::Kv::Stub { host, .. }| host.as_str());
        let hosts = self.hosts().map(|host| HostReport {
            name: host.name().to_owned(),
            ip: host.ip().to_string(),
            state: if host.alive().is_ok() { "up" } else { "down" }.to_owned(),
            role: match (host.spec.engine, store == Some(host.name())) {
                (true, _) => "engine",
                (_, true) => "store",
                _ => "",
            }
            .to_owned(),
            pid: host.pid(),
            processes: self.report_processes(host.name()),
        });
        let hosts = hosts.collect();
        let mut containers = Vec::new();
        let slots = self.slots().clone();
        for slot in slots {
            containers.push(match slot {
                Slot::Up(container) => self.report_container(&container).await,
                Slot::Lost(spec) => ContainerReport {
                    id: String::new(),
                    name: spec.name.to_string(),
                    host: spec.on.to_string(),
                    command: spec.command,
                    state: "lost".to_owned(),
                    pid: None,
                    networks: Vec::new(),
                    ports: Vec::new(),
                },
            });
        }
        // Hosts are to be looked at when the store is down, too.
        let (networks, networks_unknown) = match self.report_networks().await {
            Ok(networks) => (networks, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let name = self.0.topology.name.clone();
        Ok(Report { version: VERSION, name, hosts, networks, networks_unknown, containers })
    }

    fn report_processes(&self, host: &str) -> Vec<ProcessReport> {
        let started = self.started();
        let its = started.iter().filter(|started| *started.spec.on.as_str() == *host);
        let report = |started: &super::processes::Started| ProcessReport {
            name: started.spec.name.to_string(),
            state: started.state(),
            pid: started.process.pid,
        };
        its.map(report).collect()
    }

    async fn report_networks(&self) -> Result<Vec<NetworkReport>> {
        let engines: Vec<overlay::Engine> = self.hosts().filter_map(|host| host.engine().ok()).collect();
        let Some(engine) = engines.first() else { return Ok(Vec::new()) };
        // That its host is down is known at once.
        self.kv()?;
        let mut networks = Vec::new();
        for summary in engine.networks().await? {
            // The gateway bridges are each host's own.
            if summary.scope == "local" {
                continue;
            }
            let shown = engine.inspect_network(&format!("{:#}", summary.id)).await?;
            let shown = serde_json::to_value(shown).unwrap_or_default();
            let text = |pointer: &str| {
                shown.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default()
            };
            networks.push(NetworkReport {
                id: format!("{:#}", summary.id),
                name: summary.name,
                driver: summary.driver.to_owned(),
                subnet: text("/IPAM/Config/0/Subnet").to_owned(),
                subnet6: subnet6(&shown),
                internal: shown.pointer("/Internal").and_then(serde_json::Value::as_bool).unwrap_or_default(),
            });
        }
        Ok(networks)
    }

    async fn report_container(&self, container: &crate::container::Container) -> ContainerReport {
        let process = container.process().await;
        let (state, pid) = match process.as_ref().map(|process| (process.state(), process.pid)) {
            None => ("sandbox".to_owned(), None),
            Some((State::Running, pid)) => ("running".to_owned(), Some(pid)),
            Some((State::Exited(code), _)) => (format!("exited ({code})"), None),
        };
        let alive = container.host.alive();
        let ports = alive.map(|alive| alive.sandboxes.bindings(container.this.sandbox)).unwrap_or_default();
        ContainerReport {
            id: format!("{:#}", container.this.id),
            name: container.name().to_owned(),
            host: container.host.name().to_owned(),
            command: container.spec.command.clone(),
            state,
            pid,
            networks: container
                .networks()
                .into_iter()
                .map(|(network, info)| attached(network, &info))
                .collect(),
            ports,
        }
    }
}

/// The first IPv6 subnet that `inspect` shows.
fn subnet6(shown: &serde_json::Value) -> Option<String> {
    let config = shown.pointer("/IPAM/Config")?.as_array()?;
    let mut subnets = config.iter().filter_map(|pool| pool["Subnet"].as_str());
    subnets.find(|subnet| subnet.contains(':')).map(str::to_owned)
}

impl NetworkReport {
    /// Its subnets as people see them.
    pub fn shown_subnets(&self) -> String {
        shown(&self.subnet, self.subnet6.as_ref(), ", ")
    }
}

impl Attached {
    /// Its addresses as people see them.
    pub fn shown_addresses(&self) -> String {
        shown(&self.address, self.address6.as_ref(), " ")
    }
}

/// What there is of IPv4, and what there is of IPv6, if there is.
fn shown(four: &str, six: Option<&String>, between: &str) -> String {
    six.map_or_else(|| four.to_owned(), |six| format!("{four}{between}{six}"))
}

fn attached(network: String, info: &overlay::EndpointInfo) -> Attached {
    Attached {
        network,
        interface: info.interface.clone(),
        address: info.address.to_string(),
        address6: info.address6.map(|net| net.to_string()),
        mac: info.mac.to_string(),
    }
}
