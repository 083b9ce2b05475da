//! A container of a lab.

use std::net::{Ipv4Addr, Ipv6Addr};

use kernel::Netns;
use overlay::model::Binding;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::spot::{Spot, verbs};
use super::{Command, Destination, Host, Output, Ping, Sending};
use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::traffic::{Connections, Datagrams, Streams, Trips};

/// A container of a lab, also while its host is down.
#[derive(Clone, Debug)]
pub struct Container {
    spot: Spot,
    host: String,
}

verbs!(Container);

impl Lab {
    /// The container of that name. A name that is none is an error that lists those there are.
    pub fn container(&self, name: &str) -> Result<Container> {
        let host = match self.lost(name) {
            Some(host) => host,
            None => self.known_container(name)?.host.name().to_owned(),
        };
        Ok(Container { spot: Spot { lab: self.clone(), target: format!("container:{name}") }, host })
    }
}

impl Container {
    /// The host that it runs on.
    pub fn host(&self) -> Result<Host> {
        self.spot.lab.host(&self.host)
    }

    /// Its address on a network that it is on; `docker_gwbridge` is its host's gateway bridge.
    pub fn ip(&self, network: &str) -> Result<Ipv4Addr> {
        let to = Destination(format!("{}@{network}", self.spot.target));
        self.spot.address_of(&to).map_err(|error| {
            let on: Vec<String> = self.networks().unwrap_or_default();
            let on = if on.is_empty() { "none".to_owned() } else { on.join(", ") };
            Error::new(error.kind(), format_args!("{error}; it is on {on}"))
        })
    }

    /// Its IPv6 address on a network that it is on. That the network is without is an error.
    pub fn ip6(&self, network: &str) -> Result<Ipv6Addr> {
        let target = &self.spot.target;
        self.spot.lab.address6(target, &format!("{target}@{network}"))
    }

    /// The networks that it is on, in the order in which it joined them.
    pub fn networks(&self) -> Result<Vec<String>> {
        let container = self.spot.lab.known_container(self.name())?;
        Ok(container.networks().into_iter().map(|(network, _)| network).collect())
    }

    /// The ports that it has published, those that were drawn too.
    pub fn ports(&self) -> Result<Vec<Binding>> {
        let container = self.spot.lab.known_container(self.name())?;
        Ok(container.host.alive()?.sandboxes.bindings(container.this.sandbox))
    }

    /// The lines that its command has printed, the latest last. That it has no command is an error.
    pub async fn log(&self) -> Result<Vec<crate::process::Line>> {
        let container = self.spot.lab.known_container(self.name())?;
        let process = container.process().await;
        let none = || Error::new(Kind::NoSuch, format_args!("container {} runs no command", self.name()));
        Ok(process.ok_or_else(none)?.log.since(0).0)
    }
}
