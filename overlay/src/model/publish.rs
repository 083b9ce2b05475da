//! A port of a container that its host gives away: what is asked for, and what became of it.

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A port that is to be published: `docker run --publish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The host's address that it is published at; none: at all of them.
    pub ip: Option<Ipv4Addr>,
    /// The host's ports of which it gets the first that is free; none: one is drawn.
    pub host: Option<RangeInclusive<u16>>,
    /// The container's port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// The container's port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's address; `0.0.0.0`: all of them.
    pub host_ip: Ipv4Addr,
    /// The host's port.
    pub host_port: u16,
}

/// A text says no port that could be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPublish {
    /// Nothing where the container's port should be.
    #[error("it names no port of the container")]
    NoPort,
    /// No port, and no range of ports.
    #[error("`{0}` is no port: write a number from 1 to 65535, or two with a `-` between, the smaller first")]
    Port(String),
    /// No address of IPv4.
    #[error("`{0}` is no IPv4 address of the host")]
    Address(String),
    /// Another protocol.
    #[error("`{0}` is no protocol that can be published: write `tcp` or `udp`")]
    Protocol(String),
    /// So many ports of the container cannot be told apart.
    #[error("{host} ports of the host are not one for each of the container's {container}")]
    Lengths {
        /// How many ports of the host there are.
        host: usize,
        /// How many of the container.
        container: usize,
    },
}

impl Publish {
    /// Reads what stands behind `--publish`: `8080:80`, `127.0.0.1:8080:80/udp`, `80`, and ranges such as `8000-8002:80-82`,
    /// which are several. `8000-8010:80` is one, at whichever of these ports is free.
    pub fn parse(text: &str) -> Result<Vec<Publish>, BadPublish> {
        let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(BadPublish::Protocol(other.to_owned())),
        };
        let (before, container) = ports.rsplit_once(':').map_or((None, ports), |(b, c)| (Some(b), c));
        let (ip, host) = before.map_or(("", ""), |before| before.rsplit_once(':').unwrap_or(("", before)));
        let ip = match ip {
            "" => None,
            text => Some(text.parse().map_err(|_| BadPublish::Address(text.to_owned()))?),
        };
        if container.is_empty() {
            return Err(BadPublish::NoPort);
        }
        let container = range(container)?;
        let host = if host.is_empty() { None } else { Some(range(host)?) };
        let count = container.len();
        let hosts: Vec<Option<RangeInclusive<u16>>> = match host {
            None => vec![None; count],
            Some(all) if count == 1 => vec![Some(all)],
            Some(each) if each.len() == count => each.map(|port| Some(port..=port)).collect(),
            Some(other) => return Err(BadPublish::Lengths { host: other.len(), container: count }),
        };
        let one = |(host, port)| Publish { ip, host, port, protocol };
        Ok(hosts.into_iter().zip(container).map(one).collect())
    }

    /// The host's address that it is published at.
    pub fn address(&self) -> Ipv4Addr {
        self.ip.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// What it would be at that port of the host.
    pub fn at(&self, host_port: u16) -> Binding {
        Binding { host_ip: self.address(), host_port, port: self.port, protocol: self.protocol }
    }

    /// Whether this is what was asked for.
    pub fn is(&self, binding: &Binding) -> bool {
        self.at(binding.host_port) == *binding
            && self.host.as_ref().is_none_or(|ports| ports.contains(&binding.host_port))
    }
}

/// A port, or the first and the last of several.
fn range(text: &str) -> Result<RangeInclusive<u16>, BadPublish> {
    let bad = || BadPublish::Port(text.to_owned());
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port @ 1..) if text.starts_with(|c: char| c.is_ascii_digit()) => Ok(port),
        _ => Err(bad()),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first <= last { Ok(first..=last) } else { Err(bad()) }
}

impl Protocol {
    /// Its number (`IPPROTO_TCP`, `IPPROTO_UDP`).
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }

    /// The protocol of that number.
    pub fn of(number: u8) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp].into_iter().find(|protocol| protocol.number() == number)
    }
}

impl Binding {
    /// The place on the host.
    pub fn host(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host_ip, self.host_port)
    }

    /// Whether both cannot be on one host: they have the same port of the same protocol, and an address in common.
    pub fn collides(&self, other: &Binding) -> bool {
        let all = self.host_ip.is_unspecified() || other.host_ip.is_unspecified();
        self.protocol == other.protocol
            && self.host_port == other.host_port
            && (all || self.host_ip == other.host_ip)
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// As [`Publish::parse`] reads it.
impl Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ip) = self.ip {
            write!(f, "{ip}:")?;
        }
        match &self.host {
            Some(ports) if ports.start() == ports.end() => write!(f, "{}:", ports.start())?,
            Some(ports) => write!(f, "{}-{}:", ports.start(), ports.end())?,
            None if self.ip.is_some() => f.write_str(":")?,
            None => {}
        }
        write!(f, "{}", self.port)?;
        if self.protocol == Protocol::Tcp { Ok(()) } else { write!(f, "/{}", self.protocol) }
    }
}

/// As `docker ps` has it: `0.0.0.0:8080->80/tcp`.
impl Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}/{}", self.host(), self.port, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        Publish::parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        assert_eq!(read("8080:80"), ["8080:80"]);
        assert_eq!(read("80"), ["80"]);
        assert_eq!(read("80/udp"), ["80/udp"]);
        assert_eq!(read("127.0.0.1:8080:80/udp"), ["127.0.0.1:8080:80/udp"]);
        assert_eq!(read("127.0.0.1::80"), ["127.0.0.1::80"]);
        assert_eq!(read("8000-8002:80-82"), ["8000:80", "8001:81", "8002:82"]);
        assert_eq!(read("80-81/udp"), ["80/udp", "81/udp"]);
        assert_eq!(read("8000-8010:80"), ["8000-8010:80"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let complaints: Vec<String> = [
            "",
            "8080:",
            "x:80",
            "0:80",
            "8080:65536",
            "82-80",
            "+1:80",
            "80/sctp",
            "1.2.3:80:80",
            "[::1]:80:80",
            "1-3:80-81",
        ]
        .map(|text| format!("{text:15}{}", Publish::parse(text).unwrap_err()))
        .into();
        insta::assert_snapshot!(complaints.join("\n"));
    }

    #[test]
    fn one_port_is_given_away_once() {
        let binding = |text: &str| {
            let publish = Publish::parse(text).unwrap().remove(0);
            publish.at(*publish.host.as_ref().unwrap().start())
        };
        let collide = |one, other| {
            let (one, other) = (binding(one), binding(other));
            assert_eq!(one.collides(&other), other.collides(&one));
            one.collides(&other)
        };
        assert!(collide("8080:80", "8080:81"));
        assert!(collide("8080:80", "127.0.0.1:8080:80"));
        assert!(!collide("10.0.0.10:8080:80", "127.0.0.1:8080:80"));
        assert!(!collide("8080:80", "8080:80/udp"));
        assert!(!collide("8080:80", "8081:80"));
        assert_eq!(binding("8080:80").to_string(), "0.0.0.0:8080->80/tcp");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            ip in proptest::option::of(any::<[u8; 4]>()),
            host in proptest::option::of((1..=65000_u16, 0..=500_u16)),
            port in 1..=u16::MAX,
            udp in any::<bool>(),
        ) {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let host = host.map(|(first, more)| first..=first + more);
            let publish = Publish { ip: ip.map(Into::into), host, port, protocol };
            prop_assert_eq!(Publish::parse(&publish.to_string()), Ok(vec![publish]));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9./:tcpud-]{0,20}") {
            let _ = Publish::parse(&text);
        }
    }
}
