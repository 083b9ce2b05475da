//! A UDP datagram and the answer to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use kernel::Netns;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Answer, plain};
use crate::error::{Error, Kind, Result};

/// How long an answer is waited for, as for an echo request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Largest datagram.
const LARGEST: usize = 65_535;

/// Sends one datagram and waits for one answer from where it was sent to.
pub(crate) async fn udp(from: &Netns, to: SocketAddr, send: &str) -> Result<Answer> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket =
        UdpSocket::from_std(from.udp(SocketAddr::new(any, 0))?).map_err(|e| Error::new(Kind::Machine, e))?;
    let exchange = async {
        // Connected, so that the kernel hands over a refusal.
        socket.connect(to).await?;
        socket.send(send.as_bytes()).await?;
        let mut buffer = vec![0; LARGEST];
        let read = socket.recv(&mut buffer).await?;
        buffer.truncate(read);
        std::io::Result::Ok(buffer)
    };
    Ok(match timeout(PATIENCE, exchange).await {
        Ok(Ok(reply)) => Ok(String::from_utf8_lossy(&reply).into_owned()),
        Ok(Err(why)) => Err(plain(&why)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    })
}
