//! A lab whose layers are compared.

use std::net::IpAddr;
use std::time::Duration;

use overlay::model::Build;
use tokio::task::spawn_blocking;

use super::Layer;
use crate::error::{Error, Kind, Result};
use crate::fault::{Fault, Guard, Impairment, Way};
use crate::lab::Lab;
use crate::topology::{Container, HostName, NetworkName, Topology, parse};
use crate::traffic::{
    Answered, Carried, Cpus, Datagrams, Delivered, Path, Span, Stop, Streams, Traffic, Trips,
};

/// Impairs a wire by as little as can be: something has to carry its frames.
const LEAST: Duration = Duration::from_nanos(1);
/// What VXLAN adds to a packet: headers of Ethernet, IPv4, UDP and its own (RFC 7348 §5).
const VXLAN: u32 = 50;
/// Bytes of a datagram: with its headers it passes an overlay of 1450 bytes uncut.
const DATAGRAM: u32 = 1400;

/// How much is sent for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How long one TCP stream runs, from one CPU to another.
    pub streams: Span,
    /// How long requests of 64 bytes are sent by UDP, from and to the same CPU.
    pub trips: Span,
    /// How long datagrams of 1400 bytes are sent, each by itself, as fast as they go, from one CPU to another.
    pub datagrams: Span,
}

impl Default for Effort {
    /// About a third of a second.
    fn default() -> Effort {
        Effort::of(Duration::from_millis(300))
    }
}

impl Effort {
    /// That long in all, half of it for streams.
    pub fn of(whole: Duration) -> Effort {
        let part = |share: u32| {
            let part = whole * share / 12;
            Span { warm_up: part / 4, lasts: part * 3 / 4 }
        };
        Effort { streams: part(6), trips: part(3), datagrams: part(3) }
    }
}

/// What one layer has shown once.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Of one TCP stream, from one CPU to another.
    pub streams: Carried,
    /// Of requests of 64 bytes by UDP, from and to the same CPU.
    pub trips: Answered,
    /// Of datagrams of 1400 bytes, each by itself, from one CPU to another.
    pub datagrams: Delivered,
}

/// A lab and the ways through its layers.
#[derive(Debug)]
pub struct Stack {
    lab: Lab,
    ways: Vec<(Layer, String, Path)>,
    /// Whose wire is impaired.
    near: Option<HostName>,
}

impl Stack {
    /// The smallest lab that has all layers, on an underlay of that MTU. Its overlay is as wide as VXLAN leaves it: unless told, it
    /// would be 1450 bytes wide on any underlay, as Docker's. The gateway bridge has 1500, as Docker's.
    pub fn topology(mtu: u32) -> Result<Topology> {
        let inner = mtu.saturating_sub(VXLAN);
        let text = format!(
            "name = \"layers\"\nunderlay = {{ mtu = {mtu} }}\nhost = [{{ name = \"docker0\" }}, {{ name = \"docker1\" }}]\n\
             [[network]]\nname = \"demonet\"\nsubnet = \"192.168.0.0/24\"\n\
             options = {{ \"com.docker.network.driver.mtu\" = \"{inner}\" }}\n\
             [[network]]\nname = \"thin\"\nsubnet = \"192.168.1.0/24\"\n\
             options = {{ \"com.docker.network.driver.mtu\" = \"{inner}\", \"lab.datapath\" = \"macvlan\" }}\n\
             [[container]]\nname = \"C0\"\non = \"docker0\"\nnetworks = [\"demonet\"]\n\
             [[container]]\nname = \"C2\"\non = \"docker0\"\nnetworks = [\"demonet\"]\n\
             [[container]]\nname = \"C1\"\non = \"docker1\"\nnetworks = [\"demonet\"]\n\
             [[container]]\nname = \"D0\"\non = \"docker0\"\nnetworks = [\"thin\"]\n\
             [[container]]\nname = \"D1\"\non = \"docker1\"\nnetworks = [\"thin\"]\n"
        );
        parse("layers.toml", &text).map_err(|report| Error::new(Kind::Input, report.plain()))
    }

