//! One packet followed through a lab.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use kernel::Netns;
use kernel::icmp::{Echo, Pinger};

use super::{Lab, Place, Slot};
use crate::capture::{Captured, Request, levels, said};
use crate::error::{Kind, Result};
use crate::fault::FaultId;
use crate::host::blocking;
use crate::probe;
use crate::trace::{
    Ends, Hop, HostSeen, Journey, Marked, Outcome, Owner, Probe, Protocol, Scene, Way, decided, end,
};

/// How long an answer to an echo request is waited for: as `ping -W 1`.
const PATIENCE: Duration = Duration::from_secs(1);
/// The version of [`Journey`].
const VERSION: u32 = 1;
/// So much is kept of each packet that passes meanwhile: all headers, and the mark of the probe behind them.
const KEPT: u32 = 512;

impl Lab {
    /// Sends one packet, and says at which interfaces it was seen, there and back; if no answer came, where it was seen last and why.
    /// `from` is a host or a container, `to` as [`Lab::find`] takes it. That the sender's host is down is an error.
    pub async fn follow(&self, from: &str, to: &str, probe: &Probe) -> Result<Journey> {
        let place = self.place(from)?;
        let netns = place.netns()?;
        let address = self.address_even_if_lost(from, to).await?;
        let wires = self.wires();
        let taken = self.frames_taken().await?;
        let capture = self.capture(Request::default().snapshot(KEPT)).await?;
        let ends = Ends { from: place.name().to_owned(), to: address };
        let mut marked = Marked::new(*probe, ends.clone(), fastrand::u64(..));
        let outcome = send(&netns, address, *probe, &marked).await;
        let captured = capture.end().await?;
        let outcome = outcome?;
        let mut scene = Scene {
            ends,
            rooms: self.inspect(None).await?.namespaces,
            hosts: self.hosts_seen(),
            owners: self.owners(&place),
            faults: self.faults(),
            taken: self.frames_taken().await?,
            wires: [wires, self.wires()],
            asked: Vec::new(),
        };
        for (id, frames) in &mut scene.taken {
            *frames -= taken.get(id).copied().unwrap_or_default().min(*frames);
        }
        scene.hear(&captured);
        let mut hops = hops(&captured, &mut marked);
        let notes: Vec<Vec<String>> =
            hops.iter().enumerate().map(|(number, hop)| decided(&scene, hop, hops.get(number + 1))).collect();
        for (hop, notes) in hops.iter_mut().zip(notes) {
            hop.decided = notes;
        }
        let end = end(&scene, &hops, &outcome);
        Ok(Journey {
            version: VERSION,
            from: place.name().to_owned(),
            to: to.to_owned(),
            address,
            protocol: probe.protocol,
            outcome,
            hops,
            end,
            lost: captured.lost + captured.forgotten,
        })
    }

    /// As [`Lab::find`]; of a container that went down with its host, the address that it had.
    async fn address_even_if_lost(&self, from: &str, to: &str) -> Result<IpAddr> {
        let down = match self.find(from, to).await {
            Err(why) if why.kind() == Kind::Down => why,
            found => return found,
        };
        let (name, network) = to.split_once('@').map_or((to, None), |(name, network)| (name, Some(network)));
        let name = name.strip_prefix("container:").unwrap_or(name);
        let slots = self.slots();
        let lost = slots.iter().find_map(|slot| match slot {
            Slot::Lost(spec) if spec.name == *name => Some(spec),
            _ => None,
        });
        let its = |spec: &crate::topology::Container| {
            let fits =
                |at: &&crate::topology::Attachment| network.is_none_or(|network| at.network == *network);
            spec.networks.iter().find(fits).and_then(|at| at.ip)
        };
        lost.and_then(|spec| its(spec)).map(IpAddr::V4).ok_or(down)
    }

    async fn frames_taken(&self) -> Result<BTreeMap<FaultId, u64>> {
        Ok(self.losses().await?.into_iter().map(|(id, taken)| (id, taken.frames)).collect())
    }

    fn hosts_seen(&self) -> Vec<HostSeen> {
        let seen = |host: &std::sync::Arc<crate::host::Host>| HostSeen {
            name: host.name().to_owned(),
            ip: host.ip(),
            port: self
                .0
                .ports
                .get(host.name())
                .map(|port| self.0.fabric.port_name(*port))
                .unwrap_or_default(),
            up: host.alive().is_ok(),
            engine: host.spec.engine.then(|| host.engine().is_ok()),
        };
        self.hosts().map(seen).collect()
    }

