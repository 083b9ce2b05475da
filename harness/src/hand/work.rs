//! What is made by hand, made: a request to a kernel each.

use std::os::fd::AsFd;

use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::{Batch, Netns, NewLink, NewVxlan, Rtnl};
use overlay::Sandbox;

use super::answerer::Answerer;
use super::request::{Leg, Make, Unmake};
use crate::error::{Error, Kind, Result};
use crate::host::blocking;
use crate::lab::Lab;

/// What the tables of rules that are made by hand begin with; each rule has one, so that none takes another's place.
const TABLE: &str = "by-hand";
/// When masquerading is done: `srcnat`, `NF_IP_PRI_NAT_SRC` of `linux/netfilter_ipv4.h`.
const SOURCE_NAT: i32 = 100;

impl Lab {
    /// Makes something by hand.
    pub async fn make(&self, make: &Make) -> Result<()> {
        let numbers = self.by_hand().numbers.clone();
        match make {
            Make::Namespace { host, name } => self.make_namespace(host, name).await,
            Make::Bridge(leg) => {
                let netns = self.room(&leg.at)?;
                let (leg, master) = (leg.clone(), self.master(leg).await?);
                blocking(move || {
                    let rtnl = Rtnl::new(&netns)?;
                    let index = numbers.draw(&[&rtnl.links()?]);
                    rtnl.apply(&Batch::new().bridge(&dressed(&leg, index)))?;
                    join(&rtnl, &leg, index, master)
                })
                .await
            }
            Make::Vxlan { host, leg, settings } => {
                let (from, netns) = (self.known_host(host)?.alive()?.netns.clone(), self.room(&leg.at)?);
                let (leg, master, settings) = (leg.clone(), self.master(leg).await?, settings.0.clone());
                blocking(move || {
                    let (there, inside) = (Rtnl::new(&from)?, Rtnl::new(&netns)?);
                    let index = numbers.draw(&[&there.links()?, &inside.links()?]);
                    let vxlan = NewVxlan { link: dressed(&leg, index), settings };
                    there.apply(&Batch::new().vxlan(&vxlan, Some(netns.as_fd())))?;
                    join(&inside, &leg, index, master)
                })
                .await
            }
            Make::Veth { leg, peer } => {
                let (here, there) = (self.room(&leg.at)?, self.room(&peer.at)?);
                let masters = (self.master(leg).await?, self.master(peer).await?);
                let (leg, peer) = (leg.clone(), peer.clone());
                blocking(move || {
                    let (near, far) = (Rtnl::new(&here)?, Rtnl::new(&there)?);
                    let index = numbers.draw(&[&near.links()?, &far.links()?]);
                    let pair = (dressed(&leg, index), dressed(&peer, index + 1));
                    near.apply(&Batch::new().veth(&pair.0, &pair.1, Some(there.as_fd())))?;
                    join(&far, &peer, index + 1, masters.1)?;
                    join(&near, &leg, index, masters.0)
                })
                .await
            }
            Make::Neighbour { at, dev, ip, mac } => {
                let (ip, mac) = (*ip, *mac);
                self.change(at, dev, move |batch, dev| batch.neighbour(dev, ip, mac)).await
            }
            Make::Fdb { at, dev, mac, behind } => {
                let (mac, behind) = (*mac, *behind);
                self.change(at, dev, move |batch, dev| batch.fdb(dev, mac, behind)).await
            }
            Make::Route { at, to, via } => {
                let (netns, to, via) = (self.room(at)?, *to, *via);
                let route = move || {
                    let rtnl = Rtnl::new(&netns)?;
                    let holds = rtnl.dump()?;
                    let near = holds.addresses.iter().filter(|address| address.net.contains(&via));
                    let near = near.max_by_key(|address| address.net.prefix_len());
                    // Where there is no way to it, the kernel says so in its own words.
                    let dev = near.map_or(1, |address| address.dev);
                    let batch = match (to, via) {
                        (None, std::net::IpAddr::V4(via)) => Batch::new().default_route(via, dev),
                        (None, via) => Batch::new().route(ipnet::Ipv6Net::default().into(), via, dev),
                        (Some(to), via) => Batch::new().route(to, via, dev),
                    };
                    rtnl.apply(&batch)
                };
                blocking(route).await
            }
            Make::Setting { at, name, value } => {
                let (netns, value) = (self.room(at)?, value.clone());
                let key = name.strip_prefix("net.").unwrap_or(name).replace('.', "/");
                blocking(move || netns.set_sysctl(&key, &value)).await
            }
            Make::Masquerade { at, out, source } => {
                // A rule for a link that is not there would be taken, and match nothing.
                self.change(at, out, |batch, _| batch).await?;
                let netns = self.room(at)?;
                let matches = vec![Match::Source(*source), Match::Out(out.clone())];
                let rule = Rule::when(matches, Action::Masquerade);
                let chain = Chain {
                    name: "postrouting".into(),
                    hook: Hook::Postrouting,
                    priority: SOURCE_NAT,
                    accept: true,
                    rules: vec![rule],
                };
                let name = format!("{TABLE}-{out}-{source}");
                let table = Table { family: Family::Ip, name, chains: vec![chain] };
                blocking(move || Nft::new(&netns)?.replace(&table)).await
            }
            Make::Answerer { at, prefix } => {
                let netns = self.room(at)?;
                let inode = netns.inode()?;
                let answerer = Answerer::start(self.downgrade(), netns, at, prefix).await?;
                self.keep_answerer(at, inode, answerer)
            }
        }
    }

