//! What passes the interfaces of a lab, captured.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::Netns;

use super::Lab;
use crate::capture::{Capture, Interfaces, Kept, Notes, Order, Recorder, Request, Sink, Spot};
use crate::error::{Error, Result};
use crate::host::blocking;
use crate::underlay::Fabric;

impl Lab {
    /// Captures packets in memory, from when this returns until the guard is dropped or ended.
    pub async fn capture(&self, request: Request) -> Result<Capture> {
        self.capture_into(&request, Kept::default()).await
    }

    /// The same, into that memory.
    pub(super) async fn capture_into(&self, request: &Request, kept: Kept) -> Result<Capture> {
        let kept = Arc::new(kept);
        let recorder = self.record(request, Sink::Memory(Arc::clone(&kept))).await?;
        Ok(Capture::new(recorder, kept))
    }

    /// Captures packets from when this returns on. Namespaces that come and go are followed until the recorder ends.
    pub(crate) async fn record(&self, request: &Request, sink: Sink) -> Result<Arc<Recorder>> {
        // Before the namespaces are looked for, so that those that come meanwhile are told of.
        let (events, journal) = (self.events().clone(), self.journal().clone());
        let (mut happened, mut done) = (events.next(), journal.next());
        let spots = self.spots(&request.on).await?;
        let asked = request.clone();
        let sides =
            self.hosts().filter_map(|host| Some(Fabric::sides(*self.0.ports.get(host.name())?, host.name())));
        let notes = Notes::new(self.0.fabric.read_log(), sides.flatten().collect(), self.0.cuts.clone());
        let started = blocking(move || Ok(Recorder::start(&asked, spots, sink, notes))).await??;
        let recorder = Arc::new(started);
        let (lab, its, on) = (Arc::downgrade(&self.0), Arc::clone(&recorder), request.on.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = its.ended() => return,
                    (news, next) = events.follow(happened) => {
                        if news.is_empty() {
                            return;
                        }
                        happened = next;
                    }
                    // Engines make overlays of which nothing else tells.
                    (_, next) = journal.follow(done) => done = next,
                }
                let Some(lab) = lab.upgrade().map(Lab) else { return };
                // What is not there now may come again; a path that cannot be told stays as it was.
                if let Ok(spots) = lab.spots(&on).await {
                    its.tell(Order::Look(spots));
                }
            }
        });
        Ok(recorder)
    }

    /// The namespaces that are meant, and the links in them.
    async fn spots(&self, on: &Interfaces) -> Result<Vec<Spot>> {
        match on {
            Interfaces::All => {
                let rooms = self.rooms(None)?;
                Ok(rooms.into_iter().map(|(name, netns)| Spot { name, netns, links: None }).collect())
            }
            Interfaces::Of(targets) => {
                let mut spots: Vec<Spot> = Vec::new();
                for target in targets {
                    add(&mut spots, self.spot(target)?);
                }
                Ok(spots)
            }
            Interfaces::Path { from, to } => self.path_spots(from, to).await,
        }
    }

    /// `C0`, `docker0:eth0`, `docker0/eth0`, `docker0/demonet`, `docker0/1-620dd59483/vxlan1`, `host:X`, `switch:port0`.
    fn spot(&self, target: &str) -> Result<Spot> {
        // A name that two things have is told apart as everywhere.
        let (kind, rest) = match target.split_once(':') {
            Some((kind @ ("host" | "container"), rest)) => (Some(kind), rest),
            _ => (None, target),
        };
        let rooms = self.named_rooms()?;
        let mut parts: Vec<(&str, Option<&str>)> = vec![(rest, None)];
        parts.extend(rest.rsplit_once([':', '/']).map(|(room, link)| (room, Some(link))));
        for (room, link) in parts {
            let links = link.map(|link| vec![link.to_owned()]);
            if let Some((_, name, netns)) = rooms.iter().find(|(alias, ..)| alias == room) {
                return Ok(Spot { name: name.clone(), netns: netns.clone(), links });
            }
            let named = kind.map_or_else(|| room.to_owned(), |kind| format!("{kind}:{room}"));
            match self.place(&named) {
                Ok(place) => return Ok(Spot { name: place.name().to_owned(), netns: place.netns()?, links }),
                // Two have the name.
                Err(why) if kind.is_none() && self.0.hosts.contains_key(room) => return Err(why),
                Err(_) => {}
            }
        }
        let known = rooms.iter().map(|(alias, ..)| alias.as_str());
        let places = self.0.topology.hosts.iter().map(|host| host.name.as_str());
        let containers = self.containers();
        let all = places.chain(containers.iter().map(|container| container.name())).chain(known);
        Err(Error::no_such("host, container or overlay", target, all))
    }

    /// The namespace that is so called: `docker0`, `C0`, `docker0/overns`, `docker0/demonet`.
    pub(crate) fn room(&self, at: &str) -> Result<Netns> {
        let spot = self.spot(at)?;
        if spot.links.is_none() {
            return Ok(spot.netns);
        }
        // What is behind the slash was taken for an interface.
        let rooms = self.named_rooms()?;
        Err(Error::no_such("namespace", at, rooms.iter().map(|(alias, ..)| alias.as_str())))
    }

    /// What overlays of hosts are called by beside their namespaces' names: `docker0/1-620dd59483` is `docker0/demonet`.
    pub(crate) fn overlay_names(&self) -> Result<BTreeMap<String, String>> {
        let rooms = self.named_rooms()?.into_iter();
        Ok(rooms.filter(|(alias, name, _)| alias != name).map(|(alias, name, _)| (name, alias)).collect())
    }

    /// The namespaces that are no places, by all their names: what one is found by, what it is shown as.
    fn named_rooms(&self) -> Result<Vec<(String, String, Netns)>> {
        let mut all = vec![("switch".to_owned(), "switch".to_owned(), self.0.fabric.netns().clone())];
        for host in self.hosts().filter(|host| host.alive().is_ok()) {
            let containers = self.containers();
            let here = containers.iter().filter(|container| container.host.name() == host.name());
            let networks: BTreeMap<String, String> = here
                .flat_map(|container| container.networks())
                .map(|(name, info)| (name, info.overlay))
                .collect();
            for (name, netns) in self.overlays(host.name())? {
                let its = networks.iter().filter(|(_, overlay)| name.ends_with(&format!("/{overlay}")));
                all.extend(
                    its.map(|(network, _)| {
                        (format!("{}/{network}", host.name()), name.clone(), netns.clone())
                    }),
                );
                all.push((name.clone(), name, netns));
            }
            // What its own programs have named, as `ip netns add` does.
            all.extend(self.named(host.name())?.into_iter().map(|(name, netns)| (name.clone(), name, netns)));
        }
        Ok(all)
    }
}

/// Another one, or more links of one that there is.
fn add(spots: &mut Vec<Spot>, spot: Spot) {
    match spots.iter_mut().find(|known| known.name == spot.name) {
        None => spots.push(spot),
        Some(known) => match (&mut known.links, spot.links) {
            (Some(links), Some(more)) => {
                for link in more {
                    if !links.contains(&link) {
                        links.push(link);
                    }
                }
            }
            (links, _) => *links = None,
        },
    }
}