    /// Who has which address, for whoever is at that place: on gateway bridges, which have the same subnet everywhere, those of its host.
    fn owners(&self, from: &Place) -> Vec<Owner> {
        let here = from.container().map_or(from.name(), |container| container.host.name());
        let mut all: Vec<Owner> =
            self.hosts().map(|host| Owner::host(host.name(), host.ip().into())).collect();
        for slot in self.slots().iter() {
            match slot {
                Slot::Up(container) => {
                    let host = container.host.name();
                    let owner = |ip: IpAddr| Owner {
                        name: container.name().to_owned(),
                        host: host.to_owned(),
                        ..Owner::host("", ip)
                    };
                    for (network, info) in container.networks() {
                        let addresses =
                            [Some(info.address.addr().into()), info.address6.map(|net| net.addr().into())];
                        all.extend(addresses.into_iter().flatten().map(|ip| Owner {
                            network: Some(network.clone()),
                            interface: Some(info.interface.clone()),
                            overlay: Some(format!("{host}/{}", info.overlay)),
                            internal: info.outside.is_none(),
                            ..owner(ip)
                        }));
                        all.extend(
                            info.outside.filter(|_| host == here).map(|(interface, ip)| Owner {
                                interface: Some(interface),
                                ..owner(ip.into())
                            }),
                        );
                    }
                }
                Slot::Lost(spec) => {
                    for at in &spec.networks {
                        all.extend(at.ip.map(|ip| Owner {
                            name: spec.name.to_string(),
                            host: spec.on.to_string(),
                            network: Some(at.network.to_string()),
                            interface: None,
                            ..Owner::host("", ip.into())
                        }));
                    }
                }
            }
        }
        all
    }
}

/// Sends the probe, and waits for what comes of it.
async fn send(netns: &Netns, to: IpAddr, probe: Probe, marked: &Marked) -> Result<Outcome> {
    let begun = Instant::now();
    let payload = marked.payload(probe);
    let answer = match probe.protocol {
        Protocol::Icmp => {
            let netns = netns.clone();
            let echo = blocking(move || Pinger::new(&netns, to)?.carrying(payload.as_bytes()).ping(PATIENCE))
                .await?;
            return Ok(match echo {
                Echo::Reply(after) => Outcome::Answered(after),
                Echo::Silence => Outcome::Nothing(format!("no answer within {} s", PATIENCE.as_secs())),
                Echo::Unreachable => Outcome::Nothing("no answer: unreachable".to_owned()),
            });
        }
        Protocol::Tcp(port) => probe::tcp(netns, SocketAddr::new(to, port), None).await?,
        Protocol::Udp(port) => probe::udp(netns, SocketAddr::new(to, port), &payload).await?,
    };
    Ok(match answer {
        Ok(_) => Outcome::Answered(begun.elapsed()),
        Err(why) if why.contains("refused") => Outcome::Refused(why),
        Err(why) => Outcome::Nothing(why),
    })
}

/// The packets of the probe, in the order of time; what the kernel sends again, later than all that came of the first, is left out.
fn hops(captured: &Captured, marked: &mut Marked) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    let mut first = None;
    for packet in &captured.packets {
        let Some((namespace, interface)) = captured.interface_of(packet).rsplit_once('/') else { continue };
        let Some(way) = marked.way(namespace, packet) else { continue };
        let back = way == Way::Back;
        let seen = |hop: &Hop| {
            (hop.namespace.as_str(), hop.interface.as_str(), hop.outgoing, hop.back)
                == (namespace, interface, packet.outgoing, back)
        };
        if hops.iter().any(seen) {
            continue;
        }
        let since = packet.at.saturating_sub(*first.get_or_insert(packet.at));
        let layers = packet.layers();
        hops.push(Hop {
            since: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            namespace: namespace.to_owned(),
            interface: interface.to_owned(),
            outgoing: packet.outgoing,
            back,
            headers: levels(&layers).map(|part| said(part).0).collect(),
            layers,
            length: packet.length,
            decided: Vec::new(),
        });
    }
    hops
}
