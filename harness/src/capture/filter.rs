//! Which packets are meant: a small language of tcpdump's words, that sees through VXLAN. Pure.
//!
//! | written | means packets |
//! |---|---|
//! | `arp`, `ip`, `ip6`, `icmp`, `icmp6`, `tcp`, `udp`, `vxlan`, `esp` | of that protocol |
//! | `host A`, `src host A`, `dst host A` | from or to an address; ARP that asks for it or by it |
//! | `net A/N`, `src net A/N`, `dst net A/N` | likewise, of a subnet |
//! | `port N`, `src port N`, `dst port N` | TCP or UDP from or to a port |
//! | `udp port 4789`, `tcp dst port 80` | of both, in the same header |
//! | `vni N` | in the tunnel of that VNI |
//! | `outer X`, `inner X` | of which `X` holds of the outermost headers; of those in a tunnel |
//! | `not X`, `X and Y`, `X or Y`, `(X)` | in this order of strength, the strongest first; `!`, `&&`, `||` |
//!
//! A word holds of a packet if it does of one of its levels: `icmp` is a ping whether it is in a tunnel or not.
//!
//! - `parse`: from text.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::dissect::{Layer, is_of, levels};
use crate::topology::Report;

/// Which packets are meant. The default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    expression: Option<Expression>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    /// Of one level.
    Is(Term),
    /// In that tunnel.
    Vni(u32),
    /// Of the outermost level.
    Outer(Box<Expression>),
    /// Of levels in a tunnel.
    Inner(Box<Expression>),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// What a level is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Term {
    protocol: Option<Word>,
    end: End,
    of: Option<Of>,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Arp,
    Ip,
    Ip6,
    Icmp,
    Icmp6,
    Tcp,
    Udp,
    Vxlan,
    Esp,
}

/// Which end has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Either,
    From,
    To,
}

/// What an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Host(IpAddr),
    Net(IpNet),
    Port(u16),
}

impl Filter {
    /// Whether a packet with these layers is meant.
    pub fn fits(&self, layers: &[Layer]) -> bool {
        let Some(expression) = &self.expression else { return true };
        let parts: Vec<&[Layer]> = levels(layers).collect();
        holds(expression, &parts)
    }

    /// Whether all packets are meant.
    pub fn is_all(&self) -> bool {
        self.expression.is_none()
    }
}

/// Of a mistake, where it is.
impl FromStr for Filter {
    type Err = Box<Report>;

    fn from_str(text: &str) -> Result<Filter, Box<Report>> {
        match parse::parse(text) {
            Ok(expression) => Ok(Filter { text: text.trim().to_owned(), expression }),
            Err(mistake) => Err(Box::new(Report::new("filter", text, vec![*mistake]))),
        }
    }
}

/// As it was written.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Filter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether it holds of one of these levels.
fn holds(expression: &Expression, parts: &[&[Layer]]) -> bool {
    match expression {
        Expression::Is(term) => parts.iter().any(|part| is(*term, part)),
        Expression::Vni(vni) => {
            parts.iter().any(|part| matches!(part.last(), Some(Layer::Vxlan { vni: its }) if its == vni))
        }
        Expression::Outer(expression) => holds(expression, &parts[..parts.len().min(1)]),
        Expression::Inner(expression) => holds(expression, parts.get(1..).unwrap_or_default()),
        Expression::Not(expression) => !holds(expression, parts),
        Expression::All(all) => all.iter().all(|expression| holds(expression, parts)),
        Expression::Any(any) => any.iter().any(|expression| holds(expression, parts)),
    }
}

fn is(term: Term, part: &[Layer]) -> bool {
    let v6 =
        |wanted: bool| move |layer: &Layer| matches!(layer, Layer::Ip(ip) if ip.from.is_ipv6() == wanted);
    let protocol = term.protocol.is_none_or(|word| match word {
        Word::Arp => part.iter().any(|layer| matches!(layer, Layer::Arp(_))),
        Word::Ip => part.iter().any(v6(false)),
        Word::Ip6 => part.iter().any(v6(true)),
        Word::Icmp => part.iter().any(|layer| matches!(layer, Layer::Icmp(icmp) if !icmp.v6)),
        Word::Icmp6 => part.iter().any(|layer| matches!(layer, Layer::Icmp(icmp) if icmp.v6)),
        Word::Tcp => part.iter().any(|layer| matches!(layer, Layer::Tcp(_))),
        Word::Udp => part.iter().any(|layer| matches!(layer, Layer::Udp(_))),
        Word::Esp => part.iter().any(|layer| matches!(layer, Layer::Esp { .. })),
        Word::Vxlan => part.iter().any(|layer| matches!(layer, Layer::Vxlan { .. })),
    });
    let ends = |[from, to]: [bool; 2]| match term.end {
        End::Either => from || to,
        End::From => from,
        End::To => to,
    };
    protocol
        && term.of.is_none_or(|of| {
            part.iter().any(|layer| match of {
                Of::Host(address) => ends(is_of(layer, address)),
                Of::Net(net) => ends(match layer {
                    Layer::Ip(ip) => [net.contains(&ip.from), net.contains(&ip.to)],
                    Layer::Arp(arp) => {
                        [arp.sender, arp.target].map(|address| net.contains(&IpAddr::V4(address)))
                    }
                    _ => [false; 2],
                }),
                Of::Port(port) => ends(match layer {
                    Layer::Udp(udp) => [udp.from == port, udp.to == port],
                    Layer::Tcp(tcp) => [tcp.from == port, tcp.to == port],
                    _ => [false; 2],
                }),
            })
        })
}
