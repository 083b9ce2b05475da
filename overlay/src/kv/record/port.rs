//! Ports as an endpoint's value has them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::model::{Protocol, Publish};

/// A port that a container exposes (20.10: `libnetwork/types`, `TransportPort`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TransportPort {
    proto: u8,
    port: u16,
}

/// A port that is to be published, as it was asked for (20.10: `libnetwork/types`, `PortBinding`). What was really bound is
/// nowhere in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PortBinding {
    proto: u8,
    /// The container's address: not known when it is written.
    #[serde(rename = "IP")]
    ip: String,
    port: u16,
    #[serde(rename = "HostIP")]
    host_ip: String,
    host_port: u16,
    host_port_end: u16,
}

impl TransportPort {
    pub(super) fn of(publish: &Publish) -> TransportPort {
        TransportPort { proto: publish.protocol.number(), port: publish.port }
    }
}

impl PortBinding {
    pub(super) fn of(publish: &Publish) -> PortBinding {
        let (first, last) = publish.host.as_ref().map_or((0, 0), |ports| (*ports.start(), *ports.end()));
        PortBinding {
            proto: publish.protocol.number(),
            ip: String::new(),
            port: publish.port,
            host_ip: publish.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            host_port: first,
            host_port_end: last,
        }
    }

    /// What is asked for. None: something that is not done here, such as SCTP or IPv6.
    pub(super) fn meaning(&self) -> Option<Publish> {
        let ip = match self.host_ip.as_str() {
            "" => None,
            text => Some(text.parse::<Ipv4Addr>().ok()?),
        };
        let host = (self.host_port != 0).then_some(self.host_port..=self.host_port_end.max(self.host_port));
        Some(Publish { ip, host, port: self.port, protocol: Protocol::of(self.proto)? })
    }
}
