//! Echo requests between places of a lab.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use kernel::icmp::{Echo, Pinger};
use overlay::EndpointInfo;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Lab, Place};
use crate::error::{Error, Kind, Result};
use crate::scenario::GATEWAY_BRIDGE;

/// How long an answer is waited for, unless the next request is due earlier: as `ping -W 1`.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Echoed {
    /// It was answered after so many nanoseconds.
    Answered(u64),
    /// Nothing came.
    Silent,
    /// There is no way there.
    Unreachable,
}

impl Lab {
    /// The address that `to` means to `from`: an address as it is, a host's on the underlay, a container's on the first
    /// network that the two share, else on its first one; `C0@demonet` names the network, `C0@docker_gwbridge` its address on
    /// its host's gateway bridge.
    pub fn address(&self, from: &str, to: &str) -> Result<Ipv4Addr> {
        match to.parse() {
            Ok(ip) => Ok(ip),
            Err(_) => self.addresses(from, to).map(|(ip, _)| ip),
        }
    }

    /// The IPv6 address that `to` means to `from`, likewise. Only containers have one, on networks with IPv6.
    pub fn address6(&self, from: &str, to: &str) -> Result<Ipv6Addr> {
        if let Ok(ip) = to.parse() {
            return Ok(ip);
        }
        let none = || Error::new(Kind::NoSuch, format_args!("{to} has no IPv6 address"));
        self.addresses(from, to)?.1.ok_or_else(none)
    }

    /// The addresses of a host or a container.
    fn addresses(&self, from: &str, to: &str) -> Result<(Ipv4Addr, Option<Ipv6Addr>)> {
        let (name, via) = to.split_once('@').map_or((to, None), |(name, via)| (name, Some(via)));
        let place = self.place(name)?;
        if let Some(ip) = place.host_ip() {
            return Ok((ip, None));
        }
        let nowhere = |where_: &str| {
            Error::new(Kind::NoSuch, format_args!("container {} has no address{where_}", place.name()))
        };
        let container = place.container().ok_or_else(|| nowhere(""))?;
        let its = container.networks();
        let both = |info: &EndpointInfo| (info.address.addr(), info.address6.map(|net| net.addr()));
        if via == Some(GATEWAY_BRIDGE) {
            let outside = its.iter().find_map(|(_, info)| info.outside.as_ref());
            return outside.map(|(_, ip)| (*ip, None)).ok_or_else(|| nowhere(" on docker_gwbridge"));
        }
        if let Some(network) = via {
            let on = its.iter().find(|(name, _)| name == network);
            let on = on.ok_or_else(|| nowhere(&format!(" on network {network}")))?;
            return Ok(both(&on.1));
        }
        let ours = self.place(from).ok().and_then(|from| from.container().map(|from| from.networks()));
        let shared =
            |name: &String| ours.as_ref().is_some_and(|ours| ours.iter().any(|(our, _)| our == name));
        let found = its.iter().find(|(name, _)| shared(name)).or_else(|| its.first());
        found.map(|(_, info)| both(info)).ok_or_else(|| nowhere(""))
    }

    /// Sends `count` echo requests, one each `interval`; what became of each, as it is known.
    pub fn echoes(
        &self,
        from: &Place,
        to: impl Into<IpAddr>,
        count: u32,
        interval: Duration,
    ) -> Result<mpsc::Receiver<Result<Echoed>>> {
        let mut pinger = Pinger::new(&from.netns()?, to)?;
        let from = from.clone();
        let (said, heard) = mpsc::channel(16);
        // A thread of its own: it waits most of the time, and at most as long as `count` requests take.
        let spawned = std::thread::Builder::new().name("ping".into()).spawn(move || {
            for number in 0..count {
                let due = Instant::now() + interval;
                // A crash takes this thread along: it holds the namespace.
                if let Err(down) = from.netns() {
                    let _ = said.blocking_send(Err(down));
                    return;
                }
                let echo = pinger.ping(PATIENCE).map_err(Error::from).map(|echo| match echo {
                    Echo::Reply(after) => {
                        Echoed::Answered(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
                    }
                    Echo::Silence => Echoed::Silent,
                    Echo::Unreachable => Echoed::Unreachable,
                });
                if said.blocking_send(echo).is_err() {
                    return;
                }
                if number + 1 < count {
                    // The pace of the requests is what was asked for.
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            }
        });
        spawned.map_err(|e| Error::new(Kind::Machine, e))?;
        Ok(heard)
    }
}
