//! A client of our own: it asks one server, from any namespace, without a file or a tool of the machine.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use kernel::Netns;
use tokio::time::timeout;

use super::answer::Over;
use super::exchange::exchange;
use super::message::{Question, Response};

/// Before a datagram without a reply is sent again: as the C library's resolver does (resolv.conf(5), `timeout`).
const AGAIN: Duration = Duration::from_secs(5);

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The name cannot be asked for: it, or a part between two dots, is too long or empty.
    #[error("{0:?} cannot be a name")]
    Name(String),
    /// It could not be sent, or was refused.
    #[error("{0} cannot be asked: {1}")]
    Unreachable(Ipv4Addr, #[source] io::Error),
    /// Nothing came.
    #[error("{0} did not answer within {s} s", s = .1.as_secs_f64())]
    Silent(Ipv4Addr, Duration),
}

/// Asks a server from a namespace, and waits for its response: by UDP, and by TCP if that did not hold all of it.
pub async fn ask(
    from: &Netns,
    server: Ipv4Addr,
    question: &Question,
    patience: Duration,
) -> Result<Response, AskError> {
    let query = question.encode(fastrand::u16(..)).ok_or_else(|| AskError::Name(question.name.clone()))?;
    let asked = async {
        let response = once(from, server, &query, Over::Udp).await?;
        if response.is_truncated { once(from, server, &query, Over::Tcp).await } else { Ok(response) }
    };
    match timeout(patience, asked).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(why)) => Err(AskError::Unreachable(server, why)),
        Err(_) => Err(AskError::Silent(server, patience)),
    }
}

async fn once(from: &Netns, server: Ipv4Addr, query: &[u8], over: Over) -> io::Result<Response> {
    let reply = exchange(from, server, query, over, AGAIN).await?;
    Response::read(query, &reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
