//! Names, as somebody in the lab finds them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use overlay::dns::{Data, Question, Rcode, Response, Type, ask};
use overlay::docker;

use super::{Lab, Place};
use crate::error::{Error, Kind, Result};
use crate::scenario::{DNS, IPV6};

/// How long a response is waited for: somewhat longer than all servers outside together may take.
const PATIENCE: Duration = Duration::from_secs(15);

impl Lab {
    /// Asks the name server of a place: a container's own, or the one that hosts have outside.
    pub async fn ask(&self, from: &Place, question: &Question) -> Result<Response> {
        let outside = self.topology().underlay.nameserver();
        let server = from.container().map(|_| docker::NAME_SERVER).or(outside);
        let none = || Error::new(Kind::Refused, format_args!("host {} has no name server", from.name()));
        let server = server.ok_or_else(none)?;
        ask(&from.netns()?, server, question, PATIENCE).await.map_err(|why| Error::new(Kind::Refused, why))
    }

    /// The addresses of a name, as programs of a place find them: as it stands or in a search domain, by the container's
    /// `ndots`; in an order that its name server draws. That there is none is an error.
    pub async fn resolve(&self, from: &Place, name: &str) -> Result<Vec<Ipv4Addr>> {
        let v4 = |data: &Data| if let Data::A(ip) = data { Some(*ip) } else { None };
        self.look_up(from, name, Type::A, v4).await
    }

    /// The IPv6 addresses of a name, likewise.
    pub async fn resolve6(&self, from: &Place, name: &str) -> Result<Vec<Ipv6Addr>> {
        let v6 = |data: &Data| if let Data::Aaaa(ip) = data { Some(*ip) } else { None };
        self.look_up(from, name, Type::AAAA, v6).await
    }

    async fn look_up<T>(
        &self,
        from: &Place,
        name: &str,
        kind: Type,
        of: impl Fn(&Data) -> Option<T>,
    ) -> Result<Vec<T>> {
        let candidates = match from.container() {
            Some(container) => container.spec.dns.candidates(name),
            None => vec![name.to_owned()],
        };
        let mut why = None;
        for candidate in candidates {
            let its =
                |error: String| if candidate == name { error } else { format!("{error} for {candidate}") };
            let response = self.ask(from, &Question { name: candidate.clone(), kind }).await?;
            let addresses: Vec<T> = response.answers.iter().filter_map(|record| of(&record.data)).collect();
            why = why.or(match response.code {
                Rcode::NOERROR if !addresses.is_empty() => return Ok(addresses),
                Rcode::NOERROR if kind == Type::AAAA => Some(its("it has no IPv6 address".to_owned())),
                Rcode::NOERROR => Some(its("it has no address".to_owned())),
                code => Some(its(code.to_string())),
            });
        }
        let why = why.unwrap_or_default();
        Err(Error::new(Kind::Refused, format_args!("{} does not find {name}: {why}", from.name())))
    }

    /// The address that `to` means to `from`: as [`Lab::address`] has it, or as [`Lab::address6`] does if it is an IPv6 address or
    /// has `ipv6:` before it; or else, if it has a dot in it or `dns:` before it, as the name server of `from` does.
    pub async fn find(&self, from: &str, to: &str) -> Result<IpAddr> {
        if let Ok(ip) = to.parse() {
            return Ok(ip);
        }
        let (to, v6) = to.strip_prefix(IPV6).map_or((to, false), |to| (to, true));
        let name = if let Some(name) = to.strip_prefix(DNS) {
            name
        } else {
            let known = if v6 {
                self.address6(from, to).map(IpAddr::V6)
            } else {
                self.address(from, to).map(IpAddr::V4)
            };
            match known {
                Err(why) if why.kind() == Kind::NoSuch && to.contains('.') && !to.contains(['@', ':']) => to,
                known => return known,
            }
        };
        let place = self.place(from)?;
        let first = if v6 {
            self.resolve6(&place, name).await?.first().copied().map(IpAddr::V6)
        } else {
            self.resolve(&place, name).await?.first().copied().map(IpAddr::V4)
        };
        first.ok_or_else(|| Error::new(Kind::Refused, "a name without an address"))
    }
}