    /// Builds a lab and finds the layers that it has.
    pub async fn up(topology: Topology) -> Result<Stack> {
        let lab = Lab::up(topology).await?;
        let ends = Ends::of(lab.topology());
        let mtu = lab.topology().underlay.mtu;
        let mut ways = vec![
            (Layer::Loopback, "of a namespace of its own".to_owned(), Path::loopback()?),
            (Layer::Veth, format!("MTU {mtu}, namespaces of its own"), Path::veth(mtu)?),
        ];
        for (layer, pair) in ends.ways() {
            let Some([from, to]) = pair else { continue };
            let ip: IpAddr = lab.address(&from, &to)?.into();
            let path = Path::new(lab.place(&from)?.netns()?, lab.place(&to)?.netns()?, ip);
            let plain = |name: &str| name.split_once(':').map_or(name, |(_, name)| name).to_owned();
            ways.push((layer, format!("{} to {}", plain(&from), plain(&to)), path));
        }
        Ok(Stack { lab, ways, near: ends.near })
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The layers that it has, and from where to where each is.
    pub fn layers(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.ways.iter().map(|(layer, of, _)| (*layer, of.as_str()))
    }

    /// Those that it has not.
    pub fn lacks(&self) -> Vec<Layer> {
        Layer::ALL.into_iter().filter(|layer| !self.ways.iter().any(|(has, ..)| has == layer)).collect()
    }

    /// Makes a layer what it is, as long as the guard is not healed; most are so already.
    pub async fn enter(&self, layer: Layer) -> Result<Option<Guard>> {
        let (Layer::Impaired, Some(host)) = (layer, &self.near) else { return Ok(None) };
        let impairment = Box::new(Impairment { delay: LEAST, ..Impairment::default() });
        let fault = Fault::Wire { host: host.clone(), way: Way::Both, impairment };
        self.lab.inject(fault).await.map(Some)
    }

    /// Sends traffic through a layer that is as it is to be; that the lab has no such layer is an error.
    pub async fn send<T: Traffic>(&self, layer: Layer, asked: T, span: Span) -> Result<T::Found> {
        let way = self.ways.iter().find(|(has, ..)| *has == layer);
        let lacks = || Error::new(Kind::NoSuch, format_args!("{layer} needs {}", layer.needs()));
        let path = way.map(|(.., path)| path.clone()).ok_or_else(lacks)?;
        let sent = spawn_blocking(move || asked.run(&path, span, &Stop::default())).await;
        sent.map_err(|gone| Error::new(Kind::Machine, gone))?
    }

    /// A sample of a layer.
    pub async fn sample(&self, layer: Layer, effort: &Effort) -> Result<Sample> {
        let guard = self.enter(layer).await?;
        // Whether another CPU is to be woken would otherwise be chance, and more than all layers together.
        let trips = Trips { cpus: Cpus::Shared, ..Trips::default() };
        // So would be how much of the one end's time the other takes.
        let streams = Streams { cpus: Cpus::Apart, ..Streams::default() };
        let datagrams = Datagrams { size: DATAGRAM, rate: None, offload: false, cpus: Cpus::Apart };
        let sample = Sample {
            streams: self.send(layer, streams, effort.streams).await?,
            trips: self.send(layer, trips, effort.trips).await?,
            datagrams: self.send(layer, datagrams, effort.datagrams).await?,
        };
        if let Some(guard) = guard {
            guard.heal().await?;
        }
        Ok(sample)
    }
}

/// Who is on the ways of a topology, as the lab's verbs take it.
struct Ends {
    hosts: Option<[String; 2]>,
    same: Option<[String; 2]>,
    cross: Option<[String; 2]>,
    macvlan: Option<[String; 2]>,
    gateway: Option<[String; 2]>,
    near: Option<HostName>,
}

impl Ends {
    /// The first of each kind in the file, those of containers first.
    fn of(topology: &Topology) -> Ends {
        let built = |name: &NetworkName, build| {
            let its = topology.networks.iter().find(|network| network.name == *name);
            its.is_some_and(|network| Build::asked(&network.options) == Ok(build))
        };
        let share = |one: &Container, other: &Container, build| {
            let on = |name: &NetworkName| other.networks.iter().any(|attachment| attachment.network == *name);
            one.networks.iter().any(|attachment| on(&attachment.network) && built(&attachment.network, build))
        };
        let named = |container: &Container| format!("container:{}", container.name);
        let all = &topology.containers;
        let pairs = || {
            all.iter()
                .enumerate()
                .flat_map(|(place, one)| all[place + 1..].iter().map(move |other| (one, other)))
        };
        let pair = |same: bool, build| {
            pairs().find(|(one, other)| (one.on == other.on) == same && share(one, other, build))
        };
        let (same, cross) = (pair(true, Build::Bridge), pair(false, Build::Bridge));
        let macvlan = pair(false, Build::Macvlan);
        let hosts: Vec<&HostName> = match cross {
            Some((one, other)) => vec![&one.on, &other.on],
            None => topology.hosts.iter().map(|host| &host.name).collect(),
        };
        let hosts = match hosts[..] {
            [one, other, ..] => Some([one, other]),
            _ => None,
        };
        // A network that is internal has no way out.
        let out = all.iter().find(|container| {
            let leads_out =
                |name| topology.networks.iter().any(|network| network.name == name && !network.internal);
            container.networks.iter().any(|attachment| leads_out(attachment.network.clone()))
        });
        let gateway = out.and_then(|container| {
            let other = topology
                .hosts
                .iter()
                .find(|host| host.name != container.on && Some(&host.name) == hosts.map(|[_, far]| far));
            let other = other.or_else(|| topology.hosts.iter().find(|host| host.name != container.on))?;
            Some([named(container), format!("host:{}", other.name)])
        });
        Ends {
            hosts: hosts.map(|hosts| hosts.map(|host| format!("host:{host}"))),
            same: same.map(|(one, other)| [named(one), named(other)]),
            cross: cross.map(|(one, other)| [named(one), named(other)]),
            macvlan: macvlan.map(|(one, other)| [named(one), named(other)]),
            gateway,
            near: cross.map(|(one, _)| one.on.clone()),
        }
    }

