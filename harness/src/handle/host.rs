//! A host of a lab.

use std::net::{Ipv4Addr, Ipv6Addr};

use kernel::Netns;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::spot::{Spot, verbs};
use super::{Command, Destination, Output, Ping, Sending};
use crate::error::Result;
use crate::fault::{Fault, Guard};
use crate::lab::Lab;
use crate::topology::HostName;
use crate::traffic::{Connections, Datagrams, Streams, Trips};

/// A host of a lab, up or down.
#[derive(Clone, Debug)]
pub struct Host {
    spot: Spot,
    name: HostName,
    ip: Ipv4Addr,
}

verbs!(Host);

impl Lab {
    /// The host of that name. A name that is none is an error that lists those there are.
    pub fn host(&self, name: &str) -> Result<Host> {
        let host = self.known_host(name)?;
        let spot = Spot { lab: self.clone(), target: format!("host:{name}") };
        Ok(Host { spot, name: host.spec.name.clone(), ip: host.ip() })
    }
}

impl Host {
    /// Its address on the underlay.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.spot.netns().is_ok()
    }

    /// The network namespaces that its own programs have named in `/run/docker/netns`, as a Docker Engine does with its overlays and
    /// the sandboxes of its containers. The host has to be up.
    pub fn named(&self) -> Result<Vec<(String, Netns)>> {
        self.spot.lab.known_host(self.name.as_str())?.named()
    }

    /// Takes it away as a power failure does, until the guard is dropped: see [`Fault::Crash`].
    pub async fn crash(&self) -> Result<Guard> {
        self.spot.lab.inject(Fault::Crash(self.name.clone())).await
    }

    /// Stops all that runs on it, until the guard is dropped: see [`Fault::Pause`].
    pub async fn pause(&self) -> Result<Guard> {
        self.spot.lab.inject(Fault::Pause(self.name.clone())).await
    }
}
