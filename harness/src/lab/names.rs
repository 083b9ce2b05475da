//! Names, as somebody in the lab finds them.

use std::net::Ipv4Addr;
use std::time::Duration;

use overlay::dns::{Data, Question, Rcode, Response, Type, ask};
use overlay::docker;

use super::{Lab, Place};
use crate::error::{Error, Kind, Result};
use crate::scenario::DNS;

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
        let candidates = match from.container() {
            Some(container) => container.spec.dns.candidates(name),
            None => vec![name.to_owned()],
        };
        let mut why = None;
        for candidate in candidates {
            let its =
                |error: String| if candidate == name { error } else { format!("{error} for {candidate}") };
            let response = self.ask(from, &Question { name: candidate.clone(), kind: Type::A }).await?;
            let addresses = response.answers.iter().filter_map(|record| match record.data {
                Data::A(ip) => Some(ip),
                _ => None,
            });
            let addresses: Vec<Ipv4Addr> = addresses.collect();
            why = why.or(match response.code {
                Rcode::NOERROR if !addresses.is_empty() => return Ok(addresses),
                Rcode::NOERROR => Some(its("it has no address".to_owned())),
                code => Some(its(code.to_string())),
            });
        }
        let why = why.unwrap_or_default();
        Err(Error::new(Kind::Refused, format_args!("{} does not find {name}: {why}", from.name())))
    }

    /// The address that `to` means to `from`: as [`Lab::address`] has it; or else, if it has a dot in it or `dns:` before it, as
    /// the name server of `from` does.
    pub async fn find(&self, from: &str, to: &str) -> Result<Ipv4Addr> {
        let name = match to.strip_prefix(DNS) {
            Some(name) => name,
            None => match self.address(from, to) {
                Err(why) if why.kind() == Kind::NoSuch && to.contains('.') && !to.contains(['@', ':']) => to,
                known => return known,
            },
        };
        let addresses = self.resolve(&self.place(from)?, name).await?;
        addresses.first().copied().ok_or_else(|| Error::new(Kind::Refused, "a name without an address"))
    }
}
