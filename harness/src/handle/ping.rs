//! Echo requests, and what came of them.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use super::Destination;
use super::spot::Spot;
use crate::error::Result;
use crate::lab::Echoed;

/// Time between two requests, unless said.
const INTERVAL: Duration = Duration::from_millis(100);

/// Echo requests that are sent when this is awaited: one, unless said.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Ping {
    from: Spot,
    to: Destination,
    count: u32,
    interval: Duration,
}

impl Ping {
    pub(super) fn new(from: Spot, to: Destination) -> Ping {
        Ping { from, to, count: 1, interval: INTERVAL }
    }

    /// So many requests.
    pub fn count(self, count: u32) -> Ping {
        Ping { count, ..self }
    }

    /// So much time between two of them; 100 ms unless said.
    pub fn interval(self, interval: Duration) -> Ping {
        Ping { interval, ..self }
    }

    /// Sends them; an answer is waited for at most a second.
    async fn send(self) -> Result<Pinged> {
        let to = self.from.find(&self.to).await?;
        let mut echoes = self.from.lab.echoes(&self.from.place()?, to, self.count, self.interval)?;
        let mut round_trips = Vec::new();
        while let Some(echo) = echoes.recv().await {
            if let Echoed::Answered(nanos) = echo? {
                round_trips.push(Duration::from_nanos(nanos));
            }
        }
        Ok(Pinged { sent: self.count, round_trips })
    }
}

impl IntoFuture for Ping {
    type Output = Result<Pinged>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Pinged>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What came of echo requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinged {
    /// How many were sent.
    pub sent: u32,
    /// How long each answer took, in the order of the requests that were answered.
    pub round_trips: Vec<Duration>,
}

impl Pinged {
    /// How many were answered.
    pub fn answered(&self) -> u32 {
        u32::try_from(self.round_trips.len()).unwrap_or(u32::MAX)
    }

    /// The share of requests without an answer, from 0 to 1.
    pub fn loss(&self) -> f64 {
        1.0 - f64::from(self.answered()) / f64::from(self.sent.max(1))
    }

    /// The middle one of the round trips; the lower of two.
    pub fn median(&self) -> Option<Duration> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

/// `2 of 3 answered`.
impl fmt::Display for Pinged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} answered", self.answered(), self.sent)
    }
}