    /// Takes something away that was made by hand.
    pub async fn unmake(&self, unmake: &Unmake) -> Result<()> {
        match unmake {
            Unmake::Namespace { host, name } => self.unmake_namespace(host, name),
            Unmake::Link { at, name } => {
                let called = name.clone();
                self.change(at, name, move |batch, dev| batch.remove_link(dev, &called)).await
            }
            Unmake::Neighbour { at, dev, ip } => {
                let ip = *ip;
                self.change(at, dev, move |batch, dev| batch.remove_neighbour(dev, ip)).await
            }
            Unmake::Fdb { at, dev, mac } => {
                let mac = *mac;
                self.change(at, dev, move |batch, dev| batch.remove_fdb(dev, mac, None)).await
            }
            Unmake::Answerer { at } => self.end_answerer(at, self.room(at)?.inode()?),
        }
    }

    /// The number of the bridge that a link is to be a port of. That there is none of that name is an error.
    async fn master(&self, leg: &Leg) -> Result<Option<u32>> {
        let Some(name) = &leg.master else { return Ok(None) };
        let netns = self.room(&leg.at)?;
        let links = blocking(move || Rtnl::new(&netns)?.links()).await?;
        let found = links.iter().find(|link| link.name == *name).map(|link| link.index);
        let known = links.iter().map(|link| link.name.as_str());
        found.map(Some).ok_or_else(|| Error::no_such(&format!("interface of {}", leg.at), name, known))
    }

    /// One request about a link, by its name.
    async fn change(
        &self,
        at: &str,
        dev: &str,
        request: impl FnOnce(Batch<'static>, u32) -> Batch<'static> + Send + 'static,
    ) -> Result<()> {
        let netns = self.room(at)?;
        let (at, dev) = (at.to_owned(), dev.to_owned());
        let done = blocking(move || {
            let rtnl = Rtnl::new(&netns)?;
            let links = rtnl.links()?;
            let Some(link) = links.iter().find(|link| link.name == dev) else {
                let known: Vec<String> = links.into_iter().map(|link| link.name).collect();
                return Ok(Err((dev, known)));
            };
            rtnl.apply(&request(Batch::new(), link.index)).map(Ok)
        });
        done.await?.map_err(|(dev, known)| {
            Error::no_such(&format!("interface of {at}"), &dev, known.iter().map(String::as_str))
        })
    }

    async fn make_namespace(&self, host: &str, name: &str) -> Result<()> {
        let known = self.known_host(host)?;
        let alive = known.alive()?;
        let taken =
            || Error::new(Kind::Refused, format_args!("host {host} has a namespace `{name}` already"));
        if alive.sandboxes.get(name).is_some() {
            return Err(taken());
        }
        let called = name.to_owned();
        let netns = blocking(move || {
            let netns = Netns::new(&called)?;
            Rtnl::new(&netns)?.apply(&Batch::new().up(1, "lo"))?;
            Ok(netns)
        })
        .await?;
        // Another one may have been made meanwhile.
        if !alive.sandboxes.insert_new(name, netns) {
            return Err(taken());
        }
        known.pin()?;
        self.events().say("namespace", format_args!("{name} on {host} is there"));
        Ok(())
    }

    fn unmake_namespace(&self, host: &str, name: &str) -> Result<()> {
        let known = self.known_host(host)?;
        let alive = known.alive()?;
        match alive.sandboxes.get(name) {
            None => {
                let all = alive.sandboxes.list();
                return Err(Error::no_such("namespace", name, all.iter().map(|(name, _)| name.as_str())));
            }
            Some(Sandbox::Container(_)) => {
                let whose =
                    format_args!("{name} on {host} is a container's: `lab container rm` takes it away");
                return Err(Error::new(Kind::Refused, whose));
            }
            Some(Sandbox::Overlay(_)) => drop(alive.sandboxes.remove(name)),
        }
        known.pin()?;
        // Whoever answers there would keep it.
        self.dismiss_answerers()?;
        self.events().say("namespace", format_args!("{name} on {host} is gone"));
        Ok(())
    }
}

/// Without its bridge: it can be a port only once it is where that is.
fn dressed(leg: &Leg, index: u32) -> NewLink {
    NewLink { index, name: leg.name.clone(), mac: leg.mac, mtu: leg.mtu, ..NewLink::default() }
}

/// Makes a new link what it is to be where it is: the port of a bridge, on, with its address. If that fails, it is taken away again, a
/// veth pair's other end with it.
fn join(rtnl: &Rtnl, leg: &Leg, index: u32, master: Option<u32>) -> kernel::Result<()> {
    let batch = match master {
        Some(master) => Batch::new().master(index, &leg.name, Some(master)),
        None => Batch::new(),
    };
    let batch = batch.up(index, &leg.name);
    let batch = match leg.address {
        Some(net) => batch.address(index, net),
        None => batch,
    };
    rtnl.apply(&batch).inspect_err(|_| {
        // What failed is said; that it cannot be taken away either would say no more.
        let _ = rtnl.apply(&Batch::new().remove_link(index, &leg.name));
    })
}
