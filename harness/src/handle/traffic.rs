//! Traffic from a host or a container, and what came of it.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use super::Destination;
use super::spot::Spot;
use crate::error::{Error, Kind, Result};
use crate::lab::Place;
use crate::probe::carry;
use crate::scenario::IPV6;
use crate::traffic::{Connections, Cpus, Datagrams, Path, Protocol, Span, Streams, Traffic, Trips, Way};

/// Traffic that is sent when this is awaited, for a second unless said. The lab receives it at the other end, which has to be a
/// host or a container.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Sending<T> {
    from: Spot,
    to: Destination,
    asked: T,
    span: Span,
}

impl<T: Traffic> Sending<T> {
    pub(super) fn new(from: Spot, to: Destination, asked: T) -> Sending<T> {
        Sending { from, to, asked, span: Span::default() }
    }

    /// For so long, after a warm-up of a fifth of it.
    pub fn lasting(self, lasts: Duration) -> Sending<T> {
        Sending { span: Span::of(lasts), ..self }
    }

    async fn send(self) -> Result<T::Found> {
        let Sending { from, to, asked, span } = self;
        let (near, far) = (from.place()?, far(&from, &to)?);
        let path = Path::new(near.netns()?, far.netns()?, from.find(&to).await?);
        carry([&near, &far], move |stop| asked.run(&path, span, stop)).await
    }
}

/// Where the lab receives what is sent there.
fn far(from: &Spot, to: &Destination) -> Result<Place> {
    let name = to.0.strip_prefix(IPV6).unwrap_or(&to.0);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    from.lab.place(name).map_err(|_| {
        Error::new(
            Kind::Input,
            format_args!("the lab cannot receive traffic at {}: it is nobody's by name", to.0),
        )
    })
}

impl Sending<Streams> {
    /// With both ends where that says; where the kernel puts them unless said.
    pub fn cpus(self, cpus: Cpus) -> Self {
        Sending { asked: Streams { cpus, ..self.asked }, ..self }
    }

    /// So many a way; one unless said.
    pub fn count(self, count: u32) -> Self {
        Sending { asked: Streams { count, ..self.asked }, ..self }
    }

    /// Which way; forth unless said.
    pub fn way(self, way: Way) -> Self {
        Sending { asked: Streams { way, ..self.asked }, ..self }
    }
}

impl Sending<Datagrams> {
    /// With both ends where that says; where the kernel puts them unless said.
    pub fn cpus(self, cpus: Cpus) -> Self {
        Sending { asked: Datagrams { cpus, ..self.asked }, ..self }
    }

    /// At so many bits a second, headers apart; as fast as they go unless said.
    pub fn rate(self, bits_per_second: u64) -> Self {
        let asked = Datagrams { cpus: self.asked.cpus, ..Datagrams::at(self.asked.size, bits_per_second) };
        Sending { asked, ..self }
    }
}

impl Sending<Trips> {
    /// Over a TCP connection; by UDP unless said.
    pub fn tcp(self) -> Self {
        Sending { asked: Trips { protocol: Protocol::Tcp, ..self.asked }, ..self }
    }

    /// With both ends where that says; where the kernel puts them unless said.
    pub fn cpus(self, cpus: Cpus) -> Self {
        Sending { asked: Trips { cpus, ..self.asked }, ..self }
    }

    /// Of so many bytes; 64 unless said.
    pub fn size(self, size: u32) -> Self {
        Sending { asked: Trips { size, ..self.asked }, ..self }
    }
}

impl Sending<Connections> {
    /// So many at a time; one unless said.
    pub fn at_once(self, at_once: u32) -> Self {
        Sending { asked: Connections { at_once }, ..self }
    }
}

impl<T: Traffic> IntoFuture for Sending<T> {
    type Output = Result<T::Found>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T::Found>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