    fn ways(&self) -> [(Layer, Option<[String; 2]>); 6] {
        [
            (Layer::Underlay, self.hosts.clone()),
            (Layer::SameHost, self.same.clone()),
            (Layer::CrossHost, self.cross.clone()),
            (Layer::Macvlan, self.macvlan.clone()),
            (Layer::Gateway, self.gateway.clone()),
            (Layer::Impaired, self.cross.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_lab_has_all_layers_and_one_of_hosts_some() {
        let ends = Ends::of(&Stack::topology(9000).expect("good"));
        assert_eq!(ends.cross, Some(["container:C0".to_owned(), "container:C1".to_owned()]));
        assert_eq!(ends.macvlan, Some(["container:D0".to_owned(), "container:D1".to_owned()]));
        assert_eq!(ends.same, Some(["container:C0".to_owned(), "container:C2".to_owned()]));
        assert_eq!(ends.gateway, Some(["container:C0".to_owned(), "host:docker1".to_owned()]));
        assert_eq!(ends.hosts, Some(["host:docker0".to_owned(), "host:docker1".to_owned()]));
        let plain = Ends::of(&Topology::builder().plain_hosts(["a", "b", "c"]).build().expect("good"));
        assert_eq!(plain.hosts, Some(["host:a".to_owned(), "host:b".to_owned()]));
        assert_eq!((plain.same, plain.cross, plain.gateway), (None, None, None));
    }
}
